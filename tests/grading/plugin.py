"""Runs the contract tests: not in pytest's own process, but where a submission can do no harm.

With --submission=DIR they are all that runs, and grade the solution in DIR; without it the very
same tests grade this project itself, among its other tests.
"""

import time
from pathlib import Path

from tests.grading import report, supervisor

import pytest

CONTRACT = supervisor.ROOT / "tests/contract"
GRADES = pytest.StashKey["Grades"]()


class Grades:
    """The results of a run, which come when the first test asks for its own."""

    def __init__(self, folder, wanted):
        self.folder, self.results, self.start = folder, {}, time.monotonic()
        self.stream = supervisor.grade(folder, wanted=wanted)

    def result(self, exercise, test):
        """Results come in the order of the contract, and the tests may be in another: read on."""
        while (exercise, test) not in self.results:
            result = next(self.stream)
            self.results[result.exercise, result.test] = result
        return self.results[exercise, test]


def pytest_addoption(parser):
    group = parser.getgroup("grading somebody's solution")
    group.addoption(
        "--submission", metavar="DIR", help="grade the solution in DIR, test nothing else"
    )
    group.addoption(
        "--detail", choices=report.DETAILS, default="numbers", help="how much of a mistake is told"
    )
    group.addoption(
        "--gradescope", metavar="FILE", help="write the grades to FILE as Gradescope wants them"
    )


@pytest.hookimpl(tryfirst=True)  # before the terminal takes its options
def pytest_configure(config):
    config.addinivalue_line("markers", "points(n): what a test of the contract is worth in a grade")
    submission, gradescope = config.getoption("submission"), config.getoption("gradescope")
    if gradescope and not submission:
        raise pytest.UsageError("--gradescope needs --submission=DIR: whose grades?")
    if submission:
        folder = Path(submission)
        if not folder.is_dir():
            raise pytest.UsageError(f"--submission {folder}: there is no such folder")
        if not any(supervisor.find_modules(folder).values()):
            names = ", ".join(f"{name}.py" for name in supervisor.EXERCISES)
            raise pytest.UsageError(f"--submission {folder}: none of {names} is in it")
        config.option.reportchars = "N"  # no list of failures behind the grade, which says it all


def pytest_ignore_collect(collection_path, config):
    """With --submission only the contract is collected; the steps only if it has some.

    Without it they are left out: our own steps would be compared with themselves.
    """
    submission = config.getoption("submission")
    if collection_path == CONTRACT / "test_steps.py":
        return not (submission and supervisor.steps_of(Path(submission).resolve())) or None
    related = {collection_path, *collection_path.parents} & {CONTRACT, *CONTRACT.parents}
    outside = CONTRACT not in related and collection_path not in CONTRACT.parents
    return True if submission and outside else None


def exercise_of(item):
    """The exercise that a test is about, None if it is no test of the contract."""
    return item.path.stem.removeprefix("test_") if item.path.parent == CONTRACT else None


def pytest_collection_modifyitems(config, items):
    """The exercises in the order of the course, of the steps those that were handed in; other tests
    stay where they are."""
    if any(exercise_of(item) == "steps" for item in items):
        steps = supervisor.steps_of(Path(config.getoption("submission")).resolve())
        there = {f"test_step[{name}]" for names in steps.values() for name in names}
        items[:] = [item for item in items if exercise_of(item) != "steps" or item.name in there]
    order = {name: place for place, name in enumerate(supervisor.ALL)}
    places = [place for place, item in enumerate(items) if exercise_of(item)]
    contract = sorted((items[place] for place in places), key=lambda item: order[exercise_of(item)])
    for place, item in zip(places, contract, strict=True):
        items[place] = item


def pytest_collection_finish(session):
    wanted = {name: [] for name in supervisor.ALL}
    for item in session.items:
        if exercise_of(item):
            wanted[exercise_of(item)].append(item.name)
    folder = session.config.getoption("submission") or supervisor.ROOT
    session.config.stash[GRADES] = Grades(Path(folder), wanted)


@pytest.fixture
def player():
    """Stands for the submission's process, which the grades talk to."""


def pytest_pyfunc_call(pyfuncitem):
    exercise = exercise_of(pyfuncitem)
    if exercise is None:
        return None
    result = pyfuncitem.config.stash[GRADES].result(exercise, pyfuncitem.name)
    if result.passed is None:
        if pyfuncitem.config.getoption("submission"):
            pytest.skip("not submitted")
        pytest.fail(f"this project has no {exercise}.py", pytrace=False)
    if not result.passed:
        (told,) = report.told([result], pyfuncitem.config.getoption("detail"))
        pytest.fail(f"{exercise}: {told.message}", pytrace=False)
    return True


def pytest_sessionfinish(session):
    grades = session.config.stash.get(GRADES, None)
    if grades is None:
        return
    grades.stream.close()
    file = session.config.getoption("gradescope")
    if file:
        results = report.told(grades.results.values(), session.config.getoption("detail"))
        report.write_gradescope(Path(file), list(results), time.monotonic() - grades.start)


def pytest_terminal_summary(terminalreporter, config):
    grades = config.stash.get(GRADES, None)
    if config.getoption("submission") and grades and grades.results:
        terminalreporter.section(f"grades of {config.getoption('submission')}")
        results = report.told(grades.results.values(), config.getoption("detail"))
        for line in report.table(list(results)):
            terminalreporter.line(line)
