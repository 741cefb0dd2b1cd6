"""Runs that are killed, interrupted or out of disk, and resumed: the same bits in the end.

The children are real programs that get real signals. Most of it is slow; the quick suite does the
worst to the script that starts fastest, neural_nets.py.
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import types

import conv
import neural_nets
import nnet_cnn
import nnet_fc
import utils
from tests.conftest import ROOT, run_script, visible_files

import numpy as np
import pytest
import torch

SLOW = pytest.mark.slow
SCRIPTS = {  # the options of a run of a few seconds; together they have every kind of state
    "neural_nets.py": ["--hidden", "60", "40", "--epochs", "20"],
    "nnet_fc.py": ["--augment", "--adversarial", "1", "--averaging", "0.9", "--epochs", "6"],
    "nnet_cnn.py": ["--epochs", "5"],
    "mlp.py": ["--hidden", "40", "--epochs", "6"],
    "conv.py": ["--epochs", "4"],
}
EVERY = ["neural_nets.py", *(pytest.param(name, marks=SLOW) for name in list(SCRIPTS)[1:])]
NEEDS_FULL = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux"
)


def options(script, data, folder, *more):
    argv = ["--data-dir", data, "--output-dir", folder, "--batch-size", 20, *SCRIPTS[script]]
    return [str(option) for option in (*argv, "--quiet", "--no-plots", *more)]


def start(script, data, folder, *more):
    """Start a script in the background."""
    argv = [option for option in options(script, data, folder, *more) if option != "--quiet"]
    command = [sys.executable, str(ROOT / script), *argv]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(folder):
    """All that a run ends with, except times: weights, history, metrics, names of files."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for timed in ("seconds", "examples_per_second"):
        del metrics[timed]
    rows = list(csv.DictReader((folder / "history.csv").open()))
    if (folder / "model.npz").exists():
        weights = dict(np.load(folder / "model.npz"))
    else:
        weights = torch.load(folder / "model.pt", weights_only=True)
    content = {name: np.asarray(value).tobytes() for name, value in weights.items()}
    files = {path.name for path in folder.iterdir()} - {".lock"}  # unfinished ones, too
    return metrics, [{**row, "seconds": 0} for row in rows], content, files


@pytest.fixture(scope="module")
def uninterrupted(small_mnist, tmp_path_factory):
    """A function script -> (outcome, seconds) of its run in one go."""
    known = {}

    def whole(script):
        if script not in known:
            folder, begun = tmp_path_factory.mktemp("whole"), time.monotonic()
            assert run_script(script, *options(script, small_mnist, folder)).returncode == 0
            known[script] = outcome(folder), time.monotonic() - begun
        return known[script]

    return whole


def resume_to_the_end(script, data, folder):
    """Resume a run that was ended anyhow, or start it anew if it had no checkpoint yet."""
    more = ["--resume"] if (folder / "checkpoint.npz").exists() else []
    done = run_script(script, *options(script, data, folder, *more))
    assert (done.returncode, done.stderr) == (0, "")


# -------------------------------------------------------------------------------------- killed


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_at_random_moments_it_ends_with_the_same_bits(
    script, small_mnist, tmp_path, uninterrupted
):
    (wanted, duration), folder = uninterrupted(script), tmp_path / "killed"
    kills, chance = 0, random.Random(0)
    while kills < 6:
        more = ["--resume"] if (folder / "checkpoint.npz").exists() else []
        child = start(script, small_mnist, folder, *more)
        time.sleep(chance.uniform(0.2, 1.0) * duration)
        child.kill()
        child.communicate()
        if child.returncode == 0:  # it was done before: from the start once more
            assert outcome(folder) == wanted
            shutil.rmtree(folder)
        else:
            kills += 1
    resume_to_the_end(script, small_mnist, folder)
    assert outcome(folder) == wanted


# The child kills itself right before or right after the n-th time that a file is moved to its
# place in the run's folder.
KILL_AT = """
import os, runpy, signal, sys
moves, replace = [], os.replace
def kill_or_replace(source, target):
    if str(target).startswith({folder!r}):
        moves.append(target)
    after = replace(source, target) if {after} else None
    if len(moves) == {number} + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return after if {after} else replace(source, target)
os.replace = kill_or_replace
sys.argv = {argv!r}
runpy.run_path({script!r}, run_name="__main__")
"""
MOVED = ["checkpoint.npz"] * 3 + ["model.npz", "history.csv", "metrics.json"]
MOVED += [f"{name}.png" for name in ("learning_curves", "confusion_matrix", "mistakes")]
MOVED += ["weights.png", "adversarial.png"]
QUICK_MOVES = [(0, False), (1, True)]


@pytest.mark.parametrize(
    "number, after",
    [
        pytest.param(n, after, marks=[] if (n, after) in QUICK_MOVES else SLOW)
        for n in range(len(MOVED))
        for after in (False, True)
    ],
)
def test_killed_while_a_file_is_moved_it_ends_with_the_same_bits(
    number, after, small_mnist, tmp_path, uninterrupted_short
):
    script, folder = "neural_nets.py", str(tmp_path)
    argv = [script, *options(script, small_mnist, folder, "--epochs", 3)]
    if number >= MOVED.index("learning_curves.png"):
        argv.remove("--no-plots")
    code = KILL_AT.format(
        number=number, after=after, argv=argv, folder=folder, script=str(ROOT / script)
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert visible_files(tmp_path) == set(MOVED[: number + after])
    more = ["--resume"] if visible_files(tmp_path) else []
    assert run_script(script, *argv[1:], *more).returncode == 0
    *found, files = outcome(tmp_path)
    assert found == list(uninterrupted_short[:-1])
    assert files == set(MOVED if "--no-plots" not in argv else MOVED[:6])


@pytest.fixture(scope="module")
def uninterrupted_short(small_mnist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    argv = options("neural_nets.py", small_mnist, folder, "--epochs", 3)
    neural_nets.main(argv)
    return outcome(folder)


# --------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("script", EVERY)
@pytest.mark.parametrize(
    "number, times",
    [
        pytest.param(signal.SIGINT, 1, marks=SLOW),
        (signal.SIGINT, 5),
        pytest.param(signal.SIGTERM, 1, marks=SLOW),
    ],
)
def test_ctrl_c_once_or_more_often_says_how_to_go_on(
    script, number, times, small_mnist, tmp_path, uninterrupted
):
    child = start(script, small_mnist, tmp_path)
    while not child.stdout.readline().startswith("epoch"):
        assert child.poll() is None
    for _ in range(times):
        child.send_signal(number)
        time.sleep(0.002)
    _, errors = child.communicate(timeout=60)
    assert child.returncode in (128 + number, -number)  # which a shell calls the same
    words = "stopped; the same command with --resume goes on after epoch "
    assert errors.startswith(f"{script}: {words}") and errors.count("\n") == 1
    resume_to_the_end(script, small_mnist, tmp_path)
    assert outcome(tmp_path) == uninterrupted(script)[0]


@pytest.mark.parametrize("script", [neural_nets, nnet_fc])
def test_ctrl_c_while_the_test_set_is_read_says_how_to_go_on(
    script, small_mnist, tmp_path, as_program, monkeypatch
):
    owner = getattr(script, "train_utils", script)
    monkeypatch.setattr(owner, "probabilities_of", lambda *_: signal.raise_signal(signal.SIGINT))
    argv = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--hidden", 5, "--epochs", 1]
    status, _, errors = as_program(script.main, "x.py", *argv, "--quiet")
    assert status == 130
    assert errors == "x.py: stopped; the same command with --resume goes on after epoch 1\n"
    assert visible_files(tmp_path) == {"checkpoint.npz"}


# ------------------------------------------------------------------------------------ no space


def full_disk(path):
    """Make a file's unfinished form a door to /dev/full, which refuses every byte."""
    path.parent.mkdir(exist_ok=True)
    os.symlink("/dev/full", path.with_name(f".{path.name}.unfinished"))


@NEEDS_FULL
@pytest.mark.parametrize(
    ("script", "file"),
    [
        ("neural_nets.py", "checkpoint.npz"),
        pytest.param("neural_nets.py", "model.npz", marks=SLOW),
        pytest.param("nnet_cnn.py", "model.pt", marks=SLOW),
    ],
)
def test_a_full_disk_is_said_and_can_be_resumed_from(
    script, file, small_mnist, tmp_path, uninterrupted
):
    full_disk(tmp_path / file)
    done = run_script(script, *options(script, small_mnist, tmp_path))
    assert done.returncode == 2 and "No space left on device" in done.stderr
    assert done.stderr.startswith(f"{script}: error: ") and done.stderr.count("\n") == 1
    assert visible_files(tmp_path) == ({"checkpoint.npz"} if file != "checkpoint.npz" else set())
    resume_to_the_end(script, small_mnist, tmp_path)
    assert outcome(tmp_path) == uninterrupted(script)[0]


@NEEDS_FULL
def test_a_run_that_fails_leaves_earlier_results_alone(small_mnist, tmp_path, as_program):
    argv = options("neural_nets.py", small_mnist, tmp_path, "--epochs", 2)
    neural_nets.main(argv)
    before = outcome(tmp_path)
    full_disk(tmp_path / "checkpoint.npz")
    status, _, errors = as_program(neural_nets.main, "x.py", *argv, "--seed", 5)
    assert status == 2 and "No space left" in errors
    assert outcome(tmp_path) == before


# ------------------------------------------------------------------------------- folders in use


@pytest.mark.parametrize(
    ("script", "more"),
    [(neural_nets, []), (nnet_fc, ["--sweep"]), (nnet_cnn, ["--sweep"]), (conv, [])],
)
def test_a_folder_in_use_is_left_alone(script, more, small_mnist, tmp_path, as_program):
    name = f"{script.__name__}.py"
    argv = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--epochs", 1, "--quiet", *more]
    first = {"output_dir": tmp_path, "script": "first", "epochs": 1, "seed": 0, "settings": []}
    first |= {"code": 0, "resume": False, "quiet": True, "show": False}
    with utils.start_run(types.SimpleNamespace(**first)):
        status, _, errors = as_program(script.main, name, *argv)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"{name}: error: another run is using {tmp_path}; ")
    assert visible_files(tmp_path) == set()
