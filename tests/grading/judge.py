"""What the contract tests speak with: mistakes, remarks, numbers out of whatever a learner returns.

A learner's function may hand back a float, a 1 x 1 matrix, a tensor or a list. Everything is turned
into plain Python floats before it is compared, so a submission that bends NumPy bends no verdict.
"""

import contextlib
import math
import traceback

MESSAGE_LENGTH = (
    600  # characters: three lines of a terminal say what is wrong, a screenful hides it
)
remarks = []  # what is worth saying about the test that is running, without costing points
stopped = []  # how the import of the learner's file ended, if with an error


class Mistake(AssertionError):
    """What is wrong with a submission, in words for the person who wrote it."""


def check(right, message):
    """Raises Mistake(message) unless `right`."""
    if not right:
        raise Mistake(message)


def remark(text):
    """Says `text` beside the points, and takes none away."""
    if text not in remarks:
        remarks.append(text)


def get(owner, name, owner_name):
    """The attribute `name` of a module or an object. Raises Mistake when there is none."""
    why = f": its import stops with {stopped[0]}" if stopped else ""
    check(hasattr(owner, name), f"{owner_name} has no {name}{why}")
    return getattr(owner, name)


@contextlib.contextmanager
def blame(what):
    """Turns whatever a learner's code raises in the block into a Mistake beginning with `what`."""
    try:
        yield
    except Mistake:
        raise
    except (Exception, SystemExit) as error:
        raise Mistake(f"{what} ends with {describe(error)}") from error


def describe(error):
    """One line for an exception: kind, text and the line of the learner's file it came from."""
    try:
        text = str(error)
    except BaseException:  # a hostile __str__ may even exit
        text = "(no readable text)"
    if isinstance(error, SystemExit):
        text = "the program calls exit() here"
    line = one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__, 300)
    try:
        frames = traceback.extract_tb(error.__traceback__)
    except Exception:
        frames = []
    own = [frame for frame in frames if "/submission/" in frame.filename.replace("\\", "/")]
    if own:
        file = own[-1].filename.replace("\\", "/").rpartition("/submission/")[2]
        line += f" ({file}, line {own[-1].lineno})"
    return line


def one_line(text, length=MESSAGE_LENGTH):
    """`text` as one printable line that any file can hold: no control characters, no surrogates."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 4 * length])
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


def numbers(value, what):
    """All numbers in `value` (scalar, list, array, matrix or tensor), in order, as floats."""
    with blame(f"reading {what} as numbers"):
        flat, waiting = [], [plain(value)]
        while waiting:
            item = waiting.pop()
            if isinstance(item, (list, tuple)):
                waiting.extend(plain(part) for part in reversed(item))
                continue
            check(item is not None, f"{what} is None: is a return missing?")
            kind = type(item).__name__
            check(isinstance(item, (int, float)), f"{what} is of type {kind}, not a number")
            flat.append(float(item))
    return flat


def plain(value):
    """An array or tensor as nested lists, anything else as it is."""
    known = isinstance(value, (int, float, list, tuple))
    return value.tolist() if hasattr(value, "tolist") and not known else value


def number(value, what):
    """The one number in `value`: a float, or a 1 x 1 array, matrix or tensor."""
    found = numbers(value, what)
    check(len(found) == 1, f"{what} is {len(found)} numbers where one is right")
    return found[0]


def size(value):
    """The shape of an array, a tensor or nested lists, as a tuple."""
    if hasattr(value, "shape"):
        return tuple(int(side) for side in value.shape)
    if isinstance(value, (list, tuple)):
        return (len(value), *(size(value[0]) if value else ()))
    return ()


def close(got, right, relative=1e-5, absolute=1e-7):
    """Whether two floats, or two lists of floats, agree."""
    if isinstance(right, (list, tuple)):
        return len(got) == len(right) and all(
            close(a, b, relative, absolute) for a, b in zip(got, right, strict=True)
        )
    return math.isclose(got, right, rel_tol=relative, abs_tol=absolute)


def first_difference(got, right, **tolerances):
    """The place of the first number that differs, or None."""
    for place, (a, b) in enumerate(zip(got, right, strict=True)):
        if not close(a, b, **tolerances):
            return place
    return None


def show(value):
    """A number as a person would write it."""
    return f"{value:.6g}"


def sides(shape):
    """A shape in words: (3, 1) -> '3 x 1', () -> 'one number'."""
    return " x ".join(map(str, shape)) if shape else "one number"


def known_mistake(got, candidates, **tolerances):
    """The words of the first candidate whose numbers are the learner's, or '' when none is.

    candidates: pairs of (words, list of floats).
    """
    return common_mistake([got], [candidates], **tolerances)


def common_mistake(gots, candidates, **tolerances):
    """The words that explain the learner's numbers in all cases, or '' when none do.

    gots: a list of floats per case; candidates: pairs of (words, list of floats) per case.
    """
    matching = [
        [words for words, values in pairs if close(got, values, **tolerances)]
        for got, pairs in zip(gots, candidates, strict=True)
    ]
    everywhere = [words for words in matching[0] if all(words in others for others in matching)]
    return everywhere[0] if everywhere else ""
