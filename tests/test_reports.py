"""reports.py: the figures of a run, its plots, and photographs that become digits."""

import json
import math
import os
import types

import numpy as np
import pytest

import reports
import utils
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

GREYS = np.linspace(0, 1, 10)


def figures_drawn(monkeypatch):
    """Catch every figure that save_figure would write."""
    from matplotlib.figure import Figure

    caught = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: caught.append(figure))
    return caught


def chances_of(readings, sureness):
    """Probabilities (1, N, 10) of which the reading has the given one."""
    chances = np.full((len(readings), 10), 0.0)
    chances[np.arange(len(readings)), readings] = sureness
    return chances[None]


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
    (100, "100 of 100 misread; the 40 surest"),
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
    assert len(loss.lines) == len(accuracy.lines) == 5
    assert list(accuracy.lines[-1].get_xdata()) == [2, 2]
    assert list(accuracy.lines[2].get_ydata()) == [30, 60]
    assert [line.get_label() for line in loss.lines] == [
        "train upper", "train lower", "dev upper", "dev lower", "chosen epoch",
    ]  # fmt: skip


# -------------------------------------------------------------------- photographs into digits


def drawn_seven(size=120, thick=10):
    """A 7 as ink (size, size), from 0 to 1, off the middle."""
    ink = np.zeros((size, size), np.float32)
    ink[20 : 20 + thick, 15:75] = 1
    for row in range(20, 100):
        column = 70 - (row - 20) // 2
        ink[row, column : column + thick] = 1
    return ink


PAPERS = {
    "dark on white": lambda ink: 1 - ink,
    "light on black": lambda ink: ink,
    "weak pencil": lambda ink: 0.9 - 0.25 * ink,
    "lit from the left": lambda ink: np.linspace(0.95, 0.45, 120)[None] * (1 - 0.8 * ink),
    "noisy": lambda ink: 0.8 - 0.6 * ink + np.random.default_rng(0).normal(0, 0.02, ink.shape),
    "dusty": lambda ink: 1 - np.maximum(ink, np.pad(np.ones((2, 2)), ((110, 8), (5, 113)))),
}


@pytest.mark.parametrize("paper", PAPERS)
def test_a_digit_takes_mnists_form_whatever_the_paper(paper):
    digit = reports.normalise(PAPERS[paper](drawn_seven()).astype(np.float32))
    assert digit.shape == (28, 28) and digit.dtype == np.float32
    rows, columns = np.nonzero(digit > 0.3)
    assert np.ptp(rows) + 1 == 20  # the longer side fills the box of 20 x 20
    assert np.ptp(columns) + 1 == pytest.approx(20 * 65 / 80, abs=1.1)  # the proportions are kept
    mass = digit.sum()
    place = np.arange(28)
    assert (digit.sum(1) * place).sum() / mass == pytest.approx(14, abs=0.51)
    assert (digit.sum(0) * place).sum() / mass == pytest.approx(14, abs=0.51)
    assert digit.max() > 0.95 and digit[0].max() == 0
    clean = reports.normalise(1 - drawn_seven())
    assert np.abs(digit - clean).mean() < 0.02


def test_two_digits_fill_the_taller_picture():
    digit = reports.normalise(1 - np.vstack([drawn_seven()] * 2), height=42)
    assert digit.shape == (42, 28)
    rows, columns = np.nonzero(digit > 0.3)
    assert np.ptp(rows) + 1 == 34 and np.ptp(columns) + 1 <= 20


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (28, 28), (300, 200)])
def test_a_blank_page_is_blank(size):
    rows, columns = size
    noise = np.random.default_rng(0).normal(0, 0.015, size)
    for page in (np.ones(size), np.zeros(size), 0.7 + noise,
                 np.linspace(0.4, 0.9, columns)[None] + np.zeros(size)):  # fmt: skip
        assert reports.normalise(page.astype(np.float32)) is None


def test_a_page_of_dust_is_blank():
    page = np.ones((200, 200), np.float32)
    page[10::20, 10::20] = 0  # 100 specks, of which none stands out
    assert reports.normalise(page) is None


def test_a_picture_keeps_its_old_content_if_the_new_one_fails(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")

    def fail(axes, figure):
        raise OSError("disk full")

    with pytest.raises(OSError):
        reports.save_figure(tmp_path / "a.png", (2, 2), fail)
    assert (tmp_path / "a.png").read_bytes() == b"old"


def save(image, path, **options):
    image.save(path, **options)
    return path


def test_every_kind_of_picture_gives_the_same_digit(tmp_path):
    from PIL import Image

    ink = drawn_seven()
    grey = Image.fromarray(np.uint8(255 - 255 * ink))
    blue = Image.composite(Image.new("RGB", grey.size, (20, 40, 160)),
                           Image.new("RGB", grey.size, "white"),
                           Image.fromarray(np.uint8(255 * ink)))  # fmt: skip
    clear, chalk = (Image.new("RGBA", grey.size, colour) for colour in ("black", "white"))
    for image in (clear, chalk):
        image.putalpha(Image.fromarray(np.uint8(255 * ink)))
    turned = Image.fromarray(np.rot90(np.asarray(grey)))
    exif = turned.getexif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise", as telephones write it
    kinds = {
        "grey.png": (grey, {}), "one.png": (grey.convert("1"), {}), "blue.png": (blue, {}),
        "palette.gif": (blue.convert("P"), {}), "clear.png": (clear, {}), "chalk.png": (chalk, {}),
        "photo.jpg": (blue, {"quality": 90}), "sixteen.png": (
            Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), {}),
        "turned.jpg": (turned, {"exif": exif, "quality": 95}), "x.webp": (blue, {}),
        "x.bmp": (grey, {}), "x.tiff": (blue, {}), "cmyk.jpg": (blue.convert("CMYK"), {}),
    }  # fmt: skip
    expected = reports.normalise(1 - ink)
    for name, (image, options) in kinds.items():
        digit = reports.normalise(reports.read_picture(save(image, tmp_path / name, **options)))
        assert digit is not None and np.abs(digit - expected).mean() < 0.02, name


def huge_png(size=60_000):
    """A PNG of size x size pixels that is 100 bytes long."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed)


@pytest.mark.parametrize(("content", "words"), [
    (None, "there is no picture"), (b"", "x.png is no picture"), (b"text", "x.png is no picture"),
    (huge_png(), "exceeds limit"), (huge_png(9_500), r"x.png is too large \(9500 x 9500 pixels\)$"),
])  # fmt: skip
def test_what_is_no_picture_is_refused(tmp_path, content, words, recwarn):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        reports.read_picture(path)
    assert "x.png" in str(error.value) and "\n" not in str(error.value)
    assert "UserError" not in str(error.value)  # its own words, not wrapped into others
    assert not list(recwarn)


@pytest.mark.skipif(os.name != "posix", reason="puts a shell script in Ghostscript's place")
def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch):
    """EPS is a programming language, for which Pillow calls Ghostscript if there is one."""
    from PIL import EpsImagePlugin, Image

    save(Image.new("L", (20, 20)), tmp_path / "x.eps")
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/trace\n")
    ghostscript.chmod(0o700)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(ghostscript))
    with pytest.raises(UserError, match=r"x\.eps is no picture"):
        reports.read_picture(tmp_path / "x.eps")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("settings", [
    '{"hidden": ["5", "--output-dir", "/elsewhere"]}', "{}", "[]", "1", "[" * 100_000,
    '{"hidden": {"a": 1}}', "{", "\xff",
], ids=lambda text: text[:20])  # fmt: skip
def test_settings_of_a_stranger_give_no_other_options(tmp_path, settings):
    (tmp_path / "model.pt").write_text("")
    (tmp_path / "metrics.json").write_text(f'{{"settings": {settings}}}', encoding="latin1")
    parser = utils.argument_parser("nnet_fc", "", epochs=1, batch_size=1, lr=1)
    parser.add_argument("--hidden", type=int, nargs="+")
    args = parser.parse_args(["--model", str(tmp_path / "model.pt")])
    with pytest.raises((UserError, SystemExit)) as end:
        reports.recall_settings(parser, args, ["hidden"])
    assert isinstance(end.value, UserError) or end.value.code == 2
    assert args.output_dir == utils.ROOT / "runs" / "nnet_fc"


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


def test_one_bad_picture_does_not_spoil_the_others(tmp_path, capsys):
    from PIL import Image

    good = save(Image.fromarray(np.uint8(255 - 255 * drawn_seven())), tmp_path / "good.png")
    blank = save(Image.new("L", (50, 50), 255), tmp_path / "blank.png")
    args = types.SimpleNamespace(predict=[tmp_path / "no.png", good, blank], show=False,
                                 output_dir=tmp_path / "out", script="nnet_fc")  # fmt: skip
    with pytest.raises(UserError, match=r"no\.png"):
        reports.read_pictures(args, lambda digits: chances_of([7], [0.998])[None, 0])
    assert capsys.readouterr().out == f"{good}: 7 (99.8%)\n{blank}: blank, no ink found\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["readings.png"]
