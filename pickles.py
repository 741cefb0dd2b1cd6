"""Pickles of strangers, read without running what is in them.

A pickle is a program: it names functions and calls them, any that Python can import. The names
below are all that arrays of numbers and plain containers need, and what stands for them is written
here, so that no other can be reached; see
https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import pickle
import struct

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


class PlainUnpickler(pickle._Unpickler):
    """Builds NumPy arrays of numbers, plain containers and text, and refuses every other name.

    It is the unpickler in Python, not the one in C, because single steps of it can be replaced. The
    one in C also asks for 8 n bytes of memory where a pickle of ten bytes says "remember as no. n".
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def find_class(self, module, name):
        """Return what stands for a name, or refuse it."""
        if (module, name) not in PICKLE_NAMES:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return PICKLE_NAMES[module, name]

    def build(self):
        """Fill an array, or set a type's byte order and nothing else of it.

        A type's state also says how long an element is, where its fields lie, and whether they are
        Python objects: with that, a file could have an array show any part of the memory.
        """
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, np.dtype):
            made.__setstate__((3, state[1], None, None, None, -1, -1, 0))
        else:
            made.__setstate__(state)

    def frame(self):
        """Skip the length of a frame: read in one piece, it would hide what is read from it."""
        self.read(8)

    def bytearray8(self):
        """Read bytes of NumPy's arrays; pickle's own step asks for their memory before it looks."""
        self.append(bytearray(self.read(struct.unpack("<Q", self.read(8))[0])))

    dispatch[pickle.BUILD[0]] = build
    dispatch[pickle.FRAME[0]] = frame
    dispatch[pickle.BYTEARRAY8[0]] = bytearray8


MOST_PICKLED = 2 << 30  # bytes; the course's 40,000 pictures are 0.5 GB by the count below


class LimitedFile:
    """A file to unpickle from that gives MOST_PICKLED bytes at most, and not many tiny pieces."""

    def __init__(self, file):
        self.file, self.left = file, MOST_PICKLED

    def read(self, size):
        """Return the next bytes, and count them, each reading for 256 more."""
        self.left -= size + 256  # a single byte can stand for a list, a dict or a set
        if self.left < 0:
            raise pickle.UnpicklingError("more than any data set of this collection has")
        return self.file.read(size)

    def readline(self):
        """Return the next line, no longer than 65,536 bytes, and count it."""
        line = self.file.readline(1 << 16)  # old pickles write numbers and names so
        self.left -= len(line)
        return line


def load_plain(file):
    """Load a pickle, of Python 2 or 3, of no more than MOST_PICKLED bytes from an open file.

    Raises pickle.UnpicklingError if it asks for anything else than numbers, text, containers and
    arrays; a damaged one raises nearly anything.
    """
    return PlainUnpickler(LimitedFile(file), encoding="latin1").load()
