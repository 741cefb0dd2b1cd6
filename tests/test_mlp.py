"""mlp.py: the two-headed network, fully connected, and the script as its users run it."""

import pytest
import torch

import mlp
from tests.conftest import RUN_FILES, visible_files


@pytest.mark.parametrize("hidden", [(64,), (30, 20)])
def test_two_heads_of_ten_over_shared_layers(hidden):
    model = mlp.MLP(42 * 28, hidden).eval()
    upper, lower = model(torch.rand(3, 1, 42, 28))
    assert upper.shape == lower.shape == (3, 10) and not torch.equal(upper, lower)
    (upper.sum() + lower.sum()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_run_learns_both_digits_and_writes_its_files(small_mnist, tmp_path):
    metrics = mlp.main(["--data-dir", str(small_mnist), "--output-dir", str(tmp_path), "--hidden",
                        "64", "--epochs", "6", "--batch-size", "20", "--quiet"])  # fmt: skip
    assert visible_files(tmp_path) == RUN_FILES | {"weights.png"}
    upper, lower = metrics["test_accuracy"]
    assert upper > 0.5 and lower > 0.5  # chance is 0.1, and 540 digits are few
    assert min(upper, lower) > metrics["test_accuracy_both"] > upper * lower - 0.1
    assert metrics["test_errors"] == round(4000 * (1 - metrics["test_accuracy_both"]))
    assert len(metrics["dev_accuracy"]) == len(metrics["test_loss"]) == 2
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.startswith("epoch,train_loss_upper,train_loss_lower,train_accuracy_upper")


@pytest.mark.slow
def test_the_courses_network_beats_the_courses_figures(tmp_path):
    """Students report 92.5 and 91.8 %; fresh pairs alone make the difference."""
    metrics = mlp.main(["--hidden", "64", "--epochs", "5", "--output-dir", str(tmp_path),
                        "--quiet"])  # fmt: skip
    assert metrics["test_accuracy"][0] >= 0.93 and metrics["test_accuracy"][1] >= 0.92
