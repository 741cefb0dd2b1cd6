"""Our own lessons as text: where a function stands, what it is without its body, or with a mistake.

A function is found by its name in the syntax tree ("forward", "NeuralNetwork.train"), and its text
by line numbers, so that comments and formulas stay as they are.
"""

import ast
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "neural_nets.py",
    "nnet_fc.py",
    "train_utils.py",
    "nnet_cnn.py",
    "utils_multiMNIST.py",
    "mlp.py",
    "conv.py",
)


class UserError(Exception):
    """What the caller can mend; the message says what is wrong and what to do."""


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@lru_cache(64)
def parsed(text):
    """Return the syntax tree of a text; nobody may change it."""
    return ast.parse(text)


def our_text(file):
    """Return the text of one of our own files."""
    return (ROOT / file).read_text(encoding="utf-8")


def find(tree, name):
    """Return the node of a function or class, "forward" or "NeuralNetwork.train", or None.

    Of several with one name the last one counts, as in Python.
    """
    node = tree
    for part in name.split("."):
        found = [n for n in node.body if isinstance(n, FUNCTIONS) and n.name == part]
        if not found:
            return None
        node = found[-1]
    return node


def first_line(node):
    """Return the number of a function's first line; decorators belong to it."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def text_of(text, name):
    """Return the lines of a function, or ""."""
    node = find(parsed(text), name)
    lines = text.splitlines(keepends=True)
    return "".join(lines[first_line(node) - 1 : node.end_lineno]) if node else ""


def missing(text, step):
    """Return the names of a step's functions that are not in a text."""
    return [name for name in step.functions if not text_of(text, name)]


def names_in(statement):
    """Return the names that a statement defines: a function's, a class's, a variable's."""
    if isinstance(statement, FUNCTIONS):
        return {statement.name}
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return set()
    targets = getattr(statement, "targets", None) or [statement.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def place_of(step):
    """Return in words where our own solution of a step stands."""
    name = step.functions[0]
    line = first_line(find(parsed(our_text(step.file)), name))
    return f"Our solution is {name} in {step.file}, from line {line}."


def without_docstring(body):
    """Return the statements of a body without its docstring."""
    return body[1:] if body and is_text(body[0]) else body


def is_text(statement):
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


# ------------------------------------------------------------------------------ taking bodies out


def is_open(text, names):
    """Return whether one of these functions still has the raise of a starter."""
    tree = parsed(text)
    return any(marker_in(find(tree, name)) for name in names if find(tree, name))


def marker_in(node):
    """Return whether a function still holds the raise that a starter has in place of its body."""
    return any(
        isinstance(n, ast.Raise)
        and isinstance(n.exc, ast.Call)
        and getattr(n.exc.func, "id", "") == "NotImplementedError"
        and n.exc.args
        and is_text(ast.Expr(n.exc.args[0]))
        and n.exc.args[0].value.endswith("not written yet")
        for n in ast.walk(node)
    )


def spans_to_cut(node, loop):
    """Return [(first statement, last statement)] of what is taken out of a function or class.

    `loop`, if given, is how a for statement begins: of it alone the body is taken out.
    """
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if isinstance(n, FUNCTIONS)]
        return [span for method in methods for span in spans_to_cut(method, loop)]
    body = without_docstring(node.body)
    if loop:
        loops = [n for n in ast.walk(node) if isinstance(n, ast.For)]
        body = next(n for n in loops if header(n) == loop).body
    while len(body) > 1 and is_preparation(body[0]):
        body = body[1:]
    return [(body[0], body[-1])]


def header(loop):
    """Return how a for statement begins: "for i, batch in "."""
    return f"for {ast.unparse(loop.target).strip('()')} in "


def is_preparation(statement):
    """Return whether a starter keeps a statement: super().__init__(), or a check that raises."""
    checks = isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise)
    return checks or ast.unparse(statement) == "super().__init__()"


def starter(file, steps):
    """Return our file with a raise in place of the body of each step's functions."""
    text = our_text(file)
    tree, lines = parsed(text), text.splitlines(keepends=True)
    cuts = {}
    for step in steps:
        for name in step.functions:
            for first, last in spans_to_cut(find(tree, name), step.loop):
                cuts[first.lineno, last.end_lineno] = (first.col_offset, step.name)
    for (start, end), (indent, name) in sorted(cuts.items(), reverse=True):
        start = above_comments(lines, start)
        marker = f'raise NotImplementedError("{name}: not written yet")\n'
        lines[start - 1 : end] = [" " * indent + marker]
    return with_path(tree, lines)


def above_comments(lines, start):
    """Return the first of the comment lines that stand directly above a line, else the line."""
    while lines[start - 2].strip().startswith("#"):
        start -= 1
    return start


def with_path(tree, lines):
    """Put the lines that find our utilities behind a file's docstring."""
    end = tree.body[0].end_lineno
    return "".join([*lines[:end], path_lines(), *lines[end:]])


def path_lines():
    """Return the lines with which a file that lies elsewhere finds our utilities and the data."""
    return f"\nimport sys\n\nsys.path.append({str(ROOT)!r})  # utils.py and the data are there\n"


# ------------------------------------------------------------------------------ putting mistakes in


def with_edits(file, functions, edits):
    """Return our file with some text replaced within these functions; None deletes its line.

    Raises ValueError if what an edit replaces is not there.
    """
    text = our_text(file)
    before = {name: code_of(text, name) for name in functions}
    after = dict(before)
    for old, new in edits:
        name = next((name for name in functions if old in after[name]), None)
        if name is None:
            raise ValueError(f"{file}, {functions[0]} has no {old!r}")
        if new is None:
            lines = after[name].splitlines(keepends=True)
            lines.remove(next(line for line in lines if old in line))
            after[name] = "".join(lines)
        else:
            after[name] = after[name].replace(old, new, 1)
    for name in functions:
        text = text.replace(before[name], after[name], 1)
    return text


def code_of(text, name):
    """Return the lines of a function from behind its docstring on."""
    node = find(parsed(text), name)
    lines = text.splitlines(keepends=True)
    first = node.body[1] if is_text(node.body[0]) and len(node.body) > 1 else node.body[0]
    return "".join(lines[first.lineno - 1 : node.end_lineno])


def grafted(file, text):
    """Return our file with another text's functions in the place of ours, and what else it has."""
    ours = our_text(file)
    tree, lines = parsed(ours), ours.splitlines(keepends=True)
    known = {name for node in tree.body for name in names_in(node)}
    spans, added = {}, []
    their_lines = text.splitlines(keepends=True)
    for node in without_docstring(ast.parse(text).body):
        piece = "".join(their_lines[first_line(node) - 1 : node.end_lineno])
        if names_in(node) & known:
            old = find(tree, node.name)
            spans[first_line(old) - 1, old.end_lineno] = piece
        else:
            added.append(piece)
    for (start, end), piece in sorted(spans.items(), reverse=True):
        lines[start:end] = [piece]
    end = tree.body[0].end_lineno
    return "".join([*lines[:end], "\n", *added, "\n", *lines[end:]])
