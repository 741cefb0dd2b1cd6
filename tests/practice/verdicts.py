"""Asks the worker, compares what it says with what is right, and names the mistake."""

import ast
import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from tests.practice import mistakes, source
from tests.practice.steps import STEPS

SECONDS = 20  # for one step; the slowest of ours takes one
START = 120  # to import PyTorch on a slow disk


class Worker:
    """The other process, in a folder of its own. One that hangs or crashes is started anew."""

    def __init__(self, seconds=None, script="worker.py"):
        self.seconds, self.script, self.process = seconds or SECONDS, script, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(self.script))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.folder.name,
            start_new_session=True,  # so that what it starts ends with it
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self.lines = queue.Queue()
        parts = self.process.stdout, self.lines
        threading.Thread(target=read_lines, args=parts, daemon=True).start()
        self.hear(START)

    def stop(self):
        if self.process:
            with contextlib.suppress(AttributeError, OSError):  # Windows has no groups
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            with contextlib.suppress(OSError):  # what could not be written any more
                self.process.stdin.close()
            self.folder.cleanup()
            self.process = None

    def hear(self, seconds):
        """Return the next message; EOFError if the process ended, queue.Empty if it is late."""
        line = self.lines.get(timeout=seconds)
        if not line:
            raise EOFError
        return json.loads(line)

    def ask(self, request):
        """Return what the worker says to a request: {"notes": ..., "error": ...}."""
        if not self.process:
            self.start()
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
            self.hear(START)  # what it needs is imported now
            begun = time.monotonic()
            return self.hear(self.seconds) | {"seconds": time.monotonic() - begun}
        except queue.Empty:
            words = f"it did not come to an end within {self.seconds} seconds"
        except (OSError, EOFError):
            words = "it ends Python"
        self.stop()
        return {"notes": [], "error": {"label": "", "words": words, "line": None}}


def read_lines(stream, lines):
    """Put the lines of a stream into a queue, and b"" at its end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


# ------------------------------------------------------------------------------ comparing


def leaves(value, label=""):
    """Yield (label, value) for every number in a value, with the place where it stands."""
    if isinstance(value, dict) and set(value) == {"shape", "numbers"}:
        yield f"the shape of {label}", tuple(value["shape"])
        for place, number in enumerate(value["numbers"]):
            index = ", ".join(map(str, unravel(place, value["shape"])))
            yield f"{label}[{index}]" if index else label, number
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, f"{label}: {key}")
    elif isinstance(value, list):
        yield f"the length of {label}", len(value)
        for place, one in enumerate(value):
            yield from leaves(one, f"{label}, number {place + 1}" if len(value) > 1 else label)
    else:
        yield label, value


def unravel(place, shape):
    """Return the index of an element, as numpy.unravel_index does."""
    index = []
    for length in reversed(shape):
        index.append(place % length)
        place //= length
    return index[::-1]


def equal(a, b):
    """Return whether two leaves are equal; numbers as far as 32 bits carry."""
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, (int, float)):
        return a == b
    if not isinstance(b, (int, float)):
        return False
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=2e-5, abs_tol=2e-6)


def facts_of(answer):
    """Return an answer as a list of (label, leaf), ended by the error, if there was one."""
    found = [leaf for label, value in answer["notes"] for leaf in leaves(value, label)]
    error = answer["error"]
    if error:
        found.append((error["label"], error["words"].split(":")[0]))
        found.append(("the error", error["words"]))
    return found


def same(one, other):
    """Return whether two answers say the same."""
    pairs = list(zip(one, other, strict=False))
    return len(one) == len(other) and all(a == b and equal(x, y) for (a, x), (b, y) in pairs)


def first_difference(found, right):
    """Return (label, found, right) of the first leaf that differs, or None."""
    for (label, value), (name, wanted) in zip(found, right, strict=False):
        if label != name or not equal(value, wanted):
            return label, value, wanted if label == name else None
    return None


def show(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return " x ".join(map(str, value)) or "a single number"
    return "nothing" if value is None else str(value)


# ------------------------------------------------------------------------------ judging


def request_for(step, text, path):
    return {
        "step": step.name,
        "file": step.file,
        "ours": source.our_text(step.file),
        "functions": step.functions,
        "text": text,
        "path": path,
    }


def judge(step, text, path, theirs, ours):
    """Return the Finding of what is wrong with a step in this text of a file, or None.

    `theirs` is the worker that runs the learner's code, `ours` the one that runs ours.
    """
    with ThreadPoolExecutor(1) as beside:
        right = beside.submit(right_answer, step, ours)
        answer = theirs.ask(request_for(step, text, path))
    facts = facts_of(answer)
    fine = same(facts, right.result())
    return None if fine else Finding(step, answer, facts, right.result(), ours)


def right_answer(step, worker):
    """Return what our own function says."""
    return facts_of(worker.ask(request_for(step, source.our_text(step.file), "ours")))


class Finding:
    """What is wrong with a step: where it differs first, and which known mistake does the same."""

    def __init__(self, step, answer, facts, right, ours):
        self.step, self.answer, self.facts, self.right = step, answer, facts, right
        self.ours = ours

    def place(self):
        """Return in words where the answers differ first."""
        error = self.answer["error"]
        difference = first_difference(self.facts, self.right)
        if error and (difference is None or difference[0] == error["label"]):
            return self.stop()
        label, value, wanted = difference
        if value is None:
            return f"{label} is nothing: is a return missing?"
        if isinstance(value, bool) and isinstance(wanted, bool):
            so = f"{label}, and that must not be"
            return so if value else f"this must be so, and is not: {label}"
        return f"{label} is {show(value)} where {show(wanted)} is right"

    def stop(self):
        """Return in words what ended it, and where; "" if nothing did."""
        error = self.answer["error"]
        if not error:
            return ""
        line = f" (line {error['line']})" if error["line"] else ""
        during = f"{error['label'].rstrip(',')}: " if error["label"] else ""
        nothing = ": is a return missing?" if "NoneType" in error["words"] else ""
        return f"{during}{error['words']}{nothing}{line}"

    def name(self):
        """Return the mistake in words, if it is a known one; else ""."""
        words = self.mistake.words if self.mistake else ""
        return words if self.exact or not words else f"perhaps {words}"

    def evidence(self):
        """Return the first difference; where the mistake is not known, also what ended it."""
        place, stop = self.place(), self.stop()
        return place if self.mistake or stop in ("", place) else f"{place}; then {stop}"

    def words(self):
        """Return the verdict: the mistake, if it is a known one, and where it shows."""
        return ": ".join(filter(None, [self.name(), self.evidence()]))

    @cached_property
    def exact(self):
        """Return the known mistakes that give the same numbers."""
        return [mistake for mistake, facts in self.known if same(facts, self.facts)]

    @cached_property
    def known(self):
        return list(known_answers(self.step, self.ours))

    @cached_property
    def mistake(self):
        """Return the known mistake that gives the same numbers, or None.

        If none gives all of them, the learner may have made two; then the first difference counts,
        or the kind of error that ends it: it may be that mistake.
        """
        error = self.answer["error"]
        if error and not error["label"]:  # it hung, or ended Python: no mistake of ours does
            return None
        found = self.exact
        if error and not found:
            # The words of an error differ between two ways to write one mistake; its kind does not.
            found = [m for m, facts in self.known if same(facts[:-1], self.facts[:-1])]
            return found[0] if len(found) == 1 else None
        if not found:
            place = first_index(self.facts, self.right)
            found = [m for m, fs in self.known if agree_to(self.facts, fs, self.right, place)]
        return found[0] if found else None


def first_index(found, right):
    pairs = enumerate(zip(found, right, strict=False))
    return next((i for i, (a, b) in pairs if a[0] != b[0] or not equal(a[1], b[1])), 0)


def agree_to(found, known, right, place):
    """Return whether a known mistake differs first here, and as was found here."""
    here = slice(place, place + 1)
    return first_index(known, right) == place and same(found[here], known[here])


def known_answers(step, worker):
    """Yield (mistake, facts) for the known mistakes of a step."""
    for mistake in mistakes.of_step(step.name):
        text = source.with_edits(step.file, step.functions, mistake.edits)
        yield mistake, facts_of(worker.ask(request_for(step, text, "ours")))


def syntax_error(text):
    """Return what is wrong with a file that Python cannot read, or None."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except ValueError as error:  # a null byte, say
        return str(error)
    return None


def step_named(name):
    """Return the step of a name, or of a function's name if it is the only one; else None."""
    exact = [step for step in STEPS if step.name == name]
    ends = [step for step in STEPS if step.name.split(".")[-1] == name]
    found = exact or ends
    return found[0] if len(found) == 1 else None
