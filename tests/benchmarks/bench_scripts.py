"""Run every script on several seeds and write the table of results that stands in the README.

    python tests/benchmarks/bench_scripts.py                    all of them, seeds 0 to 4: hours
    python tests/benchmarks/bench_scripts.py --seeds 0 --only nnet_cnn

Each run is a program of its own, one after the other, so that times are not disturbed. A line is
added to results.csv in --output-dir after every run; the table is made of all lines there, so that
it can be filled in several goes. Accuracies are in percent, mean and standard deviation over seeds.
A row in which networks vote is the accuracy of all seeds' networks of the row above together: the
mean of their probabilities.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
RUNS = [  # as typed behind "python", but with the script's name alone
    "neural_nets",
    "nnet_fc --hidden 128 --batch-size 32 --lr 0.1 --momentum 0 --epochs 30",
    "nnet_fc",
    "nnet_fc --augment",
    "nnet_cnn --epochs 1 --nudge 0 --width 0.5",
    "nnet_cnn",
    "nnet_cnn --epochs 40 --width 1.5",
    "mlp --hidden 64",
    "mlp",
    "conv",
]
COLUMNS = ["run", "seed", "dev", "test", "weights", "training_seconds", "seconds"]


def folder_of(args, command, seed):
    """Return where one run writes its files."""
    return args.output_dir / command.replace(" ", "_") / str(seed)


def run_once(args, command, seed):
    """Run one script with one seed; return its line of the table, accuracies in percent."""
    script, *options = command.split()
    folder = folder_of(args, command, seed)
    begun = time.perf_counter()
    subprocess.run([sys.executable, str(ROOT / f"{script}.py"), *options, "--seed", str(seed),
                    "--quiet", "--no-plots", "--output-dir", str(folder)], check=True)  # fmt: skip
    seconds = time.perf_counter() - begun
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    test, dev = metrics["test_accuracy"], metrics["dev_accuracy"]
    if isinstance(test, list):
        test = [*test, metrics["test_accuracy_both"]]
    percent = [
        " ".join(f"{100 * x:.2f}" for x in (figures if isinstance(figures, list) else [figures]))
        for figures in (dev, test)
    ]
    times = (f"{metrics['seconds']:.1f}", f"{seconds:.1f}")
    return dict(zip(COLUMNS, [command, seed, *percent, metrics["parameters"], *times], strict=True))


def spread(texts):
    """Return e.g. '99.70 +- 0.02' of numbers as text, of pairs 'upper / lower / both' each."""
    words = []
    for numbers in zip(*(map(float, text.split()) for text in texts), strict=True):
        sd = f" ± {statistics.stdev(numbers):.2f}" if len(numbers) > 1 else ""
        words.append(f"{statistics.mean(numbers):.2f}{sd}")
    return " / ".join(words)


def vote(args, command, seeds):
    """Return the test accuracy, in percent, of the networks of these seeds together, or None.

    Every network says how probable each digit is; their mean decides. For nnet_cnn.py alone.
    """
    folders = [folder_of(args, command, seed) for seed in seeds]
    if len(folders) < 2 or not all((folder / "model.pt").exists() for folder in folders):
        return None
    import torch

    import checkpoints
    import nnet_cnn
    import train_utils
    import utils

    x, y = (torch.from_numpy(a) for a in utils.get_MNIST_data()[2:])
    precision, total = train_utils.choose_precision("auto", "cpu"), 0
    for folder in folders:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        model = nnet_cnn.build_model(metrics["settings"]["width"])
        model.load_state_dict(checkpoints.load_tensors(folder / "model.pt"))
        total = total + train_utils.read_digits(model, x.view(-1, 1, 28, 28), precision)[0]
    return 100 * float(np.mean(total.argmax(1) == y.numpy()))


def markdown(args, rows):
    """Return the table of all runs in Markdown."""
    lines = ["| `python ...` | weights | seeds | dev, % | test, % | training, s | in all, s |",
             "| --- | ---: | ---: | --- | --- | ---: | ---: |"]  # fmt: skip
    for command in dict.fromkeys(row["run"] for row in rows):
        mine = [row for row in rows if row["run"] == command]
        script, *options = command.split()
        times = (statistics.median(float(row[key]) for row in mine)
                 for key in ("training_seconds", "seconds"))  # fmt: skip
        cells = [f"`{' '.join([f'{script}.py', *options])}`", f"{int(mine[0]['weights']):,}",
                 len(mine), spread([row["dev"] for row in mine]),
                 spread([row["test"] for row in mine]), *(f"{t:.1f}" for t in times)]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
        voted = script == "nnet_cnn" and vote(args, command, [row["seed"] for row in mine])
        if voted:
            cells = [f"these {len(mine)} networks vote", "", "", "", f"{voted:.2f}", "", ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Run what --only names, or all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5), metavar="SEED",
                        help="default 0 1 2 3 4")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=RUNS, default=RUNS, metavar="RUN",
                        help=f"rows of the table: {', '.join(RUNS)}")  # fmt: skip
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks",
                        help="default runs/benchmarks")  # fmt: skip
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    path = args.output_dir / "results.csv"
    for seed in args.seeds:
        for command in args.only:
            row = run_once(args, command, seed)
            fresh = not path.exists()
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            print(f"{command}, seed {seed}: dev {row['dev']}, test {row['test']}, "
                  f"{row['seconds']} s", flush=True)  # fmt: skip
    with path.open(newline="", encoding="utf-8") as file:
        table = markdown(args, list(csv.DictReader(file)))
    (args.output_dir / "results.md").write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
