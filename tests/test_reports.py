"""reports.py: the figures of a run, its plots, and its files."""

import json
import math
import os
import signal
import types
from pathlib import Path

import numpy as np
import pytest

import reports
import utils
from tests.conftest import chances_of, figures_drawn
from utils import UserError


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


ONE = reports.history_row(1, (0.5, 0.75), (0.25, 0.875), 0.1, 2.0)
TWO = reports.history_row(1, ((1, 2), (0, 1)), ((1, 2), (0, 1)), 0.1, 2.0)


def test_a_history_that_a_run_has_written_is_taken():
    for row in (ONE, TWO):
        rows = [row, row | {"epoch": 2}]
        assert reports.check_history(rows) == rows
    assert reports.check_history("") == []  # a list in any case, for train() will append to it


@pytest.mark.parametrize("rows", [
    [ONE | {"epoch": 2}], [ONE, ONE], [ONE | {"train_loss": math.nan}], [ONE | {"more": 1}],
    [ONE | {"lr": "0.1"}], [ONE | {"lr": 10**400}], [ONE | {"seconds": 0}],
    [ONE, TWO | {"epoch": 2}], [{k: v for k, v in ONE.items() if k != "dev_accuracy"}],
    [{"epoch": 1}], [1], 1, "x",
])  # fmt: skip
def test_a_history_of_other_make_is_refused(rows):
    with pytest.raises((ValueError, TypeError, AttributeError, OverflowError)):
        reports.check_history(rows)


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


# -------------------------------------------------------------------------------------- plots

def test_mistakes_are_sorted_by_how_sure_they_were(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    chances = chances_of([1, 2, 3, 4], [0.6, 0.7, 0.9, 0.8])
    labels = np.array([[1, 5, 6, 7]])  # the first is right
    images = np.arange(4)[:, None, None] * np.ones((28, 28))
    reports.draw_mistakes(tmp_path / "m.png", images, labels, chances)
    titles = [axis.get_title() for axis in caught[0].axes]
    assert titles == ["read 3\n90 %\nis 6", "read 4\n80 %\nis 7", "read 2\n70 %\nis 5"]
    assert [axis.images[0].get_array()[0, 0] for axis in caught[0].axes] == [2, 3, 1]
    assert caught[0].get_suptitle() == "3 of 4 misread, the surest first"


@pytest.mark.parametrize(("wrong", "heading"), [
    (0, "nothing misread"), (1, "1 of 100 misread, the surest first"),
    pytest.param(100, "100 of 100 misread; the 40 surest", marks=pytest.mark.slow),
])  # fmt: skip
def test_any_number_of_mistakes_can_be_drawn(tmp_path, wrong, heading):
    readings = np.arange(100) % 10
    labels = (readings + (np.arange(100) < wrong))[None] % 10
    reports.draw_results(tmp_path, [HISTORY], np.zeros((100, 28, 28)), labels,
                         chances_of(readings, 0.9))  # fmt: skip
    for name in ("learning_curves", "confusion_matrix", "mistakes"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


HISTORY = reports.history_row(1, (0.5, 0.75), (0.25, 0.875), 0.1, 2.0)


def test_the_confusion_matrix_counts_truth_by_row(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    reports.draw_confusion(tmp_path / "c.png", np.array([[3, 3, 3, 8]]), np.array([[3, 3, 5, 3]]))
    cells = {text.get_position(): text.get_text() for text in caught[0].axes[0].texts}
    assert cells == {(3, 3): "2", (5, 3): "1", (3, 8): "1"}  # (column read, row true)
    colours = caught[0].axes[0].images[0].get_array()
    assert colours[3, 3] == 0 and colours[3, 5] == pytest.approx((1 / 3) ** 0.5)


def test_learning_curves_mark_the_chosen_epoch_and_both_heads(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    rows = [reports.history_row(i, ((1, 2), (0.1, 0.2)), ((3, 4), (0.3 * i, 0.4)), 0.1, 1.0)
            for i in (1, 2)]  # fmt: skip
    reports.draw_learning_curves(tmp_path / "l.png", rows)
    loss, accuracy = caught[0].axes
    assert loss.get_xlim() == accuracy.get_xlim() == (0.5, 2.5)
    assert len(loss.lines) == len(accuracy.lines) == 5
    assert list(accuracy.lines[-1].get_xdata()) == [2, 2]
    assert list(accuracy.lines[2].get_ydata()) == [30, 60]
    assert [line.get_label() for line in loss.lines] == [
        "train upper", "train lower", "dev upper", "dev lower", "chosen epoch",
    ]  # fmt: skip


def test_layers_show_their_first_maps_each_layer_on_a_scale_of_its_own(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    maps = np.arange(20.0)[:, None, None] * np.ones((3, 2))
    reports.draw_layers(tmp_path / "a.png", np.eye(4), [maps, 0 * maps[:5]])
    rows = np.reshape(caught[0].axes, (3, 16))
    assert rows[1, 0].texts[0].get_text() == "layer 1, 3 x 2, channels 1 to 16"
    assert [len(axis.images) for axis in rows[2]] == [1] * 5 + [0] * 11
    drawn = [axis.images[0] for axis in rows[1]]
    assert [image.get_array().max() for image in drawn] == list(range(16))
    assert {image.get_clim() for image in drawn} == {(0, 15)}


# ------------------------------------------------------------------------- the end of a run


def test_results_replace_earlier_ones_all_or_none(tmp_path):
    (tmp_path / "metrics.json").write_text("old")
    with pytest.raises(OSError), reports.results_together(tmp_path) as folder:
        (folder / "metrics.json").write_text("new")
        raise OSError("disk full")
    assert (tmp_path / "metrics.json").read_text() == "old"
    with reports.results_together(tmp_path) as folder:
        (folder / "metrics.json").write_text("new")
        (folder / "history.csv").write_text("rows")
    assert (tmp_path / "metrics.json").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["history.csv", "metrics.json"]


def test_a_signal_waits_until_all_results_have_moved(tmp_path, monkeypatch):
    replace, arrived = Path.replace, []

    def signalled(self, target):
        signal.raise_signal(signal.SIGTERM)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", signalled)
    old = signal.signal(signal.SIGTERM, lambda *_: arrived.append(sorted(os.listdir(tmp_path))))
    try:
        with reports.results_together(tmp_path) as folder:
            for name in ("a", "b"):
                (folder / name).write_text("new")
    finally:
        signal.signal(signal.SIGTERM, old)
    assert arrived == [[".unfinished", "a", "b"]]


def test_a_picture_keeps_its_old_content_if_the_new_one_fails(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")

    def fail(axes, figure):
        raise OSError("disk full")

    with pytest.raises(OSError):
        reports.save_figure(tmp_path / "a.png", (2, 2), fail)
    assert (tmp_path / "a.png").read_bytes() == b"old"


@pytest.mark.parametrize("settings", [
    '{"hidden": ["5", "--output-dir", "/elsewhere"]}', "{}", "[]", "1", "[" * 100_000,
    '{"hidden": {"a": 1}}', "{", "\xff",
], ids=lambda text: text[:20])  # fmt: skip
def test_settings_of_a_stranger_give_no_other_options(tmp_path, settings):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "metrics.json").write_text(
        f'{{"script": "nnet_fc", "settings": {settings}}}', encoding="latin1"
    )
    parser = utils.argument_parser("nnet_fc", "", epochs=1, batch_size=1, lr=1)
    parser.add_argument("--hidden", type=int, nargs="+")
    args = parser.parse_args(["--predict", "a.png", "--model", str(tmp_path / "model.pt")])
    with pytest.raises((UserError, SystemExit)) as end:
        reports.recall_settings(parser, args, ["hidden"])
    assert isinstance(end.value, UserError) or end.value.code == 2
    assert args.output_dir == utils.ROOT / "runs" / "nnet_fc"


def test_weights_of_another_script_are_said_to_be(tmp_path):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "metrics.json").write_text('{"script": "mlp", "settings": {"hidden": [5]}}')
    args = types.SimpleNamespace(model=tmp_path / "model.pt", script="nnet_fc")
    with pytest.raises(UserError, match=r"is of mlp\.py, not of nnet_fc\.py"):
        reports.recall_settings(None, args, ["hidden"])


def test_weights_without_their_runs_metrics_are_used_as_the_options_say(tmp_path):
    (tmp_path / "model.pt").write_text("")
    args = types.SimpleNamespace(model=tmp_path / "model.pt", script="nnet_fc", hidden=[7])
    assert reports.recall_settings(None, args, ["hidden"]).hidden == [7]


def test_ctrl_c_while_pictures_are_drawn_leaves_old_results_and_says_how_to_go_on(
    tmp_path, monkeypatch, ctrl_c
):
    (tmp_path / "metrics.json").write_text("old")
    args = types.SimpleNamespace(script="mlp", epochs=1, seed=0, no_plots=False, quiet=True,
                                 show=False, data_dir=tmp_path)  # fmt: skip
    draw = reports.draw_learning_curves

    def interrupted(*given):
        ctrl_c()
        draw(*given)

    monkeypatch.setattr(reports, "draw_learning_curves", interrupted)
    test = np.zeros((2, 28, 28)), np.array([[1, 2]]), chances_of([1, 3], [0.9, 0.8])
    with pytest.raises(KeyboardInterrupt, match="--resume goes on after epoch 1"):
        reports.finish_run(args, tmp_path, [ONE], test, lambda folder: None, parameters=1,
                           examples=1, device="cpu", versions={})  # fmt: skip
    assert (tmp_path / "metrics.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(("old", "new"), [
    ({"lr": 1}, {}), ({}, {"lr": 1}), (None, {"lr": 1}), ({"lr": 1}, None), ({"lr": 1}, {"lr": 2}),
])  # fmt: skip
def test_settings_must_be_the_same_on_both_sides(old, new):
    with pytest.raises(UserError, match=r"a\.pt was made with lr "):
        reports.check_settings("a.pt", old, new)
    reports.check_settings("a.pt", old, old)


def test_a_data_folder_is_the_same_however_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = utils.argument_parser("mlp", "", epochs=1, batch_size=1, lr=1)
    names = (tmp_path / "data", "data", "../" + tmp_path.name + "/data")
    found = [reports.settings_of(parser.parse_args(["--data-dir", str(name)])) for name in names]
    assert found[0] == found[1] == found[2] and found[0]["data_dir"] == str(tmp_path / "data")
    assert reports.settings_of(parser.parse_args([])) != found[0]


def test_a_hostile_setting_is_shown_in_short():
    with pytest.raises(UserError) as error:
        reports.check_settings("a.pt", {"lr": "x" * 10**6}, {"lr": 0.1})
    assert len(str(error.value)) < 250
