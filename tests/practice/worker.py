"""The process in which a learner's code runs: python worker.py, spoken to in lines of JSON.

A request holds a step and the text of a file. The step's functions of that text are put into our
own module, in the place of ours, and asked (probes.py). What they give goes back as plain numbers;
the judgement is the parent's. What they print goes nowhere.
"""

import ast
import contextlib
import importlib
import json
import os
import sys
import traceback
import types
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from tests.practice import source  # noqa: E402

MEMORY = 12 * 2**30  # bytes of addresses; PyTorch alone takes 3
LONGEST = 400  # numbers of one array that are handed back


def main():
    requests, answers = cut_off()
    limit_memory()
    say(answers, {"ready": True})
    for line in requests:
        request = json.loads(line)
        prepare(request["file"])
        say(answers, {"ready": True})
        say(answers, answer(request))


def cut_off():
    """Send what is printed nowhere, let input() end; return the streams from and to the parent."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "r+b") as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    return requests, answers


def say(stream, message):
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def limit_memory():
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 200 * 2**20)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def prepare(file):
    """Import what a step's module needs, outside of the time that a step is given."""
    if file != "neural_nets.py":
        import torch

        torch.set_num_threads(1)
        torch._dynamo  # noqa: B018 - imported lazily by the first optimizer, which takes a second
    importlib.import_module(file.removesuffix(".py"))


def answer(request):
    """Return {"notes": [[label, value], ...], "error": None or what stopped it}."""
    notes, label = [], "its file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = with_learners(request)
            if request.get("curve"):
                return {"notes": [["curve", module.curve()]], "error": None}
            for label, function, *arguments in probe(request["step"])(module):
                notes.append([label, plain(function(*arguments))])
    except BaseException as error:
        if isinstance(error, MemoryError):
            error = MemoryError("it asks for more memory than there is")
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        line = line_of(error, request["path"])
        return {"notes": notes, "error": {"label": label, "words": one_line(words), "line": line}}
    return {"notes": notes, "error": None}


def one_line(text):
    """Return a text without what would take a second line, or reach a terminal's controls."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def line_of(error, path):
    """Return the number of the learner's line that raised, or None."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return lines[-1] if lines else None


def probe(step):
    from tests.practice import probes

    if step in probes.PROBES:
        return probes.PROBES[step]
    from tests.practice import probes_torch

    return probes_torch.PROBES[step]


# ------------------------------------------------------------------------------ one module of two


def with_learners(request):
    """Return a fresh copy of our module that has a learner's functions in the place of ours."""
    if request.get("curve"):
        return module_of(request["text"], request["path"])
    file, wanted = request["file"], request["functions"]
    text = request["ours"]
    Path(file).write_text(request["text"], encoding="utf-8")  # in a folder of the worker's own
    module = module_of(text, str(Path(file).resolve()))
    ours = ast.parse(text)
    tree = ast.parse(request["text"])
    top = {name for name in wanted if "." not in name}
    for node in tree.body:
        names = source.names_in(node)
        is_import = isinstance(node, (ast.Import, ast.ImportFrom))
        if is_import or names & top or names and not names & names_of(ours):
            run(node, request["path"], vars(module))
    for name in wanted:
        if "." in name:
            put_method(module, ours, tree, name, request["path"])
    return module


def module_of(text, path):
    """Return a module of a text, which is not run as a program."""
    module = types.ModuleType(Path(path).stem)
    module.__file__ = path
    exec(compile(text, path, "exec"), vars(module))
    return module


def run(node, path, namespace, into=None):
    """Run one statement of a file; its line numbers stay."""
    code = compile(ast.Module([node], []), path, "exec")
    exec(code, namespace, into if into is not None else namespace)


def put_method(module, ours, tree, name, path):
    """Give our class a learner's method, and whatever other methods the learner added.

    `ours` and `tree` are the syntax trees of our file and of the learner's.
    """
    owner = name.split(".")[0]
    theirs = source.find(tree, owner)
    known, made = names_of(source.find(ours, owner)), {}
    for node in theirs.body:
        names = source.names_in(node)
        if name.split(".")[1] in names or names and not names & known:
            run(node, path, vars(module), made)
    for key, value in made.items():
        setattr(getattr(module, owner), key, value)


def names_of(node):
    """Return the names that a module or class defines."""
    return {name for statement in node.body for name in source.names_in(statement)}


# ------------------------------------------------------------------------------ plain numbers


def plain(value):
    """Return a value as JSON can carry it; an array keeps its shape."""
    import numpy as np

    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.number):
        return float(value)
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "numbers": value.ravel()[:LONGEST].tolist()}
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return f"a {type(value).__name__}"


if __name__ == "__main__":
    main()
