"""The clinic: whole networks in our own style, each with one mistake, and the curves they give.

A case is a file of some hundred lines, cut from a lesson (cases.py). Its number is its place among
the known mistakes. Nothing about it is stored: check reads the number in the file's first line.
"""

import ast
import math
import random
import re
import sys

from tests.practice import source, verdicts
from tests.practice.cases import BY_NAME, CASES, MAIN, parts_of, wrong_text
from tests.practice.source import UserError
from tests.practice.steps import STEPS

FIRST_LINE = "Case {number} of the clinic: one mistake is in this file."
ADVICE = """
Run it to see its numbers again. The comments and docstrings are right, and so are the last lines,
from curve() on. tests/exercises.py check says when it is mended.
"""
IMPORTS = """import contextlib
import mlp
import numpy as np
import torch
import train_utils
import utils
import utils_multiMNIST
from torch import nn"""

# ------------------------------------------------------------------------------ a case as a file


def assembled(step, text, number):
    """Return a whole file: what a step has to do with, cut from a lesson's text, and curve()."""
    names, ending = parts_of(step)
    tree, lines = ast.parse(text), text.splitlines(keepends=True)
    pieces, before = [], tree.body[0].end_lineno
    for node in tree.body[1:]:
        if set(names) & source.names_in(node):
            # With the comments above it; those above the first function tell of part 1.
            bare = names[0] in source.names_in(node) and "NeuralNetwork" not in names
            start = source.first_line(node) - 1 if bare else before
            pieces.append("".join(lines[start : node.end_lineno]).strip("\n"))
        before = node.end_lineno
    body = "\n\n\n".join(pieces) + "\n\n" + ending + MAIN
    top = f'"""{FIRST_LINE.format(number=number)}\n{ADVICE}"""\n{source.path_lines()}'
    return f"{top}\n{imports_for(tree, body)}\n\n\n{body}"


def imports_for(tree, body):
    """Return the import statements of a file, and ours, as far as the body uses their names."""
    used = set()
    for node in [*tree.body, *ast.parse(IMPORTS).body]:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [(alias, (alias.asname or alias.name).split(".")[0]) for alias in node.names]
            node.names = [alias for alias, name in names if re.search(rf"\b{name}\b", body)]
            if node.names:
                used.add(ast.unparse(node))
    ours = [f"import {file.removesuffix('.py')}" for file in (*source.FILES, "utils.py")]
    order = sorted(used, key=lambda line: (line in ours and 1 or 2 * ("torch" in line), line))
    return "\n".join(order)


# ------------------------------------------------------------------------------ writing it


def open_case(folder, number):
    """Write a case and its curve into a folder, and say what the curve looks like."""
    if number is None:
        number = random.randrange(len(CASES)) + 1
    if not 1 <= number <= len(CASES):
        raise UserError(f"--case {number}: the cases are 1 to {len(CASES)}")
    step = BY_NAME[CASES[number - 1].step]
    path, picture = folder / step.file, folder / "curve.png"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder")
    for one in [folder / file for file in source.FILES] + [picture]:
        if one.exists():
            raise UserError(f"{one} is there already, and stays; choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    text = assembled(step, wrong_text(number), number)
    right = assembled(step, source.our_text(step.file), number)
    with verdicts.Worker(seconds=120) as worker:
        curves = [curve_of(step, one, path, worker) for one in (text, right)]
    draw(picture, curves)
    path.write_text(text, encoding="utf-8")
    print(f"case {number} of {len(CASES)}: one mistake is in {path}")
    print(f"its learning curve, beside that of the right one: {picture}")
    print(describe(curves))
    print(f"mend it, then: python tests/exercises.py check {folder}    (--hint helps)")
    return 0


def curve_of(step, text, path, worker):
    """Return the curve of a case, trained in the worker's process."""
    answer = worker.ask({"file": step.file, "curve": True, "text": text, "path": str(path)})
    if answer["error"]:
        raise UserError(f"the case cannot be trained: {answer['error']['words']}")
    return answer["notes"][0][1]


def draw(path, curves):
    """Draw a case's curves in the upper row and those of the right network in the lower one."""
    sys.path.insert(0, str(source.ROOT))
    import utils

    whats = list(curves[1][0])

    def fill(axes, figure):
        names = ("this one", "the right one")
        for row, curve, name in zip(axes, curves, names, strict=True):
            for axis, what in zip(row, whats, strict=True):
                for part, colour in ((0, utils.ORANGE), (1, utils.BLUE)):
                    values = [one[what][part] for one in curve]
                    label = ("training", "dev")[part]
                    axis.plot(range(1, len(curve) + 1), values, ".-", color=colour, label=label)
                unit = "misread (%)" if what == "misread" else what
                axis.set(title=name, xlabel="epoch", ylabel=unit)
                axis.set_xlim(0.5, len(curves[1]) + 0.5)
                axis.grid(alpha=0.3)
        for axis, what in zip(axes[0], whats, strict=True):  # the axes below share its range
            values = [value for curve in curves for row in curve for value in row[what]]
            highest = max(value for row in curves[1] for value in row[what])
            top = max(value for value in values if value <= 10 * highest)  # some losses explode
            axis.set_ylim(0, 1.05 * top)
        axes[0, 0].legend()

    size = 4.5 * len(whats), 6.5
    utils.save_figure(path, size, fill, nrows=2, ncols=len(whats), sharex=True, sharey="col")


def ends(curve, what):
    """Return the mean of the last three epochs: (training, dev)."""
    last = curve[-3:]
    return [sum(row[what][part] for row in last) / len(last) for part in (0, 1)]


def describe(curves):
    """Return in words how a case's curve differs from the right one."""
    found, right = curves
    if len(found) < len(right):
        return f"it stops after {len(found)} of {len(right)} epochs: the loss is no longer a number"
    lines = []
    for what in right[0]:
        unit = " %" if what == "misread" else ""
        name = "misread, of dev" if unit else "loss, of dev"
        numbers = [f"{ends(curve, what)[1]:.3g}{unit}" for curve in curves]
        lines.append(f"{name}, at the end: {numbers[0]}; the right one: {numbers[1]}")
    if looks_right(curves):
        lines.append("The curve looks right. It does not show this mistake; only a test does.")
    return "\n".join(lines)


def looks_right(curves):
    """Return whether one could take the difference between two curves for chance."""
    found, right = curves
    if len(found) < len(right):
        return False
    for what in right[0]:
        for part in (0, 1):
            one, other = ends(found, what)[part], ends(right, what)[part]
            room = max(0.2 * abs(other), 0.02 * abs(right[0][what][part]))
            if math.isnan(one) or abs(one - other) > room:
                return False
    return True


# ------------------------------------------------------------------------------ is it mended?


def case_in(texts):
    """Return the number of the case that lies in a folder, or None."""
    pattern = re.escape(FIRST_LINE).replace(r"\{number\}", r"(\d+)")
    for text, _ in texts.values():
        found = re.match(rf'\s*"""{pattern}', text)
        if found and 1 <= int(found[1]) <= len(CASES):
            return int(found[1])
    return None


def check(folder, texts, hints):
    """Say whether a case is mended, and then what it was; 0 if it is, else 1."""
    number = case_in(texts)
    mistake = CASES[number - 1]
    file = BY_NAME[mistake.step].file
    text, wrong = texts[file]
    if wrong:
        raise UserError(f"{folder / file} cannot be read: {wrong}")
    there = [step for step in STEPS if step.file == file and not source.missing(text, step)]
    with verdicts.Worker() as theirs, verdicts.Worker() as ours:
        for step in there:
            finding = verdicts.judge(step, text, str(folder / file), theirs, ours)
            if finding:
                print(f"case {number} is not mended yet")
                told = [f"look at {step.name}", finding.place(), finding.words()]
                for level, words in enumerate(told[:hints], 1):
                    print(f"  hint {level} of 3: {words}")
                return 1
    if mistake.step not in [step.name for step in there]:
        print(f"case {number} is not mended: {mistake.step} is gone")
        return 1
    print(f"case {number} is mended. It was: {mistake.step}: {mistake.words}")
    return 0
