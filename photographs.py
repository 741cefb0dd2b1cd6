"""Photographs of handwriting brought into MNIST's own form and read, for --predict and --draw.

A network reads what looks like the digits it learned from. Those were made so (the authors'
description, see Datasets/README.md): a black-and-white digit was scaled, its proportions kept, to
fit a box of 20 x 20 pixels, which made the greys, then placed in a field of 28 x 28 with its centre
of mass in the middle. normalise() does the same. Two digits, as utils_multiMNIST.py composes them,
are two such fields 14 rows apart: a field of 42 x 28 and a box of 34 x 20.

MNIST never had to look for its ink: the scans were black and white already, without shadows, pencil
or chalk. How find_ink() and fit_paper() tell ink from paper is ours. 1.5 times the median distance
from the middle is the standard deviation of normal noise, of which 99.7 % lie within three; the
other thresholds are rules of thumb, judged by what they achieve: a thousand test digits, made into
photographs of seven kinds, are read within 1 % as well as the originals (tests/test_nnet_cnn.py).
Of 2,000 pairs of dev digits conv.py, after six epochs, reads both digits of 98.7 %, of 97.1 % after
they went through normalise(): a picture does not tell in which rows exactly its two digits belong.

In the order of the file: a picture file to grey levels; paper and ink; the digit; the pictures that
--predict names, and what is drawn of them. Pillow and SciPy are imported where they are used, so
that a run does not wait for what it does not need.
Shapes: N pictures, H rows, W columns; a head of a network reads one digit.
"""

import warnings
from pathlib import Path

import numpy as np

import reports
from utils import ROOT, UserError, blamed_on

# ------------------------------------------------------- a photograph made into an MNIST digit


# What cameras and drawing programs write. Not EPS: Pillow would run Ghostscript on it, a program.
FORMATS = ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000"]


def read_picture(path):
    """Read a picture of any size: grey levels (H, W), 0 black to 1 white, H and W at most 320.

    In 320 pixels a digit a sixteenth as wide as the picture still has the 20 of MNIST's box.
    Raises UserError if it is no picture, damaged, or larger than 60 million pixels, of which Pillow
    keeps three copies for a while.
    """
    from PIL import Image, ImageOps

    with blamed_on(path, "is no picture that can be read"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is an error
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > 6e7:
                raise UserError(f"{path} is too large ({image.width} x {image.height} pixels)")
            image.draft("RGB", (320, 320))  # lets JPEG skip what is thrown away below
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits of grey, which convert() would cut off
                upright = Image.fromarray((np.asarray(upright) // 257).astype(np.uint8))
            upright = upright.convert("RGBA")
        upright.thumbnail((320, 320))
        rgba = np.asarray(upright, np.float32) / 255
    # As bright as the eye finds red, green and blue (ITU-R BT.601).
    grey, alpha = rgba[:, :, :3] @ np.float32([0.299, 0.587, 0.114]), rgba[:, :, 3]
    # Behind transparent parts put white if what is drawn is dark, and black if it is light.
    paper = 1.0 if (grey * alpha).sum() < 0.5 * alpha.sum() else 0.0
    return grey * alpha + paper * (1 - alpha)


def fit_paper(grey):
    """Return the paper's brightness (H, W) under a picture (H, W), and how noisy it is.

    The paper, unevenly lit, is taken for a quadratic surface in row and column. The picture's rim
    shows the paper nearly everywhere; from there it is fitted, and then again from all pixels that
    agree with the fit, until the ink is left out.
    """
    step = max(1, min(grey.shape) // 50)  # some thousand pixels are enough for six numbers
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in grey.shape)
    powers = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]  # of row and column
    few = grey[::step, ::step]
    terms = [np.outer(rows[::step] ** i, columns[::step] ** j) for i, j in powers]
    surface = np.stack(terms, axis=2)  # (h, w, 6)
    rim = np.ones(few.shape, bool)
    wide = max(1, min(few.shape) // 12)
    rim[wide:-wide, wide:-wide] = False
    known, rest = rim, few - np.median(few[rim])
    for turn in range(8):
        noise = 1.5 * np.median(np.abs(rest[known])) + 0.01
        known = (np.abs(rest) < 3 * noise) & (rim if turn < 4 else True)
        count = 3 if turn < 4 else 6  # slopes first: a rim says little of curvature
        weights = np.linalg.lstsq(surface[known][:, :count], few[known], rcond=None)[0]
        rest = few - surface[:, :, :count] @ weights
    whole = (np.outer(rows**i, columns**j) for i, j in powers)
    return sum(w * term for w, term in zip(weights, whole, strict=True)), noise


def find_ink(grey):
    """Separate ink from paper: (H, W) grey levels -> (H, W) ink, 0 paper to 1 ink; None if blank.

    Ink is what differs from the paper by more than noise, darker or lighter, whichever is more. A
    page where nothing differs by a tenth of the way from black to white is blank. What differs as
    much as the upper quarter of the ink does is 1, what differs by less than 15 % of that is paper.
    """
    paper, noise = fit_paper(grey)
    rest = grey - paper
    ink = rest if (rest * rest * rest).sum() > 0 else -rest  # cubes: strong differences decide
    strong = ink[ink > max(3 * noise, 0.1)]
    if strong.size == 0:
        return None
    strongest = np.percentile(strong, 75)
    return np.where(ink > max(0.15 * strongest, 3 * noise), np.clip(ink / strongest, 0, 1), 0)


def normalise(grey, height=28):
    """Grey levels (H, W) -> MNIST's own form, float32 (height, 28), ink 1 on 0; None if blank.

    MNIST's procedure (Datasets/README.md): the ink's bounding box is scaled to fit 20 columns and
    height - 8 rows, its proportions kept, then moved so that its centre of mass is in the middle,
    or as near to it as no ink is cut off. Of two digits, height 42, the box is in the middle rows.
    """
    from PIL import Image
    from scipy import ndimage

    ink = find_ink(grey)
    if ink is None:
        return None
    parts, count = ndimage.label(ink > 0, np.ones((3, 3)))
    sizes = ndimage.sum_labels(ink, parts, range(1, count + 1))
    ink = ink * np.isin(parts, 1 + np.flatnonzero(sizes > 0.02 * sizes.sum()))  # dust is no digit
    if not (ink > 0.3).any():  # nothing but dust
        return None
    box = ink[ndimage.find_objects((ink > 0.3).astype(int))[0]]  # 0.3: without blurred edges
    scale = min((height - 8) / box.shape[0], 20 / box.shape[1])
    size = [max(1, round(scale * n)) for n in box.shape[::-1]]  # Pillow wants (columns, rows)
    small = np.asarray(Image.fromarray(box.astype(np.float32)).resize(size, Image.Resampling.BOX))
    row, column = ndimage.center_of_mass(small)
    if height > 28:  # two digits have their places, whichever of them has more ink
        row = (len(small) - 1) / 2
    top = np.clip(height // 2 - round(row), 0, height - len(small))
    left = np.clip(14 - round(column), 0, 28 - len(small[0]))
    field = np.zeros((height, 28), np.float32)
    field[top : top + len(small), left : left + len(small[0])] = small
    return field


# ------------------------------------------------------------- the pictures that --predict names


def read_pictures(args, classify, height=28):
    """Read the pictures args.predict, print a line for each, and return [(path, digits), ...].

    classify(digits) takes float32 (N, height, 28) and gives probabilities (heads, N, 10). A picture
    without ink has no digits. With --show or another --output-dir readings.png is drawn. Raises
    UserError at the end if a picture could not be read; the others have been answered by then.
    """
    found, answers, shown, problems = [], [], [], []
    for path in args.predict:
        try:
            grey = read_picture(path)
        except UserError as error:
            problems.append(str(error))
            continue
        found.append((path, grey, normalise(grey, height)))
    inked = [digit for *_, digit in found if digit is not None]
    chances = iter(classify(np.stack(inked)).swapaxes(0, 1) if inked else ())  # all in one go
    for path, grey, digit in found:
        if digit is None:
            print(f"{path}: blank, no ink found")
            answers.append((path, ()))
            continue
        mine = next(chances)  # (heads, 10)
        sure = ", ".join(f"{100 * chance:.1f}%" for chance in mine.max(1))
        digits = mine.argmax(1).tolist()
        print(f"{path}: {' '.join(map(str, digits))} ({sure})")
        answers.append((path, tuple(digits)))
        shown.append((path, grey, digit, mine))
    if shown and (args.show or args.output_dir != ROOT / "runs" / args.script):
        args.output_dir.mkdir(parents=True, exist_ok=True)
        names, greys, digits, chances = zip(*shown[:20], strict=True)  # more could not be read
        chances = np.stack(chances, axis=1)
        draw_readings(args.output_dir / "readings.png", names, greys, digits, chances)
        if args.show:
            reports.show_folder(args.output_dir, "readings.png")
    if problems:
        more = f"; and {len(problems) - 5} pictures more" if len(problems) > 5 else ""
        raise UserError("; ".join(problems[:5]) + more)
    return answers


def draw_readings(path, names, originals, digits, probabilities):
    """Draw for each picture: the original, what the network was shown, the ten probabilities.

    names are the pictures' files, originals their grey levels (H, W) of any sizes, digits
    (N, H, W), probabilities (heads, N, 10).
    """
    titles = ("sure of the upper, %", "of the lower, %") if len(probabilities) > 1 else ("sure, %",)

    def draw(axes, figure):
        for i, (first, second, *heads) in enumerate(axes):
            first.imshow(originals[i], cmap="gray", vmin=0, vmax=1)
            first.set_title(Path(names[i]).name[-30:], fontsize=9)
            second.imshow(digits[i], cmap="gray_r", vmin=0, vmax=1)
            for axis in (first, second):
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set(visible=True, color=reports.GREY)
            for axis, chances in zip(heads, probabilities[:, i], strict=True):
                bars = axis.bar(range(10), 100 * chances, color=reports.GREY)
                bars[chances.argmax()].set_color(reports.ORANGE)
                axis.set(xticks=range(10), ylim=(0, 100))
        for axis, title in zip(axes[0, 1:], ("as the network sees it", *titles), strict=True):
            axis.set_title(title, fontsize=9)

    rows, columns = len(digits), 2 + len(probabilities)
    reports.save_figure(path, (2.6 * columns, 2 * rows), draw, nrows=rows, ncols=columns)
