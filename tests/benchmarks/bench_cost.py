"""How the cost of training nnet_cnn.py grows: with the digits, the width, the threads.

    python tests/benchmarks/bench_cost.py            five minutes on 2 cores

Each row is a run of one epoch, a program of its own. 240,000 digits, as many as EMNIST has, are
MNIST's, four times over. The peak of memory is that of the whole program, as the system counts it:
it includes what Python and PyTorch take, whatever the data. Runs on Linux and macOS. Writes
bench_cost.md to --output-dir.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import tables  # noqa: E402
from tests.conftest import all_of_mnist, write_idx  # noqa: E402

import numpy as np  # noqa: E402

# Runs a command and prints the peak of its memory. A small program of its own, since the system
# counts what starts a command as part of it.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
# (training digits, width, threads): the lesson as it comes, then one of the three changed.
RUNS = [
    (60_000, 1, 2),
    (6_000, 1, 2),
    (240_000, 1, 2),
    (60_000, 0.5, 2),
    (60_000, 2, 2),
    (60_000, 1, 1),
]


def write_data(folder, digits):
    """Write MNIST's four files, with so many training digits: MNIST's, as often as it takes."""
    for prefix, part, count in zip(
        ("train", "t10k"), all_of_mnist(), (digits, 10_000), strict=True
    ):
        for kind, array in zip(("images-idx3", "labels-idx1"), part, strict=True):
            whole = np.resize(array, (count, *array.shape[1:]))
            write_idx(Path(folder) / f"{prefix}-{kind}-ubyte", whole)


def run_once(digits, width, threads):
    """Train for one epoch; return the row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, digits)
        command = [sys.executable, "-c", WATCH, sys.executable, ROOT / "nnet_cnn.py"]
        command += ["--epochs", "1", "--width", str(width)]
        command += ["--data-dir", folder, "--output-dir", folder, "--quiet", "--no-plots"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{digits} digits, width {width}, {threads} threads: the run failed")
        metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    peak = int(done.stdout) * (1 if sys.platform == "darwin" else 1024)  # bytes there, else kB
    return {
        "training digits": f"{digits:,}",
        "width": width,
        "threads": threads,
        "weights": f"{metrics['parameters']:,}",
        "an epoch, s": f"{metrics['seconds']:.1f}",
        "peak of memory, MB": f"{peak / 1e6:,.0f}",
    }


def main():
    """Do all runs, print and write the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks")
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    rows = []
    for run in RUNS:
        rows.append(run_once(*run))
        print(*rows[-1].values(), flush=True)
    text = f"{tables.markdown(rows)}\n\n{tables.machine()}\n"
    (args.output_dir / "bench_cost.md").write_text(text, encoding="utf-8")
    print(f"\n{text}", end="")


if __name__ == "__main__":
    main()
