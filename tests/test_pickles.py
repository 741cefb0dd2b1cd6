"""utils.read_pickle_data: what a data set needs is read; nothing that a stranger adds is run."""

import gzip
import pickle

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
    "a name with a dot": b"\x80\x04\x8c\x05utils\x8c\x09os.system\x93\x8c\x08touch {}\x85R.",
    "a persistent id": b"Ptouch {}\n.",
    "an extension": b"\x80\x02\x82\x01.",
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


class HostileType:
    """A type that is told to have objects in it before an array uses it."""

    def __reduce__(self):
        return np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 1)


class HostileArray:
    def __reduce__(self):
        make = np.zeros(0).__reduce__()[0]
        return make, (np.ndarray, (0,), b"b"), (1, (2,), HostileType(), False, bytes(16))


def test_a_hostile_type_shows_no_other_memory(tmp_path):
    """Of a type's state nothing but the byte order is used: objects would be pointers."""
    path = tmp_path / "evil.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps([HostileArray()], protocol=4)))
    (array,) = utils.read_pickle_data(path)
    assert array.tolist() == [0, 0] and array.dtype == np.float64 and not array.dtype.hasobject


def test_a_pickle_that_unpacks_to_gigabytes_is_left(tmp_path, monkeypatch):
    """In small: 20,000 bytes are the most."""
    path = tmp_path / "bomb.pkl.gz"
    utils.write_pickle_data(bytes(50_000), path)
    utils.read_pickle_data(path)  # nothing is wrong with it but its length
    monkeypatch.setattr(utils, "MOST_PICKLED", 20_000)
    with pytest.raises(UserError, match=r"bomb\.pkl\.gz "):
        utils.read_pickle_data(path)


def test_missing_and_damaged_pickles_are_named(tmp_path):
    with pytest.raises(UserError, match="no file"):
        utils.read_pickle_data(tmp_path / "none.pkl.gz")
    (tmp_path / "cut.pkl.gz").write_bytes(gzip.compress(PYTHON_2)[:-9])
    with pytest.raises(UserError, match=r"cut\.pkl\.gz is damaged"):
        utils.read_pickle_data(tmp_path / "cut.pkl.gz")
