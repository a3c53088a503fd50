"""Which class the name of a folder, or the label of a labels.csv, means (RUN-4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from fsref.errors import FileError
from fsref.formats.intake import Intake

FEW, LONG = 10, 40  # names of a line, characters of a name
ALIKE = 0.55  # how much a name has to be like the class it is taken to mean
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")  # a class is none with a sign or a point
APART = str.maketrans("", "", " _-")


@dataclass(frozen=True)
class Labelling:
    """How the labels of images were read (RUN-4): `by` "name", "number" or "order", and the class that each name of the
    source means; there are no names where labels are numbers from the start.
    """

    by: str
    classes: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The labelling as plain JSON values."""
        return {"by": self.by, "classes": dict(self.classes)}


NUMBERED = Labelling("number", {})


def assumed(known: Labelling | None) -> list[tuple[str, str]]:
    """The fact, for tables, of what was taken for granted; none where the source said what it means itself."""
    if known is None or known.by != "order":
        return []
    instead = f"named 0..{len(known.classes) - 1} they would say it themselves"
    told = f"the network names no classes; taken in sorted order: {few(known.classes.items())}; {instead}"
    return [("labels", told)]


def few(names: Collection[str | tuple[str, object]]) -> str:
    """The first names, or pairs of a name and what it means, each cut where it is long, and how many more there are."""
    told = [cut(name) if isinstance(name, str) else " = ".join(map(cut, map(str, name))) for name in islice(names, FEW)]
    return ", ".join(told) + (f" and {len(names) - FEW:,} more" if len(names) > FEW else "")


def cut(name: str) -> str:
    """A name, its end left out where it is long."""
    return name if len(name) <= LONG else f"{name[: LONG - 3]}..."


def labelling(names: Mapping[str, str], into: Intake, place: str) -> Labelling:
    """How the names of a source are read, each with the place where it stands (RUN-4). Errors: FileError when they fit
    no way.
    """
    found = sorted(names)
    spelled: dict[str, list[int]] = {}
    for number, name in enumerate(into.classes):
        spelled.setdefault(plain(name), []).append(number)
    if spelled and all(plain(name) in spelled for name in found):
        return Labelling(
            "name", {name: _named(name, spelled[plain(name)], into.classes, names[name]) for name in found}
        )
    numbers = [name for name in found if _is_number(name)]
    if len(numbers) == len(found):
        return Labelling("number", {name: _numbered(name, into.count, names[name]) for name in found})
    in_order = not (into.classes or numbers) and len(found) == into.count
    if not in_order and all(NUMBER.fullmatch(name.strip()) for name in found):
        other = next(name for name in found if not _is_number(name))
        raise FileError("RUN-4", names[other], "is no class number", other, f"wanted 0..{into.count - 1}, in digits")
    known = f"classes {few(into.classes)}" if into.classes else f"{into.count} classes without names"
    would_do = f"numbers 0..{into.count - 1} would do"
    if numbers:
        other = next(name for name in found if not _is_number(name))
        problem, limit = f"is no number, where others are, such as {numbers[0]}", f"wanted {known}; {would_do}"
        raise FileError("RUN-4", names[other], problem, other, limit)
    if into.classes:
        pairs = few(nearest_classes(found, into.classes))
        limit = f"wanted {known}{f'; did you mean {pairs}?' if pairs else ''}; {would_do}"
        raise FileError("RUN-4", place, "names are not the network's classes", few(found), limit)
    if len(found) != into.count:
        problem, limit = "names are not one for each class", f"wanted {known}; {would_do}"
        raise FileError("RUN-4", place, problem, few(found), limit)
    if found != sorted(found, key=_counted):
        problem = "names in sorted order are not in the order of the numbers in them"
        raise FileError("RUN-4", place, problem, few(found), f"wanted {known}; {would_do}")
    return Labelling("order", {name: number for number, name in enumerate(found)})


def plain(name: str) -> str:
    """A name without what spellings differ in; the sign of a number is none of that."""
    return name.strip() if NUMBER.fullmatch(name.strip()) else name.translate(APART).casefold()


def _is_number(name: str) -> bool:
    """Whether a name is written in digits, spaces around them apart."""
    return name.isascii() and name.strip(" ").isdecimal()


def _counted(name: str) -> list[tuple[str, int, str]]:
    """What sorts names as text, but each number in them by its value: class_2 before class_10."""
    parts = (part.lstrip("0") if part.isdecimal() else part for part in re.findall("[0-9]+|[^0-9]", name))
    return [("0", len(part), part) if part.isdecimal() or not part else (part, 0, "") for part in parts]


def _named(name: str, alike: Sequence[int], classes: Sequence[str], place: str) -> int:
    """The class that a name means among those spelled `alike`: the one written so, else the only one. Errors: FileError
    when there are two.
    """
    found = [number for number in alike if classes[number] == name] or alike
    if len(found) > 1:
        limit = f"classes {found[0]} and {found[1]}; numbers 0..{len(classes) - 1} would do"
        raise FileError("RUN-4", place, "two classes have this name", name, limit)
    return found[0]


def _numbered(name: str, count: int, place: str) -> int:
    """The class of a number in digits. Errors: FileError when there is none."""
    digits = name.strip(" ").lstrip("0") or "0"
    if len(digits) > len(str(count)) or int(digits) >= count:
        raise FileError("RUN-4", place, "no such class", name, f"wanted 0..{count - 1}")
    return int(digits)


def nearest_classes(names: Sequence[str], classes: Sequence[str]) -> list[tuple[str, str]]:
    """The first names that are no class, each with the class that it seems to mean: one that no other name is, or, for
    the last name that is left, the last class.
    """
    taken, there = {plain(name) for name in names}, {plain(other) for other in classes}
    free = {plain(other)[:LONG]: other for other in classes if plain(other) not in taken}
    strange = [name for name in names if plain(name) not in there]
    found, left = [], []
    for name in strange[:FEW]:
        if close := get_close_matches(plain(name)[:LONG], free, 1, ALIKE):
            found.append((name, free.pop(close[0])))
        else:
            left.append(name)
    if len(left) == len(free) == 1 and len(strange) <= FEW:
        found.append((left[0], free.popitem()[1]))
    return sorted(found)
