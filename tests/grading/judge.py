"""What the contract speaks with: mistakes as values, and comparisons of plain numbers.

Nothing in here touches a submission: what it answers has come over as plain numbers.
"""

import math

from tests.contract.mistakes import MISTAKES

MESSAGE_LENGTH = 600  # characters: three lines of a terminal say what is wrong


class Mistake(AssertionError):
    """A known mistake: `key` (of MISTAKES), `words` that name it, `hint`, and its `numbers`.

    The field `also` is what is wrong besides; it follows the words.
    """

    def __init__(self, key, numbers="", /, **fields):
        words, self.hint = MISTAKES[key]
        self.key, self.fields = key, fields
        self.words = one_line(words.format(**fields) + fields.get("also", ""))
        self.numbers = one_line(numbers)

    def __str__(self):
        return one_line(f"{self.words}: {self.numbers}" if self.numbers else self.words)

    def __eq__(self, other):
        return isinstance(other, Mistake) and (self.key, self.words) == (other.key, other.words)

    __hash__ = AssertionError.__hash__

    def saying(self, numbers):
        """The same mistake with other numbers."""
        return Mistake(self.key, numbers, **self.fields)


def check(right, key, numbers="", /, **fields):
    """Raises Mistake(key, numbers, **fields) unless `right`."""
    if not right:
        raise Mistake(key, numbers, **fields)


def one_line(text, length=MESSAGE_LENGTH):
    """`text` as one printable line that any file can hold: no control characters, no surrogates."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 4 * length])
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


def numbers(answer, what):
    """All numbers of an answer {"numbers", "size", "type"}, as floats. Raises Mistake for none."""
    if "numbers" not in answer:
        check(answer["type"] != "NoneType", "is_none", what=what)
        raise Mistake("no_number", what=what, name=answer["type"])
    return answer["numbers"]


def number(answer, what):
    """The one number of an answer: a float, or a 1 x 1 array, matrix or tensor."""
    found = numbers(answer, what)
    check(len(found) == 1, "number_count", what=what, name=len(found))
    return found[0]


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


def common_mistake(gots, candidates, **tolerances):
    """The first Mistake that explains the learner's numbers in all cases, or None.

    gots: a list of floats per case; candidates: pairs (Mistake, list of floats) per case.
    """
    for mistake, _ in candidates[0]:
        if all(
            any(mistake == other and close(got, values, **tolerances) for other, values in pairs)
            for got, pairs in zip(gots, candidates, strict=True)
        ):
            return mistake
    return None


def describe(gots, rights, names, **tolerances):
    """Words for numbers that no known mistake explains: which entries, by what factor and sign.

    gots, rights: a list of floats per case, of steps or of answers; names: of the entries.
    """
    pairs = [list(zip(g, r, strict=True)) for g, r in zip(gots, rights, strict=True)]
    flat = [pair for case in pairs for pair in case]
    if not all(math.isfinite(got) for got, _ in flat):
        return "not a finite number"
    wrong = [
        name
        for place, name in enumerate(names)
        if any(not close(*case[place], **tolerances) for case in pairs)
    ]
    ratios = [got / right for got, right in flat if abs(right) > 1e-6]
    if ratios and close(min(ratios), max(ratios), relative=1e-2) and abs(ratios[0]) > 1e-3:
        return f"{show(ratios[0])} times the right one"
    if all(close(-got, right, relative=1e-2, absolute=1e-6) for got, right in flat):
        return "of the right size with the other sign"
    cases = [
        place
        for place, case in enumerate(pairs)
        if any(not close(got, right, **tolerances) for got, right in case)
    ]
    words = "all entries" if len(wrong) == len(names) else "in " + ", ".join(wrong[:4])
    if ratios and all(ratio > 0 for ratio in ratios):
        words += (
            f", with the right sign and {show(min(ratios))} to {show(max(ratios))} times as long"
        )
    return words if len(cases) == len(pairs) else f"{words}, in {len(cases)} of {len(pairs)} cases"


def show(value):
    """A number as a person would write it."""
    return f"{value:.6g}"


def sides(shape):
    """A shape in words: (3, 1) -> '3 x 1', () -> 'one number'."""
    return " x ".join(map(str, shape)) if shape else "one number"
