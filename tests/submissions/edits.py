"""What the fixtures consist of: edits to the solutions beside this file, written where needed."""

import shutil
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Right(NamedTuple):
    """Nobody may lose a point with it."""

    name: str
    base: str
    module: str
    edits: list


class Wrong(NamedTuple):
    """Loses points in `module` and nowhere else, and one of the messages says `says`."""

    name: str
    base: str
    module: str
    says: str
    edits: list


def edited(base, module, *mistakes):
    """Wrongs of one module of one base; a mistake is (name, words, pairs...)."""
    return [Wrong(name, base, module, says, list(edits)) for name, says, *edits in mistakes]


def write(folder, edits, base="course", module=None):
    """Writes the six modules of `base`, the rest from "course", with one edited; returns folder.

    An edit is a pair, what stands in the base and what stands there instead; (None, text) writes
    the whole file. Raises ValueError if what an edit replaces does not stand in the base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE / "course").glob("*.py")):
        own = HERE / base / path.name
        shutil.copy(own if own.is_file() else path, folder)
    if module:
        file = folder / f"{module}.py"
        text = file.read_text(encoding="utf-8")
        for old, new in edits:
            if old is not None and old not in text:
                raise ValueError(f"{module}.py of {base} has no {old!r}")
            text = new if old is None else text.replace(old, new, 1)
        file.write_text(text, encoding="utf-8")
    return folder
