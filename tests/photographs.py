"""Photographs of handwriting as people take them, made of MNIST's digits: the same every time.

photographs(kind, images, labels, count) yields (picture, truth): uint8 (H, W), and the digits to
read, from left to right or from above; () where there is nothing to read and the right answer is to
say so. What a camera adds in resolution is averaged away by the reader anyway.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 400  # pixels of a page
PAPER, INK, DESK = 0.9, 0.15, 0.25  # brightness, 0 to 1


# ------------------------------------------------------------------------------------------ strokes


def thinned(shape):
    """Return the middle lines of a shape (H, W) of True: Zhang and Suen, CACM 27(3), 1984."""
    around = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    shape, left = np.pad(shape, 1), None
    while left != shape.sum():
        left = shape.sum()
        for turn in (0, 2):
            near = np.array([np.roll(shape, (-i, -j), (0, 1)) for i, j in around])  # (8, H, W)
            changes = (~near & np.roll(near, -1, 0)).sum(0)
            north, east, south, west = np.roll(near[::2], turn, 0)
            kept = (north & east & south) | (east & south & west)
            count = near.sum(0)
            shape = shape & ~((count >= 2) & (count <= 6) & (changes == 1) & ~kept)
    return shape[1:-1, 1:-1]


def marker(digit, size):
    """A digit (28, 28) as it is, `size` pixels high and wide: ink, 0 to 1."""
    grown = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(grown, np.float32) / 255


def pen(digit, size, width):
    """The digit's middle lines, drawn with a pen of `width` pixels."""
    middle = thinned(marker(digit, 112) > 0.4)
    far = ndimage.distance_transform_edt(~middle) * size / 112  # from the line, in pixels
    far = np.asarray(Image.fromarray(far.astype(np.float32)).resize((size, size)))
    return np.clip((width + 1 - 2 * far) / 2, 0, 1)


def inked(ink):
    """Cut the empty rim off."""
    rows, columns = (np.flatnonzero(ink.max(axis) > 0.2) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# -------------------------------------------------------------------------------------------- pages


def put(parts, places, shape=(SIDE, SIDE)):
    """Lay pieces of ink on an empty page, each with its upper left corner at its place."""
    page = np.zeros(shape, np.float32)
    for part, (row, column) in zip(parts, places, strict=True):
        field = page[row : row + part.shape[0], column : column + part.shape[1]]
        np.maximum(field, part, out=field)
    return page


def somewhere(ink, random, rim=12):
    """Lay one piece of ink anywhere on a page, `rim` pixels or more from its edges."""
    return put([ink], [random.integers(rim, SIDE - rim - np.array(ink.shape) + 1)])


def written(digit, random, size=230, rim=12):
    """A page with one digit."""
    return somewhere(inked(marker(digit, size)), random, rim)


def photograph(ink, random, paper=PAPER, colour=INK):
    """Ink on paper, with the blur and the noise of a camera: (H, W), 0 to 1."""
    picture = ndimage.gaussian_filter(paper * (1 - ink) + colour * ink, 0.7)
    return picture + random.normal(0, 0.012, ink.shape)


def slope(random):
    """A number from 0 to 1 that grows across the page in some direction."""
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    ramp = np.cos(angle) * rows + np.sin(angle) * columns
    return (ramp - ramp.min()) / np.ptp(ramp)


def lines(random, step, width):
    """Lines `step` pixels apart, level but for a degree at most."""
    slant = np.tan(np.radians(random.uniform(-1, 1))) * np.arange(SIDE)
    place = (np.arange(SIDE)[:, None] + slant + random.uniform(0, step)) % step
    return np.clip(width / 2 + 0.5 - np.abs(place - step / 2), 0, 1)


def on_desk(page, random, rims):
    """A page of which a desk covers rims: above, below, left and right, in pixels."""
    grain = ndimage.gaussian_filter(random.normal(0, 1, page.shape), (1, 30))
    desk = DESK + 0.04 * grain / grain.std()
    sheet = np.ones(page.shape, bool)
    for turn, rim in zip((0, 2, 1, 3), rims, strict=True):
        slant = np.tan(np.radians(random.uniform(-3, 3))) * (np.arange(SIDE) - SIDE / 2)
        if rim:
            sheet &= np.rot90(np.arange(SIDE)[:, None] > rim + slant, turn)
    share = ndimage.gaussian_filter(sheet.astype(float), 0.7)
    return share * page + (1 - share) * desk


def in_a_row(digits, random, gap):
    """Digits beside each other, `gap` of their height apart; less than 0: they touch."""
    parts = [inked(marker(digit, random.integers(100, 121))) for digit in digits]
    left, places = 14, []
    for part in parts:
        places.append((200 - len(part) // 2 + random.integers(-5, 6), left))
        left += part.shape[1] + round(gap * 80)
    return put(parts, places, (SIDE, max(SIDE, left + 80)))


def one_above_the_other(digits, random, gap):
    """Two digits, `gap` of their height apart; less than 0: they overlap."""
    first, second = (inked(marker(digit, 170)) for digit in digits)
    places = [(20, 150 + random.integers(-8, 9))]
    places.append((20 + len(first) + round(gap * 120), 150 + random.integers(-8, 9)))
    return put([first, second], places)


def cloud(random, smooth):
    """Random brightness without sharp edges, like an arm, a carpet, a face out of focus."""
    shades = ndimage.gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), smooth)
    return 0.5 + 0.15 * shades / shades.std()


def scribble(random):
    """A line that wanders about."""
    turns = ndimage.gaussian_filter1d(random.normal(0, 1, (900, 2)), 12, axis=0)
    path = np.cumsum(turns / turns.std() * 4, axis=0)
    path = 40 + 320 * (path - path.min(0)) / np.ptp(path, axis=0)
    page = np.ones((SIDE, SIDE), bool)
    page[tuple(path.astype(int).T)] = False
    return np.clip(4 - ndimage.distance_transform_edt(page), 0, 1)


# ------------------------------------------------------------------------------------ the kinds

# {kind: (digits, function of the digits (images) and random numbers -> a picture, 0 to 1)}

ONE = {
    "marker": lambda d, r: photograph(written(d, r), r),
    "tilted by 12 degrees": lambda d, r: photograph(
        ndimage.rotate(written(d, r, rim=70), r.choice([-12, 12]), reshape=False, order=1), r
    ),
    "chalk": lambda d, r: photograph(written(d, r), r, 0.15 + 0.1 * slope(r), 0.9),
    "soft shadow": lambda d, r: photograph(written(d, r), r) * (1 - 0.5 * slope(r)),
    "squared paper": lambda d, r: photograph(
        written(d, r), r, PAPER - 0.12 * np.maximum(lines(r, 26, 1), lines(r, 26, 1).T)
    ),
    "small in a corner": lambda d, r: photograph(written(d, r, 50), r),
    "cut out closely": lambda d, r: photograph(np.pad(inked(marker(d, SIDE)), 6), r),
    "thin pen": lambda d, r: photograph(somewhere(inked(pen(d, 300, 4)), r), r),
    "thin and small": lambda d, r: photograph(somewhere(inked(pen(d, 100, 2)), r), r),
    "pencil": lambda d, r: photograph(
        somewhere(inked(pen(d, 250, 4)), r), r, PAPER - 0.1 * slope(r), 0.55
    ),
    "shadow's edge": lambda d, r: (
        photograph(written(d, r), r)
        * (1 - 0.3 * ndimage.gaussian_filter((slope(r) > r.uniform(0.3, 0.7)) * 1.0, 1.5))
    ),
    "desk at one side": lambda d, r: on_desk(
        photograph(written(d, r, rim=80), r), r, r.permutation([50, 0, 0, 0])
    ),
    "on a dark desk": lambda d, r: on_desk(
        photograph(written(d, r, rim=80), r), r, r.integers(20, 60, 4)
    ),
    "ruled lines": lambda d, r: photograph(written(d, r), r, PAPER - 0.4 * lines(r, 60, 2)),
}
NONE = {
    "many small digits": lambda d, r: photograph(
        put(
            [marker(one, 60) for one in d],
            [(20 + 65 * i, 20 + 65 * j) for i in range(5) for j in range(4)],
        ),
        r,
    ),
    "a scribble": lambda d, r: photograph(scribble(r), r),
    "a stain": lambda d, r: photograph((cloud(r, 40) > 0.65) * 1.0, r),
    "no paper": lambda d, r: cloud(r, r.choice([4, 12, 40])),
    "only a desk": lambda d, r: on_desk(np.zeros((SIDE, SIDE)), r, (0, 0, SIDE, 0)),
}
KINDS = (
    {name: (1, make) for name, make in ONE.items()}
    | {
        "a row of 4": (4, lambda d, r: photograph(in_a_row(d, r, 0.25), r)),
        "a row of 4, touching": (4, lambda d, r: photograph(in_a_row(d, r, -0.05), r)),
        "two, one above the other": (2, lambda d, r: photograph(one_above_the_other(d, r, 0.2), r)),
    }
    | {name: (20, make) for name, make in NONE.items()}
)
PAIRS = {
    "apart": (2, lambda d, r: photograph(one_above_the_other(d, r, 0.25), r)),
    "close": (2, lambda d, r: photograph(one_above_the_other(d, r, 0.05), r)),
    "overlapping by a third": (2, lambda d, r: photograph(one_above_the_other(d, r, -0.3), r)),
    "overlapping by half": (2, lambda d, r: photograph(one_above_the_other(d, r, -0.5), r)),
    "apart, thin pen": (
        2,
        lambda d, r: photograph(
            put(
                [inked(pen(one, 170, 3)) for one in d], [(20, 150), (200, 150 + r.integers(-8, 9))]
            ),
            r,
        ),
    ),
    "apart, on a dark desk": (
        2,
        lambda d, r: on_desk(
            photograph(ndimage.shift(one_above_the_other(d, r, 0.1), (20, 20), order=0), r),
            r,
            r.integers(5, 30, 4),
        ),
    ),
    "side by side": (2, lambda d, r: photograph(in_a_row(d, r, 0.3), r)),
}


def photographs(kind, images, labels, count):
    """Yield `count` pairs (picture uint8 (H, W), truth) of a kind, of digits in random order."""
    wanted, make = (KINDS | PAIRS)[kind]
    random = np.random.default_rng(0)
    for _ in range(count):
        chosen = random.choice(len(images), wanted, replace=False)
        picture = make(images[chosen[0]] if wanted == 1 else images[chosen], random)
        truth = () if kind in NONE else tuple(labels[chosen].tolist())
        yield np.uint8(255 * np.clip(picture, 0, 1)), truth
