"""Runs that are killed, interrupted or out of disk, and resumed: the same bits in the end.

The children are real programs that get real signals. Most of it is slow; the quick suite kills the
script that starts fastest, neural_nets.py, at each of its worst moments.
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

import numpy as np
import pytest
import torch

import conv
import mlp
import neural_nets
import nnet_cnn
import nnet_fc
import train_utils
import utils
from tests.conftest import ROOT, run_script, visible_files

SCRIPTS = {  # the options of a run of a few seconds, and more than one epoch's worth of state
    "neural_nets.py": ["--hidden", "60", "40", "--epochs", "8"],
    "nnet_fc.py": ["--augment", "--epochs", "6"],
    "nnet_cnn.py": ["--epochs", "5"],
    "mlp.py": ["--hidden", "40", "--epochs", "6"],
    "conv.py": ["--epochs", "4"],
}


def options(script, data, folder, *more):
    argv = ["--data-dir", data, "--output-dir", folder, "--batch-size", 20, *SCRIPTS[script], *more]
    return [str(option) for option in argv]


def start(script, data, folder, *more):
    """Start a script in the background."""
    command = [sys.executable, str(ROOT / script), *options(script, data, folder, *more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(folder):
    """All that a run ends with, except times: weights, history, metrics."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for timed in ("seconds", "examples_per_second"):
        del metrics[timed]
    rows = list(csv.DictReader((folder / "history.csv").open()))
    if (folder / "model.npz").exists():
        weights = dict(np.load(folder / "model.npz"))
    else:
        weights = torch.load(folder / "model.pt", weights_only=True)
    content = {name: np.asarray(value).tobytes() for name, value in weights.items()}
    return metrics, [{**row, "seconds": 0} for row in rows], content


def resume_to_the_end(script, data, folder):
    """Resume a run that was ended anyhow, or start it anew if it had no checkpoint yet."""
    checkpoints = [path for path in visible_files(folder) if path.startswith("checkpoint.")]
    more = ["--resume"] if checkpoints else []
    done = run_script(script, *options(script, data, folder, *more))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_at_random_moments_it_ends_with_the_same_bits(script, small_mnist, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    assert run_script(script, *options(script, small_mnist, whole)).returncode == 0
    duration = time.monotonic() - begun
    kills, chance = 0, random.Random(0)
    while kills < 6:
        more = ["--resume"] if list(killed.glob("checkpoint.*")) else []
        child = start(script, small_mnist, killed, *more)
        time.sleep(chance.uniform(0.2, 1.0) * duration)
        child.kill()
        child.communicate()
        if child.returncode == 0:  # it was done before: from the start once more
            assert outcome(killed) == outcome(whole)
            shutil.rmtree(killed)
        else:
            kills += 1
    resume_to_the_end(script, small_mnist, killed)
    assert outcome(killed) == outcome(whole)
    assert visible_files(killed) == visible_files(whole)
    assert [p.name for p in killed.iterdir() if "unfinished" in p.name] == []


# The child kills itself at the n-th time that a finished file is moved to its place (or would be).
KILL_AT = """
import os, pathlib, runpy, signal, sys
moves, replace = [], pathlib.Path.replace
def kill_or_replace(self, target):
    moves.append(target)
    if len(moves) == {number} + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = kill_or_replace
sys.argv = {argv!r}
runpy.run_path({script!r}, run_name="__main__")
"""


def kill_at_move(script, number, argv):
    code = KILL_AT.format(number=number, argv=[script, *argv], script=str(ROOT / script))
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode


@pytest.fixture(scope="module")
def uninterrupted(small_mnist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = run_script("neural_nets.py", *options("neural_nets.py", small_mnist, folder))
    assert done.returncode == 0
    return folder


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(n, marks=SLOW) for n in (3, 7, 8, 11, 12, 14, 15))]
)
def test_killed_while_a_file_is_written_it_ends_with_the_same_bits(
    number, small_mnist, tmp_path, uninterrupted
):
    """Moves 0 to 7 are those of the checkpoints, then come the pictures, then all results."""
    argv = options("neural_nets.py", small_mnist, tmp_path)
    assert kill_at_move("neural_nets.py", number, argv) == -signal.SIGKILL
    if number == 0:
        assert visible_files(tmp_path) == set()
    resume_to_the_end("neural_nets.py", small_mnist, tmp_path)
    assert outcome(tmp_path) == outcome(uninterrupted)
    assert visible_files(tmp_path) == visible_files(uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_once_or_more_often_says_how_to_go_on(script, times, small_mnist, tmp_path):
    child = start(script, small_mnist, tmp_path, "--epochs", "100000")
    while not child.stdout.readline().startswith("epoch"):
        assert child.poll() is None
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.002)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    words = "stopped; the same command with --resume goes on after epoch "
    assert errors.startswith(f"{script}: {words}")
    assert errors.count("\n") == 1
    assert run_script(script, *options(script, small_mnist, tmp_path, "--resume")).returncode == 2


def full_disk(path):
    """Make a file's unfinished form a door to /dev/full, which refuses every byte."""
    os.symlink("/dev/full", path.with_name(f".{path.name}.unfinished"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
@pytest.mark.parametrize("script", ["neural_nets.py", pytest.param("nnet_fc.py", marks=SLOW)])
def test_a_full_disk_is_said_and_can_be_resumed_from(script, small_mnist, tmp_path):
    ending = "npz" if script == "neural_nets.py" else "pt"
    full_disk(tmp_path / f"checkpoint.{ending}")
    done = run_script(script, *options(script, small_mnist, tmp_path))
    assert done.returncode == 2 and "No space left on device" in done.stderr
    assert done.stderr.startswith(f"{script}: error: ") and done.stderr.count("\n") == 1
    resume_to_the_end(script, small_mnist, tmp_path)
    assert "metrics.json" in visible_files(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
def test_a_failing_run_leaves_earlier_results_alone(small_mnist, tmp_path, uninterrupted):
    folder = tmp_path / "run"
    argv = options("neural_nets.py", small_mnist, folder)
    assert run_script("neural_nets.py", *argv, "--no-plots").returncode == 0
    before = outcome(folder)
    full_disk(folder / "checkpoint.npz")
    done = run_script("neural_nets.py", *argv, "--seed", 5, "--no-plots")
    assert done.returncode == 2 and "No space left" in done.stderr
    assert outcome(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
@pytest.mark.parametrize("limit", [pytest.param(60_000, marks=pytest.mark.slow), 25_000])
def test_results_that_do_not_fit_leave_the_earlier_ones_and_can_be_had_later(
    limit, small_mnist, tmp_path
):
    """No file may grow beyond a limit, as on a full disk: the checkpoint fits, a picture does not;
    then the checkpoint does not either."""
    import resource

    argv = options("neural_nets.py", small_mnist, tmp_path, "--hidden", 5, "--epochs", 2)
    (tmp_path / "metrics.json").write_text("earlier")
    done = run_script("neural_nets.py", *argv, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (limit, limit)))  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("neural_nets.py: error: a file could not be written: ")
    checkpoint = {"checkpoint.npz"} if limit == 60_000 else set()
    assert visible_files(tmp_path) == {"metrics.json"} | checkpoint
    assert (tmp_path / "metrics.json").read_text() == "earlier"
    if checkpoint:
        assert run_script("neural_nets.py", *argv, "--resume").returncode == 0
        assert json.loads((tmp_path / "metrics.json").read_text())["epochs"] == 2


@pytest.mark.parametrize(("script", "more"), [
    (neural_nets, []), (nnet_fc, []), (nnet_fc, ["--sweep"]), (nnet_cnn, []), (mlp, []), (conv, []),
])  # fmt: skip
def test_a_folder_in_use_is_left_alone(script, more, small_mnist, tmp_path, as_program):
    name = f"{script.__name__}.py"
    argv = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--epochs", 1, "--quiet", *more]
    with utils.run_folder(tmp_path):
        status, _, errors = as_program(script.main, name, *argv)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"{name}: error: another run is using {tmp_path}; ")
    assert visible_files(tmp_path) == set()


@pytest.mark.parametrize("script", [nnet_fc, mlp])
def test_ctrl_c_while_the_test_set_is_read_says_how_to_go_on(
    script, small_mnist, tmp_path, as_program, monkeypatch
):
    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(train_utils, "read_digits", interrupted)
    argv = ["--data-dir", small_mnist, "--output-dir", tmp_path, "--hidden", 5, "--epochs", 1]
    status, _, errors = as_program(script.main, "x.py", *argv, "--quiet")
    assert status == 130
    assert errors == "x.py: stopped; the same command with --resume goes on after epoch 1\n"


@pytest.mark.slow
def test_two_runs_at_once_in_one_folder(small_mnist, tmp_path):
    first = start("nnet_fc.py", small_mnist, tmp_path, "--epochs", "100000")
    while not first.stdout.readline().startswith("epoch"):
        assert first.poll() is None
    second = run_script("nnet_fc.py", *options("nnet_fc.py", small_mnist, tmp_path))
    first.kill()
    first.communicate()
    assert second.returncode == 2 and "another run is using" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_must_not_be_written(small_mnist, tmp_path):
    tmp_path.chmod(0o500)
    done = run_script("neural_nets.py", *options("neural_nets.py", small_mnist, tmp_path))
    tmp_path.chmod(0o700)
    assert done.returncode == 2 and "cannot write" in done.stderr and done.stderr.count("\n") == 1
