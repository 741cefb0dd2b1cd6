"""Two handwritten digits in one image of 42 x 28 pixels, one above the other.

The upper digit fills rows 0 to 27, the lower one rows 14 to 41; in the 14 rows that they share the
brighter pixel wins. This is how the course's data set was made (read off its files). Here pairs are
composed from MNIST as they are needed; the course's own files are read instead if they are there.
Shapes: N images, D single digits.
"""

import gzip
import io
import warnings
from pathlib import Path

import utils
from utils import UserError

import numpy as np
import torch

img_rows, img_cols = 42, 28
num_classes = 10

SEED = 686  # of the fixed pairs; a number like any other
# (training pairs, test pairs): the course's mini set, and a full one, as large as MNIST.
COUNTS = {True: (40_000, 4_000), False: (60_000, 10_000)}


def compose(upper, lower):
    """Put digits (N, 1, 28, 28) above others: images (N, 1, 42, 28) of the same type."""
    images = upper.new_zeros(len(upper), 1, img_rows, img_cols)
    images[:, :, :28] = upper
    images[:, :, 14:] = torch.maximum(images[:, :, 14:], lower)
    return images


def compose_pairs(images, labels, chosen):
    """Put images[chosen[0]] above images[chosen[1]]: uint8 (N, 1, 42, 28), labels (2, N)."""
    upper, lower = (torch.from_numpy(images[part][:, None]) for part in chosen)
    return compose(upper, lower).numpy(), labels[chosen].astype(np.int64)


def draw_pairs(sets, use_mini_dataset):
    """Draw the fixed pairs, with replacement: {"train": (images, labels, chosen (2, N)), ...}.

    Training pairs are of MNIST's training set, test pairs of its test set. The last tenth of the
    training pairs, on which one chooses, is made of the last tenth of the digits, the rest of the
    others: no digit that judges a network has been seen by it. The same on every machine:
    RandomState's numbers are frozen for good (NumPy's NEP 19).
    """
    (images, labels), test = sets
    random = np.random.RandomState(SEED)  # noqa: NPY002 - newer ones may change their numbers
    count, test_count = COUNTS[use_mini_dataset]
    split, digits = count - count // 10, len(images) - len(images) // 10
    parts = {
        "train": (images[:digits], labels[:digits], split),
        "dev": (images[digits:], labels[digits:], count - split),
        "test": (*test, test_count),
    }
    return {
        name: (x, y, random.randint(len(x), size=(2, number), dtype=np.int64))
        for name, (x, y, number) in parts.items()
    }


def read_course_pairs(images_path, labels_path):
    """Read the course's images and labels: uint8 (N, 1, 42, 28), int64 (2, N).

    The images are a gzip'd pickle of a list of N float64 arrays (42, 28), byte / 256, the labels
    text for numpy.loadtxt. Raises UserError if they are damaged or do not fit together.
    """
    listed = utils.read_pickle_data(images_path)
    with utils.blamed_on(images_path, "is not a list of 42 x 28 images"):
        images = np.empty((len(listed), 1, img_rows, img_cols), np.uint8)
        for i in range(len(listed)):
            levels = np.rint(np.asarray(listed[i], np.float64) * 256)
            if levels.shape != (img_rows, img_cols) or not 0 <= levels.min() <= levels.max() < 256:
                raise ValueError(f"image {i}")
            images[i, 0], listed[i] = levels, None  # one float64 copy, and shrinking
    with utils.blamed_on(labels_path, "is damaged"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty file is a warning here, an error below
        with gzip.open(labels_path, "rb") as file:
            text = utils.read_at_most(32 << 20, file)
        labels = np.loadtxt(io.StringIO(text.decode("ascii")), ndmin=2)
    if labels.shape != (2, len(images)):
        words = f"{labels_path} has labels {labels.shape}, but there are {len(images)} images"
        raise UserError(f"{words} in {images_path}; labels must be (2, {len(images)})")
    if not np.isin(labels, range(num_classes)).all():
        raise UserError(f"{labels_path} holds labels other than 0 to 9")
    return images, labels.astype(np.int64)


def find_course_files(folder, use_mini_dataset):
    """Return the paths of the course's files, (images, labels) of train and test, or None."""
    mini = "_mini" if use_mini_dataset else ""
    images = [folder / f"{name}_multi_digit{mini}.pkl.gz" for name in ("train", "test")]
    labels = [folder / f"{name}_labels{mini}.txt.gz" for name in ("train", "test")]
    missing = [path for path in (*images, *labels) if not path.is_file()]
    if len(missing) == 4:
        return None
    if missing:
        raise UserError(f"{missing[0]} is missing, but others of the course's four files are there")
    return list(zip(images, labels, strict=True))


def get_data(path_to_data_dir, use_mini_dataset):
    """Return X_train (40000, 1, 42, 28), y_train (2, 40000), X_test (4000, ...), y_test (2, 4000).

    Images are float32 in [0, 1]; labels int64, the upper digit first. The full set has 60,000 and
    10,000 pairs. Raises UserError if files are missing, damaged or do not fit together.
    """
    folder = Path(path_to_data_dir)
    if not folder.is_dir() and folder.name == utils.DATASETS.name:
        folder = utils.DATASETS  # the course's scripts say "../Datasets/", from a folder deeper
    files = find_course_files(folder, use_mini_dataset)
    if files:
        train, test = (read_course_pairs(*paths) for paths in files)
    else:
        pairs = draw_pairs(utils.read_mnist(folder), use_mini_dataset)
        parts = [compose_pairs(*pairs[name]) for name in ("train", "dev")]
        train = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts], axis=1)
        test = compose_pairs(*pairs["test"])
    return utils.as_floats(train[0]), train[1], utils.as_floats(test[0]), test[1]


def load_pairs(args):
    """Return what mlp.py and conv.py learn from: {"train", "dev", "test", "compose", ...}.

    "dev" and "test" are fixed pairs, (x float32 (N, 1, 42, 28), y (2, N)) on args.device. "train"
    holds single digits, (x (D, 1, 28, 28), y (D,)), and "compose" the function that makes pairs of
    them, fresh for every epoch; with the course's files their images, and None. "singles" are the
    test digits by themselves. --limit keeps the first digits, or images, of the training set.
    """
    files = find_course_files(args.data_dir, True)
    if files:
        (images, labels), test = (read_course_pairs(*paths) for paths in files)
        images, labels = images[: args.limit], labels[:, : args.limit]
        split = len(images) - len(images) // 10
        data = {"train": (images[:split], labels[:, :split]), "test": test}
        data |= {"dev": (images[split:], labels[:, split:]), "singles": None}
        bytes_ = images, labels, *test
    else:
        (images, labels), test = sets = utils.read_mnist(args.data_dir)
        images, labels = images[: args.limit], labels[: args.limit]
        pairs = draw_pairs(((images, labels), test), True)
        pairs["test"] = draw_pairs(sets, True)["test"]  # the same pairs, whatever the limit
        data = {name: compose_pairs(*pairs[name]) for name in ("dev", "test")}
        x, y, _ = pairs["train"]
        data |= {"train": (x[:, None], y), "singles": (test[0][:, None], test[1])}
        bytes_ = images, labels, *test
    for name, part in data.items():
        if part:
            x, y = utils.as_floats(part[0]), part[1].astype(np.int64)
            data[name] = tuple(torch.from_numpy(array).to(args.device) for array in (x, y))
    return data | {"compose": None if files else compose, "checksum": utils.checksum(*bytes_)}


# ------------------------------------------------------------------------------ what overlap costs


def report_overlap(run, args, data, read):
    """Print what overlap costs, and draw which pairs of digits are hardest.

    read(x) gives probabilities (2, N, 10). A single digit is placed where it would be in a pair,
    and its place's head reads it; the other half of the image is empty.
    """
    x, y = data["test"]  # (N, 1, 42, 28), (2, N)
    wrong = read(x).argmax(2) != y.cpu().numpy()  # (2, N)
    if data["singles"] and not args.quiet:
        digits, labels = data["singles"]  # (D, 1, 28, 28), (D,)
        empty = torch.zeros_like(digits)
        alone = [
            100 * (read(compose(*places))[head].argmax(1) != labels.cpu().numpy()).mean()
            for head, places in enumerate([(digits, empty), (empty, digits)])
        ]
        paired = 100 * wrong.mean(1)
        print(
            f"what overlap costs: the upper digit misread {alone[0]:.2f} % alone, "
            f"{paired[0]:.2f} % in a pair; the lower {alone[1]:.2f} % and {paired[1]:.2f} %"
        )
    if not args.no_plots:
        run.draw("hardest_pairs.png", draw_hardest_pairs, y.cpu().numpy(), wrong.any(0))


def draw_hardest_pairs(path, labels, wrong):
    """Draw the share of misread images for every pair of digits: labels (2, N), wrong (N,)."""
    counts, errors = np.zeros((10, 10)), np.zeros((10, 10))
    np.add.at(counts, tuple(labels), 1)
    np.add.at(errors, tuple(labels[:, wrong]), 1)
    share = 100 * errors / np.maximum(counts, 1)

    def draw(axes, figure):
        axis = axes[0, 0]
        shades = axis.imshow(share, cmap="Oranges", vmin=0)
        for i, j in np.argwhere(errors):
            dark = share[i, j] > 0.7 * share.max()
            look = {"ha": "center", "va": "center", "fontsize": 8}
            axis.text(j, i, f"{share[i, j]:.0f}", color="white" if dark else "black", **look)
        axis.set(xticks=range(10), yticks=range(10), xlabel="lower digit", ylabel="upper digit")
        axis.set_title("pairs with a misread digit, %")
        figure.colorbar(shades, shrink=0.7)

    utils.save_figure(path, (6, 5.2), draw)
