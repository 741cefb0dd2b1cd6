"""mlp.py: the two-headed network, fully connected, and the script as its users run it."""

import conv
import mlp
import train_utils
import utils
import utils_multiMNIST
from tests.conftest import RUN_FILES, visible_files
from tests.test_utils_multiMNIST import halves

import numpy as np
import pytest
import torch
from torch import nn


@pytest.mark.parametrize("hidden", [(64,), (30, 20)])
def test_two_heads_of_ten_over_shared_layers(hidden):
    model = mlp.MLP(42 * 28, hidden).eval()
    upper, lower = model(torch.rand(3, 1, 42, 28))
    assert upper.shape == lower.shape == (3, 10) and not torch.equal(upper, lower)
    (upper.sum() + lower.sum()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_courses_network_takes_its_one_argument():
    model = mlp.MLP(42 * 28)
    sizes = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [*mlp.HIDDEN, 10, 10]
    upper, lower = model.eval()(torch.rand(2, 1, 42, 28))
    assert upper.shape == lower.shape == (2, 10)


def options(small_mnist, folder, *more):
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--batch-size", 20, *more]
    return [str(option) for option in argv]


def test_a_run_learns_both_digits_and_writes_its_files(small_mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(utils_multiMNIST.COUNTS, True, (5000, 500))
    metrics = mlp.main(options(small_mnist, tmp_path, "--hidden", 64, "--epochs", 6))
    assert visible_files(tmp_path) == RUN_FILES | {"weights.png", "hardest_pairs.png"}
    upper, lower = metrics["test_accuracy"]
    assert upper > 0.5 and lower > 0.5  # chance is 0.1, and 540 digits are few
    assert min(upper, lower) > metrics["test_accuracy_both"] > upper * lower - 0.1
    assert metrics["test_errors"] == round(500 * (1 - metrics["test_accuracy_both"]))
    assert len(metrics["dev_accuracy"]) == len(metrics["test_loss"]) == 2
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.startswith("epoch,train_loss_upper,train_loss_lower,train_accuracy_upper")
    out = capsys.readouterr().out
    paired = f"{100 * (1 - upper):.2f} % in a pair; the lower"
    assert out.count("what overlap costs: the upper digit misread") == 1 and paired in out


class Caught(Exception):
    """Ends a run where its training would begin."""


@pytest.mark.parametrize("lesson", [mlp, conv])
def test_a_limit_comes_before_the_split_and_pairs_are_of_either_side(
    lesson, small_mnist, tmp_path, monkeypatch
):
    def caught(batches, dev, model, **how):
        raise Caught(batches, dev)

    monkeypatch.setattr(train_utils, "train_model", caught)
    with pytest.raises(Caught) as stop:
        lesson.main(options(small_mnist, tmp_path, "--limit", 100, "--no-augment", "--quiet"))
    batches, dev = stop.value.args
    digits = halves(utils.as_floats(utils.read_mnist(small_mnist)[0][0][:100, None]))
    found = {
        "train": halves(np.concatenate([batch["x"] for batch in batches])),
        "dev": halves(np.concatenate([batch["x"] for batch in dev])),
    }
    for place, all_halves in digits.items():
        assert set(found["train"][place]) <= set(all_halves[:90]) and found["train"][place]
        assert set(found["dev"][place]) == set(all_halves[90:])


@pytest.mark.parametrize("lesson", [mlp, conv])
def test_bad_input_gets_one_line_and_status_2(lesson, small_mnist, tmp_path, as_program):
    name = f"{lesson.__name__}.py"
    for more, words in (
        (["--data-dir", "/nowhere"], "there is no folder"),
        (["--batch-size", 541], "only 540 training examples"),
        (["--predict", "x.png"], f"train a network first: python {name}"),
        (["--hidden", 5, 0], "--hidden: 0 is not between 1 and" if lesson is mlp else "--hidden"),
    ):
        argv = [*options(small_mnist, tmp_path / "run", "--quiet"), *more]
        status, out, errors = as_program(lesson.main, name, *argv)
        assert (status, out, errors.count("\n")) == (2, "", 1)
        assert errors.startswith(f"{name}: error: ") and words in errors


@pytest.mark.slow
def test_the_courses_network_beats_the_courses_figures(tmp_path):
    """Students report 92.5 and 91.8 %; fresh pairs alone make the difference."""
    metrics = mlp.main(
        ["--hidden", "64", "--epochs", "5", "--output-dir", str(tmp_path), "--quiet"]
    )
    assert metrics["test_accuracy"][0] >= 0.93 and metrics["test_accuracy"][1] >= 0.92
