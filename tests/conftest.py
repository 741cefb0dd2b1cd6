"""What several test files use: a small data set in MNIST's files, scripts run as programs."""

import functools
import gzip
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

# NumPy's threads wait by asking all the time, which slows tests down where anything else runs. Read
# when NumPy is imported, here and in the programs that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import utils

import numpy as np
import pytest

pytest_plugins = ["tests.grading.plugin"]  # --submission=DIR grades somebody's solution

ROOT = Path(__file__).resolve().parent.parent


def write_idx(path, array):
    """Write a uint8 array as an IDX file, gzip'd if the name ends in .gz."""
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


@functools.cache
def all_of_mnist():
    """All of MNIST as bytes: ((images, labels), (images, labels)); unpacked once for all tests."""
    return utils.read_mnist()


def write_mnist(folder, train=600, test=200):
    """Write the first digits of MNIST as a small data set of four files."""
    folder.mkdir(exist_ok=True)
    for prefix, (images, labels), count in zip(
        ("train", "t10k"), all_of_mnist(), (train, test), strict=True
    ):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", np.array(images[:count]))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.array(labels[:count]))
    return folder


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory):
    """A folder with 600 training and 200 test digits."""
    return write_mnist(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="session")
def mnist():
    """All of MNIST as bytes: ((images, labels), (images, labels))."""
    return all_of_mnist()


def slow_sample(cases, ids, share):
    """Parameters of which every share-th is a slow test, and the others are exhaustive ones."""
    marks = [pytest.mark.exhaustive if i % share else pytest.mark.slow for i in range(len(cases))]
    parts = zip(cases, ids, marks, strict=True)
    return [pytest.param(case, id=name, marks=mark) for case, name, mark in parts]


def run_script(script, *options, **more):
    """Run a script as a user does; returns the finished process with its text output."""
    command = [sys.executable, str(ROOT / script), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


@pytest.fixture
def as_program(monkeypatch, capsys):
    """A function (main, script, *options) -> (status, output, errors): the script as a program,
    but within this process, which spares the seconds that importing torch takes."""

    def call(main, script, *options):
        argv = [str(option) for option in options]
        monkeypatch.setattr(sys, "argv", [script, *argv])
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            utils.run_script(main)
            status = 0
        except SystemExit as stop:
            status = stop.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return status, *capsys.readouterr()

    return call


def figures_drawn(monkeypatch):
    """Catch every figure that save_figure would write: its file is made, but stays empty, which
    takes a third of the time."""
    from matplotlib.figure import Figure

    caught = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: caught.append(figure))
    return caught


def chances_of(readings, sureness):
    """Probabilities (1, N, 10) of which the reading has the given one."""
    chances = np.full((len(readings), 10), 0.0)
    chances[np.arange(len(readings)), readings] = sureness
    return chances[None]


@pytest.fixture
def ctrl_c():
    """A function that does what Ctrl-C does, even if pytest runs where it is ignored."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, old)


PICTURES = {"learning_curves.png", "confusion_matrix.png", "mistakes.png"}
RUN_FILES = {"model.pt", "checkpoint.npz", "metrics.json", "history.csv"} | PICTURES


def visible_files(folder):
    """The names of the files in a run's folder, without its lock."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}
