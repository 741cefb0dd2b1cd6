"""Grade many solutions of the course's exercises, and write a table of their points.

    python tests/grade.py DIR... --csv grades.csv

Each DIR holds somebody's neural_nets.py, train_utils.py, nnet_fc.py, nnet_cnn.py, mlp.py, conv.py,
or some of them. What one of them does (hang, crash, delete files) costs that one its points and no
more. `python -m pytest --submission=DIR` shows everything about one of them.
"""

import argparse
import contextlib
import csv
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.grading import report, supervisor  # noqa: E402


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="one submission each")
    parser.add_argument(
        "--csv", metavar="FILE", type=Path, help="write the table there, not to the screen"
    )
    args = parser.parse_args(argv)
    for folder in args.folders:
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder; name the folders that hold the submissions")
    if args.csv and not args.csv.absolute().parent.is_dir():
        parser.error(
            f"there is no folder {args.csv.absolute().parent} to write {args.csv.name} into"
        )
    return args


def grade_one(folder):
    """A row of the table; trouble of the grading itself is said in it, and stops nobody else's."""
    try:
        results = list(supervisor.grade(folder))
    except Exception as error:
        row = dict.fromkeys(report.COLUMNS, "") | {"submission": str(folder)}
        return row | {"first_mistake": f"could not be graded: {report.one_line(error, 300)}"}
    return report.row(str(folder), results)


def main(argv=None):
    args = parse_arguments(argv)
    stream = contextlib.nullcontext(sys.stdout)  # which stays open
    if args.csv:
        stream = args.csv.open("w", newline="", encoding="utf-8")
    with stream as file, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        table = csv.DictWriter(file, report.COLUMNS)
        table.writeheader()
        rows = pool.map(grade_one, args.folders)
        try:
            for row in tqdm(rows, total=len(args.folders), unit="submission", disable=None):
                table.writerow(row)
                file.flush()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            sys.stderr.write("\ngrade.py: interrupted; the rows so far are written\n")
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
