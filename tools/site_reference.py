# SPDX-License-Identifier: Apache-2.0
"""The Python reference: a page for every public name, made from the name itself; with a function comes the class of
what it returns.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

import fsref
from fsref.formats.pages import rules
from fsref.tables import Brief, Shown
from site_markdown import escaped, first_sentence, linked

# Titles of the parts of the reference, by the folder of fsref in which a name is at home.
PARTS = {
    "law": "Networks",
    "formats": "Files and images",
    "graph": "Float graphs",
    "importers": "Float graphs",
    "activations": "Tables of functions",
    "conversion": "Conversion",
    "simulation": "Runs and recordings",
    "metrics": "Counting",
    "rate_coding": "Rate coding",
    "verification": "Verification",
    "conformance": "Verification",
    "reports": "Looking at it",
    "errors": "Errors",
    "plots": "Looking at it",
}


def public_names() -> dict[str, Any]:
    """Every public name with what it names: those of fsref, of its public modules, and its errors."""
    found = {f"fsref.{name}": getattr(fsref, name) for name in sorted(fsref.__all__)}
    for module in public_modules():
        found |= {f"{module.__name__}.{name}": getattr(module, name) for name in exported(module)}
    return {name: value for name, value in found.items() if not inspect.ismodule(value)}


def public_modules() -> list[ModuleType]:
    """The modules that users reach as parts of fsref."""
    return [getattr(fsref, name) for name in dir(fsref) if name in ("errors", "plots", "testing")]


def exported(module: ModuleType) -> list[str]:
    """The public names of a module: what it lists, or what is at home there."""
    if listed := getattr(module, "__all__", None):
        return sorted(listed)
    return sorted(
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == module.__name__
    )


def part_of(name: str, value: Any) -> str:
    """The title of the part of the reference to which a name belongs."""
    home = str(value.__module__).split(".")
    return PARTS[home[1] if len(home) > 1 else name.split(".")[1]]


def pages() -> dict[str, tuple[str, str]]:
    """The pages by name: (part, text)."""
    names, told = public_names(), set[type]()
    told |= {value for value in names.values() if inspect.isclass(value)}
    found = {}
    for name, value in names.items():
        parts = [f"# {name}", *(described(name, value))]
        for result in results(value):
            if result not in told:
                told.add(result)
                whole = f"{result.__module__}.{result.__name__}"
                parts += [f"## What comes back: {result.__name__}", *described(whole, result)]
        found[name] = part_of(name, value), "\n\n".join(parts) + "\n"
    return found


def described(name: str, value: Any) -> Iterator[str]:
    """What is said of a name: signature and docstring; of a class those of its members, too."""
    if not inspect.isclass(value):
        yield directive("function", f"{name}{signature(value)}", value.__doc__)
        return
    kind = "exception" if issubclass(value, Exception) else "class"
    yield directive(kind, f"{name}{signature(value)}", value.__doc__)
    for member, own in members(value).items():
        whole = f"{name}.{member}"
        if isinstance(own, property | cached_property):
            function: Any = own.fget if isinstance(own, property) else own.func
            told = f":type: {returned(function)}\n" if returned(function) else ""
            yield directive("property", whole, function.__doc__, told)
        else:
            options = ":classmethod:\n" if isinstance(own, classmethod) else ""
            options = ":staticmethod:\n" if isinstance(own, staticmethod) else options
            bound = getattr(value, member)
            yield directive("method", f"{whole}{signature(bound, not options)}", inspect.getdoc(bound), options)


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class and of the classes of fsref that it is made of, in their order."""
    found: dict[str, Any] = {}
    for base in (base for base in kind.__mro__ if base.__module__.startswith("fsref.") and base not in (Shown, Brief)):
        for name, own in vars(base).items():
            of_kind = isinstance(own, property | cached_property | classmethod | staticmethod) or inspect.isfunction(
                own
            )
            if of_kind and not name.startswith("_"):
                found.setdefault(name, own)
    return found


def results(function: Any) -> list[type]:
    """The classes of fsref that a function says it returns."""
    if inspect.isclass(function):
        return []
    names = re.findall(r"\w+", returned(function))
    known = inspect.unwrap(function).__globals__
    classes = (known.get(name) for name in names)
    return [value for value in classes if inspect.isclass(value) and value.__module__.startswith("fsref.")]


def returned(function: Callable[..., Any]) -> str:
    """What a function says it returns, as it is written."""
    told = inspect.unwrap(function).__annotations__.get("return", "")
    return told if isinstance(told, str) else getattr(told, "__name__", str(told))


def signature(value: Any, bound: bool = False) -> str:
    """The signature as it is written; `bound` that of a method, without self."""
    try:
        found = inspect.signature(value)
    except ValueError:
        return "()"
    parameters = list(found.parameters.values())
    if bound and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    if inspect.isclass(value):
        found = found.replace(return_annotation=inspect.Signature.empty)
    return str(found.replace(parameters=[_plain(p) for p in parameters])).replace("'", "")


class _Words:
    """Words that a signature shows as they are."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return self.words


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter, its default in a few words."""
    default = parameter.default
    if default is parameter.empty or isinstance(default, int | float | bool | None):
        return parameter
    if isinstance(default, str):
        return parameter.replace(default=_Words(f'"{default}"'))
    return parameter.replace(default=_Words(repr(default) if isinstance(default, tuple | range) else "..."))


def directive(kind: str, signed: str, doc: str | None, options: str = "") -> str:
    """A description that the index and the search of the site know."""
    return f"````{{py:{kind}}} {signed}\n{options}\n{documented(doc)}\n````"


def documented(doc: str | None) -> str:
    """A docstring as Markdown; what can go wrong in a paragraph of its own."""
    text = inspect.cleandoc(doc or "")
    if "\u2500" in text:  # a drawing in lines
        head, _, drawing = text.partition("\n\n")
        return f"{linked(escaped(head), rules())}\n\n```text\n{drawing}\n```"
    return linked(escaped(re.sub(r"\s+(Errors|Example): ", r"\n\n**\1**: ", text)), rules())


def index(found: Mapping[str, tuple[str, str]]) -> str:
    """The page that lists all: a table for each part, a line for each name."""
    names = public_names()
    parts = list(dict.fromkeys(PARTS.values()))
    text = "# Python\n\nEverything that `import fsref` offers, with what it says of itself.\n"
    for part in parts:
        own = [name for name in found if found[name][0] == part]
        if own:
            text += f"\n## {part}\n\n| | |\n|---|---|\n" + "".join(rows(own, names))
    text += "\n" + documented(fsref.errors.__doc__) + "\n"
    return text + "\n" + toctree(sorted(found, key=lambda name: (parts.index(found[name][0]), name)))


def rows(own: Iterable[str], names: Mapping[str, Any]) -> Iterator[str]:
    """A row of a table for each name: a link, and the first sentence said of it."""
    for name in own:
        told = linked(escaped(first_sentence(inspect.cleandoc(names[name].__doc__ or ""))), rules()).replace("|", r"\|")
        yield f"| [`{name}`]({name}.md) | {told} |\n"


def toctree(pages: Iterable[str], options: str = ":hidden:\n") -> str:
    """A list of pages that the site puts beside each page."""
    return f"```{{toctree}}\n{options}\n" + "".join(f"{page}\n" for page in pages) + "```\n"
