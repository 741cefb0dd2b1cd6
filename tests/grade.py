"""Grade many solutions of the course's exercises: a table of points, and what the class got wrong.

    python tests/grade.py DIR... --csv grades.csv --class-report class.md

Each DIR holds somebody's neural_nets.py, train_utils.py, nnet_fc.py, nnet_cnn.py, mlp.py, conv.py,
or some of them. What one of them does (hang, crash, delete files) costs that one its points and no
more. `python -m pytest --submission=DIR` shows everything about one of them.
"""

import argparse
import contextlib
import csv
import dataclasses
import datetime
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import utils  # noqa: E402
from tests.grading import autograder, class_report, report, supervisor  # noqa: E402
from tests.grading.class_report import Graded  # noqa: E402


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", metavar="DIR", type=Path, help="one submission each")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write the table of points")
    parser.add_argument(
        "--class-report",
        metavar="FILE.md",
        type=Path,
        help="write what the class got wrong, with a picture beside it",
    )
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="after a crash: grade only what the same command had not finished",
    )
    parser.add_argument(
        "--detail",
        choices=report.DETAILS,
        default="numbers",
        help="how much of a mistake the table of points and Gradescope tell (default: all)",
    )
    parser.add_argument(
        "--gradescope-zip", metavar="FILE.zip", type=Path, help="write the zip for Gradescope"
    )
    args = parser.parse_args(argv)
    if bool(args.folders) == bool(args.gradescope_zip):
        parser.error(
            "name the folders that hold the submissions, or else --gradescope-zip FILE.zip"
        )
    for folder in args.folders:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder; name the folders that hold the submissions")
    for file in filter(None, (args.csv, args.class_report, args.gradescope_zip)):
        if not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.absolute().parent} to write {file.name} into")
        if file.is_dir():
            parser.error(f"{file} is a folder; name a file to write")
    if args.class_report and args.class_report.suffix != ".md":
        parser.error(f"the class report is Markdown: call it {args.class_report.stem}.md")
    if args.go_on and not (args.csv or args.class_report):
        parser.error("--continue needs the --csv or the --class-report of the run that it goes on")
    return args


def grade_one(folder):
    """The grade of one submission; trouble of the grading itself stops nobody else's."""
    try:
        return Graded(str(folder), list(supervisor.grade(folder)))
    except Exception as error:
        return Graded(str(folder), [], f"could not be graded: {report.one_line(error, 300)}")


def grade_all(folders, progress, done):
    """Yields the grades as they are finished; each is in the file `progress` by then."""
    stream = contextlib.nullcontext()
    if progress:
        stream = progress.open("a" if done else "w", encoding="utf-8")
    with stream as file, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(grade_one, folder) for folder in folders if str(folder) not in done]
        bar = tqdm(as_completed(jobs), total=len(jobs), unit="submission", disable=None)
        try:
            for job in bar:
                graded = job.result()
                if file and not graded.trouble:
                    line = json.dumps([graded.name, *map(dataclasses.asdict, graded.results)])
                    file.write(f"\n{line}\n")  # after what may be half a line
                    file.flush()
                yield graded
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def finished(progress):
    """{name: its grade} of the run that was interrupted; a line half-written counts for nothing."""
    found = {}
    for line in progress.read_text(encoding="utf-8").splitlines() if progress.exists() else []:
        with contextlib.suppress(ValueError, TypeError):
            name, *results = json.loads(line)
            found[name] = Graded(name, [supervisor.Result(**result) for result in results])
    return found


def short_names(graded):
    """The same grades under the names of the folders, where no two of them have one name."""
    names = [Path(one.name).resolve().name for one in graded]
    if len(set(names)) < len(names):
        return graded
    return [one._replace(name=name) for one, name in zip(graded, names, strict=True)]


def csv_rows(graded, detail):
    exercises = report.exercises_of(one.results for one in graded)
    rows = []
    for one in graded:
        row = report.row(one.name, list(report.told(one.results, detail)), exercises)
        if one.trouble:
            row = dict.fromkeys(row, "") | {"submission": one.name, "first_mistake": one.trouble}
        rows.append(row)
    return rows


def write_results(args, graded):
    """Writes what was asked for; returns the names of the files."""
    written = [args.csv] if args.csv else []
    if args.csv:
        utils.write_table(args.csv, csv_rows(graded, args.detail))
    if args.class_report:
        today = datetime.date.today().isoformat()
        class_report.write(args.class_report, short_names(graded), today)
        written += [args.class_report, args.class_report.with_suffix(".png")]
    if args.csv or sys.stdout.isatty():
        print("\n".join(class_report.terminal_lines(short_names(graded))))
    else:
        rows = csv_rows(graded, args.detail)
        table = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return written


def main(argv=None):
    args = parse_arguments(argv)
    if args.gradescope_zip:
        autograder.write(args.gradescope_zip, args.detail)
        print(f"{args.gradescope_zip} is ready for Gradescope's Configure Autograder page")
        return 0
    start = time.monotonic()
    target = args.csv or args.class_report
    progress = target.with_name(f"{target.name}.progress") if target else None
    folders = list(dict.fromkeys(args.folders))
    done = finished(progress) if args.go_on else {}
    done = {str(folder): done[str(folder)] for folder in folders if str(folder) in done}
    graded = dict(done)
    try:
        for one in grade_all(folders, progress, done):
            graded[one.name] = one
    except KeyboardInterrupt:
        how = "the same command with --continue goes on" if progress else "--csv keeps them"
        raise KeyboardInterrupt(
            f"interrupted: {len(graded)} of {len(folders)} are graded; {how}"
        ) from None
    graded = [graded[str(folder)] for folder in folders]
    written = write_results(args, graded)
    failed = [one.name for one in graded if one.trouble]
    if progress and not failed:
        progress.unlink()
    say(graded, done, failed, written, time.monotonic() - start)
    return 1 if failed else 0


def say(graded, done, failed, written, seconds):
    """The last line: what was done, and where it is."""
    parts = [f"{class_report.plural(len(graded), 'submission')} graded in {seconds:.0f} s"]
    if done:
        parts.append(f"{len(done)} of them before")
    if failed:
        parts.append(f"{len(failed)} could not be graded (--continue tries them again)")
    if written:
        parts.append("written: " + ", ".join(map(str, written)))
    print(f"grade.py: {'; '.join(parts)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(utils.run_script(main))
