"""What every script shares and that needs no PyTorch: data in, files out, the command line.

In the order of the file: errors that a person can act on; IDX files and pickles, read without
trusting them; the helpers of the course; the folder that a run writes; the command line.
Shapes: N pictures, H rows, W columns.
"""

import argparse
import contextlib
import gzip
import math
import os
import pickle
import signal
import struct
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pickles import load_plain

# PyTorch's threads shall sleep while they wait for each other, instead of asking all the time: with
# another program on one of two cores, nnet_cnn.py took over 40 s for 18,000 digits, and 5 s since.
# OpenMP looks at this when torch is imported; therefore the scripts import this file before it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parent
DATASETS = ROOT / "Datasets"


# ----------------------------------------------------------------------------------- errors


class UserError(Exception):
    """A file or a setting that cannot be used; the message says what is wrong and what to do."""


def reason(error):
    """Return the beginning of an error's message, for a message of one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


@contextlib.contextmanager
def blamed_on(path, words):
    """Make a UserError that says of a file what `words` say of any error inside the block.

    For files that somebody else wrote: damage makes their readers raise nearly anything.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # a folder, or a file of somebody else
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        raise UserError(f"{path} {words} ({reason(error)})") from None


class Terminated(KeyboardInterrupt):
    """The system asked the process to end (SIGTERM); it is treated like Ctrl-C."""


def run_script(main):
    """Run main() as a program: an error becomes one line on stderr and exit status 2.

    Ctrl-C ends it with 130 and SIGTERM with 143, as shells expect (128 + the signal's number).
    """

    def stop(number, frame):
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C shall not cut the end off
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

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
    except UserError as error:
        message, status = f"error: {error}", 2
    except BrokenPipeError:  # the reader of our output has gone, as in `python mlp.py | head`
        message, status = "error: nobody reads the output any more", 2
    except OSError as error:  # a full disk, for one
        what = error.filename or "a file could not be written"
        message, status = f"error: {what}: {error.strerror or error}", 2
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # PyTorch says it so
            raise
        message, status = "error: out of memory; try a smaller --batch-size or network", 2
    try:
        print(end="", flush=True)
    except OSError:  # the output is what failed; nothing of it shall be tried again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # What a file or a name says must not reach the terminal's controls, nor take a second line.
    message = "".join(letter if letter.isprintable() else " " for letter in message)
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(status)


def say_less_of_ctrl_c(kind, error, trace):
    """Say in one line that Ctrl-C came before run_script(), above all while torch was imported."""
    if kind is KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = say_less_of_ctrl_c


# --------------------------------------------------------------------------------- MNIST in


def read_bytes(path, limit):
    """Return the bytes of a file, unpacked if its name ends in .gz; UserError if it is damaged.

    Stops one byte after `limit`: a small file that unpacks to terabytes does no harm.
    """
    pieces, left = [], limit + 1
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            while left and (piece := file.read(min(left, 1 << 22))):
                pieces.append(piece)
                left -= len(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or no gzip file ({reason(error)})") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    return b"".join(pieces)


MOST_PICTURES = 300_000  # EMNIST has 240,000 digits; as floats a gigabyte, from 300 kB of gzip


def read_idx(path, sizes):
    """Read an IDX file of bytes: sizes (28, 28) for pictures, () for labels.

    Returns uint8 (N, *sizes). Raises UserError if the file is of another kind, empty, longer than
    MOST_PICTURES, or not of the length that its header says: no more than that is ever unpacked.
    The format stands in Datasets/README.md.
    """
    start = 8 + 4 * len(sizes)
    header = read_bytes(path, start - 1)
    if len(header) < start:
        raise UserError(f"{path} is too short for an IDX file; get it anew")
    magic, count, *shape = struct.unpack(f">{2 + len(sizes)}I", header)
    if magic != 0x0801 + len(sizes):
        kind = "pictures" if sizes else "labels"
        raise UserError(f"{path} is no IDX file of {kind}: it begins with {header[:4].hex()}")
    if tuple(shape) != sizes:
        raise UserError(f"{path} holds pictures of {shape[0]} x {shape[1]}, not of 28 x 28")
    end = start + count * math.prod(sizes)
    if not 1 <= count <= MOST_PICTURES:
        raise UserError(f"{path} claims {count:,} entries; 1 to {MOST_PICTURES:,} can be read")
    content = read_bytes(path, end)
    if len(content) != end:
        raise UserError(f"{path} is not as long as its header says; get it anew")
    return np.frombuffer(content, np.uint8, offset=start).reshape(count, *sizes)


def read_mnist_set(folder, prefix):
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
        raise UserError(f"{len(images)} pictures in {paths[0]}, but {len(labels)} in {paths[1]}")
    if labels.max() > 9:
        raise UserError(f"{paths[1]} holds the label {labels.max()}; labels must be 0 to 9")
    return images, labels


def read_course_mnist(path):
    """Read the course's mnist.pkl.gz, three (images, labels) pairs, into the form of read_mnist."""
    sets = []
    with blamed_on(path, "is not three pairs of arrays"):
        for images, labels in read_pickle_data(path):
            # byte / 256 in the course's file, byte / 255 in later ones; back to the bytes.
            sound = 0 <= images.min() <= images.max() <= 1 and 0 <= min(labels) <= max(labels) <= 9
            if not sound:
                raise ValueError("values out of range")
            levels = np.rint(images * (255 if images.max() == 1 else 256))
            pictures = levels.astype(np.uint8).reshape(len(labels), 28, 28)
            sets.append((pictures, labels.astype(np.uint8).reshape(len(labels))))
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
        sets = read_mnist_set(folder, "train"), read_mnist_set(folder, "t10k")
    if len(sets[0][0]) < 10:
        raise UserError(f"{folder} has {len(sets[0][0])} training pictures; 10 are the fewest")
    return sets


def as_floats(images):
    """uint8 images -> float32 in [0, 1], the same shape; 255 becomes 1 exactly."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def get_MNIST_data(*, data_dir=DATASETS):
    """Return train_x (60000, 784), train_y (60000,), test_x (10000, 784), test_y (10000,).

    Pictures are float32 in [0, 1], labels int64. Raises UserError as read_mnist does.
    """
    train, test = (
        (as_floats(images).reshape(-1, 28 * 28), labels.astype(np.int64))
        for images, labels in read_mnist(data_dir)
    )
    return *train, *test


def split_digits(args):
    """Return (images, labels) of train, of dev and of test, as --data-dir and --limit say.

    Dev is the last tenth of what --limit keeps of the training set. Shapes and types are those of
    get_MNIST_data.
    """
    train, test = read_mnist(args.data_dir)
    images, labels = (part[: args.limit] for part in train)
    split = len(images) - len(images) // 10
    parts = (images[:split], labels[:split]), (images[split:], labels[split:]), test
    return [(as_floats(x).reshape(-1, 28 * 28), y.astype(np.int64)) for x, y in parts]


# ------------------------------------------------------------------ pickles and files of arrays


def read_pickle_data(file_name):
    """Read a gzip'd pickle of NumPy arrays, lists, tuples, dicts, text and numbers.

    Pickles of Python 2 are read as well. Raises UserError if the file is damaged or asks for
    anything else, for loading a pickle runs whatever its author put into it.
    """
    words = "is damaged, or holds more than arrays and plain containers"
    with blamed_on(file_name, words), gzip.open(file_name, "rb") as file:
        data = load_plain(file)
        file.read(1)  # reaches the end of the file, where gzip keeps the checksum
        return data


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


def write_pickle_data(data, file_name):
    """Write `data` as a gzip'd pickle."""
    with whole_file(file_name) as file, gzip.GzipFile(fileobj=file, mode="wb") as packed:
        pickle.dump(data, packed, protocol=4)


def load_train_and_test_pickle(file_name):
    """Read (train_x, train_y, test_x, test_y) from one pickle, as the course keeps them."""
    train_x, train_y, test_x, test_y = read_pickle_data(file_name)
    return train_x, train_y, test_x, test_y


# ------------------------------------------------------------------- helpers of the course


def plot_images(X):
    """Show pictures, (784,) or (N, 784), in a window."""
    from matplotlib import pyplot

    pictures = np.reshape(X, (-1, 28, 28))
    columns = math.ceil(math.sqrt(len(pictures)))
    _, axes = pyplot.subplots(-(-len(pictures) // columns), columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture in zip(axes.flat, pictures, strict=False):
        axis.imshow(picture, cmap="gray")
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


# ---------------------------------------------------------------------- the files of a run


@contextlib.contextmanager
def interrupts_held():
    """Let Ctrl-C and SIGTERM wait until the block is done, so that no file stays half-written."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread
        yield
        return
    arrived = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = {n: signal.signal(n, lambda number, frame: arrived.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])


@contextlib.contextmanager
def whole_file(path):
    """Open a file for writing bytes that appears under its name only once it is whole.

    It is written beside its place, flushed to the disk and renamed: whoever reads `path`, and
    whenever the power fails, finds the old content or the new one.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    with interrupts_held():
        try:
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def run_folder(folder):
    """Make the folder of a run and hold it: a second run in it gets a UserError, not a mixture."""
    from filelock import FileLock, Timeout  # the lock ends with its process, however that ends

    lock = FileLock(Path(folder) / ".lock")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is using {folder}; wait, or choose --output-dir") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; see --output-dir") from None
    try:
        yield Path(folder)
    finally:
        lock.release()


@contextlib.contextmanager
def saying_how_to_resume(checkpoint, history):
    """Add to a Ctrl-C (or SIGTERM) inside the block what to do to go on, if that is possible."""
    try:
        yield
    except KeyboardInterrupt as stop:
        done = f"stopped; the same command with --resume goes on after epoch {len(history)}"
        if not history:
            done = "stopped before there was a checkpoint; nothing to resume"
        if not checkpoint:  # a sweep
            done = "stopped; nothing to resume"
        raise type(stop)(done) from None


# ------------------------------------------------------------------------- the command line


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def parse_args(self, args=None, namespace=None):
        """Parse the command line; --model without anything to read would train another network."""
        args = super().parse_args(args, namespace)
        if args.model and not args.predict and not vars(args).get("draw"):
            self.error("--model goes with --predict")
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


def argument_parser(script, description, *, epochs, batch_size, lr):
    """Return the parser of the options that all five scripts share, with the script's defaults."""
    parser = Parser(f"{script}.py", description=description, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.set_defaults(script=script)
    add, folder = parser.add_argument, ROOT / "runs" / script
    usual = "(default %(default)s)"
    add("--epochs", type=number(int, 1, 10**5), default=epochs, metavar="N",
        help=f"passes over the data {usual}")  # fmt: skip
    add("--batch-size", type=number(int, 1, 10**5), default=batch_size, metavar="N",
        help=f"pictures per step {usual}")  # fmt: skip
    add("--lr", type=number(float, 1e-9, 1e3), default=lr, metavar="RATE",
        help=f"learning rate, at its highest {usual}")  # fmt: skip
    add("--seed", type=number(int, 0, 2**32 - 1), default=0, help=f"of the random numbers {usual}")
    add("--data-dir", type=Path, default=DATASETS, metavar="DIR", help="where the data set lies")
    add("--output-dir", type=Path, default=folder, metavar="DIR",
        help=f"where the results go (default runs/{script})")  # fmt: skip
    add("--limit", type=number(int, 10, 10**9), metavar="N", help="use N training digits only")
    add("--quiet", action="store_true", help="print nothing but errors")
    add("--resume", action="store_true", help="go on with an interrupted run of these settings")
    add("--predict", nargs="+", metavar="IMAGE", help="read pictures instead of training")
    add("--model", type=Path, metavar="FILE", help="weights to read with (default: the last run's)")
    add("--no-plots", action="store_true", help="draw no pictures")
    add("--show", action="store_true", help="open the pictures in windows")
    return parser
