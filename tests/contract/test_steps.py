"""The contract of what our lessons teach beyond the course's exercises: one point for each step.

The steps, their probes and their known mistakes are those of `exercises.py check`. A step counts if
its function is there, under our name and with our parameters: so nobody loses a point who handed in
the course's exercises alone, with helpers of their own.
"""

import contextlib
import re
import threading
import time
from types import SimpleNamespace

from tests.grading import supervisor
from tests.grading.judge import Mistake, check
from tests.practice import source, verdicts
from tests.practice.steps import STEPS, question_about

import pytest

# What the other tests of the contract grade.
COURSE = {"rectified_linear_unit", "rectified_linear_unit_derivative", "output_layer_activation"}
COURSE |= {"Flatten", "batchify_data", "compute_accuracy", "train_model", "MLP", "CNN"}
COURSE |= {"run_epoch", "run_epoch.two_heads"}
GRADED = {
    step.name: step
    for step in STEPS
    if step.name not in COURSE and not step.name.startswith("NeuralNetwork.")
}
NOT_WRITTEN = re.compile(r"NotImplementedError: .*: not written yet\b")
LONGEST = 10**6  # characters of a file: ours have 35,000


class Ours:
    """Runs our own code, and known mistakes in it; each question is asked once, by any thread."""

    def __init__(self):
        self.worker, self.lock, self.answers = verdicts.Worker(seconds=120), threading.Lock(), {}

    def ask(self, request):
        key = request["step"], request["text"]
        with self.lock:
            if key not in self.answers:
                self.answers[key] = self.worker.ask(request)
            return self.answers[key]


OURS = Ours()


def steps_of(folder):
    """Return {file: names of the steps in it} of a submission."""
    found = {}
    for name in source.FILES:
        for path in supervisor.files_called(folder, name)[:1]:
            text = text_of(path)
            steps = [step for step in GRADED.values() if step.file == name]
            names = [step.name for step in steps if has(text, step)]
            found |= {path: names} if names else {}
    return found


def text_of(path):
    """Return the text of a submitted file; "" if it is none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.is_file() and path.stat().st_size < LONGEST:
            return path.read_text(encoding="utf-8-sig")
    return ""


def has(text, step):
    """Return whether a text has a step's function with our parameters; nothing is parsed."""
    ours = parameters(source.our_text(step.file), step.functions[0])
    return ours == [name for name in parameters(text, step.functions[0]) if name in ours]


def parameters(text, function):
    """Return the names in the header of a function, [] if there is none."""
    found = re.search(rf"^def {function}\s*\(([^)]*)\)", text, re.MULTILINE)
    parts = found[1].split(",") if found else []
    return [match[0] for part in parts if (match := re.search(r"\w+", part))]


@contextlib.contextmanager
def not_counted(player):
    """What our own code takes is not the submission's time."""
    begun = time.monotonic()
    try:
        yield
    finally:
        player.end += time.monotonic() - begun


@pytest.mark.points(1)
@pytest.mark.parametrize("step", GRADED)
def test_step(player, step):
    """a step of our lessons"""
    one, text = GRADED[step], text_of(player.file)
    with not_counted(player):
        verdicts.right_answer(one, OURS)
    theirs = SimpleNamespace(ask=lambda request: player.ask("step", request=request))
    try:
        finding = verdicts.judge(one, text, player.file.name, theirs, OURS)
    except RecursionError:
        raise ValueError("no answer of a probe") from None
    if finding:
        check(not NOT_WRITTEN.search(finding.stop()), "lesson_step_open", name=step)
        with not_counted(player), supervisor.PARSING:
            words = finding.name()
        key = "lesson_step" if words else "lesson_step_unknown"
        mistake = Mistake(key, finding.evidence(), name=step, words=words)
        mistake.hint = question_about(words) or one.question
        raise mistake
