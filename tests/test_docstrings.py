"""What public names say of themselves: docstrings that name every argument, the shapes of arrays, units, and errors."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

import pytest

import site_reference
from site_reference import members, public_names, results, signature

NAMES = public_names()
FUNCTIONS = {name: value for name, value in NAMES.items() if not inspect.isclass(value)}
CALLED = {name: value for name, value in NAMES.items() if not (inspect.isclass(value) and issubclass(value, Exception))}
CLASSES = {name: value for name, value in NAMES.items() if inspect.isclass(value)}
# Classes that users get back from public functions, without a public name of their own.
RETURNED = {kind.__qualname__: kind for value in FUNCTIONS.values() for kind in results(value)}
MEMBERS = {
    f"{name}.{member}": own for name, kind in {**CLASSES, **RETURNED}.items() for member, own in members(kind).items()
}
ARRAYS = re.compile(r"\b(ArrayLike|NDArray|Ints|Reals|Floats)\b")
SHAPE = re.compile(r"\((?:[A-Z]\w*|n|classes|channels|images|neurons|steps|\d+),(?: [\w·]+(?:, [\w·]+)*)?\)")
UNITS = {"memory_limit": "byte", "loss": "percentage point", "timeout": "second", "start_timeout": "second"}
# What cannot fail, whatever it is given.
NO_ERRORS = {"fsref.testing.membranes"}


def doc(value: Any) -> str:
    """What a name says of itself, on one line."""
    function = value.fget if isinstance(value, property) else getattr(value, "func", value)
    return " ".join(inspect.cleandoc(function.__doc__ or "").split())


@pytest.mark.parametrize("name", sorted({**NAMES, **RETURNED, **MEMBERS}))
def test_every_public_name_says_what_it_is(name: str) -> None:
    """Every public name, and every method and property of what is public or comes back, has a docstring."""
    said = doc({**RETURNED, **MEMBERS, **NAMES}[name])
    assert said and said.endswith((".", ":")), name


@pytest.mark.parametrize("name", sorted(CALLED))
def test_every_argument_is_told(name: str) -> None:
    """The docstring of a public name names each of its arguments."""
    module = name.rpartition(".")[0]  # what all functions of a module take is told once
    said = f"{doc(NAMES[name])} {'' if module == 'fsref' else sys.modules[module].__doc__}"
    missing = [
        p for p in inspect.signature(NAMES[name]).parameters if not re.search(rf"\b{p}s?\b", said, re.IGNORECASE)
    ]
    assert not missing, f"{name} does not tell {', '.join(missing)}"


@pytest.mark.parametrize("name", sorted(CALLED))
def test_arrays_have_shapes(name: str) -> None:
    """What takes or gives arrays says of which shape."""
    if ARRAYS.search(signature(NAMES[name])):
        assert SHAPE.search(doc(NAMES[name])), name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_errors_and_units_are_told(name: str) -> None:
    """A public function says which errors it raises, each a public one, and the unit of what is measured."""
    said = doc(FUNCTIONS[name])
    if name not in NO_ERRORS:
        assert "Errors: " in said, name
        assert re.search(r"\b(\w+Error|[Tt]hose of|as)\b", said.partition("Errors: ")[2]), name
    for argument, unit in UNITS.items():
        if argument in inspect.signature(FUNCTIONS[name]).parameters:
            assert re.search(rf"`{argument}`[^.]*\b{unit}", said), f"{name}: {argument} is in {unit}s"


def test_the_reference_has_a_page_for_every_public_name() -> None:
    """The pages of the reference are those of the public names, each with its signature and every method."""
    pages = site_reference.pages()
    assert set(pages) == set(NAMES)
    for name, (_, text) in pages.items():
        assert f"{name}{signature(NAMES[name])}" in text
    for name in MEMBERS:
        assert any(name in text for _, text in pages.values()), name
