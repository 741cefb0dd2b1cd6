"""utils_multiMNIST.py: pairs composed as by hand, and the course's own files, whole and damaged."""

import gzip
import hashlib
import pickle
import types

import train_utils
import utils
import utils_multiMNIST
from tests.conftest import figures_drawn, write_mnist
from utils import UserError
from utils_multiMNIST import compose, get_data

import numpy as np
import pytest
import torch


def test_the_brighter_pixel_wins_in_the_shared_rows():
    upper, lower = torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28)
    upper[0, 0, 0, 3] = 0.5  # the first row of the image
    upper[0, 0, 13, 4] = 0.6  # the last row that is the upper digit's alone
    upper[0, 0, 20, 5], lower[0, 0, 6, 5] = 0.7, 0.4  # both are row 20: 0.7 wins
    upper[0, 0, 27, 6], lower[0, 0, 13, 6] = 0.2, 0.8  # both are row 27: 0.8 wins
    lower[0, 0, 0, 7] = 0.3  # row 14, where the upper digit has nothing
    lower[0, 0, 14, 8] = 0.1  # row 28, the lower digit's alone
    lower[0, 0, 27, 9] = 0.9  # the last row of the image
    expected = torch.zeros(1, 1, 42, 28)
    for row, column, value in (
        (0, 3, 0.5),
        (13, 4, 0.6),
        (20, 5, 0.7),
        (27, 6, 0.8),
        (14, 7, 0.3),
        (28, 8, 0.1),
        (41, 9, 0.9),
    ):
        expected[0, 0, row, column] = value
    assert torch.equal(compose(upper, lower), expected)


@pytest.fixture(scope="module")
def fixed_pairs():
    """The mini set, asked for as the course's scripts do, from a folder deeper."""
    return get_data("../no/such/Datasets/", True)


def test_the_fixed_pairs_are_the_same_on_every_machine(fixed_pairs):
    X_train, y_train, X_test, y_test = fixed_pairs
    assert X_train.shape == (40000, 1, 42, 28) and X_test.shape == (4000, 1, 42, 28)
    assert y_train.shape == (2, 40000) and y_test.shape == (2, 4000)
    assert X_train.dtype == np.float32 and y_train.dtype == np.int64
    assert X_train.min() == 0 and X_train.max() == 1
    digest = hashlib.sha256(np.rint(X_test * 255).astype(np.uint8).tobytes() + y_test.tobytes())
    assert digest.hexdigest()[:16] == DIGEST
    assert np.bincount(y_train.ravel()).min() > 6000  # every digit in its turn
    assert 0.09 < (y_train[0] == y_train[1]).mean() < 0.11  # the two are independent


DIGEST = "ca6c2318a6db089d"


def test_a_pair_holds_the_digits_that_its_labels_name(mnist, fixed_pairs):
    """Rows 0 to 13 are an upper digit's and rows 28 to 41 a lower one's, both of the labels."""
    X_train, y_train, X_test, y_test = fixed_pairs
    (images, labels), (test_images, test_labels) = mnist
    for X, y, digits, names in (
        (X_test, y_test, test_images, test_labels),
        (X_train[-4000:], y_train[:, -4000:], images[54000:], labels[54000:]),
        (X_train[:200], y_train, images[:54000], labels[:54000]),
    ):
        tops = {digit[:14].tobytes(): name for digit, name in zip(digits, names, strict=True)}
        bottoms = {digit[14:].tobytes(): name for digit, name in zip(digits, names, strict=True)}
        pixels = np.rint(X[:200, 0] * 255).astype(np.uint8)
        for image, upper, lower in zip(pixels, y[0], y[1], strict=False):
            assert tops[image[:14].tobytes()] == upper
            assert bottoms[image[28:].tobytes()] == lower


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(UserError, match="no folder"):
        get_data("../no/such/folder", True)


# ------------------------------------------------------------------------ what the lessons get


def loaded(folder, limit=None):
    args = types.SimpleNamespace(data_dir=folder, limit=limit, device="cpu")
    return utils_multiMNIST.load_pairs(args)


def halves(images):
    """The rows that one digit has for itself, as bytes: {"upper": [...], "lower": [...]}."""
    pixels = np.rint(255 * np.asarray(images)[:, 0]).astype(np.uint8)
    return {
        "upper": [one[:14].tobytes() for one in pixels],
        "lower": [one[-14:].tobytes() for one in pixels],
    }


@pytest.mark.parametrize("batch_size", [60, 70])
def test_fresh_pairs_differ_in_every_epoch_and_use_every_digit(small_mnist, batch_size):
    data = loaded(small_mnist)
    x, y = data["train"]
    assert x.shape == (540, 1, 28, 28) and x.dtype == torch.float32 and y.dtype == torch.int64
    which = {place: {half: i for i, half in enumerate(all_)} for place, all_ in halves(x).items()}
    batches = train_utils.ShuffledBatches(x, y, batch_size, compose=data["compose"])
    torch.manual_seed(0)
    epochs = []
    for _ in range(2):
        made = list(batches)
        assert len(made) == len(batches) == 540 // batch_size
        assert all(batch["x"].shape == (batch_size, 1, 42, 28) for batch in made)
        images, labels = torch.cat([b["x"] for b in made]), torch.cat([b["y"] for b in made], 1)
        found = halves(images)
        chosen = [[which[place][half] for half in found[place]] for place in ("upper", "lower")]
        for digits, truth in zip(chosen, labels, strict=True):
            assert torch.equal(y[digits], truth)
            assert len(set(digits)) == len(digits) == 540 - 540 % batch_size
        epochs.append(set(zip(*chosen, strict=True)))
    swapped = {(lower, upper) for upper, lower in epochs[0]}
    assert len(epochs[0] & epochs[1]) < 10 and len(epochs[0] & swapped) < 10  # of 540 by chance


def test_digits_are_moved_before_they_are_composed(small_mnist):
    """Each by itself: a batch of 2 B single digits is augmented, not B pairs."""
    data, shapes = loaded(small_mnist), []

    def augment(x):
        shapes.append(tuple(x.shape))
        return x / 2

    batches = train_utils.ShuffledBatches(
        *data["train"], 60, augment=augment, compose=data["compose"]
    )
    assert max(batch["x"].max() for batch in batches) == 0.5
    assert shapes == [(120, 1, 28, 28)] * 9


def test_the_lessons_are_judged_on_the_pairs_of_get_data(small_mnist, monkeypatch):
    monkeypatch.setitem(utils_multiMNIST.COUNTS, True, (400, 40))
    X_train, y_train, X_test, y_test = get_data(small_mnist, True)
    data = loaded(small_mnist)
    for name, x, y in (("test", X_test, y_test), ("dev", X_train[360:], y_train[:, 360:])):
        assert np.array_equal(data[name][0], x) and np.array_equal(data[name][1], y)
    images, labels = utils.read_mnist(small_mnist)[1]
    digits, names = data["singles"]
    assert np.array_equal(digits[:, 0], images / np.float32(255)) and np.array_equal(names, labels)


def test_a_limit_comes_before_the_split_and_leaves_the_test_set_alone(small_mnist):
    whole, data = loaded(small_mnist), loaded(small_mnist, 100)
    digits, labels = utils.read_mnist(small_mnist)[0]
    assert np.array_equal(data["train"][1], labels[:90])
    known = halves(utils.as_floats(digits[90:100, None]))
    for place, found in halves(data["dev"][0]).items():
        assert set(found) == set(known[place])
    assert data["checksum"] != whole["checksum"]
    assert torch.equal(data["test"][0], whole["test"][0])


# ------------------------------------------------------------------------ what overlap costs


def test_what_overlap_costs_is_counted_head_by_head(tmp_path, monkeypatch, capsys):
    """A made-up reader that is distracted by ink in the other half. Alone, it misreads the upper 1
    and no lower digit; in pairs it reads an upper digit as 0 if the lower one is 3."""

    def digit(label):  # a mark whose brightness says which digit it is, seen in either place
        x = torch.zeros(1, 28, 28)
        x[0, [0, 27]] = (label + 1) / 10
        return x

    def read(x):
        assert x.shape[1:] == (1, 42, 28)
        upper, lower = ((10 * x[:, 0, row, 5]).round().long() - 1 for row in (0, 41))
        upper[(upper == 1) | (lower == 3)] = 0
        return np.stack([np.eye(10)[upper], np.eye(10)[lower]])

    alone = torch.tensor([1, 2, 3, 4])
    truth = torch.tensor([[2, 2, 5, 1, 4], [3, 4, 3, 3, 6]])  # wrong, right, wrong, wrong, right
    marks = {label: digit(label) for label in range(10)}
    upper, lower = (torch.stack([marks[int(label)] for label in row]) for row in truth)
    singles = torch.stack([marks[int(label)] for label in alone])
    data = {"test": (compose(upper, lower), truth), "singles": (singles, alone)}
    drawn = []
    monkeypatch.setattr(
        utils_multiMNIST, "draw_hardest_pairs", lambda path, *given: drawn.append(given)
    )
    args = types.SimpleNamespace(quiet=False, no_plots=False)
    run = utils.Run(1, 0, tmp_path)
    utils_multiMNIST.report_overlap(run, args, data, read)
    line = capsys.readouterr().out
    assert "the upper digit misread 25.00 % alone, 60.00 % in a pair" in line
    assert "the lower 0.00 % and 0.00 %" in line
    assert run.pictures == ["hardest_pairs.png"]
    assert np.array_equal(drawn[0][0], truth)
    assert drawn[0][1].tolist() == [True, False, True, True, False]
    args.quiet, args.no_plots = False, True  # the course's files have no single digits
    utils_multiMNIST.report_overlap(run, args, data | {"singles": None}, read)
    assert capsys.readouterr().out == "" and len(drawn) == 1


def test_the_hardest_pairs_are_shares_of_each_pair(tmp_path, monkeypatch):
    figures = figures_drawn(monkeypatch)
    labels = np.array([[2, 2, 2, 2, 7], [3, 3, 3, 3, 0]])
    wrong = np.array([True, False, False, False, True])
    utils_multiMNIST.draw_hardest_pairs(tmp_path / "a.png", labels, wrong)
    axis = figures[0].axes[0]
    share = axis.images[0].get_array()
    assert share[2, 3] == 25 and share[7, 0] == 100 and share.sum() == 125
    assert {text.get_position(): text.get_text() for text in axis.texts} == {
        (3, 2): "25",
        (0, 7): "100",
    }
    assert axis.get_xlabel() == "lower digit" and axis.get_ylabel() == "upper digit"


# --------------------------------------------------------------------- the course's own files


def write_course_files(folder, train=50, test=20):
    """Write small files of the course's form; returns the images as bytes and the labels."""
    random, written = np.random.default_rng(0), {}
    for half, count in (("train", train), ("test", test)):
        levels = random.integers(0, 256, (count, 42, 28), dtype=np.uint8)
        labels = random.integers(0, 10, (2, count))
        images = pickle.dumps([one / 256 for one in levels], protocol=2)
        (folder / f"{half}_multi_digit_mini.pkl.gz").write_bytes(gzip.compress(images, 1))
        np.savetxt(folder / f"{half}_labels_mini.txt.gz", labels)
        written[half] = levels, labels
    return written


def test_the_courses_files_are_read_instead(tmp_path):
    written = write_course_files(tmp_path)
    X_train, y_train, X_test, y_test = get_data(tmp_path, True)
    for X, y, (levels, labels) in (
        (X_train, y_train, written["train"]),
        (X_test, y_test, written["test"]),
    ):
        assert np.array_equal(X[:, 0], levels / np.float32(255)) and np.array_equal(y, labels)
    for limit, split, end in ((None, 45, 50), (20, 18, 20)):
        data = loaded(tmp_path, limit)
        assert data["compose"] is None and data["singles"] is None
        for name, part in (("train", slice(0, split)), ("dev", slice(split, end))):
            assert np.array_equal(data[name][0], X_train[part])
            assert np.array_equal(data[name][1], y_train[:, part])
        assert np.array_equal(data["test"][0], X_test)


def packed(content):
    return gzip.compress(pickle.dumps(content, protocol=2))


IMAGES, LABELS = "train_multi_digit_mini.pkl.gz", "test_labels_mini.txt.gz"
DAMAGE = {
    "a file is missing": (IMAGES, None, "is missing"),
    "truncated images": (IMAGES, lambda old: old[:-2000], "is damaged"),
    "truncated labels": (LABELS, lambda old: old[:-10], "is damaged"),
    "no list": (IMAGES, lambda old: packed({0: 1}), "not a list of 42 x 28"),
    "beyond any number": (IMAGES, lambda old: packed([10**400]), "not a list of 42 x 28"),
    "another shape": (IMAGES, lambda old: packed([np.zeros((28, 28))] * 3), "image 0"),
    "values above 1": (IMAGES, lambda old: packed([np.full((42, 28), 7.0)]), "image 0"),
    "values below 0": (IMAGES, lambda old: packed([np.full((42, 28), -1 / 256)]), "image 0"),
    "1, as a byte 0": (IMAGES, lambda old: packed([np.full((42, 28), 1.0)]), "image 0"),
    "not a number": (IMAGES, lambda old: packed([np.full((42, 28), np.nan)]), "image 0"),
    "fewer images": (IMAGES, lambda old: packed([np.zeros((42, 28))]), "there are 1 images"),
    "one row of labels": (LABELS, lambda old: gzip.compress(b"1 2 3\n"), r"labels \(1, 3\)"),
    "no labels": (LABELS, lambda old: gzip.compress(b""), "there are 20 images"),
    "label 10": (LABELS, lambda old: gzip.compress(b"1 " * 19 + b"10\n" + b"2 " * 20), "0 to 9"),
    "half a label": (LABELS, lambda old: gzip.compress(b"1 " * 19 + b".5\n" + b"2 " * 20), "0 to"),
    "a hostile pickle": (IMAGES, lambda old: gzip.compress(b"cos\nsystem\n(S'x'\ntR."), "os"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_course_files_are_named(tmp_path, damage, recwarn):
    write_course_files(tmp_path)
    name, change, words = DAMAGE[damage]
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes())) if change else path.unlink()
    with pytest.raises(UserError, match=words) as error:
        get_data(tmp_path, True)
    assert not list(recwarn)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_labels_that_unpack_to_gigabytes_take_little_memory(tmp_path):
    """In small: 40 MB of blanks, of which 32 MB are looked at."""
    write_course_files(tmp_path)
    (tmp_path / LABELS).write_bytes(gzip.compress(b" " * (40 << 20), 1))
    with pytest.raises(UserError, match=f"{LABELS} is damaged .*more than any data set"):
        get_data(tmp_path, True)


def test_pairs_of_a_small_data_set_keep_dev_apart(tmp_path, monkeypatch):
    monkeypatch.setitem(utils_multiMNIST.COUNTS, True, (1000, 10))
    folder = write_mnist(tmp_path / "d", 100, 20)
    X_train = get_data(folder, True)[0]
    tops = {image[:14].tobytes() for image in np.rint(X_train[:, 0] * 255).astype(np.uint8)}
    assert len(tops) <= 100  # the upper halves of at most so many digits
    train, dev = ({p[:14].tobytes() for p in part[:, 0]} for part in np.split(X_train, [900]))
    assert not train & dev and len(dev) == 10
