"""Made-up pictures of MNIST's sizes that carry their own number, so that any of them is recognised.

A picture consists of squares of 4 x 4 pixels. Each bit of its number, and of a check sum, decides
which of two squares is the brighter one. So a number can still be read when the grey values are
shifted, scaled or normalised pixel by pixel, and one knows a picture that lies on its side.
"""

import functools

import numpy as np

SIDE = 4  # of a square, in pixels: it survives a shift by one
NUMBER_BITS, CHECK_BITS = 17, 7
SHAPES = {1: (28, 28), 2: (42, 28)}
COUNTS = {1: (60000, 10000), 2: (40000, 4000)}  # as in MNIST, and in the course's two digits
SMALL = (3000, 400)
TURNS = {
    "as they were": lambda x: x,
    "inverted": lambda x: -x,
    "transposed": lambda x: x.transpose(0, 2, 1),
    "upside down": lambda x: x[:, ::-1],
    "mirrored": lambda x: x[:, :, ::-1],
    "turned by 180 degrees": lambda x: x[:, ::-1, ::-1],
}


@functools.cache
def places(shape):
    """(bits, 2): for each bit the numbers of the two squares that say it."""
    squares = (shape[0] // SIDE) * (shape[1] // SIDE)
    order = np.random.Generator(np.random.PCG64(7)).permutation(squares)
    return order[: 2 * (NUMBER_BITS + CHECK_BITS)].reshape(-1, 2)


def bits_of(numbers):
    """(N, bits) of 0 and 1: the number, mixed so that half of each bit are 1, and a check."""
    mixed = (numbers.astype(np.int64) * 40503 + 12345) % 2**NUMBER_BITS
    check = (mixed * 2654435761 >> 11) % 2**CHECK_BITS
    whole = mixed | check << NUMBER_BITS
    return (whole[:, None] >> np.arange(NUMBER_BITS + CHECK_BITS)) & 1


@functools.cache
def number_of():
    """(2**17,): which number a mixed one came from."""
    table = np.empty(2**NUMBER_BITS, np.int64)
    numbers = np.arange(2**NUMBER_BITS)
    table[(numbers * 40503 + 12345) % 2**NUMBER_BITS] = numbers
    return table


def pictures(start, count, heads):
    """Pictures number start, start + 1, ... as (count, rows, columns) in [0, 1]."""
    rows, columns = SHAPES[heads]
    dice = np.random.Generator(np.random.PCG64(start))
    squares = dice.random((count, (rows // SIDE) * (columns // SIDE)), dtype=np.float32)
    pairs, bits = places((rows, columns)), bits_of(np.arange(start, start + count))
    for place, (a, b) in enumerate(pairs):
        squares[:, a] = 0.25 * squares[:, a] + 0.75 * bits[:, place]
        squares[:, b] = 0.25 * squares[:, b] + 0.75 * (1 - bits[:, place])
    squares = squares.reshape(count, rows // SIDE, columns // SIDE)
    whole = np.zeros((count, rows, columns), np.float32)
    grown = squares.repeat(SIDE, 1).repeat(SIDE, 2)
    whole[:, : grown.shape[1], : grown.shape[2]] = grown
    return whole


@functools.cache
def data(heads, small=False):
    """[train_x, train_y, test_x, test_y] in the shapes of the course."""
    sets, start = [], 0
    for count in SMALL if small else COUNTS[heads]:
        x = pictures(start, count, heads)
        y = np.random.Generator(np.random.PCG64(start + 1)).integers(0, 10, (heads, count))
        sets += [x.reshape(count, -1) if heads == 1 else x[:, None], y[0] if heads == 1 else y]
        start += count
    return sets


def read(x, shape):
    """(numbers, turn): of each picture its number or -1, and how the pictures lie."""
    x = np.asarray(x, dtype=np.float32).reshape(len(x), *shape)
    best = None
    for turn, change in TURNS.items():
        if turn == "transposed" and shape[0] != shape[1]:
            continue
        numbers = read_straight(change(x), shape)
        good = (numbers >= 0).mean() if len(numbers) else 0
        if best is None or good > best[0]:
            best = good, numbers, turn
        if good > 0.5:
            break
    return best[1:] if best[0] > 0.5 else (np.full(len(x), -1), "unreadable")


def read_straight(x, shape):
    rows, columns = shape[0] // SIDE, shape[1] // SIDE
    x = x[:, : rows * SIDE, : columns * SIDE]
    middles = x[:, 1::SIDE, 1::SIDE] + x[:, 2::SIDE, 2::SIDE]  # the four pixels inside a square
    middles += x[:, 1::SIDE, 2::SIDE] + x[:, 2::SIDE, 1::SIDE]
    squares = middles.reshape(len(x), -1)
    pairs = places(shape)
    bits = squares[:, pairs[:, 0]] > squares[:, pairs[:, 1]]
    mixed = bits[:, :NUMBER_BITS] @ (1 << np.arange(NUMBER_BITS))
    numbers = number_of()[mixed]
    return np.where((bits == bits_of(numbers)).all(1), numbers, -1)
