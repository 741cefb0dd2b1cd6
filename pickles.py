"""Pickles of strangers, read without running what is in them.

A pickle is a program: it names functions and calls them, any that Python can import. The names
below are all that arrays of numbers and plain containers need, and what stands for them is written
here, so that no other can be reached; see
https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import pickle

import numpy as np


def _array(array_type, shape, typecode):  # NumPy makes an empty array first and fills it later
    return np.ndarray.__new__(np.ndarray, (0,), np.uint8)


def _dtype(code, *_):
    if np.dtype(code).kind not in "biufc":  # above all no objects, which could be anything
        raise pickle.UnpicklingError(f"an array of {code}")
    return np.dtype(code, copy=True)  # a copy, because the pickle goes on to set its byte order


def _scalar(dtype, content):
    return np.frombuffer(content, dtype, count=1)[0]


def _from_buffer(content, dtype, shape, order):  # arrays in pickles of protocol 5
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _bytes(text, encoding):  # how Python 3 writes bytes into pickles of protocol 2
    return text.encode("latin1")


PICKLE_NAMES = {
    ("numpy", "ndarray"): "ndarray",  # handed to _array, which ignores it
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _bytes,
}
for _core in ("numpy.core", "numpy._core"):  # until NumPy 1.26 and since 2.0
    PICKLE_NAMES[f"{_core}.multiarray", "_reconstruct"] = _array
    PICKLE_NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    PICKLE_NAMES[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class PlainUnpickler(pickle.Unpickler):
    """Builds NumPy arrays of numbers, plain containers and text, and refuses every other name."""

    def find_class(self, module, name):
        if (module, name) not in PICKLE_NAMES:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return PICKLE_NAMES[module, name]


class LimitedFile:
    """A file to unpickle from that refuses to give more than `left` bytes in all."""

    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        self.left -= size
        if self.left < 0:
            raise pickle.UnpicklingError("more bytes than any data set of this collection")
        return self.file.read(size)

    def readline(self):
        return self.file.readline(1 << 16)


def load_plain(file, limit):
    """Load a pickle, of Python 2 or 3, of no more than `limit` bytes from an open file.

    Raises pickle.UnpicklingError if it asks for anything else than numbers, text, containers and
    arrays; a damaged one raises nearly anything.
    """
    return PlainUnpickler(LimitedFile(file, limit), encoding="latin1").load()
