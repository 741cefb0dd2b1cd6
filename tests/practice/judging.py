"""The judge: a learner's own tests, run on right networks and on wrong ones."""

import ast
import os
from concurrent.futures import ThreadPoolExecutor

from tests.practice import mistakes, source, verdicts
from tests.practice.source import UserError
from tests.practice.steps import STEPS

from tqdm import tqdm

RIGHT = source.ROOT / "tests/practice/right"
FIRST_SECONDS = 60  # for the tests on our own network; on the others five times what that took


def judge(path):
    """Say how many wrong networks the tests of a file catch, and how many right ones they condemn.

    Returns 0 if they catch all and condemn none, else 1.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8") from None
    wrong = verdicts.syntax_error(text)
    if wrong:
        raise UserError(f"{path} cannot be read: {wrong}")
    files = [file for file in source.FILES if file.removesuffix(".py") in imported(text)]
    if not files:
        raise UserError(f"{path} imports none of {', '.join(source.FILES)}; import what you test")
    perfect = [judge_file(path, text, file) for file in files]
    return 0 if all(perfect) else 1


def imported(text):
    """Return the names of the modules that a text imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


def right_ones(file):
    """Return [(words, text)] of the right networks: ours, and those written in other ways."""
    found = [("ours", source.our_text(file))]
    for path in sorted(RIGHT.glob(f"{file.removesuffix('.py')}_*.py")):
        text = path.read_text(encoding="utf-8")
        words = ast.get_docstring(ast.parse(text)).split("\n")[0]
        found.append((words, source.grafted(file, text)))
    return found


def wrong_ones(file):
    """Return [(mistake, text)] of the wrong networks."""
    steps = {step.name: step for step in STEPS if step.file == file}
    return [
        (one, source.with_edits(file, steps[one.step].functions, one.edits))
        for one in mistakes.MISTAKES
        if one.step in steps
    ]


def judge_file(path, text, file):
    """Judge the tests of one lesson, and print the report; return whether they are perfect."""
    request = {"file": file, "tests": text, "name": path.name, "folder": str(path.resolve().parent)}
    right, wrong = right_ones(file), wrong_ones(file)
    said = try_all(request, [one for _, one in [*right, *wrong]])
    condemned = [
        (words, answer["failed"])
        for (words, _), answer in zip(right, said, strict=False)
        if answer["failed"]
    ]
    results = [
        (mistake, bool(answer["failed"]))
        for (mistake, _), answer in zip(wrong, said[len(right) :], strict=True)
    ]
    caught = sum(found for _, found in results)
    head = f"{file}: caught {caught} of {len(wrong)} wrong ones"
    print(f"{head}, condemned {len(condemned)} of {len(right)} right ones")
    if condemned:
        print(f"  condemned, first: {condemned[0][0].rstrip('.')}: {condemned[0][1]}")
    elif not said[0]["passed"]:
        print("  there is no test in the file: a test is a function whose name begins with test_")
    if said[0]["failed"]:
        print("  what condemns right ones catches wrong ones for nothing: mend that first")
    elif caught:
        report_slips(results)
    return caught == len(wrong) and not condemned


def report_slips(results):
    """Print what slipped through, in words, for each function of which something was caught."""
    untouched = []
    for step in dict.fromkeys(mistake.step for mistake, _ in results):
        mine = [(mistake.words, found) for mistake, found in results if mistake.step == step]
        count = sum(found for _, found in mine)
        if not count:
            untouched.append(f"{step} ({len(mine)})")
            continue
        slips = [words for words, found in mine if not found]
        print(f"  {step}: {count} of {len(mine)}{'; slipped through:' if slips else ''}")
        for words in slips:
            print(f"    {words}")
    if untouched:
        print(f"  nothing caught in: {', '.join(untouched)}")


def try_all(request, texts):
    """Return what the tests say to each network, a few at a time; the first one is ours."""
    with verdicts.Worker(FIRST_SECONDS, "jury.py") as jury:
        first = jury.ask(request | {"text": texts[0]})
        seconds = max(5, 5 * first.get("seconds", 0))
    if "passed" not in first and first["error"]["words"] != "it ends Python":
        raise UserError(f"the tests do not come to an end within {FIRST_SECONDS} seconds")
    count = min(os.cpu_count() or 1, 8)
    bar = tqdm(total=len(texts) - 1, unit="network", leave=False, disable=None)

    def ask(jury, text):
        bar.update()
        return jury.ask(request | {"text": text})

    def some(start):
        with verdicts.Worker(seconds, "jury.py") as jury:
            return [ask(jury, text) for text in texts[1:][start::count]]

    answers = [first] + [None] * (len(texts) - 1)
    with bar, ThreadPoolExecutor(count) as pool:
        for start, part in enumerate(pool.map(some, range(count))):
            answers[1 + start :: count] = part
    return [{"failed": a.get("failed", "it hangs"), "passed": a.get("passed", 0)} for a in answers]
