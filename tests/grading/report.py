"""What a grader reads: the table in the terminal, Gradescope's results.json, a row of grades.csv.

pytest-gradescope and pytest-grader were looked at. Neither keeps a submission in a process of its
own nor knows 'not submitted'; the first writes results.json into every folder it is run from and
stops at a failure without a traceback, the second writes no results.json. What is needed of either
is this file.
"""

import dataclasses
import json
import textwrap

from tests.grading.judge import one_line
from tests.grading.supervisor import ALL, EXERCISES

# How much of a mistake is told: a question that leads to it, the mistake named, or its numbers too.
DETAILS = ["hint", "mistake", "numbers"]
WIDTH = 100  # characters of a line in the terminal


def told(results, detail):
    """The results as somebody reads them who gets less than all: DETAILS says what.

    Remarks are for those who get all: they have numbers in them.
    """
    if detail == "numbers":
        return results
    field = {"hint": "hint", "mistake": "words"}[detail]
    return [dataclasses.replace(r, message=getattr(r, field), remarks=[]) for r in results]


def by_exercise(results):
    """{exercise: its results}, in order."""
    return {name: [r for r in results if r.exercise == name] for name in ALL}


def exercises_of(gradings):
    """The exercises of a table of several submissions: steps only where one of them has some."""
    steps = any(r.exercise == "steps" for results in gradings for r in results)
    return ALL if steps else EXERCISES


def was_submitted(results):
    return any(r.passed is not None for r in results)


def points(results):
    """(reached, possible) points of the tests that had something to test."""
    tested = [r for r in results if r.passed is not None]
    return sum(r.points for r in tested if r.passed), sum(r.points for r in tested)


def first_mistake(results):
    """The most telling message: the first that was lost, or '' when nothing was."""
    lost = next((r for r in results if r.passed is False), None)
    return f"{lost.exercise}: {lost.message}" if lost else ""


def table(results):
    """Lines for the terminal: one per exercise, one for each remark, and the total."""
    lines = []
    for exercise, here in by_exercise(results).items():
        if not here:
            continue
        if not was_submitted(here):
            lines.append(f"{exercise:12} not submitted")
            continue
        reached, possible = points(here)
        lost = next((r.message for r in here if r.passed is False), "")
        lines += folded(f"{exercise:12} {reached:3} of {possible:3}  ", lost)
        for text in dict.fromkeys(text for r in here for text in r.remarks):
            lines += folded(f"{'':12} remark: ", text)
    reached, possible = points(results)
    return [*lines, f"{'total':12} {reached:3} of {possible:3}"]


def folded(start, text):
    """`start` and then `text`, folded to the width of a terminal beside it."""
    blank = " " * len(start)
    options = {"break_on_hyphens": False, "drop_whitespace": True, "subsequent_indent": blank}
    return textwrap.wrap(start + text, WIDTH, **options) if text else [start.rstrip()]


def gradescope(results, seconds):
    """The content of Gradescope's results.json, as its documentation specifies it."""
    tests = []
    for exercise, here in by_exercise(results).items():
        if here and not was_submitted(here):
            tests.append(
                {
                    "name": f"{exercise}: not submitted",
                    "score": 0,
                    "output": "not submitted",
                    "max_score": sum(r.points for r in here),
                    "visibility": "visible",
                }
            )
            continue
        for r in here:
            output = [r.message or "right", *(f"remark: {text}" for text in r.remarks)]
            tests.append(
                {
                    "name": f"{exercise}: {r.title}",
                    "score": r.points if r.passed else 0,
                    "max_score": r.points,
                    "status": "passed" if r.passed else "failed",
                    "output": "\n".join(output),
                    "visibility": "visible",
                }
            )
    return {
        "score": points(results)[0],
        "execution_time": round(seconds, 1),
        "output_format": "text",
        "output": "\n".join(table(results)),
        "tests": tests,
    }


def write_gradescope(path, results, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(gradescope(results, seconds), indent=2), encoding="utf-8")


def row(name, results, exercises=EXERCISES):
    """A row of grades.csv as a dict; an exercise's points are empty where nothing was submitted."""
    reached, possible = points(results)
    groups = by_exercise(results)
    cells = {
        exercise: points(groups[exercise])[0] if was_submitted(groups[exercise]) else ""
        for exercise in exercises
    }
    mistake = first_mistake(results) if was_submitted(results) else "nothing was submitted"
    return {
        "submission": name,
        **cells,
        "total": reached,
        "possible": possible,
        "first_mistake": one_line(mistake, 300),
    }
