"""What a class got wrong: how many share each mistake, the points, and who needs a look by hand.

write() makes FILE.md and FILE.png; terminal_lines() is what grade.py prints at its end.
"""

import re
import statistics
from collections import Counter, defaultdict
from typing import NamedTuple

import utils
from tests.contract.mistakes import TOPIC_OF
from tests.grading import report
from tests.grading.judge import one_line
from tests.grading.supervisor import ALL

MOST_BARS = 10  # in the picture; the page lists all
MOST_ROWS = 5  # on the terminal
MOST_NAMES = 6  # in a cell of the page
PARAMETERS = re.compile("(output|hidden) weights|biases")  # one mistake in three tests
NUMBER = re.compile(r"(?<![\w.])-?(\d[\d.]*(e[+-]?\d+)?|inf|nan)\b")
# Keys of the contract's mistakes.
STOPPED = {"hangs", "dies", "given_up", "time_over", "too_much"}
UNKNOWN = {"function", "predict", "step", "points", "accuracy", "trains_wrongly", "averages"}
UNKNOWN |= {"optimizer", "raises", "import_fails", "lesson_step_unknown", "lesson_step_open"}


class Graded(NamedTuple):
    """One submission: the Results of its tests, or the trouble that grading it had."""

    name: str
    results: list
    trouble: str = ""


class Mistake(NamedTuple):
    """A mistake as the class report counts it."""

    kind: str  # known, unknown or stopped
    exercise: str
    topic: str
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
    unknown = result.key in UNKNOWN
    kind = "stopped" if result.key in STOPPED else "unknown" if unknown else "known"
    key = PARAMETERS.sub("weights", NUMBER.sub("…", words.replace("perhaps ", "")))
    topic = TOPIC_OF.get(result.key, "")
    return Mistake(kind, result.exercise, topic, key, words, result.message)


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


class Shared(NamedTuple):
    """A mistake, or a topic, and who shares it."""

    names: list  # of the submissions, each once
    exercises: str  # with how many in each, where there are several
    words: str
    message: str  # an example, as its learner reads it


def shared(graded, kinds, by="key"):
    """What submissions share, by a field of Mistake: the most frequent first."""
    groups = defaultdict(list)
    for one in graded:
        for mistake in mistakes_of(one.results):
            if mistake.kind in kinds and getattr(mistake, by):
                groups[getattr(mistake, by)].append((one.name, mistake))
    rows = []
    for group in groups.values():
        counts = {e: len({name for name, mistake in group if mistake.exercise == e}) for e in ALL}
        counts = {exercise: count for exercise, count in counts.items() if count}
        most = max(counts, key=counts.get)  # the example is of where it is most frequent
        name, example = next(one for one in group if one[1].exercise == most)
        names = dict.fromkeys([name, *(other for other, _ in group)])
        parts = [f"{one} {n}" if len(counts) > 1 else one for one, n in counts.items()]
        words = example.words if by == "key" else example.topic
        rows.append(Shared(list(names), ", ".join(parts), words, example.message))
    return sorted(rows, key=lambda row: -len(row.names))


def who(names):
    """The names of those who share something, the first few of many."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


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
    topics = shared(there, ["known", "unknown"], by="topic")
    known, unknown = (shared(there, [kind]) for kind in ("known", "unknown"))
    several = [row for row in known if len(row.names) > 1]
    alone = [row for row in known if len(row.names) == 1]
    return [
        "# Class report",
        "",
        f"{date}: {plural(len(graded), 'submission')}, {summary(there)}.",
        "",
        f"![The points of the class, and the topics of its mistakes]({picture})",
        "",
        "## What to repeat",
        "",
        f"How many of the {len(there)} who handed something in make a mistake of each topic. The",
        "number behind an exercise is how many do so there; one person may in several.",
        "",
        *table(
            ["how many", "topic", "exercises"],
            [(len(row.names), row.words, row.exercises) for row in topics],
        ),
        "## The mistakes",
        "",
        "That several make; where their numbers differ, those of the first one are shown.",
        "",
        *table(
            ["how many", "exercise", "mistake", "who"],
            [(len(r.names), r.exercises, r.words, who(r.names)) for r in several],
        ),
        "That one alone makes:",
        "",
        *table(
            ["exercise", "mistake", "who"],
            [(row.exercises, row.words, row.names[0]) for row in alone],
        ),
        "## Not recognised",
        "",
        "Something is wrong, and it is none of the known mistakes. Where an exercise has a known",
        "mistake too, only that one counts.",
        "",
        *table(
            ["how many", "exercise", "one example", "who"],
            [(len(r.names), r.exercises, r.message, who(r.names)) for r in unknown],
        ),
        "## To look at by hand",
        "",
        *table(["submission", "what happened"], by_hand(graded)),
        "## Points",
        "",
        "What was not handed in counts as 0 in the total, and is left out of the exercise's mean.",
        "",
        *table(
            ["exercise", "handed in", "without a mistake", "mean", "of", "mean in %"],
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
    whole, of = sum(points == possible for points, possible in reached), reached[0][1]
    return exercise, len(reached), whole, f"{mean:.1f}", of, f"{100 * mean / of:.0f}"


BINS = [*(f"{low}-{low + 9}" for low in range(0, 100, 10)), "100"]


def distribution(there):
    """How many submissions are in each of BINS."""
    counts = Counter(int(points // 10) for points in totals(there))
    return [counts[place] for place in range(len(BINS))]


# ------------------------------------------------------------------------------ the picture


def draw(path, graded):
    """Two plots: the points of the class; the topics of its mistakes."""
    there = handed_in(graded)
    rows = shared(there, ["known", "unknown"], by="topic")[:MOST_BARS]

    def fill(axes, figure):
        points, bars = axes[:, 0]
        points.bar(BINS, distribution(there), color=utils.BLUE)
        points.set(xlabel="points, in %", ylabel="submissions")
        points.set_title(f"The points of {plural(len(there), 'submission')}", loc="left")
        places = [-place for place in range(len(rows))]  # the first one is on top
        bars.barh(places, [len(row.names) for row in rows], height=0.4, color=utils.ORANGE)
        for place, row in zip(places, rows, strict=True):
            bars.text(0, place + 0.25, f" {row.words} ({row.exercises})", va="bottom")
        title = f"How many of {len(there)} make a mistake of each topic"
        bars.set_title(title if rows else "No mistake", loc="left")
        bars.set(xlabel="submissions", yticks=[], ylim=(-len(rows) + 0.5, 1))
        bars.set_xlim(0, max(1, len(there)))
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
    rows = shared(there, ["known"])[:MOST_ROWS]
    if rows:
        lines += ["", f"The most frequent known mistakes of {len(there)}:"]
    for row in rows:
        lines += report.folded(f"{len(row.names):4}  ", f"{row.words} ({row.exercises})")
    return lines
