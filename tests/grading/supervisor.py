"""Grades one submission: a copy of its folder, a process of its own, a verdict for every test.

What runs in that process may hang, crash, exit, flood or delete: it is asked for numbers, line by
line, and given a time for each. Right values, comparison and verdict are here.
"""

import ast
import atexit
import contextlib
import dataclasses
import functools
import importlib
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

from tests.grading import wire
from tests.grading.judge import Mistake, one_line

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = ["neural_nets", "train_utils", "nnet_fc", "nnet_cnn", "mlp", "conv"]
ALL = [*EXERCISES, "steps"]  # the last one: what our lessons teach beyond the course
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
KIT = ["worker.py", "plays.py", "readers.py", "stage.py", "codes.py", "fence.py", "wire.py"]
PRACTICE = ["worker.py", "source.py", "probes.py", "probes_torch.py"]  # for the steps
LARGEST_COPY = 20 * 2**20  # bytes: somebody's weights, not somebody's code

FORKS = sys.platform == "linux"  # elsewhere a fork after the import of PyTorch is not safe
IDLE = queue.SimpleQueue()  # workers that wait for the next submission
PARSING = threading.Lock()  # in two threads at a time ast.parse may fail: CPython's issue 106905
START_SECONDS = 120  # until PyTorch is imported, which a busy machine may take long for
IMPORT_SECONDS = 8.0  # of a module: it takes 0.1
MAIN_SECONDS = 12.0  # of a test that runs a script's main() on small data: it takes 1
TEST_SECONDS = 4.0  # of any other test: it takes 0.01
AGAIN_SECONDS = 2.0  # of each test after one of the same exercise has hung
ALL_SECONDS = 30.0  # of one submission, so that forty that hang are done in ten minutes
MOST_DEATHS = 2  # hangs or crashes in one exercise before its other tests are given up


@dataclasses.dataclass
class Result:
    """The verdict of one test. passed is None if nothing was submitted for it."""

    exercise: str
    test: str
    title: str
    points: float
    passed: bool | None
    message: str = ""  # words and numbers in one line
    remarks: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    key: str = ""  # of tests/contract/mistakes.py
    words: str = ""  # the mistake named, without numbers
    numbers: str = ""
    hint: str = ""  # a question that leads to it

    def enter(self, mistake, place, remarks, seconds):
        """Enters a verdict; of several files for one exercise all have to be right."""
        if mistake and self.passed is not False:
            self.message = one_line(f"{place}{mistake}")
            self.key, self.words, self.numbers = mistake.key, mistake.words, mistake.numbers
            self.hint = mistake.hint
        self.passed = self.passed is not False and not mistake
        self.remarks += [text for text in remarks if text not in self.remarks]
        self.seconds += seconds


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
    """{exercise: the files submitted for it}.

    The course has train_utils.py twice, for one digit and for two: where both are there, both
    count.
    """
    files = {exercise: files_called(folder, f"{exercise}.py") for exercise in EXERCISES}
    return {name: found[: None if name == "train_utils" else 1] for name, found in files.items()}


def files_called(folder, name):
    """The files of a name in a submission: at the top of `folder`, or else in its parts."""
    if is_handed_in(folder / name):
        return [folder / name]
    return [
        path
        for depth in ("*/", "*/*/")
        for path in sorted(folder.glob(f"{depth}{name}"))
        if is_handed_in(path)
        and not any(
            Path(part).match(skip) for part in path.relative_to(folder).parts for skip in NOT_COPIED
        )
    ]


def steps_of(folder):
    """{file: names of the steps of our lessons that are in it}, beyond the course's exercises."""
    try:
        from tests.contract import test_steps
    except ModuleNotFoundError:  # Gradescope's zip has no solutions of ours, which steps need
        return {}
    return test_steps.steps_of(folder)


def is_handed_in(path):
    """Whether something lies there that is to be a file, if only a pipe or a link to nowhere."""
    return (path.exists() or path.is_symlink()) and not path.is_dir()


class Died(Exception):
    """The process of a submission has ended, or was ended: how."""


class Worker:
    """A process that forks one child for each exercise; it is started again after it died."""

    def __init__(self):
        self.process, self.space, self.busy = None, None, False

    def start(self):
        remove_leftovers()
        self.space = Path(tempfile.mkdtemp(prefix=f"grading-{os.getpid()}-")).resolve()
        kit = self.space / "kit"
        (kit / "tests/grading").mkdir(parents=True)
        (kit / "project").mkdir()
        for name in KIT:
            shutil.copy(ROOT / "tests/grading" / name, kit / "tests/grading")
        (kit / "tests/practice").mkdir()
        for name in PRACTICE:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(ROOT / "tests/practice" / name, kit / "tests/practice")
        for path in ROOT.glob("*.py"):
            if path.stem not in NOT_LENT:
                shutil.copy(path, kit / "project")
        (self.space / "tmp").mkdir()
        command = [sys.executable, str(kit / "tests/grading/worker.py"), *FORKS * ["--fork"]]
        self.process = subprocess.Popen(
            command,
            cwd=self.space,
            env=environment(self.space / "tmp"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.inbox = queue.Queue(maxsize=20)
        threading.Thread(
            target=read_lines, args=(self.process.stdout, self.inbox), daemon=True
        ).start()
        if "ready" not in self.receive(time.monotonic() + START_SECONDS):
            raise RuntimeError("the worker does not start; try: python -c 'import torch, pytest'")

    def receive(self, limit):
        """The next message: {} when none came in time, {"gone": True} when none can come."""
        try:
            return self.inbox.get(timeout=max(0, limit - time.monotonic()))
        except queue.Empty:
            return {}

    def open(self, folder, file, heads, limit, steps=False):
        """Has a new child import a copy of the file; (how the import stopped, error, remarks)."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
            limit += START_SECONDS
        elif self.busy:
            self.close()
        copy = self.space / "submission"
        for old in (copy, self.space / "tmp"):
            shutil.rmtree(old, ignore_errors=True)
        (self.space / "tmp").mkdir(exist_ok=True)
        shutil.copytree(folder, copy, ignore=functools.partial(what_not_to_copy, folder))
        self.child, self.busy, self.last = None, True, 0
        place = copy / file.relative_to(folder)
        draws = any(
            path.is_file() and b"matplotlib" in path.read_bytes()
            for path in place.parent.glob("*.py")
        )
        request = {"file": str(place), "heads": heads, "draws": draws, "space": str(self.space)}
        request["steps"] = steps
        answer = self.ask(limit, **request, hidden=str(ROOT / "tests"))
        texts = [str(answer.get(name, "")) for name in ("stopped", "error")]
        return *texts, list(map(str, answer.get("remarks", [])))

    def ask(self, limit, **request):
        """Sends a request to the child and waits for its answer. Raises Died when none comes."""
        self.last += 1
        try:
            self.process.stdin.write(wire.pack({"id": self.last, **request}))
            self.process.stdin.flush()
        except OSError:
            self.stop()
            raise Died("ends Python by itself") from None
        while time.monotonic() < limit and (message := self.receive(limit)):
            if message.get("id") == self.last:
                return message
            if "child" in message and self.child is None:
                self.child = message["child"]
            elif "ended" in message or "gone" in message:
                self.busy = False
                if "gone" in message:
                    self.stop()
                raise Died(how_it_died(message.get("ended")))
        self.close()
        raise Died("")

    def close(self):
        """Ends the child with all that it has started, or the worker if it cannot take another."""
        if self.process and self.busy and isinstance(self.child, int) and self.child > 1:
            with contextlib.suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)
            limit = time.monotonic() + 5
            while time.monotonic() < limit and (message := self.receive(limit)):
                if "ended" in message:
                    self.busy = False
                    return
        if self.busy:
            self.stop()

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.kill()
            self.process.wait()
            self.process.stdin.close()
        if self.space is not None:
            shutil.rmtree(self.space, ignore_errors=True)
        self.process, self.space, self.busy = None, None, False


class Player:
    """One file of a submission, for the tests of the contract, which ask it for numbers."""

    def __init__(self, worker, folder, file, exercise, end):
        self.worker, self.folder, self.file, self.exercise = worker, folder, file, exercise
        self.end, self.deaths, self.open, self.broken = end, 0, False, None
        self.remarks, self.stopped, self.answers = [], "", {}

    def remark(self, text):
        """Says `text` beside the points, and takes none away."""
        if text not in self.remarks:
            self.remarks.append(one_line(text, 300))

    def limit(self, seconds):
        return min(time.monotonic() + (AGAIN_SECONDS if self.deaths else seconds), self.end)

    def begin(self):
        """Imports the file. Raises Mistake if that cannot be done."""
        name = self.file.name
        if self.broken is None:
            try:
                heads = {"nnet_fc": 1, "nnet_cnn": 1, "mlp": 2, "conv": 2}.get(self.exercise, 0)
                limit, steps = self.limit(IMPORT_SECONDS), self.exercise == "steps"
                self.stopped, error, remarks = self.worker.open(
                    self.folder, self.file, heads, limit, steps
                )
                self.open = not error
                if error:
                    self.broken = Mistake("import_fails", name=name, error=error)
                for text in remarks + [f"the import of {name} stops with {self.stopped}"] * bool(
                    self.stopped
                ):
                    self.remark(text)
            except Died as died:
                how = died.args[0]
                what = f"{name} while it is imported"
                self.broken = (
                    Mistake("dies", what=name, how=f"{how} while it is imported")
                    if how
                    else Mistake("hangs", what=what, name=f"{IMPORT_SECONDS:.0f}")
                )
        if self.broken:
            raise self.broken

    def ask(self, play, **inputs):
        """What the learner's code answers. Raises Mistake when it hangs, ends Python or raises."""
        key = wire.pack([play, inputs])
        if key not in self.answers:
            self.answers[key] = self.ask_anew(play, inputs)
        answer = self.answers[key]
        if isinstance(answer, Mistake):
            raise answer
        return answer

    def ask_anew(self, play, inputs):
        if self.deaths >= MOST_DEATHS:
            return Mistake("given_up", name=self.deaths)
        if time.monotonic() > self.end:
            return Mistake("time_over", name=f"{ALL_SECONDS:.0f}")
        if not self.open:
            self.begin()
        long = play in ("main", "step") or inputs.get("name") == ""
        seconds = MAIN_SECONDS if long else TEST_SECONDS
        limit = self.limit(seconds)
        waited = limit - time.monotonic()
        try:
            answer = self.worker.ask(limit, play=play, inputs=inputs)
        except Died as died:
            self.deaths, self.open = self.deaths + 1, False
            what = f"'{self.title}'"
            if died.args[0]:
                return Mistake("dies", what=what, how=died.args[0])
            return Mistake("hangs", what=what, name=f"{max(1, waited):.0f}")
        if "value" in answer:
            return answer["value"]
        error = one_line(answer.get("error", ""), 300)
        if answer.get("failed") == "missing":
            why = f": its import stops with {self.stopped}" if self.stopped else ""
            owner, _, name = error.removeprefix("AttributeError: ").partition(" has no ")
            return Mistake("missing", owner=owner, name=name, why=why)
        return Mistake("raises", what=one_line(answer.get("failed"), 200), error=error)


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
    """Puts each line that holds a message into the inbox; what else is written there is nothing."""
    with contextlib.suppress(OSError, ValueError):
        while line := stream.readline(wire.LONGEST_LINE):
            with contextlib.suppress(ValueError):
                message = wire.unpack(line)
                if isinstance(message, dict):
                    inbox.put(message)
    inbox.put({"gone": True})


def how_it_died(status):
    if isinstance(status, int) and (status < 0 or status > 128):
        with contextlib.suppress(ValueError):
            return f"crashes Python: {signal.Signals(-status if status < 0 else status - 128).name}"
    return f"ends Python with exit status {status}" if status else "ends Python by itself"


def remove_leftovers():
    """Removes the folders of graders that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("grading-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def is_running(process):
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def what_not_to_copy(root, folder, names):
    """For shutil.copytree: what no exercise needs, links to elsewhere, and too large files."""
    skipped = set(shutil.ignore_patterns(*NOT_COPIED)(folder, names))
    for name in names:
        path = Path(folder) / name
        link = path.is_symlink() and not (path.is_file() and root in path.resolve().parents)
        special = link or not (path.is_file() or path.is_dir())
        special = special or (path / "pyvenv.cfg").is_file()
        if special or path.is_file() and path.stat().st_size > LARGEST_COPY:
            skipped.add(name)
    return skipped


def grade(folder, exercises=ALL, wanted=None, worker=None):
    """Yields a Result for every test of the contract, in order; of the steps, for those there are.

    folder: of the submission. wanted: {exercise: test names}, all if None. worker: one that is
    running already and is left so; a new one if None.
    """
    folder = Path(folder).resolve()
    tests, files = contract(), find_modules(folder)
    own, worker = worker is None, worker or idle_worker()
    try:
        if worker.process is None and any(files.values()):
            worker.start()
        end = time.monotonic() + ALL_SECONDS
        for exercise in exercises:
            if exercise == "steps":
                yield from grade_steps(folder, wanted, worker)
                continue
            chosen = [
                name for name in tests[exercise] if wanted is None or name in wanted[exercise]
            ]
            results = {
                name: Result(exercise, name, *tests[exercise][name], None) for name in chosen
            }
            for file in files[exercise] if chosen else []:
                grade_file(Player(worker, folder, file, exercise, end), results)
            yield from results.values()
    finally:
        if own:
            rest(worker)


def grade_steps(folder, wanted, worker):
    """Yields a Result for every step of our lessons that a submission has: a point each."""
    for file, names in steps_of(folder).items():
        tests = {f"test_step[{name}]": name for name in names}
        results = {
            test: Result("steps", test, name, 1, None)
            for test, name in tests.items()
            if wanted is None or test in wanted["steps"]
        }
        if results:
            end = time.monotonic() + ALL_SECONDS
            grade_file(Player(worker, folder, file, "steps", end), results)
        yield from results.values()


def idle_worker():
    """One that another submission has left: it spares the seconds of importing PyTorch."""
    try:
        return IDLE.get_nowait()
    except queue.Empty:
        return Worker()


def rest(worker):
    if worker.process is None or worker.busy or not FORKS:
        worker.stop()
    else:
        IDLE.put(worker)


@atexit.register
def stop_workers():
    with contextlib.suppress(queue.Empty):
        while True:
            IDLE.get_nowait().stop()


def grade_file(player, results):
    """Fills in the results of one exercise: here are the right values and the verdict."""
    contract = importlib.import_module(f"tests.contract.test_{player.exercise}")
    file, folder = player.file, player.folder
    place = f"{file.relative_to(folder)}: " if file.parent != folder else ""
    for name, result in results.items():
        start, player.title, mistake = time.perf_counter(), result.title, None
        try:
            if not player.open:
                player.begin()
            function, _, step = name.partition("[")
            getattr(contract, function)(player, *([step[:-1]] if step else []))
        except Mistake as found:
            mistake = found
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # an answer of another build than a play has: forged, or an odd object
            mistake = Mistake("too_much", what=f"'{result.title}'")
        result.enter(mistake, place, player.remarks, time.perf_counter() - start)
        player.remarks = []
    player.worker.close()
