"""Your own handwriting: every kind of picture becomes an MNIST digit; what is none is refused."""

import contextlib
import importlib.util
import os
import signal
import sys
import types

import utils
from tests import photographs
from tests.conftest import chances_of, figures_drawn
from utils import UserError

import numpy as np
import pytest


def form_of(grey, height=28):
    """The only image that find_digits finds in grey levels."""
    (digit,) = utils.find_digits(np.asarray(grey, np.float32), height)
    return digit


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
    digit = form_of(PAPERS[paper](drawn_seven()).astype(np.float32))
    assert digit.shape == (28, 28) and digit.dtype == np.float32
    rows, columns = np.nonzero(digit > 0.3)
    assert np.ptp(rows) + 1 == 20  # the longer side fills the box of 20 x 20
    assert np.ptp(columns) + 1 == pytest.approx(20 * 65 / 80, abs=1.1)  # the proportions are kept
    mass = digit.sum()
    place = np.arange(28)
    assert (digit.sum(1) * place).sum() / mass == pytest.approx(14, abs=0.51)
    assert (digit.sum(0) * place).sum() / mass == pytest.approx(14, abs=0.51)
    assert digit.max() > 0.95 and digit[0].max() == 0
    clean = form_of(1 - drawn_seven())
    assert np.abs(digit - clean).mean() < 0.02


def save(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("gap", [0, 30, 300])
def test_two_digits_become_what_the_networks_of_pairs_learn_from(gap):
    """Two images of one digit, 14 rows apart, whatever the distance on paper."""
    upper, lower = drawn_seven(thick=14), np.fliplr(drawn_seven())
    page = 1 - np.vstack([upper, np.zeros((gap, 120)), lower])
    both = form_of(page, height=42)
    assert both.shape == (42, 28)
    expected = np.zeros((2, 42, 28))
    expected[0, :28], expected[1, 14:] = form_of(1 - upper), form_of(1 - lower)
    assert np.abs(both - expected.max(0)).mean() < 0.01


@pytest.mark.parametrize("thick", [(14, 5), (5, 14)])
def test_the_heavier_of_two_touching_digits_does_not_move_them(thick):
    ink = np.vstack([drawn_seven(thick=each) for each in thick])
    ink[90:150, 32:36] = 1  # joins them
    digit = form_of(1 - ink, height=42)
    rows = np.flatnonzero(digit.max(1) > 0.2)
    assert digit.shape == (42, 28)
    assert (rows[0], rows[-1]) == (5, 38)  # on the average of MNIST's pairs 4.8 and 37.5


@pytest.mark.parametrize("digits", [(1, 2), (3, 1)], ids=["side by side", "three"])
def test_what_is_not_two_digits_is_no_pair(digits):
    with pytest.raises(UserError, match="crop it closer"):
        utils.find_digits(1 - np.tile(drawn_seven(), digits), height=42)


def test_a_row_is_read_from_left_to_right():
    pieces = [drawn_seven(), np.fliplr(drawn_seven()), drawn_seven(thick=16)]
    found = utils.find_digits(1 - np.hstack(pieces))
    assert found.shape == (3, 28, 28)
    for digit, piece in zip(found, pieces, strict=True):
        assert np.abs(digit - form_of(1 - piece)).mean() < 0.01


def test_a_stroke_that_stands_apart_belongs_to_its_digit():
    ink = drawn_seven()
    ink[30:36] = 0  # cuts the bar off
    assert len(utils.find_digits(1 - ink)) == 1


@pytest.mark.parametrize("pen", [1, 2, 4])
def test_a_thin_pen_gives_strokes_as_broad_as_mnists(pen):
    digit = form_of(1 - np.pad(np.ones((200, pen)), 30))
    assert digit.sum(1).max() == pytest.approx(2.5, abs=0.5)  # pixels across
    assert digit.max() > 0.95
    rows = np.flatnonzero(digit.max(1) > 0.5)
    assert np.ptp(rows) + 1 == 20


def page_of(kind):
    """One page of each kind that is refused."""
    seven, page = drawn_seven(), np.zeros((240, 240), np.float32)
    if kind == "one above the other":
        page[:120, :120] = page[120:, :120] = seven
    if kind == "one beside and below the other":
        page[:120, :120] = page[120:, 120:] = seven
    if kind == "a blot":
        page[60:120, 60:120] = 1
    if kind == "a comb":
        page[60:180, 60:180:12] = page[60:63, 60:180] = page[60:180:12, 60:70] = 1
    if kind == "a dash beside it":
        page[:120, :120] = seven
        page[60:65, 180:200] = 1
    if kind == "touching digits":
        for left in (0, 60, 120):
            page[:120, left : left + 120] += seven
    if kind == "thirteen ones":
        page[60:180, 10:230:17] = 1
    if kind in ("a plait with 2 eyes", "a plait with 5 eyes"):  # an 8, and what is none
        for row in range(40, 200):
            sway = round(24 * np.sin(np.pi * int(kind.split()[3]) * (row - 40) / 160))
            for column in (120 - sway, 120 + sway):
                page[row, column - 4 : column + 5] = 1
    return page


REFUSED = ["one above the other", "one beside and below the other", "a blot", "a comb"]
REFUSED += ["a dash beside it", "touching digits", "thirteen ones", "a plait with 5 eyes"]


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_digit_on_a_sheet_is_refused_in_words(kind):
    assert page_of(kind).any()
    with pytest.raises(UserError, match="more than a digit and paper; crop it closer"):
        utils.find_digits(1 - page_of(kind))
    assert len(utils.find_digits(1 - page_of("a plait with 2 eyes"))) == 1


def test_a_refusal_is_an_answer_and_a_row_has_a_line_for_each_digit(tmp_path, capsys):
    from PIL import Image

    pages = {"row.png": np.hstack([drawn_seven()] * 2), "blot.png": page_of("a blot")}
    for name, ink in pages.items():
        save(Image.fromarray(np.uint8(255 - 255 * ink)), tmp_path / name)
    row, blot = (tmp_path / name for name in pages)
    found = utils.read_pictures(reading(tmp_path, row, blot), seven)
    assert found == [(row, (7,)), (row, (7,)), (blot, ())]
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"{row}, digit 1 of 2: 7 (99.8%)"
    assert second == f"{row}, digit 2 of 2: 7 (99.8%)"
    assert third == f"{blot}: more than a digit and paper; crop it closer"


KINDS_READ = ["chalk", "shadow's edge", "desk at one side", "on a dark desk", "ruled lines"]
KINDS_READ += ["squared paper", "soft shadow", "cut out closely"]


@pytest.mark.parametrize("kind", KINDS_READ)
def test_a_photograph_shows_the_network_what_white_paper_shows(kind, mnist):
    images, labels = mnist[0]
    for i in (54000, 54001, 54002):
        form, plain = (
            form_of(
                next(photographs.photographs(name, images[i : i + 1], labels[i : i + 1], 1))[0]
                / 255
            )
            for name in (kind, "marker")
        )
        near = [np.roll(form, step, (0, 1)) for step in np.ndindex(3, 3)]  # may be a pixel beside
        assert min(np.abs(np.roll(each, (-1, -1), (0, 1)) - plain).mean() for each in near) < 0.03


def test_a_digit_with_all_its_weight_at_one_end_is_not_cut_off():
    ink = np.zeros((120, 120), np.float32)
    ink[10:40, 20:90] = ink[40:110, 54:57] = 1  # a thick bar on a thin stem
    rows = np.flatnonzero(form_of(1 - ink).max(1) > 0.1)
    assert np.ptp(rows) + 1 == 20 and rows[-1] == 27


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (28, 28), (300, 200)])
def test_a_blank_page_is_blank(size):
    rows, columns = size
    noise = np.random.default_rng(0).normal(0, 0.015, size)
    for page in (
        np.ones(size),
        np.zeros(size),
        0.7 + noise,
        np.linspace(0.4, 0.9, columns)[None] + np.zeros(size),
    ):
        with pytest.raises(UserError, match="blank, no ink found"):
            utils.find_digits(page.astype(np.float32))


def test_a_page_of_dust_is_no_digit():
    page = np.ones((200, 200), np.float32)
    page[10::20, 10::20] = 0  # 100 specks, of which none stands out
    with pytest.raises(UserError, match="more than a digit and paper"):
        utils.find_digits(page)


def test_every_kind_of_picture_gives_the_same_digit(tmp_path):
    from PIL import Image

    ink = drawn_seven()
    grey = Image.fromarray(np.uint8(255 - 255 * ink))
    blue = Image.composite(
        Image.new("RGB", grey.size, (20, 40, 160)),
        Image.new("RGB", grey.size, "white"),
        Image.fromarray(np.uint8(255 * ink)),
    )
    clear, chalk = (Image.new("RGBA", grey.size, colour) for colour in ("black", "white"))
    for image in (clear, chalk):
        image.putalpha(Image.fromarray(np.uint8(255 * ink)))
    turned = Image.fromarray(np.rot90(np.asarray(grey)))
    exif = turned.getexif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise", as telephones write it
    kinds = {
        "grey.png": (grey, {}),
        "one.png": (grey.convert("1"), {}),
        "blue.png": (blue, {}),
        "palette.gif": (blue.convert("P"), {}),
        "clear.png": (clear, {}),
        "chalk.png": (chalk, {}),
        "photo.jpg": (blue, {"quality": 90}),
        "sixteen.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), {}),
        "twelve.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 16), {}),
        "eight.png": (Image.fromarray(np.asarray(grey).astype(np.uint16)), {}),
        "floats.tiff": (Image.fromarray(np.asarray(grey) / np.float32(255)), {}),
        "percent.tiff": (Image.fromarray(np.asarray(grey) / np.float32(2.55)), {}),
        "integers.tiff": (Image.fromarray(np.asarray(grey).astype(np.int32) * 1000), {}),
        "turned.jpg": (turned, {"exif": exif, "quality": 95}),
        "x.webp": (blue, {}),
        "x.bmp": (grey, {}),
        "x.tiff": (blue, {}),
        "cmyk.jpg": (blue.convert("CMYK"), {}),
    }
    expected = form_of(1 - ink)
    for name, (image, options) in kinds.items():
        path = save(image, tmp_path / name, **options)
        digit = form_of(utils.read_picture(path))
        assert digit is not None and np.abs(digit - expected).mean() < 0.02, name


def huge_png(side):
    """A PNG of `side` x `side` pixels that is 100 bytes long."""
    import struct
    import zlib

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no file"),
        (b"", "cannot|no picture"),
        (b"I am text", "no picture"),
        (huge_png(10001), r"^\S+x\.png is too large \(10001 x"),
        (huge_png(60000), "exceeds limit"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, words):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        utils.read_picture(path)
    assert "x.png" in str(error.value) and "\n" not in str(error.value)


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
        utils.read_picture(tmp_path / "x.eps")
    assert not (tmp_path / "trace").exists()


def reading(tmp_path, *paths, typed=("output_dir",), **more):
    """The options of --predict, as the command line gives them."""
    what = {"show": False, "no_plots": False, "output_dir": tmp_path / "out", **more}
    return types.SimpleNamespace(predict=paths, typed=set(typed), **what)


def seven(digits):
    """A network that reads every digit as a 7."""
    return chances_of([7] * len(digits), 0.998)


@pytest.fixture
def good(tmp_path):
    from PIL import Image

    return save(Image.fromarray(np.uint8(255 - 255 * drawn_seven())), tmp_path / "good.png")


def test_one_bad_picture_does_not_spoil_the_others(tmp_path, capsys, good):
    from PIL import Image

    blank = save(Image.new("L", (50, 50), 255), tmp_path / "blank.png")
    bad = [tmp_path / "no.png", tmp_path, *[tmp_path / f"{i}.png" for i in range(5)]]
    words = r"there is no file .*no\.png; cannot read .*2\.png; and 2 pictures more$"
    with pytest.raises(UserError, match=words):
        utils.read_pictures(reading(tmp_path, *bad, good, blank), seven)
    assert capsys.readouterr().out == f"{good}: 7 (99.8%)\n{blank}: blank, no ink found\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["readings.png"]


def test_a_network_is_asked_three_times_and_its_mean_shows_doubt():
    """A bar that is turned by 16 degrees ends tan(16) = 0.29 of its length aside."""
    bar, seen = np.zeros((2, 28, 28), np.float32), []
    bar[:, 4:24, 13:15] = 1

    def read(digits):
        seen.append(digits)
        assert digits.shape == (2, 28, 28) and digits.dtype == np.float32
        assert digits.min() >= 0 and digits.max() <= 1
        return chances_of([1, 1], 1.0) if len(seen) == 1 else chances_of([7, 7], 0.9)

    answer = utils.ask_three_times(read, bar)
    assert answer.shape == (1, 2, 10)
    assert answer[0, 0, 7] == pytest.approx(0.6) and answer[0, 0, 1] == pytest.approx(
        0.34, abs=0.01
    )
    np.testing.assert_array_equal(seen[0], bar)
    columns = np.arange(28)
    slants = [  # from the row 4 above the middle to that 4 below it
        np.average(columns, weights=one[0, 18]) - np.average(columns, weights=one[0, 9])
        for one in seen
    ]
    assert sorted(slants) == pytest.approx([-2.6, 0, 2.6], abs=0.3)


def test_each_picture_gets_its_own_answer(tmp_path, capsys, good):
    """Two digits each, and a blank page between them."""
    from PIL import Image

    answers = iter([(4, 2)] * 3 + [(1, 3)] * 3)  # upright, and turned either way

    def read(digits):
        assert digits.shape == (1, 42, 28)
        upper, lower = next(answers)
        return np.concatenate([chances_of([upper], 0.5), chances_of([lower], 0.75)])

    blank = save(Image.new("L", (50, 50), 255), tmp_path / "blank.png")
    found = utils.read_pictures(reading(tmp_path, good, blank, good), read, height=42)
    assert found == [(good, (4, 2)), (blank, ()), (good, (1, 3))]
    assert f"{good}: 4 2 (50.0%, 75.0%)\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "drawn", "opened"),
    [
        ({"typed": ()}, False, False),
        ({}, True, False),
        ({"typed": (), "show": True}, True, True),
        ({"no_plots": True}, False, False),
        ({"no_plots": True, "show": True}, False, False),
    ],
    ids=["nothing asked", "--output-dir", "--show", "--no-plots", "--no-plots --show"],
)
def test_readings_are_drawn_where_that_was_asked_for(
    tmp_path, monkeypatch, good, more, drawn, opened
):
    shown = []
    monkeypatch.setattr(utils, "show_pictures", shown.extend)
    utils.read_pictures(reading(tmp_path, good, **more), seven)
    picture = tmp_path / "out" / "readings.png"
    assert picture.exists() == picture.parent.exists() == drawn
    assert shown == [picture] * opened


@pytest.mark.slow
def test_a_folder_means_the_same_however_it_is_named(tmp_path, monkeypatch, good):
    """The default folder, too, once it is typed."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs/mlp", tmp_path / "runs" / "mlp", f"../{tmp_path.name}/runs/mlp"):
        parser = utils.argument_parser(
            tmp_path / "mlp.py", "", epochs=1, batch_size=1, lr=1, momentum=0
        )
        args = parser.parse_args(["--predict", str(good), "--output-dir", str(name)])
        utils.read_pictures(args, seven)
        (tmp_path / "runs" / "mlp" / "readings.png").unlink()  # was drawn


def test_no_control_character_of_a_name_reaches_the_terminal(tmp_path, capsys, good):
    pages = [tmp_path / f"\x1b[31m{name}\n.png" for name in ("good", "blot")]
    pages[0].write_bytes(good.read_bytes())
    from PIL import Image

    Image.fromarray(np.uint8(255 - 255 * page_of("a blot"))).save(pages[1])
    utils.read_pictures(reading(tmp_path, *pages, no_plots=True), seven)
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.count("\n") == 2


@pytest.mark.parametrize("count", [3, 14])
def test_many_readings_make_one_picture_of_a_handy_shape(
    tmp_path, monkeypatch, capsys, good, count
):
    monkeypatch.setattr(utils, "MOST_DRAWN", 12)
    caught = figures_drawn(monkeypatch)
    utils.read_pictures(reading(tmp_path, *[good] * count), seven)
    wide, high = caught[0].get_size_inches()
    shown = [axis for axis in caught[0].axes if axis.get_visible()]
    assert len(shown) == 3 * min(count, 12) and 0.5 < high / wide < 2
    assert ("readings.png shows the first 12 of 14" in capsys.readouterr().out) == (count == 14)


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_are_no_trouble(tmp_path):
    digit, chances = np.zeros((1, 28, 28)), chances_of([3], 0.9)
    utils.draw_readings(tmp_path / "r.png", ["\u65e5.png"], [np.ones((9, 7))], digit, chances)


NAMES = ["costs $5.png", "$x_$.png", "a_{b^c.png", "new\nline.png", os.fsdecode(b"\xff.png")]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_of_a_picture_can_be_drawn(tmp_path, monkeypatch, name):
    shown, draw = [], utils.save_figure

    def save_figure(path, size, fill, **grid):
        def filled(axes, figure):
            fill(axes, figure)
            shown.append(axes[0, 0].get_title())
            assert not axes[0, 0].title.get_parse_math()

        draw(path, size, filled, **grid)

    monkeypatch.setattr(utils, "save_figure", save_figure)
    digit = np.zeros((1, 28, 28))
    utils.draw_readings(tmp_path / "r.png", [name], [np.ones((9, 7))], digit, chances_of([3], 0.9))
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert shown[0].split() == utils.printable(name).split()


def test_a_reading_is_drawn_beside_what_was_read(tmp_path, monkeypatch):
    caught = figures_drawn(monkeypatch)
    originals, digits = [np.ones((9, 7)), np.zeros((5, 8))], np.zeros((2, 42, 28))
    chances = np.concatenate([chances_of([3, 1], 0.9), chances_of([0, 8], 0.75)])  # (2, 2, 10)
    names = ["pictures/3 over 0.png", "b.png"]
    utils.draw_readings(tmp_path / "r.png", names, originals, digits, chances)
    rows = np.reshape(caught[0].axes, (2, 4))
    assert [row[0].get_title() for row in rows] == ["3 over 0.png", "b.png"]
    for row, original, wanted in zip(rows, originals, [(3, 0), (1, 8)], strict=True):
        assert np.array_equal(row[0].images[0].get_array(), original)
        assert row[1].images[0].get_array().shape == (42, 28)
        for axis, digit, height in zip(row[2:], wanted, (90, 75), strict=True):
            bars = axis.patches
            assert [bar.get_height() for bar in bars] == [height * (n == digit) for n in range(10)]
            assert [text.get_text() for text in axis.texts] == [str(height)]
            colours = [bar.get_facecolor() for bar in bars]
            assert [n for n in range(10) if colours.count(colours[n]) == 1] == [digit]


# ----------------------------------------------------------------- drawing with the mouse


def mouse(figure, name, axes, x, y, button=1):
    from matplotlib.backend_bases import MouseEvent

    px, py = axes.transData.transform((x, y))
    figure.canvas.callbacks.process(name, MouseEvent(name, figure.canvas, px, py, button))


@pytest.fixture
def drawing():
    """The drawing pad, what the network was asked, and a function that lets the timer ring."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    asked = []

    def classify(x):
        asked.append(x)
        return np.eye(10, dtype=np.float32)[None, 1:2] * 0.75

    figure, button, timer = utils.drawing_pad(classify)
    figure.canvas.draw()
    yield figure, asked, lambda: [call() for call, _, _ in timer.callbacks]
    pyplot.close(figure)


def test_a_drawn_stroke_is_shown_to_the_network_and_cleared(drawing):
    figure, asked, ring = drawing
    pad, seen, bars, below = figure.axes
    mouse(figure, "button_press_event", pad, 140, 60)
    mouse(figure, "motion_notify_event", pad, 140, 220)  # a "1" in one jump
    mouse(figure, "button_release_event", pad, 140, 220)
    mouse(figure, "motion_notify_event", pad, 20, 20, button=None)  # the pen is up
    sheet = pad.images[0].get_array()
    assert sheet[60:220, 140].min() == 255  # no gaps
    assert sheet[:, :120].max() == 0 and sheet[:, 160:].max() == 0
    ring()
    assert asked[-1].shape == (1, 28, 28) and asked[-1].dtype == np.float32
    rows, columns = np.nonzero(asked[-1][0] > 0.5)
    assert np.ptp(rows) + 1 == 20 and 2 <= np.ptp(columns) + 1 <= 4  # MNIST's box of 20
    assert np.array_equal(seen.images[0].get_array(), asked[-1][0])
    assert [bar.get_height() for bar in bars.patches] == [0, 75, 0, 0, 0, 0, 0, 0, 0, 0]
    mouse(figure, "button_press_event", pad, 50, 30)  # and leaves the sheet with the pen down
    mouse(figure, "motion_notify_event", seen, 5, 5)
    mouse(figure, "motion_notify_event", pad, 200, 30)
    assert pad.images[0].get_array()[30, 100:180].max() == 0
    for name in ("button_press_event", "button_release_event"):
        mouse(figure, name, below, 0.5, 0.5)
    ring()
    assert pad.images[0].get_array().max() == 0
    assert [bar.get_height() for bar in bars.patches] == [0] * 10


def test_the_pen_neither_reads_nor_draws_the_window_anew(drawing):
    """A hand makes a hundred points a second; what takes longer than one loses the others."""
    figure, asked, ring = drawing
    drawn = []
    figure.canvas.mpl_connect("draw_event", drawn.append)
    mouse(figure, "button_press_event", figure.axes[0], 50, 60)
    for x in range(50, 200, 10):
        mouse(figure, "motion_notify_event", figure.axes[0], x, 60)
    assert not asked
    shown = np.asarray(figure.canvas.buffer_rgba())[..., 0]
    x, y = figure.axes[0].transData.transform((120, 60))
    assert shown[len(shown) - round(y), round(x)] == 0  # the ink is there at once
    ring()
    ring()
    assert len(asked) == 1 and not drawn  # once for all points, and once is enough
    assert figure.canvas.toolbar is None  # no zoom that would take the mouse


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_toolkit_swallows_closes_the_window(monkeypatch, drawing, number):
    from matplotlib import pyplot

    class Stopped(BaseException):
        pass

    def handler(*_):
        raise Stopped

    def show():
        with contextlib.suppress(BaseException):  # as Tk's callbacks do
            signal.raise_signal(number)
        for timer in timers:
            for call, _, _ in timer.callbacks:
                call()
        assert not pyplot.get_fignums()

    timers, new_timer = [], type(drawing[0].canvas).new_timer
    monkeypatch.setattr(
        type(drawing[0].canvas),
        "new_timer",
        lambda *args: timers.append(new_timer(*args)) or timers[-1],
    )
    monkeypatch.setattr(pyplot, "show", show)
    old = signal.signal(number, handler)
    try:
        with pytest.raises(Stopped):
            utils.wait_for_windows()
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, old)


@pytest.mark.parametrize(
    ("variables", "found", "words"),
    [
        ({}, True, "there is no display to open a window on"),
        ({"DISPLAY": ":0"}, False, "needs a GUI toolkit.*pip install PySide6"),
        ({"DISPLAY": ":0", "MPLBACKEND": "agg"}, True, "MPLBACKEND=agg opens no windows"),
        ({"DISPLAY": ":0"}, True, "there is no display"),
    ],
    ids=["no display", "no toolkit", "agg chosen", "display that is none"],
)
def test_where_no_window_can_open_the_reason_is_said(monkeypatch, variables, found, words):
    import matplotlib

    matplotlib.use("agg")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found or None)
    with pytest.raises(UserError, match=words):
        utils.draw_and_read(seven)
