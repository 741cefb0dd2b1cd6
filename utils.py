"""The workshop: what every lesson uses and no lesson is about. Look things up; no need to read on.

In the order of the file: errors that a person can act on; MNIST in; files of strangers; the
helpers of the course; the command line; the record of a run; its report; comparisons of settings;
plots; your own handwriting. `python utils.py` compares all runs that there are. Matplotlib, SciPy
and Pillow are imported where they are used, so that no run waits for what it does not need.
Shapes: N images, H rows, W columns; a network has one head for each digit that it reads.
"""

import argparse
import ast
import atexit
import contextlib
import csv
import functools
import gc
import gzip
import io
import json
import math
import os
import pickle
import platform
import re
import signal
import struct
import sys
import time
import traceback
import warnings
import zipfile
import zlib
from pathlib import Path

# How PyTorch's threads wait for each other. If they ask all the time, a second program on the
# machine slows them down several times. If they sleep at once, it takes long to wake them. So they
# sleep after asking a thousand times, some microseconds. Most commands of lessons 2 to 4 then take
# 0.7 to 0.8 of the time that they take with sleep alone. The first line is for Linux; Mac and
# Windows know the second one alone. Both are read when torch is imported, so the lessons import
# this file before torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# NumPy's threads (OpenBLAS) cannot be told so. With one on every core, a second program makes them
# three times slower: each product waits until the last core is free. Half of the cores are left to
# others; on a quiet machine of two cores lesson 1 then takes 92 s in place of 66 s. OpenBLAS reads
# this when NumPy is imported, so this stands before it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))

import numpy as np

# PyTorch makes some 300,000 objects. Python searches them for garbage again and again while it
# imports them, and once more at its end. Fewer searches save up to a second of each command.
gc.set_threshold(10_000)
atexit.register(gc.freeze)

ROOT = Path(__file__).resolve().parent
DATASETS = ROOT / "Datasets"


# ------------------------------------------------------------------ errors, and how programs end


class UserError(Exception):
    """A file or a setting that cannot be used; the message says what is wrong and what to do."""


class Terminated(KeyboardInterrupt):
    """The system asked the process to end (SIGTERM); it is treated like Ctrl-C."""


@contextlib.contextmanager
def blamed_on(path, words):
    """Turn any error inside the block into a UserError: '{path} {words}'.

    For files that somebody else wrote: damage makes their readers raise nearly anything.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except MemoryError:
        raise UserError(f"there is not enough memory to read {path}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # a folder, or a file of somebody else
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        raise UserError(f"{path} {words} ({reason})") from None


def run_script(main):
    """Run main() as a program: an error becomes one line on stderr and exit status 2.

    Ctrl-C ends it with 130 and SIGTERM with 143, as shells expect (128 + the signal's number). A
    second Ctrl-C is ignored for a second, so that an impatient one does not cut the end off; after
    that it ends the program at once, in case the end itself hangs.
    """
    stopped = []

    def stop(number, frame):
        stopped.append(time.monotonic())
        if len(stopped) == 1:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        if stopped[-1] - stopped[0] > 1:
            os._exit(128 + number)

    if sys.stdout:  # there is none where it was closed, as by `python mlp.py >&-`
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have letters beyond its own
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        result = main()
        print(end="", flush=True)  # what Python writes at its exit only could fail there
        return result
    except KeyboardInterrupt as end:
        message, status = str(end) or "interrupted", 143 if isinstance(end, Terminated) else 130
    except (UserError, NotImplementedError) as error:  # the second: an exercise that is not done
        message, status = f"error: {error}", 2
    except BrokenPipeError:  # as in `python mlp.py | head`: the reader has seen enough
        message, status = "", 141
    except OSError as error:  # a full disk, for one
        what = error.filename or "a file could not be written"
        message, status = f"error: {what}: {error.strerror or error}", 2
    except (MemoryError, RuntimeError) as error:
        # PyTorch says it so: "can't allocate memory", "out of memory".
        if isinstance(error, RuntimeError) and not re.search("(allocate|of) memory", str(error)):
            raise
        message, status = "error: out of memory; try a smaller --batch-size or network", 2
    try:
        print(end="", flush=True)
    except OSError:  # the output is what failed; nothing of it shall be tried again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if message:
        print(f"{Path(sys.argv[0]).name}: {printable(message)}", file=sys.stderr)
    sys.exit(status)


def printable(text):
    """Replace what would reach a terminal's controls, or take a second line, by spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def say_less_of_ctrl_c(kind, error, trace):
    """Say in one line that Ctrl-C came before run_script(), above all while torch was imported."""
    if kind is KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = say_less_of_ctrl_c


# -------------------------------------------------------------------------------------- MNIST in

MOST_IMAGES = 300_000  # EMNIST has 240,000 digits; as floats a gigabyte, from 300 kB of gzip


def read_idx(path, sizes):
    """Read an IDX file of bytes: sizes (28, 28) for images, () for labels.

    Returns uint8 (N, *sizes). Raises UserError if the file is of another kind, empty, longer than
    MOST_IMAGES, or not of the length that its header says: no more than that is ever unpacked. The
    format stands in Datasets/README.md.
    """
    start = 8 + 4 * len(sizes)
    kind = "images" if sizes else "labels"
    unpacked = gzip.open if path.suffix == ".gz" else open
    with blamed_on(path, "is damaged; get it anew"), unpacked(path, "rb") as file:
        header = file.read(start)
        if len(header) < start:
            raise UserError(f"{path} is too short for an IDX file; get it anew")
        magic, count, *shape = struct.unpack(f">{2 + len(sizes)}I", header)
        if magic != 0x0801 + len(sizes):
            raise UserError(f"{path} is no IDX file of {kind}: it begins with {header[:4].hex()}")
        if tuple(shape) != sizes:
            raise UserError(f"{path} holds images of {shape[0]} x {shape[1]}, not of 28 x 28")
        if not 1 <= count <= MOST_IMAGES:
            raise UserError(f"{path} claims {count:,} entries; 1 to {MOST_IMAGES:,} can be read")
        length = count * math.prod(sizes)
        content = file.read(length + 1)  # the end of the file, where gzip keeps the checksum
    if len(content) != length:
        raise UserError(f"{path} is not as long as its header says; get it anew")
    return np.frombuffer(content, np.uint8).reshape(count, *sizes)


def read_idx_pair(folder, prefix):
    """Read one set of MNIST, "train" or "t10k": uint8 images (N, 28, 28) and labels (N,)."""
    arrays, paths = [], []
    for kind, sizes in (("images-idx3", (28, 28)), ("labels-idx1", ())):
        path = folder / f"{prefix}-{kind}-ubyte"
        if not path.is_file():
            path = path.with_name(f"{path.name}.gz")
        if not path.is_file():
            raise UserError(f"{path} is missing; name the folder of the IDX files with --data-dir")
        arrays.append(read_idx(path, sizes))
        paths.append(path)
    images, labels = arrays
    if len(images) != len(labels):
        raise UserError(f"{len(images)} images in {paths[0]}, but {len(labels)} in {paths[1]}")
    if labels.max() > 9:
        raise UserError(f"{paths[1]} holds the label {labels.max()}; labels must be 0 to 9")
    return images, labels


def read_course_mnist(path):
    """Read the course's mnist.pkl.gz, three (images, labels) pairs, into the form of read_mnist."""
    sets = []
    with blamed_on(path, "is not three pairs of arrays"):
        for images, labels in read_pickle_data(path):
            if not 0 <= images.min() <= images.max() <= 1 or not np.isin(labels, range(10)).all():
                raise ValueError("values out of range")
            # byte / 256 in the course's file, byte / 255 in later ones; back to the bytes.
            levels = np.rint(images * (255 if images.max() == 1 else 256))
            bytes_ = levels.astype(np.uint8).reshape(len(labels), 28, 28)
            sets.append((bytes_, np.asarray(labels).astype(np.uint8).reshape(len(labels))))
        (train, train_labels), (dev, dev_labels), test = sets
    return (np.concatenate([train, dev]), np.concatenate([train_labels, dev_labels])), test


def read_mnist(data_dir=DATASETS):
    """Read MNIST or a data set in the same files: ((images, labels), (images, labels)).

    The training set comes first. Images are uint8 (N, 28, 28), 0 background and 255 ink; labels
    uint8 (N,). Raises UserError if neither the IDX files nor the course's mnist.pkl.gz are whole.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name that of the IDX files with --data-dir")
    if (folder / "mnist.pkl.gz").is_file() and not list(folder.glob("*-ubyte*")):
        sets = read_course_mnist(folder / "mnist.pkl.gz")
    else:
        sets = read_idx_pair(folder, "train"), read_idx_pair(folder, "t10k")
    if len(sets[0][0]) < 10:
        raise UserError(f"{folder} has {len(sets[0][0])} training images; 10 are the fewest")
    return sets


def as_floats(images):
    """uint8 images -> float32 in [0, 1], the same shape; 255 becomes 1 exactly."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def get_MNIST_data(*, data_dir=DATASETS):
    """Return train_x (60000, 784), train_y (60000,), test_x (10000, 784), test_y (10000,).

    Images are float32 in [0, 1], labels int64. Raises UserError as read_mnist does.
    """
    (train_x, train_y), (test_x, test_y) = read_mnist(data_dir)
    return flat(train_x), train_y.astype(np.int64), flat(test_x), test_y.astype(np.int64)


def flat(images):
    """uint8 images (N, 28, 28) -> float32 (N, 784) in [0, 1]."""
    return as_floats(images).reshape(-1, 28 * 28)


def load_digits(args):
    """Return {"train": (x, y), "dev": (x, y), "test": (x, y), "checksum": int}.

    x is float32 (N, 784) in [0, 1], y int64 (N,). --limit keeps the first digits of the training
    set, and dev is the last tenth of them; with --all-digits it is empty, and all of them train.
    The checksum is that of the bytes: --resume compares it.
    """
    (images, labels), (test_images, test_labels) = read_mnist(args.data_dir)
    images, labels = images[: args.limit], labels[: args.limit].astype(np.int64)
    dev = 0 if getattr(args, "all_digits", False) else len(images) // 10
    split = len(images) - dev
    sets = {
        "train": (flat(images[:split]), labels[:split]),
        "dev": (flat(images[split:]), labels[split:]),
        "test": (flat(test_images), test_labels.astype(np.int64)),
    }
    numbers = [np.append(y, len(y)) for _, y in sets.values()]  # another split: other data
    return sets | {"checksum": checksum(images, test_images, *numbers)}


def checksum(*arrays):
    """Return one number (CRC-32) that tells data sets apart, wherever their files lie."""
    number = 0
    for array in arrays:
        number = zlib.crc32(np.ascontiguousarray(array), number)
    return number


# --------------------------------------------------------------------------- files of strangers

# A pickle is a program: it names functions and calls them, any that Python can import. Below stands
# all that arrays of numbers need, and nothing else can be reached; see
# https://docs.python.org/3/library/pickle.html#restricting-globals

MOST_PICKLED = 1 << 30  # bytes; the course's 60,000 images of two digits, as float64, are 0.6 GB


class PickledType:
    """Stands for numpy.dtype: keeps the byte order that the pickle gives it, and nothing else."""

    def __init__(self, code, *_):
        if np.dtype(code).kind not in "biufc":  # above all no objects, which could be anything
            raise pickle.UnpicklingError(f"an array of {code}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(state[1])


class PickledArray:
    """Stands for a NumPy array until its content has come."""

    def __init__(self, array_type, shape, code):
        self.array = np.empty(0)

    def __setstate__(self, state):
        _, shape, kind, fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else content  # Python 2
        self.array = pickled_buffer(content, kind, shape, "F" if fortran else "C")


def pickled_buffer(content, kind, shape, order):
    """Make an array (how protocol 5 writes them)."""
    return np.frombuffer(bytes(content), kind.dtype).reshape(shape, order=order)


def pickled_scalar(kind, content):
    """Make one number of NumPy's."""
    return np.frombuffer(pickled_bytes(content, ""), kind.dtype, count=1)[0]


def pickled_bytes(text, encoding):
    """Make bytes of text (how Python 3 writes bytes into pickles of protocol 2)."""
    return text.encode("latin1") if isinstance(text, str) else text


class PlainUnpickler(pickle.Unpickler):
    """Builds NumPy arrays of numbers, plain containers and text, and refuses every other name."""

    def find_class(self, module, name):
        """Return what stands for a name, or refuse it."""
        module = module.replace("numpy._core", "numpy.core")  # the name since NumPy 2.0
        stand_ins = {
            "numpy.ndarray": PickledArray,
            "numpy.dtype": PickledType,
            "numpy.core.multiarray._reconstruct": PickledArray,
            "numpy.core.multiarray.scalar": pickled_scalar,
            "numpy.core.numeric._frombuffer": pickled_buffer,
            "_codecs.encode": pickled_bytes,
        }
        if f"{module}.{name}" not in stand_ins:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return stand_ins[f"{module}.{name}"]


def real_arrays(data):
    """Put the arrays in the place of what stands for them, in nested containers."""
    if isinstance(data, PickledArray):
        return data.array
    if isinstance(data, (list, tuple)):
        return type(data)(real_arrays(one) for one in data)
    if isinstance(data, dict):
        return {key: real_arrays(one) for key, one in data.items()}
    return data


def read_at_most(limit, file):
    """Return what is left of a file, to its end; ValueError if that is more than `limit` bytes."""
    pieces, left = [], limit + 1
    while left and (piece := file.read(min(left, 1 << 22))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise ValueError("more than any data set of this collection has")
    return b"".join(pieces)


def read_pickle_data(file_name):
    """Read a gzip'd pickle of NumPy arrays, lists, tuples, dicts, text and numbers.

    Pickles of Python 2 are read as well. Raises UserError if the file is damaged or asks for
    anything else, for loading a pickle runs whatever its author put into it.
    """
    words = "is damaged, or holds more than arrays and plain containers"
    with blamed_on(file_name, words), gzip.open(file_name, "rb") as file:
        content = io.BytesIO(read_at_most(MOST_PICKLED, file))
        return real_arrays(PlainUnpickler(content, encoding="latin1").load())


@contextlib.contextmanager
def weights_file(path):
    """Check a file of np.savez or torch.save, then let it be read; UserError if it is damaged.

    Both are zip archives without compression: one that unpacks to more than its size is neither's.
    """
    with blamed_on(path, "is damaged or no file of weights"):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > Path(path).stat().st_size:
                raise ValueError("it unpacks to more than its size")
            if archive.testzip():
                raise ValueError("a checksum is wrong")
        yield


def read_arrays(path):
    """Read a file of np.savez into a dict; UserError if it is damaged or holds Python objects."""
    with weights_file(path), np.load(path, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("an entry is no array")
        return arrays


@contextlib.contextmanager
def whole_file(path):
    """Open a file for writing bytes that appears under its name only once it is whole.

    It is written beside its place, flushed to the disk and renamed: whoever reads `path`, and
    whenever the power fails, finds the old content or the new one.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:  # a full disk does not say which
        error.filename = error.filename or str(path)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def write_arrays(path, arrays):
    """Write a dict of arrays as np.savez does; the file is whole at every moment."""
    with whole_file(path) as file:
        np.savez(file, **arrays)


# ---------------------------------------------------------------------- helpers of the course


def write_pickle_data(data, file_name):
    """Write `data` as a gzip'd pickle."""
    with whole_file(file_name) as file, gzip.GzipFile(fileobj=file, mode="wb") as packed:
        pickle.dump(data, packed, protocol=4)


def load_train_and_test_pickle(file_name):
    """Read (train_x, train_y, test_x, test_y) from one pickle, as the course keeps them."""
    train_x, train_y, test_x, test_y = read_pickle_data(file_name)
    return train_x, train_y, test_x, test_y


def plot_images(X):
    """Show images, (784,) or (N, 784), in a window."""
    from matplotlib import pyplot

    images = np.reshape(X, (-1, 28, 28))
    columns = math.ceil(math.sqrt(len(images)))
    _, axes = pyplot.subplots(-(-len(images) // columns), columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image in zip(axes.flat, images, strict=False):
        axis.imshow(image, cmap="gray")
    pyplot.show()


def pick_examples_of(X, Y, labels, total_count):
    """Return the first `total_count` rows of X, and of Y, whose label is one of `labels`."""
    wanted = np.isin(Y, labels)
    return X[wanted][:total_count], Y[wanted][:total_count]


def extract_training_and_test_examples_with_labels(
    train_x, train_y, test_x, test_y, labels, training_count, test_count
):
    """Pick examples of some labels only: (train_x, train_y, test_x, test_y), cut to the counts."""
    train = pick_examples_of(train_x, train_y, labels, training_count)
    return *train, *pick_examples_of(test_x, test_y, labels, test_count)


# ------------------------------------------------------------------------------ the command line


# What a run can do in place of training; one at once.
MODES = ["check_gradients", "check_convolution", "sweep", "draw", "predict", "resume"]


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line, options that belong to the recipe, and sets of defaults."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.settings, self.presets = [], []

    def add_setting(self, *names, **more):
        """Add an option that decides how a run ends: --resume compares it, metrics.json has it."""
        self.settings.append(self.add_argument(*names, **more).dest)

    def add_preset(self, condition, **defaults):
        """Say which defaults hold where condition(values) is true; typed options go first."""
        self.presets.append((condition, defaults))

    def parse_args(self, args=None, namespace=None):
        """Parse the command line: what was typed, else the presets' defaults, else our own.

        Adds `typed`, the names of the typed options, and `settings`, those that --resume compares.
        """
        unset = object()
        names = vars(super().parse_args([])).keys()
        given = vars(super().parse_args(args, argparse.Namespace(**dict.fromkeys(names, unset))))
        typed = {name: value for name, value in given.items() if value is not unset}
        values = vars(super().parse_args([])) | typed
        for condition, defaults in self.presets:
            if unknown := defaults.keys() - names:
                self.error(f"there is no setting {min(unknown)} for a set of defaults")
            if condition(values):
                values |= defaults | typed
        args = argparse.Namespace(**values, typed=set(typed), settings=self.settings)
        if args.name:
            args.output_dir = args.output_dir / args.name
        modes = [name for name in MODES if values.get(name) not in (None, False)]
        if len(modes) > 1:
            self.error("--{} does not go with --{}".format(*modes).replace("_", "-"))
        if args.seeds > 1 and modes not in ([], ["resume"]):
            self.error(f"--seeds does not go with --{modes[0]}".replace("_", "-"))
        if args.model and modes not in (["predict"], ["draw"]):
            self.error("--model goes with --predict")
        if args.show:
            require_display()
        return args

    def error(self, message):
        """Say in one line what is wrong, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}; see --help\n")


def number(kind, low, high):
    """Return an argparse type: an int or a float from `low` to `high`."""

    def parse(text):
        value = kind(text)
        if not low <= value <= high:  # NaN fails this too
            raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high}")
        return value

    parse.__name__ = kind.__name__  # argparse says "invalid int value" by it
    return parse


def folder_name(text):
    """Return the name of a folder, "wide" or "wide/seed-1"; an argparse type."""
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise argparse.ArgumentTypeError(f"{text} is no name; see --output-dir")
    return text


def argument_parser(file, description, **recipe):
    """Return the parser of the options that all lessons share, and their defaults.

    `file` is the lesson's __file__, `recipe` its epochs, batch_size, lr and momentum.
    """
    path = Path(file)
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(path.name, description=description, allow_abbrev=False, formatter_class=raw)
    parser.set_defaults(script=path.stem, code=code_of(path))
    setting, add, usual = parser.add_setting, parser.add_argument, "(default %(default)s)"
    whole, share = number(int, 1, 10**5), number(float, 0, 0.9999)
    setting("--epochs", type=whole, metavar="N", help=f"passes through the training digits {usual}")
    setting("--batch-size", type=whole, metavar="N", help=f"images a step {usual}")
    words = f"learning rate, at its highest {usual}"
    setting("--lr", type=number(float, 1e-9, 1e3), metavar="RATE", help=words)
    words = f"of each step that goes into the next {usual}"
    setting("--momentum", type=share, metavar="SHARE", help=words)
    words = f"of the random numbers {usual}"
    setting("--seed", type=number(int, 0, 2**32 - 1), default=0, help=words)
    setting("--limit", type=number(int, 10, 10**9), metavar="N", help="use N training digits only")
    add("--data-dir", type=Path, default=DATASETS, metavar="DIR", help="where the data set lies")
    folder, words = path.resolve().parent / "runs" / path.stem, "where the results go "
    words += f"(default runs/{path.stem})"
    add("--output-dir", type=Path, default=folder, metavar="DIR", help=words)
    words = f"a folder in that one, so that the last run stays: runs/{path.stem}/NAME"
    add("--name", type=folder_name, metavar="NAME", help=words)
    words = "train N networks, with seeds of their own, a folder each; prints mean and spread"
    add("--seeds", type=number(int, 1, 1000), default=1, metavar="N", help=words)
    add("--quiet", action="store_true", help="print nothing but errors")
    add("--resume", action="store_true", help="go on with an interrupted run of these settings")
    add("--predict", nargs="+", metavar="IMAGE", help="read images instead of training")
    add("--model", type=Path, metavar="FILE", help="weights to read with (default: the last run's)")
    add("--no-plots", action="store_true", help="draw no pictures")
    add("--show", action="store_true", help="open the pictures in windows")
    parser.set_defaults(**recipe)
    return parser


@functools.cache  # what runs is the code of the beginning, even if files are edited meanwhile
def code_of(path):
    """Return a checksum of a lesson's file, and of all that it imports from its own folder.

    A virtual environment in that folder, from which pytest or a notebook runs, is no part of it.
    """
    packages = Path(sys.prefix)
    files, waiting = set(), [path, Path(str(getattr(sys.modules["__main__"], "__file__", "")))]
    while waiting:
        file = waiting.pop()
        if packages in file.parents and packages != path.parent:
            continue
        if file.is_relative_to(path.parent) and file.is_file() and file not in files:
            files.add(file)
            for node in ast.walk(ast.parse(file.read_bytes())):
                names, place = [], path.parent
                if isinstance(node, ast.Import):
                    names = [one.name for one in node.names]
                elif isinstance(node, ast.ImportFrom):  # "from layers import mine" may mean a file
                    names = [f"{node.module or ''}.{one.name}".strip(".") for one in node.names]
                    place = file.parents[node.level - 1] if node.level else place
                for name in names:
                    for part in name.split("."):  # a package runs before what is in it
                        place /= part
                        waiting += [place.with_name(f"{part}.py"), place / "__init__.py"]
                    place = place.parents[name.count(".")]
    return checksum(*(np.fromfile(file, np.uint8) for file in sorted(files)))


def find_model(args, name):
    """Return the path of the weights that --predict uses, or raise UserError."""
    path = args.model or args.output_dir / name
    if not path.is_file():
        words = f"train a network first: python {args.script}.py"
        words += f" --name {args.name}" if args.name else ""
        if path.with_name("checkpoint.npz").is_file():
            words = "its run was stopped; end it with --resume"
        for one in sorted(path.parent.glob(f"seed-*/{name}"))[:1]:
            words = f"there are several networks, of --seeds; choose one, as --model {shown(one)}"
        raise UserError(f"there is no {path}; {words}")
    return path


def recall_settings(args, names, weights="model.pt"):
    """Take the options `names`, which shape the trained network, from its run's metrics.json.

    Returns all settings of that run, {} if there is no such file. Raises UserError if one of the
    options was typed with another value, or if another script made the file (with --model it may
    be of a copy).
    """
    path = find_model(args, weights).with_name("metrics.json")
    if not path.is_file():
        return {}
    with blamed_on(path, "is damaged"):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if metrics["script"] != args.script and not args.model:
            was = str(metrics["script"])[:100]
            raise UserError(f"{path.parent} is of {was}.py, not of {args.script}.py; see --model")
        for name in set(names) & set(metrics["settings"]):
            value, typed = metrics["settings"][name], getattr(args, name)
            if name in args.typed and typed != value:
                was = str(value)[:100]
                raise UserError(f"--{name} {typed}: the trained network has {was}; leave it out")
            setattr(args, name, value)
        if metrics.get("code", args.code) != args.code:  # older runs do not say
            print("look here: the code has changed since this network learned", file=sys.stderr)
        return metrics["settings"]


# ----------------------------------------------------------------------------- the record of a run


def hold(folder):
    """Make a folder and lock it, for a with statement: two runs at once would mix their files.

    Raises UserError if another run holds it. The lock ends with its process, however that ends.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is using {folder}; wait, or give this one a --name") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; see --output-dir") from None


@contextlib.contextmanager
def start_run(args, data=None, weights=0, **facts):
    """Open the folder of a run, hold it against a second run, and say on Ctrl-C how to go on.

    `facts` belong to the recipe, beside the options and the checksum of the data: the layers, say.
    """
    folder = args.output_dir
    if args.resume and not (folder / "checkpoint.npz").is_file():
        raise UserError(f"there is no {folder / 'checkpoint.npz'} to resume; leave out --resume")
    settings = {"script": args.script} | {name: getattr(args, name) for name in args.settings}
    if data:
        count, dev = len(data["train"][0]), len(data["dev"][0])
        settings |= {"data": data["checksum"], "digits": [count, dev]}
    run = Run(args.epochs, args.seed, folder, settings | facts, args.resume, args.quiet, args.code)
    try:
        with hold(folder):
            if data and not args.quiet:
                what = "digits, in new pairs every epoch" if data.get("compose") else "images"
                print(f"{weights:,} weights learn from {count:,} {what}; dev has {dev:,}")
            yield run
            if run.pictures and not args.quiet:
                print(f"pictures: {', '.join(run.pictures)}")
            if args.show:
                show_pictures([folder / name for name in run.pictures])
    except KeyboardInterrupt as stop:
        words = f"stopped; the same command with --resume goes on after epoch {len(run.history)}"
        if not run.history:
            nothing = "stopped before there was a checkpoint; nothing to resume"
            resumed = "stopped; the same command with --resume goes on as before"
            words = str(stop) or (resumed if args.resume else nothing)
        raise type(stop)(words) from None


class Run:
    """The record of one run: history, best weights, checkpoint, and a printed line per epoch.

    for epoch in run.epochs(save, restore):
        ...
        run.record(train, dev, lr, weights)

    save() returns the arrays that the next epoch depends on, as a dict; restore(arrays) goes on
    from them. Without a folder nothing is written.
    """

    def __init__(
        self, epochs, seed=None, folder=None, settings=None, resume=False, quiet=True, code=None
    ):
        self.count, self.seed, self.folder = epochs, seed, folder
        self.quiet, self.code, self.resume = quiet, code, resume
        # As JSON gives them back: a tuple becomes a list.
        self.settings = json.loads(json.dumps(settings))
        self.history, self.best, self.pictures = [], None, []

    def seed_of(self, epoch):
        """Return the seed of an epoch's random numbers: a resumed run then draws the same."""
        return 10**6 * self.seed + epoch

    def epochs(self, save, restore):
        """Yield the number of each epoch that is left to do; --resume restores the others."""
        self.save = save
        if self.resume:
            self.load(restore)
        for epoch in range(len(self.history) + 1, self.count + 1):
            self.begun, self.epoch = time.perf_counter(), epoch
            yield epoch

    def progress(self, batches):
        """Wrap batches so that a terminal shows how far the epoch is; a file gets nothing."""
        from tqdm import tqdm

        label, off = f"epoch {self.epoch}/{self.count}", True if self.quiet else None
        return tqdm(batches, label, leave=False, unit="batch", disable=off)

    def record(self, train, dev, lr, weights):
        """Keep what an epoch gave: (loss, accuracy) on train and dev, its last rate, its weights.

        dev is None where there is no dev set; then the last epoch counts as the best.
        Raises UserError if a loss is no number; the checkpoint before it stays.
        """
        seconds = time.perf_counter() - self.begun
        row = history_row(len(self.history) + 1, train, dev, lr, seconds)
        if not all(map(math.isfinite, row.values())):
            words = "the loss is no longer a number: the steps are too long; lower --lr"
            more = "in code that you changed, a log or a division may be to blame"
            raise UserError(f"{words} (epoch {row['epoch']}; {more})")
        history = [*self.history, row]
        best = self.best
        if chosen_row(history) is row:
            best = {name: np.array(array) for name, array in weights.items()}
        if self.folder:
            facts = {"settings": self.settings, "history": history, "code": self.code}
            facts = json.dumps(facts)
            state = {f"state {name}": array for name, array in self.save().items()}
            state |= {f"best {name}": array for name, array in best.items()}
            write_arrays(self.folder / "checkpoint.npz", state | {"facts": np.array(facts)})
        self.history, self.best = history, best
        if not self.quiet:
            print(epoch_line(row, self.count), flush=True)

    def load(self, restore):
        """Go on where the run was that wrote the checkpoint.

        Raises UserError if the checkpoint is damaged, or if it is of another recipe.
        """
        path = self.folder / "checkpoint.npz"
        arrays = read_arrays(path)
        with blamed_on(path, "is no checkpoint of this network"):
            facts = json.loads(arrays.pop("facts").item())
            for name in self.settings | facts["settings"]:  # the script first
                old, new = facts["settings"].get(name), self.settings.get(name)
                if old != new:
                    was = f"{name} {str(old)[:60]}, not {str(new)[:60]}"
                    if name in ("layers", "data"):
                        was = f"other {name}"
                    words = "give the same settings, or leave out --resume to start anew"
                    raise UserError(f"{path} was made with {was}; {words}")
            state, best = (
                {name.removeprefix(kind): a for name, a in arrays.items() if name.startswith(kind)}
                for kind in ("state ", "best ")
            )
            if facts.get("code", self.code) != self.code:  # older checkpoints do not say
                if len(facts["history"]) >= self.count:
                    words = "start anew, without --resume, or undo the change"
                    raise UserError(f"{path}: this run was finished by other code; {words}")
                print("look here: the code has changed since this run began", file=sys.stderr)
                self.code = zlib.crc32(f"{facts['code']} {self.code}".encode())  # made by both
            restore(state)
            self.history, self.best = facts["history"], best

    def draw(self, name, draw, *content):
        """Draw one picture of the run; one that fails costs a line, and not the run."""
        try:
            draw(self.folder / name, *content)
            self.pictures.append(name)
        except Exception as error:
            print(f"{name} could not be drawn: {printable(str(error))[:200]}", file=sys.stderr)


def history_row(epoch, train, dev, lr, seconds):
    """Return one line of history.csv as a dict; train and dev are what run_epoch returns."""
    row, parts = {"epoch": epoch}, {"train": train} | ({"dev": dev} if dev is not None else {})
    for part, figures in parts.items():
        for what, value in zip(("loss", "accuracy"), figures, strict=True):
            if isinstance(value, tuple):
                for head, one in zip(("upper", "lower"), value, strict=True):
                    row[f"{part}_{what}_{head}"] = float(one)
            else:
                row[f"{part}_{what}"] = float(value)  # also of NumPy's numbers, for JSON
    return row | {"lr": lr, "seconds": seconds}


def row_values(row, key):
    """Return a row's "dev_accuracy", say: a number, with two heads a pair, without dev None."""
    return (row[f"{key}_upper"], row[f"{key}_lower"]) if f"{key}_upper" in row else row.get(key)


def chosen_row(history):
    """Return the row of the epoch with the best (mean) accuracy on dev; the last of equals."""
    return max(reversed(history), key=lambda row: np.mean(row_values(row, "dev_accuracy") or 0))


def epoch_line(row, epochs):
    """Return e.g. 'epoch  3/20   train loss 0.0461  98.61 %   dev loss 0.0213  99.38 %   4.2 s'."""
    line = f"epoch {row['epoch']:{len(str(epochs))}}/{epochs}"
    for part in ("train", "dev"):
        if row_values(row, f"{part}_loss") is None:  # no dev set
            continue
        losses = np.ravel(row_values(row, f"{part}_loss"))
        accuracies = np.ravel(row_values(row, f"{part}_accuracy"))
        line += f"   {part} loss " + " / ".join(f"{loss:.4f}" for loss in losses)
        line += "  " + " / ".join(f"{100 * accuracy:5.2f}" for accuracy in accuracies) + " %"
    return f"{line}   {row['seconds']:.1f} s"


# ---------------------------------------------------------------------------- the report of a run

PICTURES = {"learning_curves", "confusion_matrix", "mistakes", "weights", "filters", "activations"}
PICTURES |= {"adversarial", "hardest_pairs"}  # all that a run may draw, as NAME.png


def write_report(run, args, labels, probabilities, *, examples, versions, dead_units=0, **facts):
    """Write metrics.json and history.csv, print what the run has found, and return the metrics.

    labels (heads, N) and probabilities (heads, N, 10) are of the test set; `examples` is how many
    digits an epoch has. `facts` go into the metrics as they are. Pictures of an earlier run in the
    folder are removed: they would stand beside figures that are not theirs.
    """
    seconds, chosen = sum(row["seconds"] for row in run.history), chosen_row(run.history)
    metrics = {
        "script": args.script,
        "code": run.code,
        **test_figures(probabilities, labels),
        "dev_accuracy": row_values(chosen, "dev_accuracy"),
        "chosen_epoch": chosen["epoch"],
        "epochs": args.epochs,
        "seed": args.seed,
        "data_dir": args.data_dir.resolve().name,
        "seconds": seconds,
        "examples_per_second": args.epochs * examples / seconds,
        **facts,
        "settings": run.settings,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, **versions},
    }
    for name in PICTURES:
        (run.folder / f"{name}.png").unlink(missing_ok=True)
    write_table(run.folder / "history.csv", run.history)
    with whole_file(run.folder / "metrics.json") as file:
        file.write((json.dumps(metrics, indent=2) + "\n").encode())
    if not args.quiet:
        print(summary(metrics, run.folder))
        trouble = diagnosis(run.history, probabilities.argmax(2), dead_units)
        if trouble:
            print(f"look here: {trouble}")
    return metrics


def test_figures(probabilities, labels):
    """Return the test set's part of metrics.json: accuracy, loss, misread images, images.

    `probabilities` (heads, N, 10) and `labels` (heads, N): one head reads one digit. Accuracies
    are from 0 to 1; losses are mean cross-entropies in nats; with two heads both are pairs.
    """
    right = probabilities.argmax(2) == labels  # (heads, N)
    of_truth = np.take_along_axis(probabilities, labels[:, :, None], axis=2)[:, :, 0]
    accuracy = right.mean(1).tolist()
    loss = (-np.log(np.maximum(of_truth, 1e-12))).mean(1).tolist()
    both = {"test_accuracy_both": float(right.all(0).mean())} if len(labels) > 1 else {}
    return {
        "test_accuracy": accuracy if both else accuracy[0],
        **both,
        "test_loss": loss if both else loss[0],
        "test_errors": int((~right.all(0)).sum()),
        "test_examples": labels.shape[1],
    }


def describe_accuracy(right, count):
    """Return e.g. '99.71 % of 10,000 right (95 % interval 99.58 to 99.80 %)'; Wilson, JASA 1927."""
    z = 1.96  # standard deviations to either side hold 95 % of a normal distribution
    p, w = right / count, z * z / count
    middle, half = p + w / 2, z * math.sqrt(p * (1 - p) / count + w / count / 4)
    low, high = (100 * (middle + side) / (1 + w) for side in (-half, half))
    return f"{100 * p:.2f} % of {count:,} right (95 % interval {low:.2f} to {high:.2f} %)"


def summary(metrics, folder):
    """Return the lines that close a run."""
    count, wrong = metrics["test_examples"], metrics["test_errors"]
    read, loss = describe_accuracy(count - wrong, count), np.ravel(metrics["test_loss"])
    if "test_accuracy_both" in metrics:
        upper, lower = metrics["test_accuracy"]
        read = f"upper {100 * upper:.2f} %, lower {100 * lower:.2f} %, both {read}"
    why = "the best on dev"
    if metrics["dev_accuracy"] is None:
        why = "the last: the dev digits were learned from, and cannot choose"
    return (
        f"test: {read}, {wrong:,} misread, loss {' / '.join(f'{one:.4f}' for one in loss)}\n"
        f"weights: of epoch {metrics['chosen_epoch']} of {metrics['epochs']}, {why}\n"
        f"training: {metrics['seconds']:.1f} s, {metrics['examples_per_second']:,.0f} images a "
        f"second ({metrics['device']}, {metrics['precision']})\n"
        f"results in {shown(folder)}: metrics.json, history.csv, the weights"
    )


def shown(path):
    """Return a path as one would type it from here."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def diagnosis(history, readings, dead_units):
    """Return what went wrong, where it is something that one knows by its looks, else None.

    readings (heads, N) are the digits read in the test set; dead_units the share of hidden units
    that answered 0 to everything.
    """
    first, last = (np.mean(row_values(row, "train_loss")) for row in (history[0], history[-1]))
    train = 1 - np.mean(row_values(history[-1], "train_accuracy"))
    dev = row_values(history[-1], "dev_accuracy")
    dev = 1 - np.mean(dev) if dev is not None else 0  # without dev nobody can tell
    for head in readings:
        if (head == head[0]).all():
            words = "the steps are too long (lower --lr), or there were too few of them"
            return f"everything is read as {head[0]}: {words}"
    if dead_units > 0.2:
        return (
            f"{100 * dead_units:.0f} % of the hidden units are dead: they answer 0 to every digit, "
            "so they learn nothing. Long steps kill them: lower --lr"
        )
    if len(history) > 1 and last > 0.98 * first and last > 1:
        return f"the loss stands still, at {last:.2f} (a guess costs 2.30). Try another --lr"
    if dev > 4 * train and dev > train + 0.01:
        return (
            f"overfitting: {100 * train:.2f} % of the training digits are misread, and "
            f"{100 * dev:.2f} % of dev. The network knows its training digits by heart"
        )
    return None


def run_seeds(main, args, argv):
    """Run main() once for each of --seeds, into a folder each; print and return what they found.

    With --resume the runs that were not begun are begun.
    """
    results = []
    with hold(args.output_dir):
        for seed in range(args.seed, args.seed + args.seeds):
            name = Path(args.name or "") / f"seed-{seed}"
            one = [*(sys.argv[1:] if argv is None else argv), "--seeds", "1", "--seed", str(seed)]
            if not (args.output_dir / name.name / "checkpoint.npz").is_file():
                one = [word for word in one if word != "--resume"]
            try:
                results.append(main([*one, "--name", str(name)]))
            except KeyboardInterrupt as stop:
                words = f"stopped at seed {seed}; the same command with --resume goes on"
                raise type(stop)(words) from None
            except UserError as error:  # the loss is no number, say; the others may do better
                print(f"{args.script}.py: seed {seed}: {error}", file=sys.stderr)
            except (NotImplementedError, MemoryError, OSError):  # the next one would end alike
                raise
            except Exception:  # a mistake in code that was changed
                traceback.print_exc()
    if not results:
        raise UserError("no network came to its end")
    if not args.quiet:
        found = {
            f"misread of {where}": [misread(metrics, where) for metrics in results]
            for where in ("dev", "test")
            if results[0][f"{where}_accuracy"] is not None
        }
        if "test_accuracy_both" in results[0]:
            words = "of the test pairs with a misread digit"
            found[words] = [100 * (1 - metrics["test_accuracy_both"]) for metrics in results]
        count = f"{len(results)} seeds"
        if len(results) < args.seeds:
            count = f"{len(results)} of {args.seeds} seeds, the others failed"
        for words, wrong in found.items():
            print(f"{count}: {mean_and_spread(wrong)} % {words}")
    return results


def misread(metrics, where):
    """Return the percentage that a run misread of "dev" or "test"; of two digits their mean."""
    return 100 * (1 - float(np.mean(metrics[f"{where}_accuracy"])))


def write_table(path, rows):
    """Write a list of dicts as a .csv file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def spread(values):
    """Return the standard deviation of a sample, 0 of a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def mean_and_spread(values):
    """Return e.g. "1.91 +- 0.05"; of a single value "1.91"."""
    more = f" +- {spread(values):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{more}"


# ------------------------------------------------------------------------ comparisons of settings

FAILED = 50  # per cent misread: such a network has learned nothing, and says nothing of chance


def compare_settings(errors):
    """Compare settings, {name: {seed: per cent misread}}, with the first: rows for a table.

    Seeds that two settings share make pairs: the same digits in the same order, so that their
    differences vary less than the errors do. How much they vary by chance is taken from all
    settings together (the residuals of setting and seed in a randomised block design; of two
    settings this is the paired t-test), since few seeds alone say little of it; a setting counts
    alone if it lacks seeds, if a network of it failed, or if it is a copy of another one. This
    assumes that all of them scatter alike. A difference counts if 0 lies outside its
    95 % interval (Student's t), widened by the number of comparisons (Bonferroni); a row that does
    not count may still be a difference, too small for so few seeds.
    """
    first, *others = errors
    seeds, rows = list(errors[first]), []
    comparisons = sum(len(set(seeds) & set(errors[name])) > 1 for name in others)
    together = []
    for name, mine in errors.items():
        copy = any(mine == errors[other] for other in together)
        if set(seeds) <= set(mine) and max(mine.values()) < FAILED and not copy:
            together.append(name)
    for name, mine in errors.items():
        values = list(mine.values())
        row = {"setting": name, "misread": float(np.mean(values)), "sd": spread(values)}
        row |= {"seeds": len(mine), "difference": "", "interval": "", "verdict": ""}
        shared = [seed for seed in mine if seed in errors[first]]
        if name != first and not shared:
            row["verdict"] = "no seed in common"
        elif name != first:
            pair = together if {first, name} <= set(together) else [first, name]
            table = np.array([[errors[one][seed] for seed in shared] for one in pair])
            row["difference"] = float(
                np.mean([mine[seed] - errors[first][seed] for seed in shared])
            )
            row["verdict"] = "one seed alone"
            if len(shared) > 1:
                row["verdict"] = "not told apart"
                row["interval"] = interval_of(table, comparisons)
                if abs(row["difference"]) > row["interval"] > 1e-9:  # 0: too few to estimate
                    row["verdict"] = "fewer errors" if row["difference"] < 0 else "more errors"
        rows.append(row)
    return rows


def interval_of(table, comparisons):
    """Return half the 95 % interval of a difference between two rows of a table (settings, seeds).

    See Montgomery, Design and Analysis of Experiments, "randomized complete block design".
    """
    from scipy.stats import t

    settings, seeds = table.shape
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()  # (settings, seeds)
    freedom = (settings - 1) * (seeds - 1)
    variance = (rest * rest).sum() / freedom
    return float(t.ppf(1 - 0.025 / comparisons, freedom) * np.sqrt(2 * variance / seeds))


def comparison_table(rows, **more):
    """Return the rows of compare_settings as lines of text, in per cent.

    `more` are further columns: their name and, for each setting, a text.
    """
    table, most = [], max(row["seeds"] for row in rows)
    for row in rows:
        change = f"{row['difference']:+.2f}" if row["difference"] != "" else ""
        change += f" +- {row['interval']:.2f}" if row["interval"] != "" else ""
        cells = {"setting": row["setting"]}
        more_seeds = f" +- {row['sd']:.2f}" if row["seeds"] > 1 else ""
        if row["seeds"] < most and "seeds" not in more:
            more_seeds += f" ({row['seeds']} of {most} seeds)"
        cells["misread, % of dev"] = f"{row['misread']:.2f}{more_seeds}"
        cells |= {"difference, 95 % interval": change, "verdict": row["verdict"]}
        table.append(cells | {name: texts[row["setting"]] for name, texts in more.items()})
    table = [list(table[0]), *(list(cells.values()) for cells in table)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["   ".join(map(str.ljust, line, widths)).rstrip() for line in table]
    if len(rows) > 1:
        compared = sum(row["interval"] != "" for row in rows)
        lines.append(f"seeds: {most}, paired; comparisons, which widen intervals: {compared}")
    return "\n".join(lines)


def compare_runs(folder):
    """Print all runs in a folder and below it; those of one script and data are one table.

    Runs that differ in their seed alone are one row, compared as in a sweep, on the dev set: with
    the row that has most seeds, of several the oldest. Below are the runs that are in no table.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    tables, others, numbers = {}, [], {}
    for path in sorted(folder.rglob("metrics.json"), key=lambda path: (path.stat().st_mtime, path)):
        try:
            with blamed_on(path, "is damaged; it is left out"):
                metrics = json.loads(path.read_text(encoding="utf-8"))
                metrics["folder"] = path.parent.relative_to(folder)
                others += add_run(tables, numbers, metrics)
        except UserError as error:
            print(f"utils.py: {printable(str(error))}", file=sys.stderr)
    if not tables and not others:
        raise UserError(f"there are no runs in {folder}; train a network first")
    for (script, _), table in tables.items():
        table = dict(sorted(table.items(), key=lambda item: -len(item[1])))
        one = next(iter(next(iter(table.values())).values()))
        words = ""
        if "data_dir" in one:  # older runs do not say
            words = f", learning from {one['settings']['digits'][0]:,} digits of {one['data_dir']}"
        print(f"{script}.py{words}\n{runs_table(table)}\n")
    for line in others:
        print(line)


def add_run(tables, numbers, metrics):
    """Put a run into its row, or return [a line about it]: it has no dev set, or it is a copy.

    Runs of the same settings, code and seed give the same results. If they do not, the code differs
    where its checksum does not look: such a run is in another row, with the seeds of its folder.
    tables is {(script, data): {settings as JSON: {seed: metrics}}}; numbers tells the rows apart.
    """
    settings, where = metrics["settings"] | {"code": metrics.get("code")}, metrics["folder"]
    seed = settings.pop("seed")
    if metrics["dev_accuracy"] is None:
        return [f"{where}: {misread(metrics, 'test'):.2f} % of test misread; there was no dev set"]
    table = tables.setdefault((metrics["script"], settings["data"]), {})
    group = json.dumps(settings), where.parent if "seed-" in where.name else where
    for number in range(numbers.get(group, 0), len(table) + 1):
        runs = table.setdefault(json.dumps(settings | {"results": number}), {})
        one = runs.setdefault(seed, metrics)
        if one["test_loss"] == metrics["test_loss"]:
            break
    numbers[group] = number
    return [] if one is metrics else [f"{where} is left out: a copy of {one['folder']}"]


def runs_table(table):
    """Return the lines of compare_runs for one script: {settings as JSON: {seed: metrics}}."""
    first, named = json.loads(next(iter(table))), {}
    for text, runs in table.items():
        folders, settings = [metrics["folder"] for metrics in runs.values()], json.loads(text)
        name = str(folders[0])
        if len(folders) > 1:
            parents = {folder.parent if "seed-" in folder.name else folder for folder in folders}
            name = str(parents.pop()) if len(parents) == 1 else f"{name} and others"
        if name in named:  # of an earlier --seeds in the same folder, that had more of them
            name += f", seeds {' '.join(map(str, runs))}"
        while name in named:
            name += ", other"
        changed = [key for key in first | settings if settings.get(key) != first.get(key)]
        told = ("layers", "code", "results")
        words = [f"{key} {settings.get(key)}" for key in changed if key not in told]
        words += [f"other {key}" for key in told if key in changed]
        named[name] = list(runs.values()), ", ".join(words)

    def column(value):
        return {name: value(runs) for name, (runs, _) in named.items()}

    errors = column(lambda runs: {metrics["seed"]: misread(metrics, "dev") for metrics in runs})
    more = {
        "seeds": column(lambda runs: str(len(runs))),
        "% of test": column(lambda runs: mean_and_spread([misread(one, "test") for one in runs])),
        "weights": column(lambda runs: f"{runs[0]['parameters']:,}"),
        "seconds": column(lambda runs: f"{np.mean([one['seconds'] for one in runs]):.1f}"),
        "what differs": {name: words for name, (_, words) in named.items()},
    }
    return comparison_table(compare_settings(errors), **more)


# -------------------------------------------------------------------------------------------- plots

# Okabe and Ito's colours (jfly.uni-koeln.de/color), told apart with any kind of colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#767676"


def save_figure(path, size, draw, **grid):
    """Draw one picture: draw(axes, figure) gets the axes of plt.subplots(**grid) and fills them."""
    first, wanted = "matplotlib" not in sys.modules, os.environ.pop("MPLBACKEND", None)
    from matplotlib import rc_context, rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # without pyplot: nothing opens a window

    if wanted:  # a file needs no window, whatever that says; but it is for others: a notebook, say
        os.environ["MPLBACKEND"] = wanted
        with contextlib.suppress(ValueError):
            rcParams.update({"backend": wanted} if first else {})
    look = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}
    with rc_context(look), whole_file(path) as file:
        figure = Figure(size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots(squeeze=False, **grid), figure)
        figure.savefig(file, dpi=120, format="png")


def draw_results(run, images, labels, probabilities):
    """Draw the pictures that every run has; images (N, H, W), the rest as in write_report."""
    run.draw("learning_curves.png", draw_learning_curves, run.history)
    run.draw("confusion_matrix.png", draw_confusion, labels, probabilities.argmax(2))
    run.draw("mistakes.png", draw_mistakes, images, labels, probabilities)


def draw_tiles(path, tiles, titles=None, heading="", signed=False):
    """Draw images (N, H, W) in rows of ten, each under its title.

    If signed, zero is white, positive values red and negative ones blue, the same for all tiles.
    """
    columns = max(1, min(10, len(tiles)))
    rows = max(1, -(-len(tiles) // columns))
    top = 99.5 if signed else 100  # a few strong weights would leave all others pale
    reach = max(float(np.percentile(np.abs(tiles), top)), 1e-9) if len(tiles) else 1
    colours = {"cmap": "RdBu_r", "vmin": -reach} if signed else {"cmap": "gray_r", "vmin": 0}

    def draw(axes, figure):
        figure.suptitle(heading)
        for axis in axes.flat:
            axis.axis("off")
        for i, (axis, tile) in enumerate(zip(axes.flat, tiles, strict=False)):
            axis.imshow(tile, vmax=reach, interpolation="nearest", **colours)
            axis.set_title(titles[i] if titles else "", fontsize=8, pad=1)
        # A title nearer to its own tile than to the one above.
        figure.get_layout_engine().set(h_pad=0.09 if titles else 0.04, hspace=0)

    lines = 1 + titles[0].count("\n") if titles else 0
    height = 0.9 * len(tiles[0]) / len(tiles[0][0]) + 0.13 * lines + 0.18 if len(tiles) else 1
    wide = max(columns, 0.08 * len(heading))  # room for the heading above few tiles
    save_figure(path, (wide, 0.5 + rows * height), draw, nrows=rows, ncols=columns)


def draw_weights(path, weights, images):
    """Draw the weights of the first 60 hidden units, (units, H * W), where their pixels are.

    Pixels that have no ink in any of the images (N, H, W) are left white: their weights are hardly
    more than the random ones of the start.
    """
    heading = "pixels that excite (red) and inhibit (blue) each of the layer's first units"
    shown = weights[:60].reshape(-1, *images.shape[1:]) * images.any(0)
    draw_tiles(path, shown, heading=heading, signed=True)


def draw_learning_curves(path, history):
    """Draw errors, in per cent, and the loss per epoch out of a history (a list of dicts)."""
    epochs, chosen = [row["epoch"] for row in history], chosen_row(history)["epoch"]

    def draw(axes, figure):
        from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

        for axis, what in zip(axes.flat, ("accuracy", "loss"), strict=True):
            for key in (k for k in history[0] if what in k):
                style = "--" if key.endswith("lower") else "-"
                colour = ORANGE if key.startswith("train") else BLUE
                values = np.array([row[key] for row in history])
                values = 100 * (1 - values) if what == "accuracy" else values
                label = key.replace(f"_{what}", "").replace("_", " ")
                label += ", as learned" if key.startswith("train") else ""
                axis.plot(epochs, values, style, color=colour, label=label, marker=".")
            axis.axvline(chosen, color=GREY, linewidth=1, linestyle=":", label="chosen epoch")
            axis.set(xlabel="epoch", ylabel="misread (%)" if what == "accuracy" else what)
            axis.set_xlim(0.5, len(epochs) + 0.5)
            axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axis.grid(alpha=0.3, which="both")
        # Logarithmic, so that late epochs can be told apart; straight below 0.01 %, to show 0.
        axes[0, 0].set_yscale("symlog", linthresh=0.01, subs=range(2, 10))
        curves = np.concatenate([line.get_ydata() for line in axes[0, 0].lines[:-1]])
        lowest, highest = curves.min(), curves.max()
        axes[0, 0].set_ylim(0 if lowest < 0.02 else lowest / 1.5, max(1.2 * highest, 0.02))
        numbers = (1, 2, 5) if highest > 10 * lowest else range(1, 10)
        labelled = SymmetricalLogLocator(base=10, linthresh=0.01, subs=numbers)
        axes[0, 0].yaxis.set_major_locator(labelled)
        axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        lines = axes[0, 1].lines
        figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), edgecolor="none")

    save_figure(path, (9, 4), draw, ncols=2)


def draw_confusion(path, labels, readings):
    """Draw one confusion matrix per head; labels and readings are (heads, N)."""
    names = ("upper digit", "lower digit") if len(labels) > 1 else ("",)

    def draw(axes, figure):
        for axis, truth, read, name in zip(axes.flat, labels, readings, names, strict=True):
            counts = np.zeros((10, 10), int)
            np.add.at(counts, (truth, read), 1)
            wrong = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            np.fill_diagonal(wrong, 0)  # left pale, or the right ones would drown the mistakes
            shade, darkest = np.sqrt(wrong), max(0.1, np.sqrt(wrong.max()))
            axis.imshow(shade, cmap="Oranges", vmin=0, vmax=darkest)
            for i, j in np.argwhere(counts):
                look = {"weight": "bold" if i == j else "normal", "fontsize": 8}
                look["color"] = "white" if shade[i, j] > 0.7 * darkest else "black"
                axis.text(j, i, counts[i, j], ha="center", va="center", **look)
            axis.set(xticks=range(10), yticks=range(10), ylabel="digit in the picture", title=name)
            axis.set_xlabel(
                "digit that was read; mistakes darker, the larger their share of the row"
            )

    save_figure(path, (5.4 * len(labels), 5.8), draw, ncols=len(labels))


def draw_mistakes(path, images, labels, probabilities):
    """Draw the misread images (N, H, W), the 40 surest: what was read, how surely, the truth.

    labels (heads, N), probabilities (heads, N, 10).
    """
    readings, sureness = probabilities.argmax(2), probabilities.max(2).prod(0)
    wrong = np.flatnonzero((readings != labels).any(0))
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:40]
    words = [[" ".join(map(str, digits[:, i])) for digits in (readings, labels)] for i in shown]
    titles = [
        f"{truth} read as {read}\n{100 * sureness[i]:.0f} % sure"
        for i, (read, truth) in zip(shown, words, strict=True)
    ]
    heading = f"{len(wrong):,} of {labels.shape[1]:,} misread"
    heading += "; the 40 surest" if len(wrong) > 40 else ", the surest first"
    draw_tiles(path, images[shown], titles, heading if len(wrong) else "nothing misread")


def require_display():
    """Raise UserError unless Matplotlib can open windows here."""
    import importlib.util

    no_display = "there is no display to open a window on"
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        raise UserError(no_display)
    toolkits = ("_tkinter", "PyQt6", "PySide6", "PyQt5", "PySide2", "gi", "wx")
    if sys.platform != "darwin" and not any(map(importlib.util.find_spec, toolkits)):
        words = (
            "a window needs a GUI toolkit, and this Python has none: python -m pip install PySide6"
        )
        raise UserError(words)
    with blamed_on("there", no_display.removeprefix("there ")):
        import matplotlib
        from matplotlib import pyplot

        pyplot.switch_backend(matplotlib.get_backend())  # loads what it needs
    if matplotlib.get_backend().lower() in {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}:
        chosen = os.environ.get("MPLBACKEND")
        raise UserError(f"MPLBACKEND={chosen} opens no windows; unset it" if chosen else no_display)


def wait_for_windows():
    """Show all windows until they are closed; Ctrl-C and SIGTERM close them.

    A toolkit may swallow what a signal's handler raises. So the signal is noted, a timer closes the
    windows, and the handler that was there before comes last.
    """
    from matplotlib import pyplot

    stopped, old = [], {}
    timers = [pyplot.figure(i).canvas.new_timer(100) for i in pyplot.get_fignums()]
    for timer in timers:
        timer.add_callback(lambda: pyplot.close("all") if stopped else None)
        timer.start()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            old[number] = signal.signal(number, lambda number, frame: stopped.append(number))
        pyplot.show()
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if stopped:
        signal.raise_signal(stopped[0])


def show_pictures(paths):
    """Open pictures in windows, and wait until they are closed."""
    from matplotlib import pyplot

    for path in paths:
        picture = pyplot.imread(path)
        size = [pixels / 120 for pixels in picture.shape[1::-1]]
        axes = pyplot.figure(path.stem, figsize=size, dpi=120).add_axes((0, 0, 1, 1))
        axes.imshow(picture)
        axes.set_axis_off()
    wait_for_windows()


# ----------------------------------------------------------------------------- your own handwriting

# A network reads what looks like the digits it learned from. Those were made so (the authors'
# description, see Datasets/README.md): a black-and-white digit was scaled, its proportions kept, to
# fit a box of 20 x 20 pixels, which made the greys, then placed in a field of 28 x 28 with its
# centre of mass in the middle. mnist_form() does the same. Two digits, as utils_multiMNIST.py
# composes them, are two such fields 14 rows apart.
#
# MNIST never had to look for its ink: the scans were black and white already, of one digit each.
# How find_ink() tells ink from paper, and find_digits() digits from what is none, is ours. Nothing
# else makes a network say "I see no digit": it spreads 100 % over the ten that it knows. What each
# kind of photograph comes to: tests/benchmarks/bench_photographs.py, of digits of the dev set.

# What cameras and drawing programs write. Not EPS: Pillow would run Ghostscript on it, a program.
FORMATS = ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000"]

# Of the picture.
WINDOW = 0.3  # of its longer side is broader than any stroke: paper shows in every such window
CHALK = 0.18  # of its longer side is the broadest chalk; more can be empty paper beside a digit
DARK = 0.45  # of the paper's brightness: a shadow leaves half of the light, a desk returns less
LINE = 1 / 45  # of its shorter side is the most that a ruled line is wide, its slant included
SPAN = 0.7  # of the picture is the least that a ruled line goes through; a bar of a 7 is shorter
# Of the ink.
FAINT = 0.1  # of the paper's light is the least that ink takes; of black to white, that chalk adds
PALE = 0.15  # of the strongest ink and less is paper that shows through, or its squares
FIRM = 0.3  # of the strongest ink and more is stroke; less is its blurred edge
DUST = 0.05  # of the largest part is the least that belongs to a digit
# Of a digit; in brackets the extreme thousandth of the dev digits.
STROKE = 2.5  # of 28 pixels: the width that strokes have (median 2.7), thinner ones get it
BROAD = 0.33  # of its longer side is the broadest stroke (0.27)
LONG = 3.4  # times its longer side is the longest line (3.3); a scribble is longer
WIDE = 1.9  # times its height is the widest digit (1.75); two that touch are wider
HOLES = 3  # are the most that a digit encloses (3, with a blot; an 8 has two); a scribble has more
PORE = 0.1  # of a stroke's width squared is the smallest hole; smaller ones are noise
CLOSE = 1.2  # times a row's height is the widest digit in it (1.11 of 19 in 20)
SHORT = 0.4  # of the tallest in a row is the shortest digit; what is shorter is a part of one
NEAR = 0.3  # of the tallest is how far a part of a digit may be from the rest
MOST = 12  # digits in a row
TURN = 16  # degrees: a digit that is turned so far still looks the same to us
MOST_DRAWN = 60  # readings in one picture
CROP = "more than a digit and paper; crop it closer"


def read_picture(path):
    """Read a picture of any size: grey levels (H, W), 0 black to 1 white, H and W at most 320.

    In 320 pixels a digit a sixteenth as wide as the picture still has the 20 of MNIST's box.
    Raises UserError if it is no picture, damaged, or larger than 60 million pixels, of which Pillow
    keeps three copies for a while.
    """
    from PIL import Image, ImageOps

    with blamed_on(path, "is no picture that can be read"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is an error
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > 6e7:
                raise UserError(f"{path} is too large ({image.width} x {image.height} pixels)")
            image.draft("RGB", (320, 320))  # lets JPEG skip what is thrown away below
            upright = ImageOps.exif_transpose(image)
            if upright.mode[0] in "IF":  # more than 8 bits of grey, which convert() would cut off
                levels = np.asarray(upright, np.float32)
                # A file does not say how many of its 16 bits were filled: the brightest is white.
                upright = Image.fromarray(np.uint8(255 * levels / max(levels.max(), 1)))
            upright = upright.convert("RGBA")
        upright.thumbnail((320, 320))
        rgba = np.asarray(upright, np.float32) / 255
    # As bright as the eye finds red, green and blue (ITU-R BT.601).
    grey, alpha = rgba[:, :, :3] @ np.float32([0.299, 0.587, 0.114]), rgba[:, :, 3]
    # Behind transparent parts put white if what is drawn is dark, and black if it is light.
    paper = 1.0 if (grey * alpha).sum() < 0.5 * alpha.sum() else 0.0
    return grey * alpha + paper * (1 - alpha)


def find_ink(grey):
    """Separate ink from paper: (H, W) grey levels -> (H, W) ink, 0 paper to 1 ink.

    Ink is what differs from the paper around it by more than noise, darker or lighter, whichever is
    more. Paper is what remains when all that is narrower than a window is painted over (a
    morphological closing): so shadows are paper, however sharp their edges.
    """
    from scipy import ndimage

    rim = round(WINDOW * max(grey.shape)) | 1
    inside, outside = np.s_[rim:-rim, rim:-rim], np.pad(grey, rim, mode="edge")
    paper, board = (
        change(outside, rim)[inside] for change in (ndimage.grey_closing, ndimage.grey_opening)
    )
    # Chalk is so narrow that an opening paints over all of it; of paper on a dark desk it leaves
    # some. The window is smaller here, as there may be little empty paper around a digit.
    narrow = round(CHALK * max(grey.shape)) | 1
    lost = grey.max() - ndimage.grey_opening(outside, narrow)[inside].max()
    if lost > max(paper.min() - grey.min(), np.ptp(grey) / 4):  # noise is less than a quarter
        ink, sheet = grey - board, np.ones(grey.shape, bool)
    else:
        ink = 1 - grey / np.maximum(paper, 0.1)  # of the light that is there, also in shadows
        sheet = paper >= DARK * paper.max()
    if not sheet.all():  # the largest bright region is the sheet; its rim is blurred
        regions, _ = ndimage.label(sheet)
        sheet = regions == 1 + np.argmax(np.bincount(regions[sheet])[1:])
        blurred = max(1, min(grey.shape) // 80)
        sheet = ndimage.binary_erosion(sheet, iterations=blurred, border_value=1)
    # The palest quarter is paper in any case. Of normal noise, with standard deviation s, a tenth
    # lies 1.28 s below the mean, and a quarter 0.67 s.
    low, quarter = np.percentile(ink[sheet], (10, 25))
    noise = (quarter - low) / (1.28 - 0.67)
    ink = np.where(sheet, ink - quarter - 0.67 * noise, 0)
    strong = ink[ink > max(3 * noise, FAINT)]
    if strong.size == 0:
        return np.zeros_like(grey)
    strongest = np.percentile(strong, 75)
    ink = np.where(ink > max(PALE * strongest, 3 * noise), np.clip(ink / strongest, 0, 1), 0)
    return without_lines(ink)


def without_lines(ink):
    """Take lines that span most of the ink's field (H, W) away: no digit does.

    Where a line crosses a stroke, the ink is thicker than a line, and stays.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    wide = max(1, round(LINE * min(ink.shape)))
    for along, across in ((0, 1), (1, 0)):
        far, mask = round(SPAN * ink.shape[along]), ink > 0
        spread = maximum_filter1d(mask, wide, across)  # keeps a slanting line in one piece
        spans = maximum_filter1d(minimum_filter1d(spread, far, along), far, along)
        stroke = maximum_filter1d(minimum_filter1d(mask, wide, across), wide, across)
        ink = np.where(spans & ~stroke, 0, ink)
    return ink


def find_digits(grey, height=28):
    """Find the digits in grey levels (H, W): float32 (N, height, 28), as MNIST's.

    A row of them, from left to right; with height 42 one image of two, one above the other. Raises
    UserError, in words for the owner of the picture, if there is no ink, or what is no digit.
    """
    from scipy import ndimage

    ink = find_ink(grey)
    if not (ink > FIRM).any():
        raise UserError("blank, no ink found")
    labels, count = ndimage.label(ink > 0, np.ones((3, 3)))
    sizes = ndimage.sum_labels(ink > FIRM, labels, range(1, count + 1))
    kept = 1 + np.flatnonzero(sizes > DUST * sizes.max())
    if len(kept) > 3 * MOST:
        raise UserError(CROP)
    pieces = [ink * (labels == part) for part in kept]
    if height > 28:
        return two_digits(whole_digits(pieces, axis=0), height)
    digits = whole_digits(pieces, axis=1)
    heights, widths = np.transpose([box_sizes(digit) for digit in digits])
    middles = [box_of(digit)[:, 0].mean() for digit in digits]
    touching = len(digits) > 1 and widths.max() > CLOSE * heights.max()
    if len(digits) > MOST or np.ptp(middles) > heights.max() or touching:
        raise UserError(CROP)
    return np.stack([one_digit(digit) for digit in digits])


def two_digits(digits, height):
    """Return the image (1, height, 28) of one or two pieces of ink (H, W), sorted from above."""
    if len(digits) == 1 and np.divide(*box_sizes(digits[0])) >= 1:  # two that touch
        return mnist_form(digits[0], height)[None]
    if len(digits) != 2:
        raise UserError("not two digits, one above the other; crop it closer")
    upper, lower = (one_digit(digit) for digit in digits)
    both = np.zeros((height, 28), np.float32)
    both[:28] = upper
    both[-28:] = np.maximum(both[-28:], lower)
    return both[None]


def one_digit(ink):
    """Return one digit's form (28, 28), or raise UserError if the ink cannot be a digit."""
    from scipy import ndimage

    (height, width), stroke = box_sizes(ink), stroke_width(ink)
    longer, length = max(height, width), (ink > FIRM).sum() / stroke
    paper, count = ndimage.label(np.pad(ink <= FIRM, 1))  # around the ink, and in each hole
    areas = ndimage.sum_labels(paper > 0, paper, range(1, count + 1))
    holes = (areas > PORE * stroke**2).sum() - 1
    if width > WIDE * height or stroke > BROAD * longer or length > LONG * longer or holes > HOLES:
        raise UserError(CROP)
    return mnist_form(ink)


def box_of(ink):
    """Return the box of the ink (H, W): array [[top, left], [bottom, right]], ends excluded."""
    rows, columns = (np.flatnonzero((ink > FIRM).any(axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros((2, 2), int)
    return np.array([[rows[0], columns[0]], [rows[-1] + 1, columns[-1] + 1]])


def box_sizes(ink):
    """Return the height and the width of the ink's box."""
    return np.subtract(*box_of(ink)[::-1])


def whole_digits(pieces, axis):
    """Join pieces of ink to digits, sorted along an axis: 1 left to right, 0 from above.

    Pieces that overlap along the axis by half of the smaller one are of one digit. A short piece,
    as the bar of a 5, belongs to what is nearest. Raises UserError if it is far from all.
    """
    heights = [box_sizes(piece)[0] for piece in pieces]
    order = np.argsort([box_of(piece)[:, axis].mean() for piece in pieces])
    tall = [i for i in order if heights[i] >= SHORT * max(heights)]
    digits = []
    for i in tall:
        piece = pieces[i]
        size = min(box_sizes(one)[axis] for one in (piece, *digits[-1:]))
        gaps = gaps_between(digits[-1], piece) if digits else np.zeros(2)
        if gaps[axis] > -0.5 * size:
            digits.append(piece)
        elif gaps[1 - axis] > 0:
            raise UserError(CROP)  # they stand the other way
        else:
            digits[-1] = digits[-1] + piece
    for i in set(order) - set(tall):
        distances = [gaps_between(digit, pieces[i]).max() for digit in digits]
        if min(distances) > NEAR * max(heights):
            raise UserError(CROP)
        digits[np.argmin(distances)] += pieces[i]
    return digits


def gaps_between(one, other):
    """Return the gaps (rows, columns) between two pieces of ink; less than 0: they overlap."""
    (start, end), (begin, stop) = box_of(one), box_of(other)
    return np.maximum(start, begin) - np.minimum(end, stop)


def stroke_width(ink):
    """Return how many pixels broad strokes are: four times their mean distance to an edge."""
    from scipy import ndimage

    inside = np.pad(ink > FIRM, 1)
    # The distance is to the middle of the first pixel outside, which is half a pixel farther.
    return 4 * (ndimage.distance_transform_edt(inside)[inside].mean() - 0.5)


def mnist_form(ink, height=28):
    """Bring one digit's ink (H, W) into MNIST's own form: float32 (height, 28), ink 1 on 0.

    MNIST's procedure (Datasets/README.md): the ink's bounding box is scaled to fit 20 columns and
    height - 8 rows, its proportions kept, then moved so that its centre of mass is in the middle,
    or as near to it as no ink is cut off. Of two digits, height 42, the box is in the middle rows.
    Thin strokes are thickened before, or they would become grey.
    """
    from PIL import Image
    from scipy import ndimage

    room = np.array([height - 8, 20])
    scale = (room / box_sizes(ink)).min()
    more = (STROKE / scale - stroke_width(ink)) / 2 / (1 - STROKE / 20)  # the box will grow as well
    if more > 0.5:
        ink = np.pad(ink, round(more) + 2)
        far = ndimage.distance_transform_edt(ink <= FIRM)
        ink = np.maximum(ink, np.clip(more + 1 - far, 0, 1))
    (top, left), (bottom, right) = box_of(ink)
    box = ink[top:bottom, left:right].astype(np.float32)
    scale = (room / box.shape).min()
    size = [max(1, round(scale * n)) for n in box.shape[::-1]]  # Pillow wants (columns, rows)
    small = np.asarray(Image.fromarray(box).resize(size, Image.Resampling.BOX))
    row, column = ndimage.center_of_mass(small)
    if height > 28:  # two digits have their places, whichever of them has more ink
        row = (len(small) - 1) / 2
    top = np.clip(height // 2 - round(row), 0, height - len(small))
    left = np.clip(14 - round(column), 0, 28 - len(small[0]))
    field = np.zeros((height, 28), np.float32)
    field[top : top + len(small), left : left + len(small[0])] = small
    return field


def ask_three_times(classify, digits):
    """Return the probabilities for digits, upright and turned a little either way: their mean.

    Of what is no digit, a network may be sure at one look, and say something else at the next. The
    mean shows its doubt; of digits it reads nearly as many (test-time augmentation). Shapes are as
    in read_pictures().
    """
    from scipy import ndimage

    views = (ndimage.rotate(digits, angle, (2, 1), False, order=1) for angle in (0, -TURN, TURN))
    return np.mean([classify(view) for view in views], axis=0)


def read_pictures(args, classify, height=28):
    """Read the pictures args.predict, print a line for each, and return [(path, digits), ...].

    classify(digits) takes float32 (N, height, 28) and gives probabilities (heads, N, 10). Each
    digit of a row has a line of its own. What is blank or no digit is answered in words, and has no
    digits. With --show or --output-dir readings.png is drawn. Raises UserError at the end if a
    picture could not be read; the others have been answered by then.
    """
    answers, drawn, problems = [], [], []
    for path in args.predict:
        try:
            grey = read_picture(path)
        except UserError as error:
            problems.append(str(error))
            continue
        try:
            found = find_digits(grey, height)
        except UserError as refusal:
            print(f"{printable(str(path))}: {refusal}")
            answers.append((path, ()))
            continue
        answer = np.swapaxes(ask_three_times(classify, found), 0, 1)  # (N, heads, 10)
        for i, chances in enumerate(answer):
            name = printable(str(path))  # a control character would reach the terminal
            name += f", digit {i + 1} of {len(found)}" if len(found) > 1 else ""
            sure = ", ".join(f"{100 * chance:.1f}%" for chance in chances.max(1))
            digits = chances.argmax(1).tolist()
            print(f"{name}: {' '.join(map(str, digits))} ({sure})")
            answers.append((path, tuple(digits)))
            drawn.append((name, grey, found[i], chances))
    if drawn and not args.no_plots and (args.show or "output_dir" in args.typed):
        args.output_dir.mkdir(parents=True, exist_ok=True)
        if len(drawn) > MOST_DRAWN:
            print(f"readings.png shows the first {MOST_DRAWN} of {len(drawn)}")
        names, greys, digits, chances = zip(*drawn[:MOST_DRAWN], strict=True)
        picture = args.output_dir / "readings.png"
        draw_readings(picture, names, greys, digits, np.stack(chances, axis=1))
        if args.show:
            show_pictures([picture])
    if problems:
        more = f"; and {len(problems) - 5} pictures more" if len(problems) > 5 else ""
        raise UserError("; ".join(problems[:5]) + more)
    return answers


def draw_readings(path, names, originals, digits, probabilities):
    """Draw for each picture: the original, what the network was shown, the ten probabilities.

    names are the pictures' files, originals their grey levels (H, W) of any sizes, digits
    (N, H, W), probabilities (heads, N, 10).
    """
    titles = ("sure of the upper, %", "of the lower, %") if len(probabilities) > 1 else ("sure, %",)
    count, each = len(digits), 2 + len(probabilities)
    beside = min(3, -(-count // 10))  # readings in a line: a column of sixty is no picture
    rows = -(-count // beside)

    def draw(axes, figure):
        for axis in axes.flat:
            axis.set_visible(False)
        lines = axes.reshape(-1, each)  # one reading each
        for i, (first, second, *heads) in enumerate(lines[:count]):
            first.imshow(originals[i], cmap="gray", vmin=0, vmax=1)
            first.set_title(Path(printable(str(names[i]))).name[-25:], fontsize=8, parse_math=False)
            second.imshow(digits[i], cmap="gray_r", vmin=0, vmax=1)
            for axis in (first, second):
                axis.set(xticks=[], yticks=[], visible=True)
                axis.spines[:].set(visible=True, color=GREY)
            for axis, chances in zip(heads, probabilities[:, i], strict=True):
                bars, best = axis.bar(range(10), 100 * chances, color=GREY), chances.argmax()
                bars[best].set_color(ORANGE)
                look = {"ha": "center", "va": "bottom", "fontsize": 8}
                axis.text(best, 100 * chances[best], f"{100 * chances[best]:.0f}", **look)
                axis.set(xticks=range(10), yticks=(0, 50, 100), ylim=(0, 115), visible=True)
                axis.tick_params(labelsize=7)
        for i in range(beside):
            for axis, title in zip(lines[i][1:], ("as the network sees it", *titles), strict=True):
                axis.set_title(title, fontsize=8)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may have letters that the font has not: boxes
        save_figure(path, (1.9 * each * beside, 1.5 * rows), draw, nrows=rows, ncols=each * beside)


def drawing_pad(classify):
    """Open a window to draw a digit in; classify: (1, 28, 28) -> probabilities (1, 1, 10).

    The pen only paints, which takes milliseconds: a hand is fast. A timer has the digit read. What
    changes is drawn over a copy of the rest (blitting), which is drawn once for each window size.
    Returns Matplotlib's figure, and what must be kept while it is open: the button that clears it
    and the timer.
    """
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.widgets import Button
    from PIL import Image, ImageDraw

    with matplotlib.rc_context({"toolbar": "None"}):  # its zoom would take the mouse away
        figure, (pad, seen, bars) = pyplot.subplots(1, 3, figsize=(11, 4.2))
    figure.subplots_adjust(left=0.03, right=0.98, bottom=0.2, wspace=0.15)
    side, width = 280, 22  # ten times the network's picture, and a pen of 2.2 of its pixels
    page = Image.new("L", (side, side))
    pen, canvas = ImageDraw.Draw(page), figure.canvas
    sheet = pad.imshow(page, cmap="gray_r", vmin=0, vmax=255, animated=True)
    view = seen.imshow(np.zeros((28, 28)), cmap="gray_r", vmin=0, vmax=1, animated=True)
    chances = bars.bar(range(10), np.zeros(10), color=BLUE, animated=True)
    pad.set(title="draw a digit here", xticks=[], yticks=[])
    seen.set(title="what the network sees", xticks=[], yticks=[])
    bars.set(title="how sure it is (%)", ylim=(0, 100), xticks=range(10))
    everything = (pad, sheet), (seen, view), (bars, *chances)
    state = {"last": None, "new": False, "still": None}  # of the pen, of the page, of the window

    def paint(*changed):
        for axes, *parts in changed:
            for part in (*parts, *axes.spines.values()):
                axes.draw_artist(part)

    def drawn(event):  # the window, without the parts that change
        state["still"] = canvas.copy_from_bbox(figure.bbox)
        paint(*everything)

    def move(event):
        if event.button != 1 or event.inaxes is not pad:
            state["last"] = None
            return
        here = np.array([event.xdata, event.ydata]) + 0.5
        pen.line([*(here if state["last"] is None else state["last"]), *here], 255, width)
        pen.ellipse([*(here - width / 2), *(here + width / 2)], 255)
        state.update(last=here, new=True)
        sheet.set_data(page)
        if state["still"]:
            paint((pad, sheet))
            canvas.blit(pad.bbox)

    def clear(event):
        page.paste(0, (0, 0, side, side))
        sheet.set_data(page)
        state["new"] = True

    def read():
        if state["new"]:
            state["new"], ink = False, np.asarray(page, np.float32) / 255
            digit = mnist_form(ink) if ink.any() else np.zeros((28, 28), np.float32)
            heights = 100 * classify(digit[None])[0, 0] if ink.any() else np.zeros(10)
            for bar, height in zip(chances, heights, strict=True):
                bar.set_height(height)
            view.set_data(digit)
            if state["still"]:
                canvas.restore_region(state["still"])
                paint(*everything)
                canvas.blit(figure.bbox)

    def lift(event):
        state["last"] = None

    canvas.mpl_connect("draw_event", drawn)
    canvas.mpl_connect("button_press_event", move)
    canvas.mpl_connect("motion_notify_event", move)
    canvas.mpl_connect("button_release_event", lift)
    button = Button(figure.add_axes((0.1, 0.04, 0.12, 0.09)), "clear")
    button.on_clicked(clear)
    timer = canvas.new_timer(100)
    timer.add_callback(read)
    timer.start()
    return figure, button, timer


def draw_and_read(classify):
    """Read what the user draws, until the window is closed."""
    require_display()
    classify(mnist_form(np.eye(28))[None])  # the first time takes longest: before the window opens
    pad = drawing_pad(classify)
    wait_for_windows()
    return pad


def main(argv=None):
    """Compare all runs that there are."""
    parser = argparse.ArgumentParser("utils.py", description="Compare all runs in a folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "runs")
    compare_runs(parser.parse_args(argv).folder)


if __name__ == "__main__":
    run_script(main)
