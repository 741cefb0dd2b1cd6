"""utils.py: data that is right, data that is wrong, and the files of a run."""

import gzip
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import tracemalloc

import filelock
import numpy as np
import pytest

import utils
from tests.conftest import ROOT, run_script, write_idx, write_mnist
from utils import UserError

# -------------------------------------------------------------------------------- the program


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(("error", "status", "line"), [
    (UserError("the cat\nsat \x1b[2J"), 2, "error: the cat sat  [2J"),  # no new line, no controls
    (OSError(28, "No space left"), 2, "error: a file could not be written: No space left"),
    (OSError(13, "Permission denied", "x.csv"), 2, "error: x.csv: Permission denied"),
    (MemoryError(), 2, "error: out of memory; try a smaller --batch-size or network"),
    (RuntimeError("can't allocate memory"), 2, "error: out of memory; try a smaller --batch-size "
                                               "or network"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (utils.Terminated("stopped"), 143, "stopped"),
])  # fmt: skip
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


def program(code, **more):
    """Run code as a program, whose output waits in memory as it does for users."""
    text = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['mlp.py']; import utils\n"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", text + code]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, env=env, **more)


@pytest.mark.parametrize("how", ["", ", flush=True", " * 100_000"])
def test_a_reader_that_goes_away_is_no_traceback(how):
    reading, writing = os.pipe()
    os.close(reading)
    done = program(f"utils.run_script(lambda: print('x'{how}))", stdout=writing)
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr == "mlp.py: error: nobody reads the output any more\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full of Linux")
@pytest.mark.parametrize("how", ["", ", flush=True", " * 100_000"])
def test_an_output_that_is_full_is_no_traceback(how):
    with open("/dev/full", "w") as full:
        done = program(f"utils.run_script(lambda: print('x'{how}))", stdout=full)
    assert done.returncode == 2
    assert done.stderr == (
        "mlp.py: error: a file could not be written: No space left on device\n"
    )


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


def test_the_reason_of_an_error_is_cut_to_a_line():
    assert utils.reason(ValueError("one\n two")) == "ValueError: one two"
    assert len(utils.reason(ValueError("x" * 10**6))) < 120


# ------------------------------------------------------------------------------ reading MNIST


def test_mnist_has_the_published_shapes_and_counts():
    train_x, train_y, test_x, test_y = utils.get_MNIST_data()
    assert (train_x.shape, test_x.shape) == ((60000, 784), (10000, 784))
    assert (train_y.shape, test_y.shape) == ((60000,), (10000,))
    assert train_x.dtype == np.float32 and train_y.dtype.kind == "i"
    assert train_x.min() == 0.0 and train_x.max() == 1.0
    # How often each digit occurs, as LeCun's page and every textbook give it.
    assert np.bincount(train_y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
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
    pairs = [
        ((images[part].reshape(-1, 784) / np.float32(divisor)).astype(np.float32),
         labels[part].astype(np.int64))
        for part in (slice(0, 50), slice(50, 60), slice(60, 80))
    ]  # fmt: skip
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(pairs, protocol)))
    (train, train_labels), (test, test_labels) = utils.read_mnist(tmp_path)
    assert np.array_equal(train, images[:60]) and np.array_equal(test, images[60:80])
    assert np.array_equal(train_labels, labels[:60]) and np.array_equal(test_labels, labels[60:80])


def test_labels_of_the_courses_pickle_may_stand_in_a_column(tmp_path):
    pairs = [(np.zeros((5, 784)), np.arange(5)[:, None])] * 3
    utils.write_pickle_data(pairs, tmp_path / "mnist.pkl.gz")
    assert utils.read_mnist(tmp_path)[1][1].tolist() == [0, 1, 2, 3, 4]


def test_the_courses_pickle_with_something_else_in_it_is_refused(tmp_path):
    for content in ([1, 2, 3], [(np.full((2, 784), 2.0), np.zeros(2))] * 3, {"a": 1},
                    [(np.zeros((2, 784)), np.array([1, 11]))] * 3,
                    [([[0.0] * 784], [1])] * 3):  # fmt: skip
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
    "labels for images": (IMAGES, lambda old: header(0x0801, 784), "no IDX file of pictures"),
    "images for labels": (LABELS, lambda old: header(0x0803, 1, 28, 28), "no IDX file of labels"),
    "another size": (IMAGES, lambda old: header(0x0803, 1, 32, 24), "32 x 24"),
    "four billion images": (IMAGES, lambda old: header(0x0803, 2**32 - 1, 28, 28), "claims"),
    "a billion labels": (LABELS, lambda old: header(0x0801, 10**9), "claims"),
    "no images": (IMAGES, lambda old: header(0x0803, 0, 28, 28), "claims 0"),
    "empty file": (IMAGES, lambda old: b"", "too short"),
    "no gzip": (LABELS, lambda old: b"these are not the digits you look for", "no gzip"),
    "fewer labels": (LABELS, lambda old: header(0x0801, 784), "pictures in"),
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


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=f"cannot read {tmp_path}: "):
        utils.read_bytes(tmp_path, 10)  # a folder


def test_a_data_set_without_a_tenth_is_refused(tmp_path):
    with pytest.raises(UserError, match="d has 9 training pictures; 10 are the fewest"):
        utils.read_mnist(write_mnist(tmp_path / "d", 9, 5))
    utils.write_pickle_data([(np.zeros((2, 784)), np.zeros(2))] * 3, tmp_path / "mnist.pkl.gz")
    with pytest.raises(UserError, match="has 4 training pictures"):
        utils.read_mnist(tmp_path)


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


def test_plot_images_shows_one_axis_per_picture(monkeypatch):
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


# ------------------------------------------------------------------------- the files of a run


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


def test_signals_work_again_after_a_file_that_failed(tmp_path):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(OSError), utils.whole_file(tmp_path / "a"):
        raise OSError("disk full")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_file_is_whole(tmp_path, number):
    arrived = []
    old = signal.signal(number, lambda *_: arrived.append((tmp_path / "a").exists()))
    try:
        with utils.whole_file(tmp_path / "a") as file:
            signal.raise_signal(number)
            file.write(b"whole")
            assert arrived == []
    finally:
        signal.signal(number, old)
    assert arrived == [True] and (tmp_path / "a").read_bytes() == b"whole"


def test_a_file_can_be_written_from_another_thread(tmp_path):
    def write():
        with utils.whole_file(tmp_path / "a") as file:
            file.write(b"x")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert (tmp_path / "a").read_bytes() == b"x"


def test_two_runs_cannot_share_a_folder_at_once(tmp_path):
    hold = (f"import sys; sys.path.insert(0, {str(ROOT)!r}); import utils\n"
            f"with utils.run_folder({str(tmp_path)!r}):\n print('held', flush=True); input()")
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="another run"), utils.run_folder(tmp_path):
        pass
    other.kill()  # the lock goes with its process, even one that could not tidy up
    other.communicate()
    with utils.run_folder(tmp_path) as folder:
        assert folder == tmp_path


def test_a_run_that_failed_lets_go_of_its_folder(tmp_path, monkeypatch):
    locks = []  # kept here, for a lock that nobody has any more lets go by itself
    acquire = filelock.FileLock.acquire
    monkeypatch.setattr(filelock.FileLock, "acquire",
                        lambda self, **how: locks.append(self) or acquire(self, **how))  # fmt: skip
    with pytest.raises(ValueError), utils.run_folder(tmp_path):
        raise ValueError
    assert [lock.is_locked for lock in locks] == [False]


def test_without_a_checkpoint_nothing_can_be_resumed():
    for checkpoint, history in ((None, [{}]), ("a.pt", [])):
        with (pytest.raises(KeyboardInterrupt, match="nothing to resume"),
              utils.saying_how_to_resume(checkpoint, history)):  # fmt: skip
            raise KeyboardInterrupt
    with (pytest.raises(utils.Terminated, match="--resume goes on after epoch 1"),
          utils.saying_how_to_resume("a.pt", [{}])):  # fmt: skip
        raise utils.Terminated


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (pytest.raises(UserError, match="cannot write to .*file"),
          utils.run_folder(tmp_path / "file" / "run")):  # fmt: skip
        pass


@pytest.mark.parametrize(("option", "good", "bad"), [
    ("--epochs", (1, 100_000), (0, 100_001)),
    ("--batch-size", (1, 100_000), (0, 100_001)),
    ("--lr", (1e-9, 1000), (0, 1001, "nan")),
    ("--seed", (0, 2**32 - 1), (-1, 2**32)),
    ("--limit", (10, 10**9), (9, 10**9 + 1)),
])  # fmt: skip
def test_numbers_have_their_bounds(option, good, bad, capsys):
    parser = utils.argument_parser("script", "", epochs=1, batch_size=1, lr=0.1)
    for value in good:
        args = vars(parser.parse_args([f"{option}={value}"]))
        assert args[option[2:].replace("-", "_")] == value
    for value in bad:
        with pytest.raises(SystemExit) as end:
            parser.parse_args([f"{option}={value}"])
        assert end.value.code == 2 and f"{value} is not between" in capsys.readouterr().err
