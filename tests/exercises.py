"""Write it yourself: the lessons as exercises.

python tests/exercises.py start DIR               starters of the lessons' files, into DIR
python tests/exercises.py check DIR               what is done, what comes next, what is wrong
python tests/exercises.py check DIR --hint        a question that helps with the next step;
                                                  --hint --hint: the formula; three: our solution
python tests/exercises.py check DIR --step NAME   one step alone
python tests/exercises.py clinic DIR              a network with one mistake in it: find it
python tests/exercises.py judge FILE              your own tests against right and wrong networks
"""

import argparse
import ast
import os
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.practice import clinic, judging, source, verdicts  # noqa: E402
from tests.practice.source import UserError  # noqa: E402
from tests.practice.steps import STEPS, UNKNOWN, question_about  # noqa: E402

CLOSING = """All steps are done. What next?
- Train yours: python {folder}/neural_nets.py, then the other lessons there.
- Find other people's mistakes: python tests/exercises.py clinic patient
- Write tests that find them: python tests/exercises.py judge test_mine.py"""


# ------------------------------------------------------------------------------ start


def start(folder):
    """Write the starters and a list of the steps into a folder; what is there stays as it is."""
    if folder.resolve() == source.ROOT:
        raise UserError("that is the project itself; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose a folder")
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"README.md": list_of_steps(folder)}
    for file in source.FILES:
        texts[file] = source.starter(file, [step for step in STEPS if step.file == file])
    for name, text in texts.items():
        print(f"{name:20} {write_new(folder / name, text)}")
    print(f"{len(STEPS)} steps; the first is {STEPS[0].name} in {folder / STEPS[0].file}")
    print(f"then: python tests/exercises.py check {folder}")
    return 0


def write_new(path, text):
    """Write a file that is not there yet; return in a word what happened."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return "is there already, and stays as it is"
    return "written"


def list_of_steps(folder):
    """Return the README of a folder of starters."""
    lines = [
        "# Write it yourself",
        "",
        "Replace each line `raise NotImplementedError(...)` by your own. The comments and",
        "docstrings say what is to be computed. From the project's folder:",
        "",
        f"    python tests/exercises.py check {folder}           what is done, and what comes next",
        f"    python tests/exercises.py check {folder} --hint    a question that helps",
        "",
        "`--hint --hint` shows the formula, `--hint --hint --hint` where our solution stands. Each",
        "step is tested by itself: what is not written yet is lent from the project.",
    ]
    for file in source.FILES:
        lines += ["", f"## {file}", ""]
        for step in (one for one in STEPS if one.file == file):
            node = source.find(ast.parse(source.our_text(file)), step.functions[0])
            words = (ast.get_docstring(node) or "").split("\n")[0]
            lines.append(f"- `{step.name}`: {words}")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------ check


def check(folder, name, hints):
    """Say of every step whether it is done, and what is wrong; 0 if all is done, else 1."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; python tests/exercises.py start {folder}")
    texts = read_files(folder)
    if clinic.case_in(texts):
        return clinic.check(folder, texts, hints)
    step = verdicts.step_named(name) if name else None
    if name and not step:
        near = [one.name for one in STEPS if name.lower() in one.name.lower()]
        words = f"these are near: {', '.join(near)}" if near else "check lists them"
        raise UserError(f"there is no step {name}; {words}")
    chosen = [step] if step else STEPS
    found = {}
    with verdicts.Worker() as theirs, verdicts.Worker() as ours:
        for one, state, finding in states_of(chosen, texts, folder, theirs, ours):
            if state == "open" and "next" not in [s for s, _ in found.values()]:
                state = "next"
            found[one.name] = state, finding
            print_state(
                one, state, finding, first=one is chosen[0] or step_before(one).file != one.file
            )
        if hints:
            say_hints(found, hints)
    if all(state == "done" for state, _ in found.values()):
        print("" if name else CLOSING.format(folder=folder), end="" if name else "\n")
        return 0
    if not name:
        states = [state for state, _ in found.values()]
        print(f"{states.count('done')} of {len(STEPS)} steps done, {states.count('wrong')} wrong")
    return 1


def read_files(folder):
    """Return {file: text, or the UserError's words} of what a folder has of the lessons."""
    texts = {}
    for file in source.FILES:
        path = folder / file
        try:
            if path.exists():
                text = path.read_text(encoding="utf-8")
                wrong = verdicts.syntax_error(text)
                texts[file] = (text, wrong)
        except UnicodeDecodeError:
            texts[file] = ("", "it is not text in UTF-8")
        except OSError as error:
            texts[file] = ("", error.strerror)
    if not texts:
        words = f"python tests/exercises.py start {folder}"
        raise UserError(f"{folder} has no {source.FILES[0]}, nor any other lesson; {words}")
    return texts


def states_of(chosen, texts, folder, theirs, ours):
    """Yield (step, state, finding): done, open, or wrong and why, in words or a Finding."""
    done = set()
    for step in chosen:
        text, wrong = texts.get(step.file, ("", f"it is not in {folder}"))
        if wrong:
            state, finding = "wrong", f"{step.file} cannot be read: {wrong}"
        elif missing := source.missing(text, step):
            state, finding = "wrong", f"there is no {missing[0]} in {step.file}"
        elif source.is_open(text, step.functions) or waits(step, done, chosen):
            state, finding = "open", None
        else:
            finding = verdicts.judge(step, text, str(folder / step.file), theirs, ours)
            state = "wrong" if finding else "done"
        if state == "done":
            done.add(step.name)
        yield step, state, finding


def waits(step, done, chosen):
    """Return whether a step of the same function comes first, and is not done."""
    return step.after and step.after not in done and len(chosen) > 1


def step_before(step):
    return STEPS[STEPS.index(step) - 1]


def print_state(step, state, finding, first):
    """Print one line; the file's name before its first step."""
    if first:
        print(step.file)
    words = finding.words() if isinstance(finding, verdicts.Finding) else finding
    print(f"  {step.name:36} {state}{': ' + words if words else ''}", flush=True)


def say_hints(found, count):
    """Print hints for what is wrong first, or for what comes next."""
    names = [name for name, (state, _) in found.items() if state == "wrong"]
    names += [name for name, (state, _) in found.items() if state == "next"]
    if not names:
        return
    step = verdicts.step_named(names[0])
    finding = found[step.name][1]
    hints = [step.question, step.formula, source.place_of(step)][:count]
    if isinstance(finding, verdicts.Finding):
        words = finding.mistake.words if finding.mistake else ""
        known = question_about(words)
        hints = [known, *hints] if known else [*hints, UNKNOWN]
    print(f"\n{step.name}, hint {min(count, 3)} of 3")
    for hint in hints:
        print(textwrap.fill(hint, 96, initial_indent="- ", subsequent_indent="  "))


# ------------------------------------------------------------------------------ the program


def parse_arguments(argv):
    """Return the parsed command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("exercises.py", description=__doc__, formatter_class=raw)
    parser.error = lambda message: parser.exit(2, f"exercises.py: error: {message}; see --help\n")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = commands.add_parser("start", help="write starters")
    add.add_argument("folder", type=Path, metavar="DIR")
    add = commands.add_parser("check", help="what is done, and what is wrong")
    add.add_argument("folder", type=Path, metavar="DIR")
    add.add_argument("--step", metavar="NAME", help="this step alone")
    add.add_argument("--hint", action="count", default=0, help="repeated, it says more")
    add = commands.add_parser("clinic", help="a network with one mistake, and its learning curve")
    add.add_argument("folder", type=Path, metavar="DIR")
    add.add_argument("--case", type=int, metavar="N", help="without it: one by chance")
    add = commands.add_parser("judge", help="your tests against right and wrong networks")
    add.add_argument("file", type=Path, metavar="FILE")
    return parser.parse_args(argv)


def main(argv=None):
    """Run one command; return the exit status."""
    args = parse_arguments(argv)
    if args.command == "start":
        return start(args.folder)
    if args.command == "check":
        return check(args.folder, args.step, args.hint)
    if args.command == "clinic":
        return clinic.open_case(args.folder, args.case)
    return judging.judge(args.file)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as in `exercises.py check DIR | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except UserError as error:
        words = str(error)
    except OSError as error:
        words = f"{error.filename}: {error.strerror}"
    print(f"exercises.py: error: {' '.join(words.split())}", file=sys.stderr)
    sys.exit(2)
