"""pickles.py: what a data set needs is read, and nothing that a stranger adds is run."""

import gzip
import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest

import pickles
import utils
from tests.conftest import ROOT
from utils import UserError


def test_a_pickle_comes_back_as_it_was(tmp_path):
    data = {"x": np.arange(6.0).reshape(2, 3), "y": [1, (2, "three")], "z": np.float64(0.5),
            "big": np.arange(3, dtype=">i4"), "f": np.asfortranarray(np.eye(3))}  # fmt: skip
    utils.write_pickle_data(data, tmp_path / "a.pkl.gz")
    back = utils.read_pickle_data(tmp_path / "a.pkl.gz")
    assert back.keys() == data.keys() and back["y"] == data["y"] and back["z"] == 0.5
    for name in ("x", "big", "f"):
        assert np.array_equal(back[name], data[name])
    assert np.dtype("i4").isnative  # reading a big-endian array did not change NumPy's own types


# pickle.dumps([numpy.arange(2.0)], 2) of Python 2.7 with NumPy 1.16: bytes and text are one type.
PYTHON_2 = (
    b"\x80\x02]q\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
    b"U\x01b\x87q\x05Rq\x06(K\x01K\x02\x85q\x07cnumpy\ndtype\nq\x08U\x02f8K\x00K\x01\x87q\tRq\n"
    b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10\x00\x00\x00\x00\x00\x00\x00"
    b"\x00\x00\x00\x00\x00\x00\x00\xf0?tba."
)


def test_a_pickle_of_python_2_is_read(tmp_path):
    (tmp_path / "old.pkl.gz").write_bytes(gzip.compress(PYTHON_2))
    (array,) = utils.read_pickle_data(tmp_path / "old.pkl.gz")
    assert array.tolist() == [0.0, 1.0] and array.dtype == np.float64


HOSTILE = {
    "os.system": b"cos\nsystem\n(S'touch {}'\ntR.",
    "builtins.eval": b"cbuiltins\neval\n(S'open(\"{}\", \"w\")'\ntR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR.",
    "numpy.load": b"cnumpy\nload\n(S'{}'\ntR.",
    "objects in an array": pickle.dumps(np.array([{}, None], dtype=object)),
    "an array by its constructor": b"cnumpy\nndarray\n((I1000\nttR.",
    "a huge string": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40),
    "an endless line": b"V" + b"x" * 100_000 + b"\n.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, name):
    trace = tmp_path / "trace"
    path = tmp_path / "evil.pkl.gz"
    path.write_bytes(gzip.compress(HOSTILE[name].replace(b"{}", str(trace).encode())))
    with pytest.raises(UserError, match=r"evil\.pkl\.gz"):
        utils.read_pickle_data(path)
    assert not trace.exists()


def array_with_type_state(state, code="f8"):
    """A pickle of [array] whose type is given this state before the array (16 bytes) uses it."""

    class Type:
        def __reduce__(self):
            return np.dtype, (code, False, True), state

    class Array:
        def __reduce__(self):
            make = np.zeros(0).__reduce__()[0]
            return make, (np.ndarray, (0,), b"b"), (1, (2,), Type(), False, bytes(16))

    return pickle.dumps([Array()], protocol=4)


@pytest.mark.parametrize("state", [
    (3, "<", None, None, None, -1, -1, 1),  # the elements are pointers to objects
    (3, "<", (np.dtype("f8"), (1000,)), None, None, -1, -1, 0),  # each is 1000 numbers long
    (3, "<", None, ("far",), {"far": (np.dtype("f8"), 800_000)}, -1, -1, 0),  # and lies elsewhere
])  # fmt: skip
def test_a_hostile_type_shows_no_other_memory(tmp_path, state):
    path = tmp_path / "evil.pkl.gz"
    path.write_bytes(gzip.compress(array_with_type_state(state)))
    (array,) = utils.read_pickle_data(path)
    kind = array.dtype
    assert (kind.hasobject, kind.subdtype, kind.names, kind.itemsize) == (False, None, None, 8)
    assert array.tolist() == [0, 0]


def test_objects_in_an_array_cannot_be_made_of_bytes(tmp_path):
    """They would be whatever lies in memory where the bytes point to."""
    path = tmp_path / "evil.pkl.gz"
    state = (3, "|", None, None, None, -1, -1, 63)
    path.write_bytes(gzip.compress(array_with_type_state(state, "O8")))
    with pytest.raises(UserError, match=r"evil\.pkl\.gz .*an array of O8"):
        utils.read_pickle_data(path)


def test_an_array_takes_no_memory_before_its_content(tmp_path):
    text = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I100000000000\ntS'b'\ntR."
    (tmp_path / "empty.pkl.gz").write_bytes(gzip.compress(text))
    assert utils.read_pickle_data(tmp_path / "empty.pkl.gz").size == 0


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize("content", [
    b"\x80\x04]r\0\0\0\4.",  # "remember this as number 2**26", for which C would make room
    b"\x80\x05\x96" + struct.pack("<Q", 1 << 30) + b"x.",  # "an array of 2**30 bytes follows"
], ids=["memory", "bytes"])  # fmt: skip
def test_ten_bytes_of_pickle_take_no_gigabytes(tmp_path, content):
    (tmp_path / "a.pkl.gz").write_bytes(gzip.compress(content))
    check = ("import contextlib, utils\nwith contextlib.suppress(utils.UserError):\n"
             f" utils.read_pickle_data({str(tmp_path / 'a.pkl.gz')!r})\n"
             "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])")  # fmt: skip
    out = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert int(out.stdout) < 300_000  # kilobytes


PIECES = b"]" * 10_000 + b"."


@pytest.mark.parametrize("content", [
    pickle.dumps(bytes(50_000), 3), PIECES,
    b"\x80\x04\x95" + struct.pack("<Q", len(PIECES)) + PIECES,
    (b"V" + b"x" * 1000 + b"\n0") * 30 + b"N.",  # texts that are thrown away again
], ids=["long", "many pieces", "many pieces in a frame", "long lines"])  # fmt: skip
def test_a_pickle_that_unpacks_to_gigabytes_is_left(tmp_path, monkeypatch, content):
    """In small: 20,000 bytes are the most."""
    monkeypatch.setattr(pickles, "MOST_PICKLED", 20_000)
    utils.write_pickle_data([1, "two"], tmp_path / "a.pkl.gz")
    assert utils.read_pickle_data(tmp_path / "a.pkl.gz") == [1, "two"]
    (tmp_path / "bomb.pkl.gz").write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match=r"bomb\.pkl\.gz .*more than any data set"):
        utils.read_pickle_data(tmp_path / "bomb.pkl.gz")


def test_missing_and_damaged_pickles_are_named(tmp_path):
    with pytest.raises(UserError, match="no file"):
        utils.read_pickle_data(tmp_path / "none.pkl.gz")
    (tmp_path / "cut.pkl.gz").write_bytes(gzip.compress(PYTHON_2)[:-9])
    with pytest.raises(UserError, match=r"cut\.pkl\.gz is damaged"):
        utils.read_pickle_data(tmp_path / "cut.pkl.gz")
