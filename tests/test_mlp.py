"""mlp.py: the two-headed network, fully connected, and the script as its users run it."""

import conv
import mlp
import utils_multiMNIST
from tests.conftest import RUN_FILES, figures_drawn, visible_files

import pytest
import torch
from torch import nn


@pytest.mark.parametrize("hidden", [mlp.HIDDEN, [64], [30, 20]])
def test_two_heads_of_ten_over_shared_layers(hidden):
    model = mlp.MLP(42 * 28) if hidden is mlp.HIDDEN else mlp.MLP(42 * 28, hidden)
    sizes = [layer.out_features for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [*hidden, 10, 10]
    upper, lower = model.eval()(torch.rand(3, 1, 42, 28))
    assert upper.shape == lower.shape == (3, 10) and not torch.equal(upper, lower)


def options(small_mnist, folder, *more):
    argv = ["--data-dir", small_mnist, "--output-dir", folder, "--batch-size", 20, *more]
    return [str(option) for option in argv]


def test_a_run_learns_both_digits_and_writes_its_files(small_mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(utils_multiMNIST.COUNTS, True, (5000, 500))
    figures_drawn(monkeypatch)
    metrics = mlp.main(options(small_mnist, tmp_path, "--hidden", 20, "--epochs", 6))
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


@pytest.mark.parametrize("lesson", [mlp, conv])
def test_bad_input_gets_one_line_and_status_2(lesson, small_mnist, tmp_path, as_program):
    name = f"{lesson.__name__}.py"
    for more, words in (
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
