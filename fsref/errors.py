"""Every error fsref raises on purpose: one line that names rule, place, value and limit.

FsrefError
├── FileError        a network file, recording, label file or image file cannot be taken or written (FILE, ID, RUN-3)
├── NetworkError     the network breaks a rule of the law (NET, FS, PROJ, POOL)
│   └── RangeError   an integer would leave its proved or declared width (RANGE)
├── GraphError       a float graph, or what it was imported from, cannot be taken or converted (GRAPH, CONV)
├── InputError       images or labels do not fit the network (NET-7, RUN-1, RUN-4)
├── LimitError       a run needs more memory or disk than allowed (RUN-3), a pipeline more buffers or deeper FIFOs
│                    than it has (TIME-5, TIME-7)
└── UsageError       an unknown engine, population, observable, option or argument (RUN-2)
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, signature
from typing import Any, TypeVar

SHOWN = 400  # characters of a text from outside
SHOWN_VALUE = 120
SHOWN_LIST = 700  # of a problem, which may list several, and of a limit: with the rest 2,000 at most
R = TypeVar("R")
T = TypeVar("T", bound=Callable[..., object])


def printable(text: str) -> str:
    """The text, with escapes for what a terminal would obey: control characters, marks of direction and the like."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object, longest: int = SHOWN) -> str:
    """A value from outside as text to print: escapes for what a terminal would obey, its middle left out where it is
    long.
    """
    text = _text(value)
    if len(text) > 2 * longest:  # before each character is looked at
        text = f"{text[:longest]}{text[-longest:]}"
    text = printable(text)
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - 3]}...{text[-end:]}"


def _text(value: object, form: Callable[[object], str] = str) -> str:
    """A value as text; what it is where that would be too long for Python."""
    try:
        return form(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints, or a value too deep
        return f"{type(value).__name__} too large to print"


def literal(value: object) -> str:
    """The repr of a value for an error, where a text is not to look like a number."""
    return _text(value, repr)


def _part(value: object, longest: int = SHOWN) -> str:
    """A value as part of one line: blanks and ends of lines as one blank."""
    return shown(" ".join(_text(value).split()), longest)


class FsrefError(Exception):
    """An error with attributes rule, place, value and limit; `str()` is one line of bounded length holding all four,
    as much of each as a line has room for, without anything that a terminal would obey.
    """

    def __init__(self, rule: str, place: str, problem: str, value: object = None, limit: str = "") -> None:
        self.rule, self.place, self.problem, self.value, self.limit = rule, place, problem, value, limit
        super().__init__(rule, place, problem, value, limit)

    def __str__(self) -> str:
        line = f"{_part(self.place)}: {_part(self.problem, SHOWN_LIST)}"
        if self.value is not None:
            line += f": {_part(self.value, SHOWN_VALUE)}"
        if self.limit:
            line += f" ({_part(self.limit, SHOWN_LIST)})"
        return f"{line} [{self.rule}]"


class FileError(FsrefError):
    """A file cannot be taken: truncated, corrupt, of another version, or with unknown or missing parts."""


class NetworkError(FsrefError):
    """A network breaks a rule of the law."""


class RangeError(NetworkError):
    """An integer would leave the width proved or declared for it."""


class GraphError(FsrefError):
    """A float graph, or the model it is imported from, cannot be taken or converted."""


class InputError(FsrefError):
    """Images or labels do not fit the network."""


class LimitError(FsrefError):
    """A run needs more memory or disk than allowed and was not started, or a pipeline needs more buffers or deeper
    FIFOs than it has.
    """


class UsageError(FsrefError):
    """A call names an engine, population, observable or argument that does not exist."""


def nearest(name: str, known: list[str]) -> str:
    """ "did you mean NAME?", or all that are known."""
    close = get_close_matches(name, known, 1, 0.55)
    return f"did you mean {close[0]}?" if close else ", ".join(known)


def public(target: T) -> T:
    """The function or class, an unknown keyword of which is a UsageError that names the nearest one."""
    if isinstance(target, type):
        own: Any = target  # so that mypy lets the constructor be replaced
        own.__init__ = _named(own.__init__, target.__name__)
        return target
    named: Any = _named(target, target.__name__)
    wrapped: T = named
    return wrapped


def _named(function: Callable[..., R], name: str) -> Callable[..., R]:
    """The function, which refuses keywords that it does not know as those of `name`."""
    parameters = list(signature(function).parameters.values())
    known = [p.name for p in parameters if p.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    known = [parameter for parameter in known if parameter != "self"]
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return function

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> R:
        for keyword in kwargs:
            if keyword not in known:
                raise UsageError("RUN-2", name, "unknown argument", keyword, nearest(keyword, known))
        return function(*args, **kwargs)

    return called
