"""What a class got wrong: how many share each mistake, the points, and who needs a look by hand.

write() makes FILE.md and FILE.png; terminal_lines() is what grade.py prints at its end.
"""

import re
import statistics
import textwrap
from collections import Counter, defaultdict
from typing import NamedTuple

import utils
from tests.grading import report
from tests.grading.judge import one_line
from tests.grading.supervisor import ALL

MOST_BARS = 10  # in the picture; the page lists all
MOST_ROWS = 5  # on the terminal
PARAMETERS = re.compile("(output|hidden) weights|biases")  # one mistake in three tests
NUMBER = re.compile(r"(?<![\w.])-?(\d[\d.]*(e[+-]?\d+)?|inf|nan)\b")
STOPPED = {"hangs", "dies", "given_up", "time_over", "too_much"}  # keys of the contract's mistakes
UNKNOWN = re.compile(
    r"( is wrong|wrongly|wrong averages|not written yet)$|"
    r"ends with|cannot be imported|(is|are) right\b"
)


class Graded(NamedTuple):
    """One submission: the Results of its tests, or the trouble that grading it had."""

    name: str
    results: list
    trouble: str = ""


class Mistake(NamedTuple):
    """A mistake as the class report counts it."""

    kind: str  # known, unknown or stopped
    exercise: str
    key: str  # what is counted: the same for all who make the mistake
    words: str  # what it is, without numbers
    message: str  # as the learner reads it


def mistake_of(result):
    """The mistake behind a test that was lost."""
    words, function = result.words or result.message, result.title.split()[0]
    if "_" in function and words.startswith("it ") and function not in words:
        words = f"{function}: {words}"
    if result.key in {"raises", "import_fails"}:
        words = words.split(": ")[0]  # the kind of error, without its own words
    unknown = result.key != "lesson_step" and UNKNOWN.search(words)
    kind = "stopped" if result.key in STOPPED else "unknown" if unknown else "known"
    key = PARAMETERS.sub("weights", NUMBER.sub("…", words.replace("perhaps ", "")))
    return Mistake(kind, result.exercise, key, words, result.message)


def mistakes_of(results):
    """The mistakes of one submission, each once.

    What was not recognised counts only in an exercise without a known mistake: else it is most
    often what the known one leads to.
    """
    found = {}
    for exercise, here in report.by_exercise(results).items():
        lost = [mistake_of(result) for result in here if result.passed is False]
        known = [mistake for mistake in lost if mistake.kind == "known"]
        for kind in ("stopped",) if known else ("stopped", "unknown"):
            known += [mistake for mistake in lost if mistake.kind == kind][:1]
        for mistake in known:
            found.setdefault((exercise, mistake.key), mistake)
    return list(found.values())


def shared(graded, kind):
    """Rows (how many, exercises, words, example, whose it is), the most frequent first."""
    groups = defaultdict(list)
    for one in graded:
        for mistake in mistakes_of(one.results):
            if mistake.kind == kind:
                groups[mistake.key].append((one.name, mistake))
    rows = []
    for key, group in groups.items():
        words = {mistake.words for _, mistake in group}
        exercises = {mistake.exercise for _, mistake in group}
        rows.append(
            (
                len({name for name, _ in group}),
                ", ".join(name for name in ALL if name in exercises),
                words.pop() if len(words) == 1 else key,
                group[0][1].message,
                group[0][0],
            )
        )
    return sorted(rows, key=lambda row: (-row[0], ALL.index(row[1].split(",")[0])))


def handed_in(graded):
    return [one for one in graded if report.was_submitted(one.results)]


def totals(graded):
    """The points of each submission, in percent of all that there are."""
    return [
        100 * report.points(one.results)[0] / sum(r.points for r in one.results) for one in graded
    ]


# ------------------------------------------------------------------------------ the page


def write(path, graded, date):
    """Writes the page to `path`, and the picture beside it."""
    picture = path.with_suffix(".png")
    draw(picture, graded)
    with utils.whole_file(path) as file:
        file.write("\n".join(page(graded, date, picture.name)).encode())


def page(graded, date, picture):
    """The lines of the page."""
    there = handed_in(graded)
    return [
        "# Class report",
        "",
        f"{date}: {plural(len(graded), 'submission')}, {summary(there)}.",
        "",
        f"![The points of the class, and the most frequent mistakes]({picture})",
        "",
        "## What to repeat",
        "",
        f"Known mistakes, by how many of the {len(there)} who handed something in make them.",
        "Whoever makes several counts in several rows.",
        "",
        *table(
            ["how many", "exercise", "mistake", "for example"],
            [(n, where, words, name) for n, where, words, _, name in shared(there, "known")],
        ),
        "## Not recognised",
        "",
        "Something is wrong, and it is none of the known mistakes. Where an exercise has a known",
        "mistake too, only that one counts.",
        "",
        *table(
            ["how many", "exercise", "one example", "submission"],
            [(n, where, text, name) for n, where, _, text, name in shared(there, "unknown")],
        ),
        "## To look at by hand",
        "",
        *table(["submission", "what happened"], by_hand(graded)),
        "## Points",
        "",
        *table(
            ["exercise", "handed in", "without a mistake", "mean", "of"],
            [row for name in ALL if (row := exercise_row(there, name))],
        ),
        *table(["points, in %", *BINS], [["submissions", *distribution(there)]]),
    ]


def summary(there):
    if not there:
        return "and nothing was handed in"
    points = totals(there)
    return (
        f"{len(there)} with something to grade. The median is {statistics.median(points):.0f} % of "
        f"the points; {sum(value == 100 for value in points)} of {len(there)} got all of them"
    )


def plural(number, word):
    return f"{number} {word}" + "s" * (number != 1)


def table(heading, rows):
    """A table in Markdown, and an empty line after it."""
    if not rows:
        return ["None.", ""]
    lines = [heading, ["---"] * len(heading), *rows]
    return [*("| " + " | ".join(map(cell, line)) + " |" for line in lines), ""]


def cell(value):
    """A value as Markdown that shows it as it is: a learner's text may hold anything."""
    return re.sub(r"[\\`*<|]|\]\(", lambda found: "\\" + found[0], one_line(value))


def by_hand(graded):
    """(submission, what happened) for those that hung, crashed, or handed in nothing."""
    rows = []
    for one in graded:
        if one.trouble:
            rows.append((one.name, one.trouble))
        elif not report.was_submitted(one.results):
            rows.append((one.name, "handed in nothing that is graded"))
        rows += [
            (one.name, f"{mistake.exercise}: {mistake.message}")
            for mistake in mistakes_of(one.results)
            if mistake.kind == "stopped"
        ]
    return rows


def exercise_row(there, exercise):
    groups = [[r for r in one.results if r.exercise == exercise] for one in there]
    reached = [report.points(group) for group in groups if report.was_submitted(group)]
    if not reached:
        return None
    mean = statistics.mean(points for points, _ in reached)
    whole = sum(points == possible for points, possible in reached)
    return exercise, len(reached), whole, f"{mean:.1f}", reached[0][1]


BINS = [*(f"{low}-{low + 9}" for low in range(0, 100, 10)), "100"]


def distribution(there):
    """How many submissions are in each of BINS."""
    counts = Counter(int(points // 10) for points in totals(there))
    return [counts[place] for place in range(len(BINS))]


# ------------------------------------------------------------------------------ the picture


def draw(path, graded):
    """Two plots: the points of the class; the most frequent known mistakes."""
    there = handed_in(graded)
    rows = shared(there, "known")[:MOST_BARS]

    def fill(axes, figure):
        points, bars = axes[:, 0]
        points.bar(BINS, distribution(there), color=utils.BLUE)
        points.set(xlabel="points, in %", ylabel="submissions")
        points.set_title(f"The points of {plural(len(there), 'submission')}", loc="left")
        places = [-place for place in range(len(rows))]  # the first one is on top
        bars.barh(places, [row[0] for row in rows], height=0.4, color=utils.ORANGE)
        for place, (_, where, words, *_) in zip(places, rows, strict=True):
            text = textwrap.shorten(f"{words} ({where})", 120, placeholder=" ...")
            bars.text(0, place + 0.25, " " + text.replace("$", r"\$"), va="bottom")
        bars.set_title(
            "The most frequent known mistakes" if rows else "No known mistake", loc="left"
        )
        bars.set(xlabel="submissions", yticks=[], ylim=(-len(rows) + 0.5, 1))
        for axis in (points.yaxis, bars.xaxis):
            axis.get_major_locator().set_params(integer=True)

    grid = {"nrows": 2, "height_ratios": [2.2, 0.7 + 0.55 * len(rows)]}
    utils.save_figure(path, (10, 4 + 0.55 * len(rows)), fill, **grid)


# ------------------------------------------------------------------------------ the terminal


def terminal_lines(graded):
    """One line for each submission, then the most frequent mistakes."""
    names = [one_line(one.name, 30) for one in graded]
    width = max(map(len, ["submission", *names]))
    exercises = report.exercises_of(one.results for one in graded)
    lines = ["  ".join([f"{'submission':{width}}", *exercises, "total"])]
    for name, one in zip(names, graded, strict=True):
        row = report.row(one.name, one.results, exercises)
        cells = [f"{row[name] if row[name] != '' else '-':>{len(name)}}" for name in exercises]
        total = one_line(one.trouble, 60) or f"{row['total']} of {row['possible']}"
        lines.append("  ".join([f"{name:{width}}", *cells, total]))
    there = handed_in(graded)
    rows = shared(there, "known")[:MOST_ROWS]
    if rows:
        lines += ["", f"The most frequent known mistakes of {len(there)}:"]
    for number, where, words, *_ in rows:
        lines += report.folded(f"{number:4}  ", f"{words} ({where})")
    return lines
