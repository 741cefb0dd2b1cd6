"""utils.py: how programs end, data that is right and wrong, files, the command line."""

import errno
import gzip
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import tracemalloc

import utils
from tests.conftest import ROOT, run_script, write_idx, write_mnist
from utils import UserError

import numpy as np
import pytest

# -------------------------------------------------------------------------------- the program


NO_MEMORY = "out of memory; try a smaller --batch-size or network"


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("the cat\nsat \x1b[2J"), 2, "error: the cat sat  [2J"),  # no controls
        (OSError(28, "No space left"), 2, "error: a file could not be written: No space left"),
        (OSError(13, "Permission denied", "x.csv"), 2, "error: x.csv: Permission denied"),
        (MemoryError(), 2, f"error: {NO_MEMORY}"),
        (RuntimeError("can't allocate memory"), 2, f"error: {NO_MEMORY}"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (utils.Terminated("stopped"), 143, "stopped"),
    ],
)
def test_an_end_that_is_no_defect_takes_one_line(as_program, error, status, line):
    assert as_program(raising(error), "mlp.py") == (status, "", f"mlp.py: {line}\n")


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), TypeError("no number")])
def test_a_defect_keeps_its_traceback(as_program, error):
    with pytest.raises(type(error)):
        as_program(raising(error), "mlp.py")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_does_not_cut_the_end_off(as_program, number, status):
    done = []

    def main():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            done.append("tidied up")

    assert as_program(main, "mlp.py")[0] == status and done


def test_a_name_beyond_the_letters_of_the_output_is_printed(as_program):
    name = os.fsdecode(b"\xff.png")
    assert as_program(lambda: print(name), "mlp.py") == (0, "\\udcff.png\n", "")


def program(code, env=None, **more):
    """Run code as a program, whose output waits in memory as it does for users."""
    text = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['mlp.py']; import utils\n"
    env = {**os.environ, **(env or {}), "PYTHONUNBUFFERED": ""}
    command = [sys.executable, "-c", text + code]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, env=env, **more)


HANGING = """
import signal
def main():
    try:
        signal.raise_signal(signal.{first})
    finally:
        signal.raise_signal(signal.SIGINT)  # an impatient one: ignored
        print("tidied up", flush=True)
        later = utils.time.monotonic() + 1.5
        utils.time.monotonic = lambda: later
        signal.raise_signal(signal.SIGINT)
        print("still there", flush=True)
utils.run_script(main)
"""


@pytest.mark.parametrize(("first", "status"), [("SIGINT", 130), ("SIGTERM", 130)])
def test_ctrl_c_a_second_later_ends_a_program_that_hangs(first, status):
    done = program(HANGING.format(first=first), stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (status, "tidied up\n", "")


@pytest.mark.skipif(os.name != "posix", reason="a pipe of a shell")
@pytest.mark.parametrize("how", ["", ", flush=True", " * 100_000"])
def test_a_reader_that_has_seen_enough_ends_the_program_quietly(how):
    reading, writing = os.pipe()  # as in `python mlp.py | head`
    os.close(reading)
    done = program(f"utils.run_script(lambda: print('x'{how}))", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")  # 128 + SIGPIPE, as shells expect


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
@pytest.mark.parametrize("how", ["", ", flush=True", " * 100_000"])
def test_an_output_that_is_full_is_no_traceback(how):
    with open("/dev/full", "w") as full:
        done = program(f"utils.run_script(lambda: print('x'{how}))", stdout=full)
    assert done.returncode == 2
    assert done.stderr == ("mlp.py: error: a file could not be written: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="closes the output as a shell does")
def test_a_closed_output_is_no_traceback():
    done = program("utils.run_script(lambda: print('x'))", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_while_torch_is_imported_takes_one_line(tmp_path):
    """In place of torch stands a file whose import ends as by Ctrl-C."""
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt")
    done = run_script("mlp.py", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode in (130, -signal.SIGINT)  # which a shell calls 130 too
    assert done.stderr == "mlp.py: interrupted\n"


def test_a_defect_while_importing_keeps_its_traceback(tmp_path):
    (tmp_path / "torch.py").write_text("1 / 0")
    done = run_script("mlp.py", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr.splitlines()[-1]


def test_a_damaged_file_is_blamed_in_one_short_line():
    with pytest.raises(UserError) as error, utils.blamed_on("a.npz", "is damaged"):
        raise ValueError("one\n two " + "x" * 10**6)
    assert str(error.value).startswith("a.npz is damaged (ValueError: one two x")
    assert len(str(error.value)) < 150


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MemoryError("4 GiB"), "there is not enough memory to read a.npz"),
        (FileNotFoundError(), "there is no file a.npz"),
        (PermissionError(13, "Permission denied"), "cannot read a.npz: Permission denied"),
        (UserError("a.npz is of last year"), "a.npz is of last year"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_file_is_not_called_damaged_for_what_is_not_its_fault(problem, words):
    with pytest.raises(UserError) as error, utils.blamed_on("a.npz", "is damaged"):
        raise problem
    assert str(error.value) == words


# ------------------------------------------------------------------------------ reading MNIST


def test_mnist_has_the_published_shapes_and_counts():
    train_x, train_y, test_x, test_y = utils.get_MNIST_data()
    assert (train_x.shape, test_x.shape) == ((60000, 784), (10000, 784))
    assert (train_y.shape, test_y.shape) == ((60000,), (10000,))
    assert train_x.dtype == np.float32 and train_y.dtype.kind == "i"
    assert train_x.min() == 0.0 and train_x.max() == 1.0
    # How often each digit occurs, as LeCun's page and every textbook give it.
    published = "5923 6742 5958 6131 5842 5421 5918 6265 5851 5949"
    assert " ".join(map(str, np.bincount(train_y))) == published
    assert np.bincount(test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train_y[:5].tolist() == [5, 0, 4, 1, 9] and test_y[:5].tolist() == [7, 2, 1, 0, 4]


def test_pixels_keep_their_place_and_value(tmp_path):
    folder = write_mnist(tmp_path / "d", 20, 10)
    images = np.zeros((20, 28, 28), np.uint8)
    images[3, 2, 5] = 51
    write_idx(folder / "train-images-idx3-ubyte.gz", images)
    x = utils.get_MNIST_data(data_dir=folder)[0]
    assert x[3, 2 * 28 + 5] == np.float32(51) / np.float32(255) and np.count_nonzero(x) == 1


def test_plain_files_are_read_as_well_as_packed_ones(tmp_path, small_mnist):
    for packed in small_mnist.iterdir():
        (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    plain, packed = utils.read_mnist(tmp_path), utils.read_mnist(small_mnist)
    for (a, b), (c, d) in zip(plain, packed, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, d)


@pytest.mark.parametrize(("divisor", "protocol"), [(256, 2), (255, 4), (256, 5)])
def test_the_courses_pickle_gives_the_same_digits(tmp_path, mnist, divisor, protocol):
    (images, labels), _ = mnist
    x, y = images.reshape(-1, 784) / np.float32(divisor), labels.astype(np.int64)
    pairs = [(x[i:j].astype(np.float32), y[i:j]) for i, j in ((0, 50), (50, 60), (60, 80))]
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(pairs, protocol)))
    (train, train_labels), (test, test_labels) = utils.read_mnist(tmp_path)
    assert np.array_equal(train, images[:60]) and np.array_equal(test, images[60:80])
    assert np.array_equal(train_labels, labels[:60]) and np.array_equal(test_labels, labels[60:80])


def test_labels_of_the_courses_pickle_may_stand_in_a_column(tmp_path):
    pairs = [(np.zeros((5, 784)), np.arange(5)[:, None])] * 3
    utils.write_pickle_data(pairs, tmp_path / "mnist.pkl.gz")
    assert utils.read_mnist(tmp_path)[1][1].tolist() == [0, 1, 2, 3, 4]


def test_the_courses_pickle_with_something_else_in_it_is_refused(tmp_path):
    for content in (
        [1, 2, 3],
        [(np.full((2, 784), 2.0), np.zeros(2))] * 3,
        {"a": 1},
        [(np.zeros((2, 784)), np.array([1, 11]))] * 3,
        [([[0.0] * 784], [1])] * 3,
    ):
        utils.write_pickle_data(content, tmp_path / "mnist.pkl.gz")
        with pytest.raises(UserError, match=r"mnist\.pkl\.gz is not three pairs"):
            utils.read_mnist(tmp_path)


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def header(magic, *sizes):
    return gzip.compress(struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + bytes(784))


DAMAGE = {
    "truncated": (IMAGES, lambda old: gzip.compress(gzip.decompress(old)[:-1]), "as long as"),
    "gzip truncated": (IMAGES, lambda old: old[: len(old) // 2], "is damaged"),
    "too long": (IMAGES, lambda old: gzip.compress(gzip.decompress(old) + b"\0"), "as long as"),
    "byte changed": (IMAGES, lambda old: old[:-8] + b"abcd" + old[-4:], "is damaged"),
    "wrong magic": (IMAGES, lambda old: header(0x0C03, 1, 28, 28), "it begins with 00000c03"),
    "labels for images": (IMAGES, lambda old: header(0x0801, 784), "no IDX file of images"),
    "images for labels": (LABELS, lambda old: header(0x0803, 1, 28, 28), "no IDX file of labels"),
    "another size": (IMAGES, lambda old: header(0x0803, 1, 32, 24), "32 x 24"),
    "four billion images": (IMAGES, lambda old: header(0x0803, 2**32 - 1, 28, 28), "claims"),
    "a billion labels": (LABELS, lambda old: header(0x0801, 10**9), "claims"),
    "no images": (IMAGES, lambda old: header(0x0803, 0, 28, 28), "claims 0"),
    "empty file": (IMAGES, lambda old: b"", "too short"),
    "no gzip": (LABELS, lambda old: b"these are not the digits you look for", "is damaged"),
    "fewer labels": (LABELS, lambda old: header(0x0801, 784), "20 images in"),
    "label 10": (LABELS, lambda old: gzip.compress(gzip.decompress(old)[:-1] + b"\n"), "label 10"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused_with_their_name(tmp_path, damage):
    name, change, words = DAMAGE[damage]
    path = write_mnist(tmp_path / "d", 20, 10) / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=words) as error:
        utils.get_MNIST_data(data_dir=path.parent)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_missing_folder_or_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no folder .*nowhere"):
        utils.get_MNIST_data(data_dir=tmp_path / "nowhere")
    folder = write_mnist(tmp_path / "d", 20, 10)
    (folder / LABELS).unlink()
    with pytest.raises(UserError, match=f"{LABELS} is missing"):
        utils.get_MNIST_data(data_dir=folder)


def test_a_file_that_unpacks_to_gigabytes_takes_no_memory(tmp_path):
    path = write_mnist(tmp_path / "d", 20, 10) / IMAGES
    bomb = gzip.compress(struct.pack(">4I", 0x0803, 100, 28, 28) + bytes(200 << 20), 9)
    path.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(UserError, match="as long as"):
        utils.read_mnist(path.parent)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"cannot read {tmp_path / name}: Is a directory"):
        utils.read_idx(tmp_path / name, (28, 28))


def test_a_data_set_without_a_tenth_is_refused(tmp_path):
    with pytest.raises(UserError, match="d has 9 training images; 10 are the fewest"):
        utils.read_mnist(write_mnist(tmp_path / "d", 9, 5))
    utils.write_pickle_data([(np.zeros((2, 784)), np.zeros(2))] * 3, tmp_path / "mnist.pkl.gz")
    with pytest.raises(UserError, match="has 4 training images"):
        utils.read_mnist(tmp_path)


def digits_of(folder, limit=None):
    return utils.load_digits(utils.argparse.Namespace(data_dir=folder, limit=limit))


def test_dev_is_the_last_tenth_of_the_first_digits(small_mnist):
    (images, labels), (test_images, test_labels) = utils.read_mnist(small_mnist)
    data = digits_of(small_mnist, limit=59)
    for name, part in (("train", slice(0, 54)), ("dev", slice(54, 59))):
        x, y = data[name]
        assert np.array_equal(x, images[part].reshape(-1, 784) / np.float32(255))
        assert np.array_equal(y, labels[part]) and y.dtype == np.int64
    x, y = data["test"]
    assert np.array_equal(x, test_images.reshape(-1, 784) / np.float32(255))
    assert np.array_equal(y, test_labels)


def test_the_checksum_is_that_of_the_digits_and_not_of_their_files(small_mnist, tmp_path):
    copy = shutil.copytree(small_mnist, tmp_path / "copy")
    for packed in list(copy.iterdir()):  # the same digits, as plain files
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    checksum = digits_of(small_mnist)["checksum"]
    assert digits_of(copy)["checksum"] == checksum
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert digits_of(copy)["checksum"] != checksum
        (copy / name).write_bytes(whole)


# --------------------------------------------------------------------- helpers of the course


def test_examples_are_picked_by_label_in_order():
    X, Y = np.arange(12).reshape(6, 2), np.array([3, 1, 2, 1, 3, 1])
    x, y = utils.pick_examples_of(X, Y, [1, 2], 3)
    assert x.tolist() == [[2, 3], [4, 5], [6, 7]] and y.tolist() == [1, 2, 1]
    parts = utils.extract_training_and_test_examples_with_labels(X, Y, X[:4], Y[:4], [3], 5, 1)
    assert [part.tolist() for part in parts] == [[[0, 1], [8, 9]], [3, 3], [[0, 1]], [3]]


def test_four_arrays_go_through_a_pickle(tmp_path):
    arrays = tuple(np.full((2, i), i) for i in range(4))
    utils.write_pickle_data(arrays, tmp_path / "four.pkl.gz")
    back = utils.load_train_and_test_pickle(tmp_path / "four.pkl.gz")
    for a, b in zip(arrays, back, strict=True):
        assert np.array_equal(a, b)


def test_plot_images_shows_one_axis_per_image(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    utils.plot_images(np.random.default_rng(0).random((5, 784)))
    drawn = [axis for axis in pyplot.gcf().axes if axis.images]
    assert len(drawn) == 5 and drawn[0].images[0].get_array().shape == (28, 28)
    utils.plot_images(np.zeros(784))
    assert len(pyplot.gcf().axes) == 1
    pyplot.close("all")


# ------------------------------------------------------------------------- files that are whole


def test_a_file_keeps_its_old_content_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), utils.whole_file(path) as file:
        file.write(b"half of the ne")
        file.flush()
        assert path.read_bytes() == b"old"
        raise RuntimeError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.txt"]
    with utils.whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_says_which_file_was_to_be_written(tmp_path, monkeypatch, as_program):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, _, errors = as_program(lambda: utils.write_arrays(tmp_path / "a", {}), "mlp.py")
    assert (status, errors) == (2, f"mlp.py: error: {tmp_path / 'a'}: No space left on device\n")
    assert not list(tmp_path.iterdir())


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []

    def fsync(number):
        seen.append((os.fstat(number).st_size, (tmp_path / "a").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with utils.whole_file(tmp_path / "a") as file:
        file.write(b"whole")
    assert seen == [(5, False)]


def test_a_pickle_keeps_its_old_content_if_the_new_one_fails(tmp_path):
    utils.write_pickle_data([1], tmp_path / "a.pkl.gz")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        utils.write_pickle_data(lambda: 0, tmp_path / "a.pkl.gz")
    assert utils.read_pickle_data(tmp_path / "a.pkl.gz") == [1]


def test_arrays_come_back_as_they_were_and_objects_are_refused(tmp_path):
    arrays = {"W 1": np.eye(3, dtype=np.float32), "text": np.array("lr 0.1"), "n": np.array(5)}
    utils.write_arrays(tmp_path / "a.npz", arrays)
    back = utils.read_arrays(tmp_path / "a.npz")
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(back[name], array) and back[name].dtype == array.dtype
    np.savez(tmp_path / "b.npz", w=np.array([{}], object))
    with pytest.raises(UserError, match=r"b\.npz is damaged or no file of weights"):
        utils.read_arrays(tmp_path / "b.npz")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
def test_arrays_stay_whole_where_the_disk_is_full(tmp_path):
    utils.write_arrays(tmp_path / "a.npz", {"w": np.ones(3)})
    os.symlink("/dev/full", tmp_path / ".a.npz.unfinished")
    with pytest.raises(OSError, match="No space left"):
        utils.write_arrays(tmp_path / "a.npz", {"w": np.zeros(3)})
    assert utils.read_arrays(tmp_path / "a.npz")["w"].tolist() == [1, 1, 1]
    assert os.listdir(tmp_path) == ["a.npz"]


# ------------------------------------------------------------------------- the command line


def lesson(file="/where/mlp.py"):
    """A lesson's parser, with an option and two presets of its own."""
    parser = utils.argument_parser(file, "", epochs=20, batch_size=5, lr=0.1, momentum=0.9)
    parser.add_setting("--hidden", type=int, nargs="+", default=[100])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_preset(lambda values: values["plain"] or values["sweep"], lr=1.0, epochs=30)
    parser.add_preset(lambda values: values["sweep"], epochs=3)
    return parser


def test_presets_are_defaults_and_what_is_typed_goes_first():
    def found(*argv):
        args = lesson().parse_args(list(argv))
        return args.epochs, args.lr, args.momentum

    assert found() == (20, 0.1, 0.9)
    assert found("--plain") == (30, 1.0, 0.9)
    assert found("--sweep") == (3, 1.0, 0.9)  # the later preset goes before the earlier one
    assert found("--sweep", "--epochs", "20", "--momentum", "0") == (20, 1.0, 0.0)
    assert found("--lr", "0.1", "--plain") == (30, 0.1, 0.9)  # typed, though it is the default


def test_typed_options_are_known_and_cosmetic_ones_are_no_settings():
    args = lesson().parse_args(["--hidden", "5", "--seed=0", "--quiet", "--data-dir", "d"])
    assert args.typed == {"hidden", "seed", "quiet", "data_dir"}
    recipe = {"epochs", "batch_size", "lr", "momentum", "seed", "limit", "hidden"}
    assert set(args.settings) == recipe


@pytest.mark.slow
def test_a_copied_lesson_writes_into_a_folder_of_its_own(tmp_path):
    """As after `cp nnet_cnn.py my_cnn.py`."""
    args = lesson(tmp_path / "my_cnn.py").parse_args([])
    assert (args.script, args.output_dir) == ("my_cnn", tmp_path / "runs" / "my_cnn")
    shutil.copy(ROOT / "nnet_cnn.py", tmp_path / "my_cnn.py")
    done = subprocess.run(
        [sys.executable, tmp_path / "my_cnn.py", "--predict", "x.png"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    weights = tmp_path / "runs" / "my_cnn" / "model.pt"
    words = f"there is no {weights}; train a network first: python my_cnn.py"
    assert (done.returncode, done.stderr) == (2, f"my_cnn.py: error: {words}\n")


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere windows need no DISPLAY")


@pytest.mark.parametrize(
    "backend", ["agg", "module://nothing", "nothing", pytest.param("tkagg", marks=LINUX)]
)
def test_without_a_display_show_is_refused_before_anything_is_done(backend):
    code = """
import os, neural_nets
for name in ("DISPLAY", "WAYLAND_DISPLAY"):
    os.environ.pop(name, None)
utils.run_script(lambda: neural_nets.main(["--show", "--data-dir", "/nowhere"]))
"""
    done = program(code, stdout=subprocess.PIPE, env={"MPLBACKEND": backend})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("mlp.py: error: there is no display to open a window on")


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("--epochs", (1, 100_000), (0, 100_001)),
        ("--batch-size", (1, 100_000), (0, 100_001)),
        ("--lr", (1e-9, 1000), (0, 1001, "nan")),
        ("--momentum", (0, 0.9999), (-0.1, 1, "nan")),
        ("--seed", (0, 2**32 - 1), (-1, 2**32)),
        ("--limit", (10, 10**9), (9, 10**9 + 1)),
    ],
)
def test_numbers_have_their_bounds(option, good, bad, capsys):
    parser = lesson()
    for value in good:
        args = vars(parser.parse_args([f"{option}={value}"]))
        assert args[option[2:].replace("-", "_")] == value
    for value in bad:
        with pytest.raises(SystemExit) as end:
            parser.parse_args([f"{option}={value}"])
        assert end.value.code == 2 and f"{value} is not between" in capsys.readouterr().err
