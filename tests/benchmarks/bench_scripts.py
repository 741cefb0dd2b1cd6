"""Run every lesson with several seeds and write the table of results.

    python tests/benchmarks/bench_scripts.py                    all of them, seeds 0 to 4: hours
    python tests/benchmarks/bench_scripts.py --seeds 0 --only nnet_cnn

Each run is a program of its own, one after the other, so that times are not disturbed. Every
finished run adds a row to results.csv in --output-dir, and what is there is not run again: the
benchmark can be interrupted and continued. Errors are in per cent, mean and standard deviation over
the seeds; of pairs: upper digit / lower digit / either. A row in which networks vote is the error
of the networks of the row above together: the mean of their probabilities decides.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import tables  # noqa: E402

RUNS = [  # as typed behind "python", but with the script's name alone
    "neural_nets --plain",
    "neural_nets",
    "nnet_fc --plain",
    "nnet_fc",
    "nnet_fc --augment --epochs 50 --adversarial 1",
    "nnet_cnn --design quick --epochs 1",
    "nnet_cnn",
    "nnet_cnn --all-digits",
    "nnet_cnn --epochs 40 --width 1.5",
    "mlp --hidden 64 --no-augment",
    "mlp",
    "conv",
]


def folder_of(args, command, seed):
    """Return where one run writes its files."""
    return args.output_dir / command.replace(" ", "_") / str(seed)


def misread(*accuracies):
    """Return errors in per cent as text; an accuracy from 0 to 1 may be a pair, or None."""
    given = [one for one in accuracies if one is not None]  # None: all digits train, none are dev
    flat = [x for one in given for x in (one if isinstance(one, list) else [one])]
    return " ".join(f"{100 * (1 - x):.2f}" for x in flat)


def run_once(args, command, seed):
    """Run one script with one seed; return its row, errors in per cent."""
    script, *options = command.split()
    folder = folder_of(args, command, seed)
    command_line = [sys.executable, ROOT / f"{script}.py", *options, "--quiet", "--no-plots"]
    begun = time.perf_counter()
    subprocess.run([*command_line, "--seed", str(seed), "--output-dir", folder], check=True)
    seconds = time.perf_counter() - begun
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    both = [metrics["test_accuracy_both"]] if "test_accuracy_both" in metrics else []
    return {
        "run": command,
        "seed": seed,
        "dev": misread(metrics["dev_accuracy"]),
        "test": misread(metrics["test_accuracy"], *both),
        "weights": metrics["parameters"],
        "training": f"{metrics['seconds']:.1f}",
        "seconds": f"{seconds:.1f}",
    }


def spread(texts):
    """Return e.g. '0.29 ± 0.02' of numbers as text; of pairs 'upper / lower / either' each."""
    words = []
    for numbers in zip(*(map(float, text.split()) for text in texts), strict=True):
        sd = f" ± {statistics.stdev(numbers):.2f}" if len(numbers) > 1 else ""
        words.append(f"{statistics.mean(numbers):.2f}{sd}")
    return " / ".join(words)


def vote(folders):
    """Return the test error, in per cent, of the networks of nnet_cnn.py in these folders together.

    Every network says how probable each digit is; their mean decides.
    """
    import nnet_cnn
    import train_utils
    import utils

    import torch

    x, y = (torch.from_numpy(array) for array in utils.get_MNIST_data()[2:])
    total = 0
    for folder in folders:
        settings = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["settings"]
        model = nnet_cnn.build_model(settings["design"], settings["width"])
        model.load_state_dict(torch.load(folder / "model.pt", "cpu", weights_only=True))
        model.to(settings["device"])
        x = x.view(-1, 1, 28, 28)
        total = total + train_utils.probabilities_of(model, x, settings["precision"])[0]
    return 100 * float((total.argmax(1) != y.numpy()).mean())


def table_of(args, rows):
    """Return the table of all runs in Markdown."""
    lines = []
    for command in dict.fromkeys(row["run"] for row in rows):
        mine = [row for row in rows if row["run"] == command]
        script, *options = command.split()
        line = {
            "`python ...`": f"`{' '.join([f'{script}.py', *options])}`",
            "weights": f"{int(mine[0]['weights']):,}",
            "seeds": len(mine),
            "misread, % of dev": spread([row["dev"] for row in mine]),
            "misread, % of test": spread([row["test"] for row in mine]),
        }
        for key, words in (("training", "training, s"), ("seconds", "in all, s")):
            line[words] = f"{statistics.median(float(row[key]) for row in mine):.1f}"
        lines.append(line)
        folders = [folder_of(args, command, row["seed"]) for row in mine]
        there = all((folder / "model.pt").is_file() for folder in folders)
        if script == "nnet_cnn" and len(folders) > 1 and there:
            words = {"`python ...`": f"these {len(mine)} networks vote"}
            words["misread, % of test"] = f"{vote(folders):.2f}"
            lines.append(dict.fromkeys(line, "") | words)
    return tables.markdown(lines)


def main():
    """Run what --only names, or all, and print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5), metavar="SEED")
    words = f"rows of the table: {', '.join(RUNS)}"
    parser.add_argument("--only", nargs="+", choices=RUNS, default=RUNS, metavar="RUN", help=words)
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks")
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    path = args.output_dir / "results.csv"
    done = {(row["run"], row["seed"]) for row in tables.read_rows(path)}
    for seed in args.seeds:
        for command in args.only:
            if (command, str(seed)) not in done:
                row = run_once(args, command, seed)
                tables.add_row(path, row)
                words = f"misread {row['dev']} % of dev, {row['test']} % of test"
                print(f"{command}, seed {seed}: {words}, {row['seconds']} s", flush=True)
    table = f"{table_of(args, tables.read_rows(path))}\n\n{tables.machine()}\n"
    (args.output_dir / "results.md").write_text(table, encoding="utf-8")
    print(table, end="")


if __name__ == "__main__":
    main()
