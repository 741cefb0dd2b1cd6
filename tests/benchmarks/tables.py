"""What the benchmarks share: rows kept in a .csv file, Markdown tables, the machine in words."""

import csv
import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path


def read_rows(path):
    """Return the rows of a .csv file as dicts of text, or none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add_row(path, row):
    """Add a row to a .csv file, at once: what is finished stays, whatever happens next."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def markdown(rows):
    """Return rows (dicts of the same keys) as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def machine():
    """Return in words what the numbers of a table depend on, and the day."""
    import train_utils

    device = train_utils.choose_device("auto")
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    precision = train_utils.choose_precision("auto", device)
    versions = f"Python {platform.python_version()}, NumPy {version('numpy')}"
    return (
        f"{os.cpu_count()} cores of {processor}, {device}, {precision}; "
        f"{versions}, PyTorch {version('torch')}; {datetime.date.today()}"
    )
