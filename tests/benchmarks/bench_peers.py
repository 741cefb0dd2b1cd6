"""How soon nnet_cnn.py reads 99 % of MNIST's test digits, and how soon the well-known examples do.

    python tests/benchmarks/bench_peers.py            each until it reads 99 %: 15 minutes
    python tests/benchmarks/bench_peers.py --quick    one epoch of each: under five minutes
    python tests/benchmarks/bench_peers.py --whole    the recipes to their end: an hour

Every contestant is a program of its own, and its clock runs from the start of the program, imports
included, until it has said how many test digits it reads. The peers look at the test digits after
every epoch, and their clock stops at the first look with 99.0 %. nnet_cnn.py trains for one epoch
and looks once. It takes its turn before and after every peer, with another seed each time, so that
whatever else the machine does meets all of them. Ratios are of medians. Writes bench_peers.md to
--output-dir.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import peers, tables  # noqa: E402

GOAL = 0.99
OURS = ["nnet_cnn.py", "--design", "quick", "--epochs", "1"]
EPOCHS_OF = {"quick": 1, "goal": None, "whole": None}  # None: those of the recipe


def run_ours(seed):
    """Run nnet_cnn.py for an epoch; return {"seconds": in all, "training": of them, "accuracy"}."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, ROOT / OURS[0], *OURS[1:], "--quiet", "--no-plots"]
        start = time.perf_counter()
        subprocess.run([*command, "--seed", str(seed), "--output-dir", folder], check=True)
        seconds = time.perf_counter() - start
        metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    print(f"nnet_cnn.py, seed {seed}: {seconds:6.1f} s  {metrics['test_accuracy']:.4f}", flush=True)
    return {
        "seconds": seconds,
        "training": metrics["seconds"],
        "accuracy": metrics["test_accuracy"],
    }


def run_peer(name, seed, mode):
    """Run one peer; return a row per epoch {"seconds": since the start, "accuracy"}, or none."""
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / "peers.py"), name]
    if EPOCHS_OF[mode]:
        command += ["--epochs", str(EPOCHS_OF[mode])]
    rows, start = [], time.perf_counter()
    child = subprocess.Popen([*command, "--seed", str(seed)], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        epoch, accuracy = line.split()
        rows.append({"seconds": time.perf_counter() - start, "accuracy": float(accuracy)})
        print(f"{name}, epoch {epoch}: {rows[-1]['seconds']:6.1f} s  {accuracy}", flush=True)
        if mode == "goal" and float(accuracy) >= GOAL:
            child.kill()
            break
    child.stdout.close()
    if child.wait() not in (0, -9, 3):  # 3: its package is missing, as it has said itself
        raise SystemExit(f"{name} failed")
    return rows


def row_of_peer(name, rows, ours):
    """Return the line of the table for a peer; times in seconds, accuracies in per cent."""
    reached = [row["seconds"] for row in rows if row["accuracy"] >= GOAL]
    ends = [0, *(row["seconds"] for row in rows)]
    epochs = [b - a for a, b in zip(ends[1:], ends[2:], strict=False)] or ends[1:]
    return {
        "contestant": name,
        "runs": 1,
        "epochs": len(rows),
        "an epoch, s": f"{statistics.median(epochs):.1f}",
        "to 99.0 %, s": f"{reached[0]:.1f}" if reached else "not reached",
        "times ours": f"{reached[0] / ours:.1f}" if reached else "",
        "test after it, %": f"{100 * rows[-1]['accuracy']:.2f}",
    }


def row_of_ours(runs):
    """Return the line of the table for nnet_cnn.py: medians, and the range of the times."""
    seconds = sorted(run["seconds"] for run in runs)
    accuracies = [100 * run["accuracy"] for run in runs]
    spread = f" ± {statistics.stdev(accuracies):.2f}" if len(runs) > 1 else ""
    return {
        "contestant": " ".join(OURS),
        "runs": len(runs),
        "epochs": 1,
        "an epoch, s": f"{statistics.median(run['training'] for run in runs):.1f}",
        "to 99.0 %, s": f"{statistics.median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})"
        if min(accuracies) >= 100 * GOAL
        else "not in every run",
        "times ours": "1",
        "test after it, %": f"{statistics.mean(accuracies):.2f}{spread}",
    }


def main():
    """Let all contestants run in turn; print and write the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    kinds = parser.add_mutually_exclusive_group()
    for mode in ("quick", "whole"):
        kinds.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode)
    parser.set_defaults(mode="goal")
    names = [peer.__name__ for peer in peers.PEERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PEER")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks")
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    runs, results = [run_ours(0)], {}
    for name in args.only:
        results[name] = run_peer(name, 0, args.mode)
        runs.append(run_ours(len(runs)))
    median = statistics.median(run["seconds"] for run in runs)
    rows = [row_of_ours(runs)]
    rows += [row_of_peer(name, result, median) for name, result in results.items() if result]
    text = f"{tables.markdown(rows)}\n\n{tables.machine()}; ours: seeds 0 to {len(runs) - 1}\n"
    (args.output_dir / "bench_peers.md").write_text(text, encoding="utf-8")
    print(f"\n{text}", end="")


if __name__ == "__main__":
    main()
