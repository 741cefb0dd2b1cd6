"""Grades one submission: a copy of its folder, a process of its own, a verdict for every test.

What runs in that process may hang, crash, exit, flood or delete: the supervisor only reads lines,
waits no longer than a limit, and blames the test that was on. It is a fence against accidents and
mischief, not against an attacker: grade strangers' files in a container.
"""

import ast
import contextlib
import dataclasses
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.grading.judge import one_line

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ["neural_nets", "train_utils", "nnet_fc", "nnet_cnn", "mlp", "conv"]
NOT_LENT = [name for name in EXERCISES if name != "train_utils"]
NOT_COPIED = [
    ".*",
    "__pycache__",
    "venv",
    "Datasets",
    "runs",
    "tests",
    "node_modules",
    "site-packages",
]
LARGEST_COPY = 20 * 2**20  # bytes: somebody's weights, not somebody's code

FORKS = sys.platform == "linux"  # elsewhere a fork after the import of PyTorch is not safe
PARSING = threading.Lock()  # in two threads at a time ast.parse may fail: CPython's issue 106905
START_SECONDS = 120  # until PyTorch is imported, which a busy machine may take long for
IMPORT_SECONDS = 8.0  # of a module: it takes 0.1
MAIN_SECONDS = 8.0  # of a test that runs a script's main() on small data: it takes 1
TEST_SECONDS = 4.0  # of any other test: it takes 0.01
AGAIN_SECONDS = 2.0  # of each test after one of the same exercise has hung
ALL_SECONDS = 24.0  # of one submission, so that forty that hang are done in ten minutes
MOST_DEATHS = 2  # hangs or crashes in one exercise before its other tests are given up


def time_limit(exercise, test, deaths):
    """Seconds for one test, or for the import if test is ''."""
    if not test:
        return IMPORT_SECONDS
    if deaths:
        return AGAIN_SECONDS
    runs_main = exercise.startswith("nnet_") or test in ("test_main", "test_pictures")
    return MAIN_SECONDS if runs_main else TEST_SECONDS


@dataclasses.dataclass
class Result:
    """The verdict of one test. passed is None if nothing was submitted for it."""

    exercise: str
    test: str
    title: str
    points: float
    passed: bool | None
    message: str = ""
    remarks: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def contract():
    """{exercise: {test: (title, points)}}, read off the sources of tests/contract."""
    found = {}
    for exercise in EXERCISES:
        source = (ROOT / f"tests/contract/test_{exercise}.py").read_text(encoding="utf-8")
        with PARSING:
            nodes = ast.parse(source).body
        found[exercise] = {
            node.name: (ast.get_docstring(node), node.decorator_list[0].args[0].value)
            for node in nodes
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }
    return found


def find_modules(folder):
    """{exercise: the files submitted for it}: at the top of `folder`, or in its parts.

    The course has train_utils.py twice, for one digit and for two: where both are there, both
    count.
    """
    files = {}
    for exercise in EXERCISES:
        top = folder / f"{exercise}.py"
        below = [
            path
            for depth in ("*/", "*/*/")
            for path in sorted(folder.glob(f"{depth}{exercise}.py"))
            if not any(
                Path(part).match(skip)
                for part in path.relative_to(folder).parts
                for skip in NOT_COPIED
            )
        ]
        found = [top] if top.is_file() else [path for path in below if path.is_file()]
        files[exercise] = found if exercise == "train_utils" else found[:1]
    return files


class Worker:
    """The process of one submission: started when needed, and again after it has died."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.process, self.space = None, None

    def start(self):
        self.space = Path(tempfile.mkdtemp(prefix="grading-"))
        kit = self.space / "kit"
        for part in ("grading", "contract"):
            shutil.copytree(
                ROOT / "tests" / part,
                kit / "tests" / part,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        (kit / "tests/__init__.py").touch()
        (kit / "project").mkdir()
        for path in ROOT.glob("*.py"):
            if path.stem not in NOT_LENT:
                shutil.copy(path, kit / "project")
        (self.space / "tmp").mkdir()
        command = [sys.executable, str(kit / "tests/grading/worker.py")]
        sources = [path.read_bytes() for path in self.folder.glob("*.py") if path.is_file()]
        if any(b"matplotlib" in source for source in sources):
            command.append("--with-matplotlib")
        if FORKS:
            command.append("--fork")
        self.process = subprocess.Popen(
            command,
            cwd=self.space,
            env=environment(self.space / "tmp"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.inbox = queue.Queue(maxsize=1000)
        threading.Thread(
            target=read_lines, args=(self.process.stdout, self.inbox), daemon=True
        ).start()
        if "ready" not in self.receive(START_SECONDS):
            raise RuntimeError("the worker does not start; try: python -c 'import torch, pytest'")

    def receive(self, seconds):
        """The next message: {} when none came in time, {"gone": True} when none can come."""
        try:
            return self.inbox.get(timeout=max(0.01, seconds))
        except queue.Empty:
            return {}

    def run(self, exercise, file, tests, deaths, end):
        """Yields (test, message, remarks, seconds) for each test that comes to an end.

        Ends early if the process dies or hangs, and then yields the test that was on, '' for the
        import, with None for the seconds. No wait is longer than until `end`.
        """
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
        copy = self.space / "submission"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy, ignore=what_not_to_copy)
        place = copy / file.relative_to(self.folder)
        request = {"exercise": exercise, "tests": tests, "file": str(place)}
        self.process.stdin.write((json.dumps(request) + "\n").encode())
        self.process.stdin.flush()
        child, on, limit = None, "", time.monotonic() + IMPORT_SECONDS
        while True:
            message = self.receive(limit - time.monotonic())
            if not message:
                self.end(child)
                yield on, "", [], None
                return
            if "child" in message and child is None:
                child = message["child"]
            elif message.get("begin") in ["", *tests]:
                on = message["begin"]
                limit = min(time.monotonic() + time_limit(exercise, on, deaths), end)
            elif message.get("test") in tests and {"message", "remarks", "seconds"} <= set(message):
                yield message["test"], message["message"], message["remarks"], message["seconds"]
                on = None
            elif "ended" in message or "gone" in message:
                if "gone" in message:
                    self.end(child)
                if on is not None:
                    yield on, how_it_died(message.get("ended")), [], None
                return

    def end(self, child):
        """Ends the child with all that it has started, or the worker if it cannot take another."""
        if child:
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)
            limit = time.monotonic() + 5
            while message := self.receive(limit - time.monotonic()):
                if "ended" in message:
                    return
                if "gone" in message:
                    break
        self.stop()

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None
        if self.space is not None:
            shutil.rmtree(self.space, ignore_errors=True)


def environment(temporary):
    """The variables of the worker: one thread, no GPU, no window, its own temporary files."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "COV_"))
    }
    threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    places = ["TMPDIR", "TEMP", "TMP"]
    return {
        **kept,
        **dict.fromkeys(threads, "1"),
        **dict.fromkeys(places, str(temporary)),
        "MPLBACKEND": "Agg",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def read_lines(stream, inbox):
    """Puts each line that is JSON into the inbox; what else is written there is nothing."""
    with contextlib.suppress(OSError, ValueError):
        while line := stream.readline(1 << 16):
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    inbox.put(message)
    inbox.put({"gone": True})


def how_it_died(status):
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"crashes Python: {signal.Signals(-status).name}"
    return f"ends Python with exit status {status}" if status else "ends Python by itself"


def what_not_to_copy(folder, names):
    """For shutil.copytree: what no exercise needs, links, and files too large to be code."""
    skipped = set(shutil.ignore_patterns(*NOT_COPIED)(folder, names))
    for name in names:
        path = Path(folder) / name
        special = path.is_symlink() or not (path.is_file() or path.is_dir())
        special = special or (path / "pyvenv.cfg").is_file()
        if special or path.is_file() and path.stat().st_size > LARGEST_COPY:
            skipped.add(name)
    return skipped


def grade(folder, exercises=EXERCISES, wanted=None, worker=None):
    """Yields a Result for every test of the contract, in order.

    folder: of the submission. wanted: {exercise: test names}, all if None. worker: one that is
    running already and is left so, for submissions that are trusted not to spoil it; a new one if
    None.
    """
    folder = Path(folder).resolve()
    tests, files = contract(), find_modules(folder)
    own, end = worker is None, time.monotonic() + ALL_SECONDS
    worker = worker or Worker(folder)
    worker.folder = folder
    try:
        for exercise in exercises:
            chosen = [
                name for name in tests[exercise] if wanted is None or name in wanted[exercise]
            ]
            results = {
                name: Result(exercise, name, *tests[exercise][name], None) for name in chosen
            }
            for file in files[exercise]:
                if chosen and worker.process is None:
                    worker.start()
                    end = time.monotonic() + ALL_SECONDS
                grade_file(worker, exercise, file, results, end)
            yield from results.values()
    finally:
        if own:
            worker.stop()


def grade_file(worker, exercise, file, results, end):
    """Fills in the results of one exercise; after a death it goes on with the test after it."""
    waiting, deaths = list(results), 0
    place = f"{file.relative_to(worker.folder)}: " if file.parent != worker.folder else ""
    while waiting:
        why = ""
        if deaths >= MOST_DEATHS:
            why = f"this was not tried after {deaths} tests that hung or crashed"
        elif time.monotonic() > end:
            why = f"the submission has used up its {ALL_SECONDS:.0f} s"
        if why:
            for name in waiting:
                note(results[name], place + why)
            return
        for name, message, remarks, seconds in worker.run(exercise, file, waiting, deaths, end):
            if seconds is None:
                limit = time_limit(exercise, name, deaths)
                deaths += 1
                message = message or f"does not come to an end within {limit:.0f} s"
                if not name:  # it died while it was imported, and would do so for every test
                    for each in waiting:
                        note(results[each], f"{place}{exercise}.py {message} while it is imported")
                    return
                message, seconds = f"'{results[name].title}' {message}", limit
            if name in waiting:
                note(results[name], place + message if message else "", remarks, seconds)
                waiting.remove(name)


def note(result, message, remarks=(), seconds=0.0):
    """Enters a verdict; of several files for one exercise all have to be right."""
    result.passed = result.passed is not False and not message
    result.message = result.message or one_line(message)
    result.remarks += [text for text in remarks if text not in result.remarks]
    result.seconds += seconds
