"""utils.read_pickle_data: what a data set needs is read; nothing that a stranger adds is run."""

import gzip
import pickle
import struct

import utils
from utils import UserError

import numpy as np
import pytest


def test_a_pickle_comes_back_as_it_was(tmp_path):
    data = {
        "x": np.arange(6.0).reshape(2, 3),
        "y": [1, (2, "three")],
        "z": np.float64(0.5),
        "big": np.arange(3, dtype=">i4"),
        "f": np.asfortranarray(np.eye(3)),
    }
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
    "builtins.eval": b'cbuiltins\neval\n(S\'open("{}", "w")\'\ntR.',
    "a name with a dot": b"\x80\x04\x8c\x05utils\x8c\x09os.system\x93\x8c\x08touch {}\x85R.",
    "a persistent id": b"Ptouch {}\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'tofile'\ntR.",
    "numpy.load": b"cnumpy\nload\n(S'{}'\ntR.",
    "objects in an array": pickle.dumps(np.array([{}, None], dtype=object)),
    "records in an array": pickle.dumps(np.zeros(2, [("a", "f8"), ("b", "O")])),
    "more numbers than bytes": pickle.dumps(np.zeros(2), 2).replace(b"K\x02\x85", b"K\x09\x85"),
    "a list that holds itself": b"](h\x00e.".replace(b"](h\x00e", b"]q\x00h\x00a"),
    "no pickle": b"these are not the digits you look for",
    "nothing": b"",
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


@pytest.mark.parametrize(
    "state",
    [
        (3, "<", None, None, None, -1, -1, 1),
        (3, "<", (np.dtype("f8"), (1000,)), None, None, -1, -1, 0),
        (3, "<", None, ("far",), {"far": (np.dtype("f8"), 800_000)}, -1, -1, 0),
    ],
    ids=["pointers to objects", "1000 numbers each", "numbers that lie elsewhere"],
)
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


FRAME = b"]" * 30_000 + b"."


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(bytes(50_000), 3),
        FRAME,
        b"\x80\x04\x95" + struct.pack("<Q", len(FRAME)) + FRAME,
        (b"V" + b"x" * 1000 + b"\n0") * 30 + b"N.",  # texts that are thrown away again
    ],
    ids=["long", "many pieces", "many pieces in a frame", "long lines"],
)
def test_a_pickle_that_unpacks_to_gigabytes_is_left(tmp_path, monkeypatch, content):
    """In small: 20,000 bytes are the most."""
    path = tmp_path / "bomb.pkl.gz"
    path.write_bytes(gzip.compress(content))
    utils.read_pickle_data(path)  # nothing is wrong with it but its length
    monkeypatch.setattr(utils, "MOST_PICKLED", 20_000)
    with pytest.raises(UserError, match=r"bomb\.pkl\.gz "):
        utils.read_pickle_data(path)
    utils.write_pickle_data([1, "two"], path)
    assert utils.read_pickle_data(path) == [1, "two"]


def test_missing_and_damaged_pickles_are_named(tmp_path):
    with pytest.raises(UserError, match="no file"):
        utils.read_pickle_data(tmp_path / "none.pkl.gz")
    (tmp_path / "cut.pkl.gz").write_bytes(gzip.compress(PYTHON_2)[:-9])
    with pytest.raises(UserError, match=r"cut\.pkl\.gz is damaged"):
        utils.read_pickle_data(tmp_path / "cut.pkl.gz")
