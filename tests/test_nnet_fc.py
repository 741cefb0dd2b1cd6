"""nnet_fc.py: the course's network and ours, the sweep, and the script as its users run it."""

import csv
import json

import pytest
import torch
from torch import nn

import mlp
import nnet_fc
import reports
import train_utils
from tests.conftest import RUN_FILES, visible_files


def test_the_courses_network_is_plain():
    model = nnet_fc.build_model([128])
    assert [type(layer) for layer in model] == [train_utils.Flatten, nn.Linear, nn.ReLU, nn.Linear]
    assert sum(p.numel() for p in model.parameters()) == 784 * 128 + 128 + 128 * 10 + 10
    deep = nnet_fc.build_model([30, 20], "leaky_relu")
    assert [m.out_features for m in deep if isinstance(m, nn.Linear)] == [30, 20, 10]
    assert sum(isinstance(m, nn.LeakyReLU) for m in deep) == 2


@pytest.mark.parametrize("shape", [(2, 784), (2, 1, 28, 28)])
def test_pictures_may_be_flat_or_not(shape):
    assert nnet_fc.build_model().eval()(torch.zeros(shape)).shape == (2, 10)


def options(small_mnist, folder, *more):
    return ["--data-dir", str(small_mnist), "--output-dir", str(folder), "--quiet", *more]


PLAIN = ["--hidden", "20", "10", "--activation", "tanh"]


@pytest.mark.parametrize("more", [
    [], pytest.param(["--augment"], marks=pytest.mark.slow), PLAIN
])  # fmt: skip
def test_a_run_learns_and_writes_its_files(small_mnist, tmp_path, more):
    argv = options(small_mnist, tmp_path, "--epochs", "4", "--batch-size", "20", *more)
    metrics = nnet_fc.main(argv)
    assert visible_files(tmp_path) == RUN_FILES | {"weights.png"}
    assert metrics["test_accuracy"] > 0.55
    assert metrics["settings"]["augment"] == ("--augment" in more)
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    rates = [float(row["lr"]) for row in rows]  # the course's rate stays, ours ends near 0
    assert len(set(rates)) == 1 if "--hidden" in more else rates[-1] < 0.1 * rates[1]


def test_a_layer_of_no_width_is_refused(as_program):
    for script in (nnet_fc, mlp):
        status, _, errors = as_program(script.main, "x.py", "--hidden", "5", "0")
        assert status == 2 and "--hidden: 0 is not between 1 and " in errors


@pytest.mark.slow
def test_two_epochs_read_98_percent(tmp_path):
    metrics = nnet_fc.main(["--epochs", "2", "--output-dir", str(tmp_path), "--quiet"])
    assert metrics["test_accuracy"] >= 0.98


def test_augmented_runs_differ(small_mnist, tmp_path):
    argv = options(small_mnist, tmp_path, "--epochs", "1", "--no-plots")
    assert nnet_fc.main(argv)["test_loss"] != nnet_fc.main([*argv, "--augment"])["test_loss"]


def test_predict_builds_the_network_that_was_trained(small_mnist, tmp_path, as_program, mnist):
    nnet_fc.main(options(small_mnist, tmp_path, "--epochs", "5", "--batch-size", "20", "--lr",
                         "0.1", "--no-plots", *PLAIN))  # fmt: skip
    from PIL import Image

    digit = mnist[0][0][1]
    Image.fromarray(255 - digit).resize((112, 112)).save(tmp_path / "zero.png")
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", "--output-dir", tmp_path,
                                     "--predict", tmp_path / "zero.png")  # fmt: skip
    assert (status, errors) == (0, "") and out.startswith(f"{tmp_path / 'zero.png'}: 0 (")
    (tmp_path / "metrics.json").write_text('{"settings": {"hidden": [1e99], "activation": "x"}}')
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", "--output-dir", tmp_path,
                                     "--predict", tmp_path / "zero.png")  # fmt: skip
    assert status == 2 and errors.count("\n") == 1


# -------------------------------------------------------------------------------------- sweep


def test_a_sweep_tries_one_change_at_a_time_and_never_the_test_set(
    small_mnist, tmp_path, monkeypatch, capsys
):
    tried = []

    def pretend(batches, dev, model, lr, momentum, nesterov, n_epochs, **more):
        assert nesterov == (momentum > 0)
        leaky = any(isinstance(layer, nn.LeakyReLU) for layer in model)
        tried.append((batches.batch_size, lr, momentum, leaky, n_epochs, torch.initial_seed()))
        assert len(dev) == 1 and len(dev[0]["x"]) == 60  # dev, not the 200 of the test set
        return 0.9 + 0.01 * (batches.batch_size == 64) + 0.02 * leaky - 0.03 * (lr == 0.01)

    monkeypatch.setattr(train_utils, "train_model", pretend)
    monkeypatch.setattr(train_utils, "read_digits", None)
    argv = options(small_mnist, tmp_path, "--sweep", "--epochs", "3")
    argv.remove("--quiet")
    rows = nnet_fc.main(argv)
    kinds = [(32, 0.1, 0.0, False), (64, 0.1, 0.0, False), (32, 0.01, 0.0, False),
             (32, 0.1, 0.9, False), (32, 0.1, 0.0, True), (64, 0.1, 0.0, True)]  # fmt: skip
    assert tried == [(*kind, 3, seed) for kind in kinds for seed in range(5)]
    assert [row["setting"] for row in rows] == ["baseline", *nnet_fc.CHANGES, "all that helped"]
    assert [row["setting"] for row in rows if row["best"]] == ["all that helped"]
    assert visible_files(tmp_path) == {"sweep.csv", "sweep.png"}
    assert [row["setting"] for row in csv.DictReader((tmp_path / "sweep.csv").open())] == [
        row["setting"] for row in rows
    ]
    assert "* all that helped  93.00 +- 0.00 %" in capsys.readouterr().out


@pytest.mark.parametrize("other", ["--augment", "--resume", "--predict=seven.png"])
def test_a_sweep_refuses_what_it_would_ignore(other, as_program):
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", "--sweep", other)
    assert (status, out) == (2, "") and errors.count("\n") == 1
    assert "--sweep goes without" in errors


def test_a_sweep_that_fails_leaves_the_earlier_table(small_mnist, tmp_path, monkeypatch):
    def fail(path, results):
        raise OSError("disk full")

    (tmp_path / "sweep.csv").write_text("earlier")
    monkeypatch.setattr(nnet_fc, "dev_accuracies", lambda *given: [0.9, 0.8])
    monkeypatch.setattr(reports, "draw_sweep", fail)
    with pytest.raises(OSError):
        nnet_fc.main(options(small_mnist, tmp_path, "--sweep"))
    assert (tmp_path / "sweep.csv").read_text() == "earlier"


def test_a_difference_is_judged_by_the_seeds_noise():
    rows = reports.sweep_rows({
        "baseline": [0.90, 0.92, 0.94],  # mean 0.92, sd 0.02
        "close": [0.92, 0.94, 0.96],  # + 0.02; two errors are 2 * sqrt(2 * 0.0004 / 3) = 0.0327
        "far": [0.94, 0.96, 0.98],
        "worse": [0.70, 0.72, 0.74],
    })  # fmt: skip
    assert [row["verdict"] for row in rows] == ["", "within the seeds' noise", "better", "worse"]
    assert rows[1]["difference"] == pytest.approx(0.02)
    assert rows[1]["two_errors"] == pytest.approx(2 * (2 * 0.0004 / 3) ** 0.5)
    assert [row["best"] for row in rows] == [False, False, True, False]
    table = reports.sweep_table(rows).splitlines()
    assert table[3].startswith("* far") and "better" in table[3] and len(table) == 6


def test_a_real_sweep_in_small(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(nnet_fc, "SWEEP_SEEDS", 2)
    rows = nnet_fc.main(options(small_mnist, tmp_path, "--sweep", "--epochs", "1", "--no-plots"))
    assert len(rows) >= 5 and all(0.1 < row["dev_accuracy"] <= 1 for row in rows)
    assert rows[2]["setting"] == "rate 0.01" and rows[2]["difference"] < 0


def test_settings_are_recorded(small_mnist, tmp_path):
    nnet_fc.main(options(small_mnist, tmp_path, "--hidden", "5", "--epochs", "1", "--no-plots"))
    settings = json.loads((tmp_path / "metrics.json").read_text())["settings"]
    assert settings["hidden"] == [5] and settings["lr"] == nnet_fc.LEARNING_RATE
    assert "quiet" not in settings and "output_dir" not in settings
