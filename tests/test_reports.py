"""reports.py: the figures of a run, its plots, and photographs that become digits."""

import json

import numpy as np
import pytest

import reports


def test_metrics_and_history_can_be_read_back(tmp_path):
    rows = [reports.history_row(1, (0.5, 0.75), (0.25, 0.875), 0.1, 2.0)]
    reports.write_metrics(tmp_path, {"test_accuracy": 0.99}, rows)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"test_accuracy": 0.99}
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,train_loss,train_accuracy,dev_loss,dev_accuracy,lr,seconds\n"
        "1,0.5,0.75,0.25,0.875,0.1,2.0\n"
    )


def test_a_row_of_two_digits_names_both():
    row = reports.history_row(1, ((0.5, 0.6), (0.7, 0.8)), ((0.1, 0.2), (0.3, 0.4)), 0.1, 2.0)
    assert row["train_loss_upper"] == 0.5 and row["dev_accuracy_lower"] == 0.4
    assert reports.row_values(row, "dev_loss") == (0.1, 0.2)
    assert "0.1000 / 0.2000" in reports.epoch_line(row, 5)
    assert reports.epoch_line(row, 10).startswith("epoch  1/10")


def test_the_chosen_epoch_is_the_last_of_the_best():
    rows = [{"epoch": i, "dev_accuracy": a} for i, a in enumerate([0.5, 0.9, 0.8, 0.9, 0.7], 1)]
    assert reports.chosen_row(rows)["epoch"] == 4


def test_test_figures_of_one_and_of_two_heads():
    chances = np.array([[[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]], [[0.3, 0.7], [0.9, 0.1], [0.2, 0.8]]])
    labels = np.array([[0, 1, 1], [1, 0, 0]])  # the second upper and the third lower are misread
    one = reports.test_figures(chances[:1], labels[:1])
    assert one["test_accuracy"] == pytest.approx(2 / 3) and one["test_errors"] == 1
    assert one["test_loss"] == pytest.approx(-np.log([0.8, 0.5, 0.9]).mean())
    two = reports.test_figures(chances, labels)
    assert two["test_accuracy"] == pytest.approx([2 / 3, 2 / 3])
    assert two["test_accuracy_both"] == pytest.approx(1 / 3) and two["test_errors"] == 2


def test_the_interval_is_wilsons():
    # 95 % interval for 8 of 10: 0.4902 to 0.9433 (Newcombe, Statistics in Medicine 17, 1998).
    words = "80.00 % of 10 right (95 % interval 49.02 to 94.33 %)"
    assert reports.describe_accuracy(8, 10) == words
    assert "interval 72.25 to 100.00 %" in reports.describe_accuracy(10, 10)
