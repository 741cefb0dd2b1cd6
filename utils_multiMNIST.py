"""Two handwritten digits in one picture of 42 x 28 pixels, one above the other.

The upper digit fills rows 0 to 27, the lower one rows 14 to 41; in the 14 rows that they share the
brighter pixel wins. This is how the course's data set was made (read off its files). Here pairs are
composed from MNIST as they are needed; the course's own files are read instead if they are there.
Shapes: N pictures, D single digits.
"""

import utils  # isort: skip - before torch: it sets how torch's threads wait for work

import io
import warnings
from pathlib import Path

import numpy as np
import torch

from utils import UserError

img_rows, img_cols = 42, 28
num_classes = 10

SEED = 6_86  # of the fixed pairs; a number like any other
# (training pairs, test pairs): the course's mini set, and a full one, as large as MNIST.
COUNTS = {True: (40_000, 4_000), False: (60_000, 10_000)}


def compose(upper, lower):
    """Put digits (N, 1, 28, 28) above others: pictures (N, 1, 42, 28) of the same type."""
    pictures = upper.new_zeros(len(upper), 1, img_rows, img_cols)
    pictures[:, :, :28] = upper
    pictures[:, :, 14:] = torch.maximum(pictures[:, :, 14:], lower)
    return pictures


def compose_pairs(images, labels, count, random):
    """Draw pairs of digits with replacement: uint8 (count, 1, 42, 28), labels (2, count)."""
    chosen = random.randint(len(images), size=(2, count), dtype=np.int64)
    upper, lower = (torch.from_numpy(images[part][:, None]) for part in chosen)
    return compose(upper, lower).numpy(), labels[chosen].astype(np.int64)


def compose_data(data_dir, use_mini_dataset):
    """Compose the fixed pairs out of MNIST: (pictures, labels) for training and for test.

    Training pairs are of MNIST's training set, test pairs of its test set. The last tenth of the
    training pairs, on which one chooses, is made of the last tenth of the digits, the rest of the
    others: no digit that judges a network has been seen by it. The same on every machine:
    RandomState's numbers are frozen for good (NumPy's NEP 19).
    """
    (images, labels), (test_images, test_labels) = utils.read_mnist(data_dir)
    random = np.random.RandomState(SEED)  # noqa: NPY002 - newer ones may change their numbers
    count, test_count = COUNTS[use_mini_dataset]
    split, digits = count - count // 10, len(images) - len(images) // 10
    train = compose_pairs(images[:digits], labels[:digits], split, random)
    dev = compose_pairs(images[digits:], labels[digits:], count - split, random)
    test = compose_pairs(test_images, test_labels, test_count, random)
    pictures = np.concatenate([train[0], dev[0]])
    return (pictures, np.concatenate([train[1], dev[1]], axis=1)), test


def read_course_pairs(pictures_path, labels_path):
    """Read the course's pictures and labels: uint8 (N, 1, 42, 28), int64 (2, N).

    The pictures are a gzip'd pickle of a list of N float64 arrays (42, 28), byte / 256, the labels
    text for numpy.loadtxt. Raises UserError if they are damaged or do not fit together.
    """
    listed = utils.read_pickle_data(pictures_path)
    with utils.blamed_on(pictures_path, "is not a list of 42 x 28 pictures"):
        pictures = np.empty((len(listed), 1, img_rows, img_cols), np.uint8)
        for i in range(len(listed)):
            levels = np.rint(np.asarray(listed[i], np.float64) * 256)
            if levels.shape != (img_rows, img_cols) or not 0 <= levels.min() <= levels.max() < 256:
                raise ValueError(f"picture {i}")
            pictures[i, 0], listed[i] = levels, None  # one float64 copy, and shrinking
    text = utils.read_bytes(labels_path, 32 << 20)
    with utils.blamed_on(labels_path, "is damaged"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty file is a warning here, an error below
        labels = np.loadtxt(io.StringIO(text.decode("ascii")), ndmin=2)
    if labels.shape != (2, len(pictures)):
        words = f"{labels_path} has labels {labels.shape}, but there are {len(pictures)} pictures"
        raise UserError(f"{words} in {pictures_path}; labels must be (2, {len(pictures)})")
    if not np.isin(labels, range(num_classes)).all():
        raise UserError(f"{labels_path} holds labels other than 0 to 9")
    return pictures, labels.astype(np.int64)


def read_data(path_to_data_dir, use_mini_dataset):
    """Return (training pairs, test pairs, whether they were composed).

    Pairs are (pictures uint8 (N, 1, 42, 28), labels int64 (2, N)), the upper digit first.
    """
    folder = Path(path_to_data_dir)
    if not folder.is_dir() and folder.name == utils.DATASETS.name:
        folder = utils.DATASETS  # the course's scripts say "../Datasets/", from a folder deeper
    mini = "_mini" if use_mini_dataset else ""
    paths = [folder / f"{name}_multi_digit{mini}.pkl.gz" for name in ("train", "test")]
    paths += [folder / f"{name}_labels{mini}.txt.gz" for name in ("train", "test")]
    missing = [path for path in paths if not path.is_file()]
    if len(missing) == len(paths):
        return *compose_data(folder, use_mini_dataset), True
    if missing:
        raise UserError(f"{missing[0]} is missing, but others of the course's four files are there")
    return read_course_pairs(paths[0], paths[2]), read_course_pairs(paths[1], paths[3]), False


def get_data(path_to_data_dir, use_mini_dataset):
    """Return X_train (40000, 1, 42, 28), y_train (2, 40000), X_test (4000, ...), y_test (2, 4000).

    Pictures are float32 in [0, 1]; labels int64, the upper digit first. The full set has 60,000 and
    10,000 pairs. Raises UserError if files are missing, damaged or do not fit together.
    """
    train, test, _ = read_data(path_to_data_dir, use_mini_dataset)
    return utils.as_floats(train[0]), train[1], utils.as_floats(test[0]), test[1]


def load_pairs(args):
    """Return what mlp.py and conv.py learn from: {"train", "dev", "test", "compose"}.

    "dev" and "test" are fixed pairs, (x float32 (N, 1, 42, 28), y (2, N)) on args.device. "train"
    holds the single digits of MNIST, (x bytes (D, 1, 28, 28), y (D,)), and "compose" the function
    that makes pairs of them, fresh for every epoch; or, with the course's files, their pictures and
    None. Bytes are a quarter of what floats would be to gather in memory.
    """
    (pictures, labels), test, composed = read_data(args.data_dir, use_mini_dataset=True)
    split = len(pictures) - len(pictures) // 10
    data = {"dev": (pictures[split:], labels[:, split:]), "test": test}
    if composed:
        digits, digit_labels = utils.read_mnist(args.data_dir)[0]
        kept = len(digits) - len(digits) // 10
        data["train"] = digits[:kept][: args.limit, None], digit_labels[:kept][: args.limit]
    else:
        data["train"] = pictures[:split][: args.limit], labels[:, :split][:, : args.limit]
    for name in ("dev", "test"):
        data[name] = utils.as_floats(data[name][0]), data[name][1]
    moved = {
        name: (torch.tensor(x).to(args.device), torch.tensor(y, dtype=torch.int64).to(args.device))
        for name, (x, y) in data.items()
    }
    return moved | {"compose": compose if composed else None}
