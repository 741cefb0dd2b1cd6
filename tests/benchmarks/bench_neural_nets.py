"""neural_nets.py beside PyTorch on the CPU and scikit-learn's MLPClassifier.

    python tests/benchmarks/bench_neural_nets.py             seconds per epoch, and accuracy
    python tests/benchmarks/bench_neural_nets.py --quick     seconds per epoch alone

The networks are the same: layers, batch size, rate, Nesterov momentum, float32. "plain" is
the usual step, forward, backward, update; "nudged" is that of neural_nets.py, which first moves the
pictures to where they are hardest. The contestants take turns, an epoch each, several times over,
so that whatever else the machine does meets all of them. Accuracy is on the test digits, after as
many epochs as neural_nets.py takes; MLPClassifier has its own default, Adam with rate 0.001, and
besides it the settings of neural_nets.py. Writes bench_neural_nets.csv and .md.

scikit-learn is needed here alone: python -m pip install scikit-learn
"""

import argparse
import contextlib
import csv
import io
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import neural_nets as nn  # noqa: E402
import utils  # noqa: E402

RATE = nn.LEARNING_RATE / 2  # about the mean over a run


def batches_of(count, seed):
    """Return the numbers of the digits in each batch of an epoch."""
    order = np.random.default_rng(seed).permutation(count)
    size = nn.BATCH_SIZE
    return [order[i : i + size] for i in range(0, count - size + 1, size)]


def numpy_contestant(images, labels, nudged):
    """Return a function that trains neural_nets.py's network for an epoch."""
    sizes = [784, *nn.HIDDEN, 10]
    params = nn.initialise(sizes, np.random.default_rng(0))
    velocity = {name: np.zeros_like(a) for name, a in params.items()}

    def plain_step(x, y):
        logits, cache = nn.forward(params, x)
        loss, dlogits = nn.softmax_cross_entropy(logits, y)
        nn.nesterov_step(params, velocity, nn.backward(params, cache, dlogits), RATE)
        return loss

    def epoch(seed):
        for chosen in batches_of(len(images), seed):
            x, y = images[chosen], labels[chosen]
            if nudged:
                nn.training_step(params, velocity, x, y, RATE, nn.NUDGE)
            else:
                plain_step(x, y)

    return epoch


def torch_contestant(images, labels, nudged):
    """Return a function that trains the same network in PyTorch for an epoch."""
    torch.manual_seed(0)
    widths, layers = [784, *nn.HIDDEN], []
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 10))
    sgd = torch.optim.SGD(model.parameters(), lr=RATE, momentum=nn.MOMENTUM, nesterov=True)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)

    def epoch(seed):
        for chosen in batches_of(len(images), seed):
            chosen = torch.from_numpy(chosen)
            x, y = images[chosen], labels[chosen]
            if nudged:
                x.requires_grad_()
                (step,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
                x = x.detach() + step * (nn.NUDGE / (step.norm(dim=1, keepdim=True) + 1e-20))
            loss = F.cross_entropy(model(x), y)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            loss.item()

    return epoch


def sklearn_network(epochs=1, **settings):
    """Return scikit-learn's network of the same layers and batch size; None if it is missing."""
    try:
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        print("scikit-learn is left out; python -m pip install scikit-learn adds it")
        return None
    return MLPClassifier(nn.HIDDEN, batch_size=nn.BATCH_SIZE, max_iter=epochs, tol=0,
                         n_iter_no_change=epochs + 1, random_state=0, **settings)  # fmt: skip


SAME = {
    "solver": "sgd", "alpha": 0, "learning_rate_init": RATE, "momentum": nn.MOMENTUM,
    "nesterovs_momentum": True,
}  # fmt: skip


def sklearn_contestant(images, labels):
    """Return a function that trains MLPClassifier for an epoch, or None."""
    network = sklearn_network(**SAME)
    return network and (lambda seed: network.partial_fit(images, labels, classes=np.arange(10)))


def time_epochs(images, labels, rounds):
    """Return rows of name, median seconds per epoch, and their spread."""
    contestants = {
        "NumPy, plain": numpy_contestant(images, labels, nudged=False),
        "PyTorch, plain": torch_contestant(images, labels, nudged=False),
        "scikit-learn, plain": sklearn_contestant(images, labels),
        "NumPy, nudged": numpy_contestant(images, labels, nudged=True),
        "PyTorch, nudged": torch_contestant(images, labels, nudged=True),
    }
    seconds = {name: [] for name, epoch in contestants.items() if epoch}
    for turn in range(rounds + 1):  # the first is for warming up
        for name in seconds:
            start = time.perf_counter()
            contestants[name](turn)
            if turn:
                seconds[name].append(time.perf_counter() - start)
                print(f"round {turn}/{rounds}  {name:20} {seconds[name][-1]:6.2f} s", flush=True)
    rows = []
    for name, times in seconds.items():
        reference = statistics.median(seconds[f"NumPy, {name.split(', ')[1]}"])
        median = statistics.median(times)
        rows.append({"network": name, "seconds per epoch": f"{median:.2f}",
                     "from": f"{min(times):.2f}", "to": f"{max(times):.2f}",
                     "times NumPy's": f"{median / reference:.2f}"})  # fmt: skip
    return rows


def compare_accuracy(train, test, folder):
    """Return rows of name, test accuracy and seconds of training."""
    start = time.perf_counter()
    options = ["--quiet", "--no-plots", "--output-dir", str(folder / "neural_nets")]
    rows = [("neural_nets.py", nn.main(options)["test_accuracy"], time.perf_counter() - start)]
    for name, settings in (("MLPClassifier, Adam", {}), ("MLPClassifier, same settings", SAME)):
        network = sklearn_network(nn.EPOCHS, **settings)
        if network:
            print(f"training {name} ...", flush=True)
            start = time.perf_counter()
            with contextlib.redirect_stderr(io.StringIO()):  # "has not converged yet": as was asked
                network.fit(*train)
            rows.append((name, network.score(*test), time.perf_counter() - start))
    return [{"network": name, "test accuracy (%)": f"{100 * accuracy:.2f}",
             "epochs": nn.EPOCHS, "seconds": f"{seconds:.1f}"}
            for name, accuracy, seconds in rows]  # fmt: skip


def as_markdown(rows):
    """Return rows (dicts of the same keys) as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    return "\n".join(lines + ["| " + " | ".join(map(str, row.values())) + " |" for row in rows])


def main():
    """Measure, print and write the tables."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--quick", action="store_true", help="leave accuracy out; fewer rounds")
    parser.add_argument("--rounds", type=int, help="epochs for each (default 7, quick 3)")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "runs" / "benchmarks")
    args = parser.parse_args()
    folder = args.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    train_x, train_y, *test = utils.get_MNIST_data()
    train = train_x[:54000], train_y[:54000]
    print(f"layers 784-{'-'.join(map(str, nn.HIDDEN))}-10, batches of {nn.BATCH_SIZE}, "
          f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, "
          f"NumPy {np.__version__}, PyTorch {torch.__version__}")  # fmt: skip
    tables = [time_epochs(*train, args.rounds or (3 if args.quick else 7))]
    if not args.quick:
        tables.append(compare_accuracy(train, test, folder))
    text = "\n\n".join(as_markdown(rows) for rows in tables)
    print(f"\n{text}")
    (folder / "bench_neural_nets.md").write_text(text + "\n", encoding="utf-8")
    with (folder / "bench_neural_nets.csv").open("w", newline="", encoding="utf-8") as file:
        for rows in tables:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
