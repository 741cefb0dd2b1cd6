"""utils_multiMNIST.py: pairs composed as by hand, and the course's own files, whole and damaged."""

import gzip
import hashlib
import pickle
import tracemalloc
import types

import numpy as np
import pytest
import torch

import train_utils
import utils
import utils_multiMNIST
from tests.conftest import write_mnist
from utils import UserError
from utils_multiMNIST import compose, get_data


def test_the_brighter_pixel_wins_in_the_shared_rows():
    upper, lower = torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28)
    upper[0, 0, 0, 3] = 0.5  # the first row of the picture
    upper[0, 0, 13, 4] = 0.6  # the last row that is the upper digit's alone
    upper[0, 0, 20, 5], lower[0, 0, 6, 5] = 0.7, 0.4  # both are row 20: 0.7 wins
    upper[0, 0, 27, 6], lower[0, 0, 13, 6] = 0.2, 0.8  # both are row 27: 0.8 wins
    lower[0, 0, 0, 7] = 0.3  # row 14, where the upper digit has nothing
    lower[0, 0, 14, 8] = 0.1  # row 28, the lower digit's alone
    lower[0, 0, 27, 9] = 0.9  # the last row of the picture
    expected = torch.zeros(1, 1, 42, 28)
    for row, column, value in ((0, 3, 0.5), (13, 4, 0.6), (20, 5, 0.7), (27, 6, 0.8), (14, 7, 0.3),
                               (28, 8, 0.1), (41, 9, 0.9)):  # fmt: skip
        expected[0, 0, row, column] = value
    assert torch.equal(compose(upper, lower), expected)


def test_composing_keeps_type_and_arguments():
    upper = torch.full((2, 1, 28, 28), 9, dtype=torch.uint8)
    pictures = compose(upper, upper // 3)
    assert pictures.dtype == torch.uint8 and (upper == 9).all()
    assert pictures[:, :, :28].unique().tolist() == [9] and pictures[0, 0, 28:].unique() == 3


def test_the_fixed_pairs_are_the_same_on_every_machine():
    X_train, y_train, X_test, y_test = get_data(utils.DATASETS, True)
    assert X_train.shape == (40000, 1, 42, 28) and X_test.shape == (4000, 1, 42, 28)
    assert y_train.shape == (2, 40000) and y_test.shape == (2, 4000)
    assert X_train.dtype == np.float32 and y_train.dtype == np.int64
    assert X_train.min() == 0 and X_train.max() == 1
    digest = hashlib.sha256(np.rint(X_test * 255).astype(np.uint8).tobytes() + y_test.tobytes())
    assert digest.hexdigest()[:16] == DIGEST
    assert np.bincount(y_train.ravel()).min() > 6000  # every digit in its turn
    assert 0.09 < (y_train[0] == y_train[1]).mean() < 0.11  # the two are independent


DIGEST = "ca6c2318a6db089d"


def test_a_pair_holds_the_digits_that_its_labels_name(mnist):
    """Rows 0 to 13 are an upper digit's and rows 28 to 41 a lower one's, both of the labels."""
    X_train, y_train, X_test, y_test = get_data(utils.DATASETS, True)
    (images, labels), (test_images, test_labels) = mnist
    for X, y, digits, names in ((X_test, y_test, test_images, test_labels),
                                (X_train[-4000:], y_train[:, -4000:], images[54000:],
                                 labels[54000:]), (X_train[:200], y_train, images[:54000],
                                                   labels[:54000])):  # fmt: skip
        tops = {digit[:14].tobytes(): name for digit, name in zip(digits, names, strict=True)}
        bottoms = {digit[14:].tobytes(): name for digit, name in zip(digits, names, strict=True)}
        pixels = np.rint(X[:200, 0] * 255).astype(np.uint8)
        for picture, upper, lower in zip(pixels, y[0], y[1], strict=False):
            assert tops[picture[:14].tobytes()] == upper
            assert bottoms[picture[28:].tobytes()] == lower


def test_a_folder_of_the_courses_scripts_is_understood():
    assert utils_multiMNIST.read_data("../no/such/Datasets/", True)[2]
    with pytest.raises(UserError, match="no folder"):
        get_data("../no/such/folder", True)


def test_fresh_pairs_differ_every_time_and_use_every_digit(small_mnist):
    args = types.SimpleNamespace(data_dir=small_mnist, limit=None, device="cpu")
    data = utils_multiMNIST.load_pairs(args)
    assert data["train"][0].shape == (540, 1, 28, 28) and data["dev"][0].shape == (4000, 1, 42, 28)
    batches = train_utils.ShuffledBatches(*data["train"], 60, compose=data["compose"])
    torch.manual_seed(0)
    (first, *_), (second, *_) = list(batches), list(batches)
    assert first["x"].shape == (60, 1, 42, 28) and first["y"].shape == (2, 60)
    assert not torch.equal(first["x"], second["x"])
    assert data["train"][0].dtype == torch.uint8 and first["x"].dtype == torch.float32
    single = data["train"][0].numpy() / np.float32(255), data["train"][1].tolist()
    digits = {x[0, :14].tobytes(): y for x, y in zip(*single, strict=True)}
    lows = {x[0, 14:].tobytes(): y for x, y in zip(*single, strict=True)}
    for x, upper, lower in zip(first["x"], *first["y"], strict=True):
        assert digits[x[0, :14].numpy().tobytes()] == upper
        assert lows[x[0, 28:].numpy().tobytes()] == lower
    upper = torch.cat([batch["y"][0] for batch in batches])
    assert torch.equal(upper.bincount(), data["train"][1].bincount())


# --------------------------------------------------------------------- the course's own files


def write_course_files(folder, train=50, test=20):
    """Write small files of the course's form; returns the pictures as bytes and the labels."""
    random, written = np.random.default_rng(0), {}
    for half, count in (("train", train), ("test", test)):
        levels = random.integers(0, 256, (count, 42, 28), dtype=np.uint8)
        labels = random.integers(0, 10, (2, count))
        pictures = pickle.dumps([one / 256 for one in levels], protocol=2)
        (folder / f"{half}_multi_digit_mini.pkl.gz").write_bytes(gzip.compress(pictures, 1))
        np.savetxt(folder / f"{half}_labels_mini.txt.gz", labels)
        written[half] = levels, labels
    return written


def test_the_courses_files_are_read_instead(tmp_path):
    written = write_course_files(tmp_path)
    X_train, y_train, X_test, y_test = get_data(tmp_path, True)
    for X, y, (levels, labels) in ((X_train, y_train, written["train"]),
                                   (X_test, y_test, written["test"])):  # fmt: skip
        assert np.array_equal(X[:, 0], levels / np.float32(255)) and np.array_equal(y, labels)
    args = types.SimpleNamespace(data_dir=tmp_path, limit=None, device="cpu")
    data = utils_multiMNIST.load_pairs(args)
    assert data["compose"] is None and data["train"][0].shape == (45, 1, 42, 28)
    assert torch.equal(data["dev"][1], torch.from_numpy(written["train"][1][:, 45:]))


def packed(content):
    return gzip.compress(pickle.dumps(content, protocol=2))


PICTURES, LABELS = "train_multi_digit_mini.pkl.gz", "test_labels_mini.txt.gz"
DAMAGE = {
    "a file is missing": (PICTURES, None, "is missing"),
    "truncated pictures": (PICTURES, lambda old: old[:-2000], "is damaged"),
    "truncated labels": (LABELS, lambda old: old[:-10], "is damaged"),
    "no list": (PICTURES, lambda old: packed({0: 1}), "not a list of 42 x 28"),
    "a dict without 0": (PICTURES, lambda old: packed({1: 1}), "not a list of 42 x 28"),
    "a number for a list": (PICTURES, lambda old: packed(5), "not a list of 42 x 28"),
    "beyond any number": (PICTURES, lambda old: packed([10**400]), "not a list of 42 x 28"),
    "another shape": (PICTURES, lambda old: packed([np.zeros((28, 28))] * 3), "picture 0"),
    "values above 1": (PICTURES, lambda old: packed([np.full((42, 28), 7.0)]), "picture 0"),
    "values below 0": (PICTURES, lambda old: packed([np.full((42, 28), -1 / 256)]), "picture 0"),
    "1, as a byte 0": (PICTURES, lambda old: packed([np.full((42, 28), 1.0)]), "picture 0"),
    "not a number": (PICTURES, lambda old: packed([np.full((42, 28), np.nan)]), "picture 0"),
    "fewer pictures": (PICTURES, lambda old: packed([np.zeros((42, 28))]), "there are 1 pictures"),
    "one row of labels": (LABELS, lambda old: gzip.compress(b"1 2 3\n"), r"labels \(1, 3\)"),
    "text for labels": (LABELS, lambda old: gzip.compress(b"one two\n"), "is damaged"),
    "no labels": (LABELS, lambda old: gzip.compress(b""), "there are 20 pictures"),
    "label 10": (LABELS, lambda old: gzip.compress(b"1 " * 19 + b"10\n" + b"2 " * 20), "0 to 9"),
    "half a label": (LABELS, lambda old: gzip.compress(b"1 " * 19 + b".5\n" + b"2 " * 20), "0 to"),
    "a hostile pickle": (PICTURES, lambda old: gzip.compress(b"cos\nsystem\n(S'x'\ntR."), "os"),
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
    """In small: 150 MB of blanks, of which 32 MB are looked at."""
    write_course_files(tmp_path)
    (tmp_path / LABELS).write_bytes(gzip.compress(b" " * (150 << 20), 1))
    tracemalloc.start()
    with pytest.raises(UserError, match=LABELS):
        get_data(tmp_path, True)
    assert tracemalloc.get_traced_memory()[1] < 400 << 20
    tracemalloc.stop()


def test_pairs_of_a_small_data_set_keep_dev_apart(tmp_path):
    folder = write_mnist(tmp_path / "d", 100, 20)
    X_train = get_data(folder, True)[0]
    tops = {picture[:14].tobytes() for picture in np.rint(X_train[:, 0] * 255).astype(np.uint8)}
    assert len(tops) <= 100  # the upper halves of at most so many digits
    train, dev = ({p[:14].tobytes() for p in part[:, 0]} for part in np.split(X_train, [36000]))
    assert not train & dev and len(dev) == 10
