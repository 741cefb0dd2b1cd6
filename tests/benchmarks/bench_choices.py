"""What is each ingredient of a lesson worth? Leave it out, or change it, and train again.

    python tests/benchmarks/bench_choices.py nnet_fc
    python tests/benchmarks/bench_choices.py nnet_fc --seeds 5 --only default "no averaging"
    python tests/benchmarks/bench_choices.py nnet_cnn --tenths 3

Errors are in per cent of plain dev digits, or of dev pairs with a misread digit, and compared seed
by seed with those of the first row. The test set is not read: the lessons get a folder with a copy
of the training digits, where the dev digits stand in its place. With --tenths N, N different tenths
of the training set take their turn as dev: 6,000 digits are few where two settings are close.

Every finished run adds a row to choices_LESSON.csv in --output-dir, and what is there is not run
again: the benchmark can be interrupted and continued. The table is choices_LESSON.md.
"""

import argparse
import importlib
import itertools
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import train_utils  # noqa: E402
import utils  # noqa: E402
import utils_multiMNIST  # noqa: E402
from tests.benchmarks import tables  # noqa: E402
from tests.conftest import all_of_mnist, write_idx  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

# {lesson: {row of the table: options}}. One ingredient at a time. Where a constant rate stands in
# for a schedule, it is as high as that one's mean; where momentum is added, the rate is a tenth,
# since momentum adds up to steps ten times as long.
CHOICES = {
    "neural_nets": {
        "plain": "--plain",
        "plain, 20 epochs": "--plain --epochs 20",
        "plain + momentum": "--plain --epochs 20 --momentum 0.9 --lr 0.04",
        "plain + schedule": "--plain --epochs 20 --schedule cosine",
        "plain + adversarial": "--plain --epochs 20 --adversarial 1",
        "all three": "",
        "all three, one hidden layer": "--hidden 512",
        "all three, wider": "--hidden 1024 1024",
        "all three, narrower": "--hidden 256 256",
    },
    "nnet_fc": {
        "default": "",
        "no adversarial": "--adversarial 0",
        "adversarial 1.0": "--adversarial 1",
        "adversarial 2.0": "--adversarial 2",
        "no averaging": "--averaging 0",
        "constant schedule": "--schedule constant --lr 0.1",
        "no batch norm": "--no-batch-norm",
        "label smoothing 0.05": "--label-smoothing 0.05",
        "augment": "--augment",
        "hidden 512 512": "--hidden 512 512",
        "three layers": "--hidden 1024 1024 1024",
    },
    "nnet_cnn": {
        "default": "",
        "no augment": "--no-augment",
        "no adversarial": "--adversarial 0",
        "adversarial 1.0": "--adversarial 1",
        "no label smoothing": "--label-smoothing 0",
        "no averaging": "--averaging 0",
        "constant schedule": "--schedule constant --lr 0.1",
    },
    "mlp": {
        "default": "",
        "no augment": "--no-augment",
        "no label smoothing": "--label-smoothing 0",
        "no averaging": "--averaging 0",
        "adversarial 1.0": "--adversarial 1",
        "no batch norm": "--no-batch-norm",
        "constant schedule": "--schedule constant --lr 0.2",
    },
    "conv": {
        "default": "",
        "no augment": "--no-augment",
        "no label smoothing": "--label-smoothing 0",
        "no averaging": "--averaging 0",
        "adversarial 1.0": "--adversarial 1",
        "constant schedule": "--schedule constant --lr 0.1",
    },
}


def write_data(folder, tenth, limit=None):
    """Write the training digits, or the first `limit`, so that another tenth of them is dev.

    Lessons hold the last tenth back; tenth 0 is that one, 1 the one before it, and so on. The dev
    digits are written as test digits as well.
    """
    images, labels = (array[:limit] for array in all_of_mnist()[0])
    size = len(images) // 10
    images, labels = (np.roll(array, tenth * size, axis=0) for array in (images, labels))
    for prefix, part in (("train", slice(None)), ("t10k", slice(-size, None))):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images[part])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels[part])


def run_once(lesson, options, seed, data):
    """Run a lesson on the data of a folder; return (per cent misread of dev, metrics)."""
    main = importlib.import_module(lesson).main
    with tempfile.TemporaryDirectory() as folder:
        where = ["--data-dir", data, "--output-dir", folder, "--seed", str(seed)]
        metrics = main([*options.split(), *where, "--quiet", "--no-plots"])
        if "test_accuracy_both" in metrics:
            wrong = misread_pairs(lesson, metrics, Path(folder) / "model.pt", Path(data)).any(0)
        else:
            wrong = 1 - metrics["dev_accuracy"]
    return 100 * float(np.mean(wrong)), metrics


def misread_pairs(lesson, metrics, path, data):
    """Return which digits of the dev pairs the network of a finished run misreads: (2, N)."""
    args = argparse.Namespace(**metrics["settings"], data_dir=data)
    model = importlib.import_module(lesson).model_of(args)
    model.load_state_dict(torch.load(path, args.device, weights_only=True))
    x, y = utils_multiMNIST.load_pairs(args)["dev"]
    readings = train_utils.probabilities_of(model, x, args.precision).argmax(2)  # (2, N)
    return readings != y.cpu().numpy()


def code_of(lesson):
    """Return a checksum of the files that decide how a lesson trains."""
    return utils.code_of(ROOT / f"{lesson}.py")


def key_of(row):
    """Return what tells runs apart, as text, which it is in the file."""
    return tuple(str(row[name]) for name in ("options", "limit", "tenth", "seed"))


def planned_runs(args):
    """Return a row for every run of the table, without its result; the settings take turns."""
    epochs = [f"--epochs {args.epochs}"] if args.epochs else []
    return [
        {
            "setting": name,
            "options": " ".join([*CHOICES[args.lesson][name].split(), *epochs]),
            "limit": args.limit or "",
            "tenth": tenth,
            "seed": seed,
        }
        for tenth in range(args.tenths)
        for seed in range(args.seeds)
        for name in args.only
    ]


def run_all(args, plan, path):
    """Do the runs of the plan that are not in the file yet, and add them to it."""
    done = {key_of(row) for row in tables.read_rows(path)}
    left = [row for row in plan if key_of(row) not in done]
    for tenth, rows in itertools.groupby(left, lambda row: row["tenth"]):
        with tempfile.TemporaryDirectory() as data:
            write_data(Path(data), tenth, args.limit)
            for row in rows:
                name = f"{row['setting']}, tenth {tenth}, seed {row['seed']}"
                try:
                    misread, metrics = run_once(args.lesson, row["options"], row["seed"], data)
                except utils.UserError as error:  # as when the steps are too long: no result
                    print(f"{name}: {error}", file=sys.stderr)
                    continue
                row |= {"misread": misread, "weights": metrics["parameters"]}
                row |= {"seconds": metrics["seconds"], "code": code_of(args.lesson)}
                tables.add_row(path, row)
                print(f"{name}: {misread:.2f} % misread, {metrics['seconds']:.1f} s", flush=True)


def compare(args, plan, path):
    """Return the table of the planned runs twice: as text and in Markdown, with remarks below."""
    found, wanted = {key_of(row): row for row in tables.read_rows(path)}, {}
    for row in plan:
        if key_of(row) in found:
            wanted.setdefault(row["setting"], []).append(found[key_of(row)])
    if not wanted:
        raise utils.UserError("no run came to its end; nothing to compare")
    errors = {
        name: {(row["tenth"], row["seed"]): float(row["misread"]) for row in rows}
        for name, rows in wanted.items()
    }
    compared, lines = utils.compare_settings(errors), []
    for row in compared:
        mine = wanted[row["setting"]]
        change = f"{row['difference']:+.2f}" if row["difference"] != "" else ""
        reach = f" ± {row['interval']:.2f}" if row["interval"] != "" else ""
        line = {
            "setting": row["setting"],
            f"`python {args.lesson}.py ...`": f"`{mine[0]['options']}`" * bool(mine[0]["options"]),
            "misread, % of dev": f"{row['misread']:.2f} ± {row['sd']:.2f}",
            "difference, % and 95 % interval": change + reach,
            "verdict": row["verdict"],
            "weights": f"{int(mine[0]['weights']):,}",
            "training, s": f"{statistics.median(float(one['seconds']) for one in mine):.1f}",
        }
        lines.append(line)
    words = f" on each of {args.tenths} tenths of the training set as dev" * (args.tenths > 1)
    remarks = [
        f"{args.seeds} seeds{words}, paired; intervals are widened for {len(compared) - 1} "
        "comparisons.",
        f"{tables.machine()}.",
    ]
    if args.limit:
        remarks.append(f"The first {args.limit:,} training digits alone.")
    if {row["code"] for rows in wanted.values() for row in rows} != {str(code_of(args.lesson))}:
        remarks.append(f"Some runs were made by other code than now; {path.name} marks them.")
    remarks = "\n".join(remarks)
    text = utils.comparison_table(compared).rpartition("\n")[0]  # its remark is among ours
    return f"{text}\n{remarks}\n", f"{tables.markdown(lines)}\n\n{remarks}\n"


def main(argv=None):
    """Run what is not done yet, then print and write the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    count = utils.number(int, 1, 10**6)
    parser.add_argument("lesson", choices=CHOICES)
    parser.add_argument(
        "--seeds", type=count, default=3, metavar="N", help="0 to N - 1 (default 3)"
    )
    parser.add_argument("--epochs", type=count, metavar="N", help="of every run (default: its own)")
    words = "rows of the table; the others are compared with the first (default: all)"
    parser.add_argument("--only", nargs="+", metavar="NAME", help=words)
    words = "how many tenths of the training set take their turn as dev (default 1)"
    parser.add_argument(
        "--tenths", type=utils.number(int, 1, 10), default=1, metavar="N", help=words
    )
    parser.add_argument("--limit", type=count, metavar="N", help="use N training digits only")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks")
    args = parser.parse_args(argv)
    args.only = args.only or list(CHOICES[args.lesson])
    for name in args.only:
        if name not in CHOICES[args.lesson]:
            parser.error(f"--only {name}: the rows are {', '.join(CHOICES[args.lesson])}")
    args.output_dir.mkdir(parents=True, exist_ok=True)
    path, plan = args.output_dir / f"choices_{args.lesson}.csv", planned_runs(args)
    try:
        run_all(args, plan, path)
    except KeyboardInterrupt as stop:
        words = f"stopped; the same command goes on with what is not yet in {path}"
        raise type(stop)(words) from None
    text, table = compare(args, plan, path)
    path.with_suffix(".md").write_text(table, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    utils.run_script(main)
