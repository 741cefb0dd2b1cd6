"""The process in which a submission's code runs: python worker.py KIT, spoken to in lines of JSON.

It imports PyTorch and the contract tests once, then forks a child for each exercise, so that
nothing an exercise does to the interpreter (seeds, default types, patched NumPy, a crash) reaches
another. Where forking is not safe (Windows, macOS) the process itself does one exercise and ends;
its supervisor starts another. Standard output and input are cut off: a flood costs only time.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

KIT = Path(__file__).resolve().parents[2]  # tests/ and project/ were copied into it
sys.path[0] = str(KIT)

from tests.grading.judge import Mistake, describe, one_line, remark, remarks, stopped  # noqa: E402

FORKS = "--fork" in sys.argv
MEMORY = 12 * 2**30  # bytes of addresses; PyTorch alone takes 3
LARGEST_FILE = 200 * 2**20
PROCESSOR_SECONDS = 120  # ends what a submission leaves running behind


def main():
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.dup(1)
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - os.devnull is no path of pathlib's
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)

    def say(**message):
        os.write(answers, (json.dumps(message) + "\n").encode())

    tests, project = load_tests(), load_project()
    if "--with-matplotlib" in sys.argv:  # a second, once, in place of one per exercise
        with contextlib.suppress(ImportError):
            import matplotlib.pyplot  # noqa: F401
    say(ready=True)
    for line in requests:
        request = json.loads(line)
        go, announce = os.pipe()
        child = os.fork() if FORKS else 0
        if child:
            os.close(go)
            say(child=child)  # before the child's first word, so that nobody can speak in its place
            os.write(announce, b".")
            os.close(announce)
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)  # what it has left running
            say(ended=os.waitstatus_to_exitcode(status))
            continue
        if FORKS:
            os.setpgid(0, 0)
            os.close(announce)
            os.read(go, 1)
            os.close(go)
            requests.close()
        limit_resources()
        run_exercise(request, tests[request["exercise"]], project, say)
        os._exit(0)  # whatever threads and exit handlers there are


def load_tests():
    """{exercise: (module, its test functions in order)} of tests/contract."""
    result = {}
    for path in sorted((KIT / "tests/contract").glob("test_*.py")):
        module = importlib.import_module("tests.contract." + path.stem)
        names = [name for name in vars(module) if name.startswith("test_")]
        result[path.stem.removeprefix("test_")] = (
            module,
            {name: vars(module)[name] for name in names},
        )
    return result


def load_project():
    """{name: module} of what the project lends to a submission that lacks it."""
    folder = KIT / "project"
    names = [path.stem for path in folder.glob("*.py")]
    sys.path.insert(0, str(folder))
    modules = {}
    for name in names:
        with contextlib.suppress(Exception):
            modules[name] = importlib.import_module(name)
    sys.path.remove(str(folder))
    for name in names:
        sys.modules.pop(name, None)
    import torch

    torch.set_num_threads(1)
    torch._dynamo  # noqa: B018 - imported lazily by the first optimizer, a second in every child
    return modules


def limit_resources():
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in (
        ("AS", MEMORY),
        ("FSIZE", LARGEST_FILE),
        ("CORE", 0),
        ("CPU", PROCESSOR_SECONDS),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most))


def run_exercise(request, tests, project, say):
    """Imports the module and runs the tests asked for, announcing each before and after."""
    file = Path(request["file"])
    contract, functions = tests
    warnings.simplefilter("ignore")
    sys.argv = [file.name]
    sys.path.insert(0, str(file.parent))
    for name, module in project.items():
        sys.modules["the project's " + name] = module
        if not (file.parent / f"{name}.py").is_file():
            sys.modules[name] = module
    say(begin="")
    module, error = None, None
    try:
        settle(file.parent)
        if hasattr(contract, "prepare"):
            contract.prepare(file)
        module = import_as_far_as_it_goes(file)
    except BaseException as problem:
        error = f"{file.name} cannot be imported: {describe(problem)}"
    said = list(remarks)
    for name in request["tests"]:
        say(begin=name)
        start = time.perf_counter()
        remarks[:] = []
        message = error or run_test(functions[name], module, file.parent)
        say(
            test=name,
            message=message,
            seconds=round(time.perf_counter() - start, 3),
            remarks=[one_line(text, 300) for text in said + remarks][:5],
        )
        said = []


def import_as_far_as_it_goes(file):
    """The module in a file, even if an error stops it half-way: what it defined until then counts.

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
        stopped.append(describe(problem))
        remark(f"the import of {file.name} stops with {stopped[0]}")
    return module


def settle(folder):
    """The same dice and the same working directory for every test."""
    with contextlib.suppress(OSError):
        os.chdir(folder)
    random.seed(0)
    sys.modules["numpy"].random.seed(0)
    sys.modules["torch"].manual_seed(0)


def run_test(function, module, folder):
    """The message of the mistake that a test finds, '' for none."""
    try:
        settle(folder)
        function(module)
    except Mistake as mistake:
        return one_line(mistake)
    except BaseException as error:  # a test must survive any object that a learner returns
        return one_line(f"this ends with {describe(error)}")
    return ""


if __name__ == "__main__":
    main()
