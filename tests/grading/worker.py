"""The process in which a submission's code runs: python worker.py [--fork], spoken to in JSON.

It imports PyTorch once, then forks a child for each exercise, so that nothing an exercise does to
the interpreter (seeds, default types, patched NumPy, a crash) reaches another. The child imports
the learner's file, calls what it is asked to call, and hands the numbers over: no right value, no
comparison and no verdict is in here. Where forking is not safe (Windows, macOS) the process itself
does one exercise and ends; the grader starts another.
"""

import contextlib
import importlib.util
import os
import random
import signal
import sys
import warnings
from pathlib import Path

KIT = Path(__file__).resolve().parents[2]  # what is needed was copied into it
sys.path[0] = str(KIT)

from tests.grading import fence, plays, stage, wire  # noqa: E402
from tests.grading.stage import describe  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

FORKS = "--fork" in sys.argv


def main():
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.dup(1)
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - os.devnull is no path of pathlib's
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)

    def say(**message):
        os.write(answers, b"\n")  # ends whatever a submission has written there
        line = wire.pack(message)
        while line:
            line = line[os.write(answers, line) :]

    lent = load_lent()
    if FORKS:
        fence.adopt_orphans()
    say(ready=True)
    for line in requests:
        request = wire.unpack(line)
        if "file" not in request:  # meant for a child that is no more
            continue
        if request["draws"]:  # half a second, once, in place of one for each exercise
            with contextlib.suppress(ImportError):
                import matplotlib.pyplot  # noqa: F401
        if request["heads"]:
            stage.load_data(request["heads"])
        child = os.fork() if FORKS else 0
        if child:
            _, status = os.waitpid(child, 0)
            fence.end_children()
            say(ended=os.waitstatus_to_exitcode(status))
            continue
        if FORKS:
            os.setpgid(0, 0)
            say(child=os.getpid())
            fence.close_off(Path(request["space"]), Path(request["hidden"]))
        fence.limit_resources()
        perform(request, requests, lent, say)
        os._exit(0)  # whatever threads and exit handlers there are


def load_lent():
    """{name: module} of what the project lends to a submission that lacks it."""
    folder = KIT / "project"
    names = [path.stem for path in folder.glob("*.py")]
    sys.path.insert(0, str(folder))
    modules = {}
    for name in names:
        with contextlib.suppress(Exception):
            modules[name] = importlib.import_module(name)
    with contextlib.suppress(ImportError):  # before any submission could write there
        from tests.practice import probes, probes_torch, worker  # noqa: F401
    sys.path.remove(str(folder))
    for name in names:
        sys.modules.pop(name, None)
    torch.set_num_threads(1)
    torch._dynamo  # noqa: B018 - imported lazily by the first optimizer, a second in every child
    return modules


def perform(request, requests, lent, say):
    """Imports the file, then does the plays that are asked for, one by one.

    A step of our lessons is run among our own functions: then its file is not imported as a whole.
    """
    file = Path(request["file"])
    warnings.simplefilter("ignore")
    sys.argv = [file.name]
    sys.path.insert(0, str(file.parent))
    for name, module in lent.items():
        sys.modules["the project's " + name] = module
        if request["steps"] or not (file.parent / f"{name}.py").is_file():
            sys.modules[name] = module
    settle(file.parent)
    module, stopped, error = None, "", ""
    try:
        if request["heads"]:
            stage.prepare(file, request["heads"])
        if not request["steps"]:
            module, stopped = import_as_far_as_it_goes(file)
    except BaseException as problem:
        error = describe(problem)
    say(id=request["id"], stopped=stopped, error=error, remarks=stage.remarks)
    for line in requests:
        request = wire.unpack(line)
        try:
            settle(file.parent)
            answer = {"value": getattr(plays, request["play"])(module, **request["inputs"])}
        except plays.Failed as failed:
            error = failed.args[1]
            answer = {"failed": failed.args[0], "error": describe(error), "kind": kind(error)}
        except BaseException as problem:  # a play must survive any object that a learner returns
            answer = {"failed": "this", "error": describe(problem), "kind": kind(problem)}
        say(id=request["id"], **answer)


def import_as_far_as_it_goes(file):
    """(the module in a file, how its import stopped): what it defined until then counts.

    The course's neural_nets.py trains and tests while it is imported, and a mistake there should
    not cost the points of what stands above it.
    """
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        if isinstance(problem, SyntaxError) and not hasattr(module, "__builtins__"):
            raise
        return module, describe(problem)
    return module, ""


def settle(folder):
    """The same dice and the same working directory for every play."""
    with contextlib.suppress(OSError):
        os.chdir(folder)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the dice that learners throw
    torch.manual_seed(0)


def kind(error):
    return type(error).__name__ if isinstance(error, Exception) else "exit"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
