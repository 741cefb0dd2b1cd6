"""nnet_fc.py: the bridge from lesson 1, the network, its options, the sweep, and the script."""

import neural_nets
import nnet_cnn
import nnet_fc
import train_utils
import utils
from tests.conftest import PICTURES, RUN_FILES, visible_files

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

# ---------------------------------------------------------------------------------- the bridge


def test_autograd_agrees_with_lesson_1():
    """The gradients by hand are those by which lesson 1's own network moves."""
    network = neural_nets.NeuralNetwork()
    network.learning_rate = 1.0
    before = {
        "W": network.input_to_hidden_weights.copy(),
        "b": network.biases.copy(),
        "V": network.hidden_to_output_weights.copy(),
    }
    network.train(2, 1, 10)
    after = network.input_to_hidden_weights, network.biases, network.hidden_to_output_weights
    for (name, (found, expected)), new in zip(
        nnet_fc.compare_gradients().items(), after, strict=True
    ):
        assert found.tolist() == expected.tolist() and found.abs().min() > 0
        assert np.allclose(found, before[name] - np.asarray(new))


def test_gradients_that_differ_are_said(monkeypatch, as_program):
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", "--check-gradients")
    assert (status, errors) == (0, "") and out.count("by autograd") == 3
    wrong = {"W": (torch.ones(2), torch.ones(2)), "b": (torch.ones(1), torch.zeros(1))}
    monkeypatch.setattr(nnet_fc, "compare_gradients", lambda: wrong)
    status, _, errors = as_program(nnet_fc.main, "nnet_fc.py", "--check-gradients")
    assert status == 2 and errors == "nnet_fc.py: error: the gradients of b differ\n"


# --------------------------------------------------------------------------------- the network


def test_the_courses_network_is_plain():
    model = nnet_fc.build_model([128], batch_norm=False)
    assert [type(layer) for layer in model] == [train_utils.Flatten, nn.Linear, nn.ReLU, nn.Linear]
    assert train_utils.count_weights(model) == 784 * 128 + 128 + 128 * 10 + 10
    deep = nnet_fc.build_model([30, 20], "leaky_relu")
    kinds = [type(layer) for layer in deep]
    block = [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU]
    assert kinds == [train_utils.Flatten, *block, *block, nn.Linear]
    assert [m.out_features for m in deep if isinstance(m, nn.Linear)] == [30, 20, 10]
    for shape in ((2, 784), (2, 1, 28, 28)):
        assert deep.eval()(torch.zeros(shape)).shape == (2, 10)


def options(small_mnist, folder, *more):
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--quiet", *more]
    return [str(option) for option in argv]


SHAPE = ["--hidden", "20", "10", "--activation", "tanh", "--no-batch-norm"]


def test_a_run_learns_writes_its_files_and_reads_with_the_network_that_was_trained(
    small_mnist, tmp_path, as_program, mnist
):
    more = ["--plain", "--epochs", 6, "--batch-size", 20, "--no-plots", *SHAPE]
    metrics = nnet_fc.main(options(small_mnist, tmp_path, *more))
    assert visible_files(tmp_path) == RUN_FILES - PICTURES
    assert metrics["test_accuracy"] > 0.55  # guessing gives 0.1
    assert metrics["parameters"] == 784 * 20 + 20 + 20 * 10 + 10 + 10 * 10 + 10
    recipe = nnet_fc.PLAIN | {"hidden": [20, 10], "activation": "tanh", "batch_norm": False}
    recipe |= {"script": "nnet_fc", "epochs": 6, "batch_size": 20, "seed": 0, "augment": False}
    settings = metrics["settings"]
    assert recipe.items() <= settings.items()
    assert {"device", "precision", "label_smoothing", "layers", "data"} <= settings.keys()
    assert not {"quiet", "output_dir", "data_dir", "no_plots"} & settings.keys()
    Image.fromarray(255 - mnist[0][0][1]).resize((112, 112)).save(tmp_path / "zero.png")
    reading = ["--output-dir", tmp_path, "--predict", tmp_path / "zero.png"]
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", *reading)
    assert (status, errors) == (0, "") and out.startswith(f"{tmp_path / 'zero.png'}: 0 (")


@pytest.mark.slow
def test_two_epochs_read_98_percent(tmp_path):
    metrics = nnet_fc.main(["--epochs", "2", "--output-dir", str(tmp_path), "--quiet"])
    assert metrics["test_accuracy"] >= 0.98


# ----------------------------------------------------------- what the options do to the training

NOTHING = {"lr": 0.1, "momentum": 0.0, "nesterov": False, "schedule": None, "adversarial": 0.0}
NOTHING |= {"averaging": 0.0, "label_smoothing": 0.0}


class Caught(BaseException):
    """Ends a run where its training would begin."""


@pytest.fixture
def training(monkeypatch):
    """A function (lesson, *options) -> what train_model would be called with."""

    def caught(batches, dev, model, **how):
        raise Caught({"batches": batches, "dev": dev, "model": model} | how)

    def call(lesson, *more):
        with pytest.raises(Caught) as stop:
            lesson.main(list(map(str, more)))
        return stop.value.args[0]

    monkeypatch.setattr(train_utils, "train_model", caught)
    return call


def test_plain_is_the_course_and_typed_options_go_first(training, small_mnist, tmp_path):
    argv = options(small_mnist, tmp_path)
    how = training(nnet_fc, *argv, "--plain")
    assert {name: how[name] for name in NOTHING} == NOTHING and how["n_epochs"] == 30
    assert how["batches"].batch_size == 32 and how["batches"].augment is None
    assert train_utils.count_weights(how["model"]) == 784 * 128 + 128 + 128 * 10 + 10
    typed = ["--momentum", 0.5, "--adversarial", 1, "--hidden", 8, "--batch-norm", "--augment"]
    how = training(nnet_fc, *argv, "--plain", *typed)
    assert (how["momentum"], how["nesterov"], how["adversarial"]) == (0.5, True, 1)
    assert how["schedule"] is None and how["batches"].augment is train_utils.random_affine
    assert any(isinstance(layer, nn.BatchNorm1d) for layer in how["model"])


@pytest.mark.parametrize("lesson", [nnet_fc, nnet_cnn])
def test_every_ingredient_has_an_option_that_leaves_it_out(lesson, training, small_mnist, tmp_path):
    argv = options(small_mnist, tmp_path, "--batch-size", 20)
    ours, recipe = training(lesson, *argv), lesson.RECIPE
    for name in ("lr", "momentum", "averaging", "adversarial"):
        assert ours[name] == recipe[name]
    assert ours["label_smoothing"] == recipe.get("label_smoothing", 0)
    assert ours["schedule"] is train_utils.one_cycle and ours["nesterov"]
    assert (ours["batches"].augment is train_utils.random_affine) == recipe["augment"]
    off = ["--no-augment", "--adversarial", 0, "--label-smoothing", 0, "--averaging", 0]
    off += ["--schedule", "constant", "--momentum", 0, "--lr", 0.1]
    how = training(lesson, *argv, *off)
    assert {name: how[name] for name in NOTHING} == NOTHING and how["batches"].augment is None


@pytest.mark.parametrize("lesson", [nnet_fc, nnet_cnn])
def test_a_lesson_learns_from_the_first_digits_and_is_judged_on_the_last_tenth(
    lesson, training, small_mnist, tmp_path
):
    how = training(lesson, *options(small_mnist, tmp_path, "--limit", 100, "--batch-size", 20))
    labels = utils.read_mnist(small_mnist)[0][1]
    assert how["batches"].y.tolist() == labels[:90].tolist()
    assert torch.cat([batch["y"] for batch in how["dev"]]).tolist() == labels[90:100].tolist()


# -------------------------------------------------------------------------------------- sweep


def record_errors(monkeypatch, misread):
    """Let training end at once with misread(kind, seed) percent; returns what was tried.

    A kind is (batch size, rate, momentum, whether LeakyReLU, epochs)."""
    tried = []

    def pretend(batches, dev, model, lr, momentum, n_epochs, run, **more):
        leaky = any(isinstance(layer, nn.LeakyReLU) for layer in model)
        kind = (batches.batch_size, lr, momentum, leaky, n_epochs)
        tried.append((kind, run.seed, len(dev[0]["x"]), train_utils.count_weights(model)))
        right = 1 - misread(kind, run.seed) / 100
        for epoch in range(n_epochs):
            run.history.append(utils.history_row(epoch + 1, (1.0, 0.5), (1.0, right), lr, 2.0))

    monkeypatch.setattr(train_utils, "train_model", pretend)
    return tried


def misread(kind, seed):
    batch_size, _, momentum, leaky, _ = kind
    return 5 + seed - (batch_size == 64) - 2 * leaky + (momentum > 0) * (2 + 0.1 * seed)


def test_a_sweep_tries_one_change_at_a_time_and_never_the_test_set(
    small_mnist, tmp_path, monkeypatch, capsys
):
    tried = record_errors(monkeypatch, misread)
    monkeypatch.setattr(train_utils, "probabilities_of", None)  # what reads the test set
    argv = options(small_mnist, tmp_path, "--sweep", "--epochs", 3)
    argv.remove("--quiet")
    rows = nnet_fc.main(argv)
    kinds = [
        (32, 0.1, 0.0, False, 3),
        (64, 0.1, 0.0, False, 3),
        (32, 0.01, 0.0, False, 3),
        (32, 0.1, 0.9, False, 3),
        (32, 0.1, 0.0, True, 3),
        (64, 0.1, 0.0, True, 3),  # together what helped
    ]
    plain = 784 * 128 + 128 + 128 * 10 + 10
    assert tried == [(kind, seed, 60, plain) for kind in kinds for seed in range(5)]
    assert [row["setting"] for row in rows] == [*nnet_fc.CHANGES, "all with fewer errors"]
    assert [row["misread"] for row in rows] == pytest.approx([7, 6, 7, 9.2, 5, 4])
    verdicts = ["", "fewer errors", "not told apart", "more errors", *["fewer errors"] * 2]
    assert [row["verdict"] for row in rows] == verdicts
    assert (rows[0]["seconds"], rows[0]["weights"]) == (2, plain)
    assert visible_files(tmp_path) == {"sweep.csv", "sweep.png"}
    assert "all with fewer errors   4.00 +- 1.58" in capsys.readouterr().out


def test_a_misspelled_change_is_said_before_anything_is_trained(
    small_mnist, tmp_path, monkeypatch, as_program
):
    monkeypatch.setitem(nnet_fc.CHANGES, "dropout", {"drop_out": 0.2})
    argv = options(small_mnist, tmp_path, "--sweep")
    status, _, errors = as_program(nnet_fc.main, "nnet_fc.py", *argv)
    assert (status, errors) == (
        2,
        "nnet_fc.py: error: CHANGES, dropout: the sweep knows no setting drop_out\n",
    )


@pytest.mark.parametrize(
    "change", [{"activation": "swish"}, {"hidden": 64}, {"schedule": "cosine"}], ids=str
)
def test_a_change_that_does_not_fit_is_said_before_anything_is_trained(
    change, small_mnist, tmp_path, monkeypatch, as_program
):
    monkeypatch.setitem(nnet_fc.CHANGES, "mine", change)
    argv = options(small_mnist, tmp_path, "--sweep")
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", *argv)
    assert status == 2 and out == "" and errors.count("\n") == 1
    assert "CHANGES, mine: has a value that does not fit" in errors


def test_of_two_changes_of_one_setting_the_better_one_is_combined(
    small_mnist, tmp_path, monkeypatch
):
    changes = {"course": {}, "small": {"batch_size": 16}, "large": {"batch_size": 64}}
    monkeypatch.setattr(nnet_fc, "CHANGES", changes)
    tried = record_errors(
        monkeypatch, lambda kind, seed: {32: 9, 16: 5, 64: 7}[kind[0]] - kind[3] + 0.1 * seed
    )
    argv = options(small_mnist, tmp_path, "--sweep", "--epochs", 1, "--no-plots", "--quiet")
    names = [row["setting"] for row in nnet_fc.main(argv)]
    assert names == list(changes)  # both together are "small", which has its row
    changes["LeakyReLU"] = {"activation": "leaky_relu"}
    names = [row["setting"] for row in nnet_fc.main(argv)]
    assert names == [*changes, "all with fewer errors"]
    assert tried[-1][0][0] == 16 and tried[-1][0][3]


def test_a_trained_network_is_not_read_with_other_layers(small_mnist, tmp_path, as_program):
    argv = options(small_mnist, tmp_path, "--hidden", 9, "--epochs", 1, "--no-plots")
    as_program(nnet_fc.main, "nnet_fc.py", *argv)
    path = tmp_path / "metrics.json"  # as if the layers had been edited since
    path.write_text(path.read_text(encoding="utf-8").replace("ReLU()", "Tanh()"), encoding="utf-8")
    status, _, errors = as_program(nnet_fc.main, "nnet_fc.py", *argv, "--predict", "a.png")
    assert status == 2 and "its layers are others than those that code and options give" in errors


def test_guesses_are_asked_before_and_scored_after(small_mnist, tmp_path, monkeypatch, as_program):
    record_errors(monkeypatch, misread)
    answers, asked = iter(["fewer", "x", "", "n", "F", "f"]), []
    monkeypatch.setattr("builtins.input", lambda words: asked.append(words) or next(answers))
    argv = options(small_mnist, tmp_path, "--sweep", "--guess", "--epochs", 1, "--no-plots")
    status, out, errors = as_program(nnet_fc.main, "nnet_fc.py", *argv)
    assert (status, errors) == (0, "")
    # Right are batch size 64, lr 0.01 (asked three times) and LeakyReLU; momentum 0.9 is not.
    assert [words.partition(":")[0] for words in asked] == [
        "batch size 64",
        *["lr 0.01"] * 3,
        "momentum 0.9",
        "LeakyReLU",
    ]
    assert out.splitlines()[-1] == "you guessed 3 of 4 right"


def test_guesses_without_anybody_to_ask_take_one_line(
    monkeypatch, small_mnist, tmp_path, as_program
):
    def nobody(words):
        raise EOFError("EOF when reading a line")

    monkeypatch.setattr("builtins.input", nobody)
    argv = options(small_mnist, tmp_path, "--sweep", "--guess")
    status, _, errors = as_program(nnet_fc.main, "nnet_fc.py", *argv)
    assert status == 2 and errors.count("\n") == 1


def test_a_sweep_uses_the_options_that_are_typed(training, small_mnist, tmp_path):
    argv = options(small_mnist, tmp_path, "--sweep", "--augment", "--label-smoothing", 0.1)
    how = training(nnet_fc, *argv)
    assert how["label_smoothing"] == 0.1
    assert how["batches"].augment is train_utils.random_affine
