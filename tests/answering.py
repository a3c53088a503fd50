"""Answers of chips that are played in a test: the verdict of each, and what is composed of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fsref.conformance.driven import DIFFERS, PASS, Driven, first_difference
from fsref.conformance.suspects import Evidence
from fsref.limits.chip import Limits
from fsref.vectors.case import Case
from fsref.verification.causes import Judged


def driven(case: Case, seen: Mapping[Any, Any]) -> Driven:
    """What came of a case that was answered so."""
    difference = first_difference(case, seen)
    return Driven.of(case, PASS if difference is None else DIFFERS, observed=seen, difference=difference)


def off(row: Driven, of: str, what: str, at: int, more: int) -> Driven:
    """An answer of which one integer is so much more."""
    assert row.case is not None
    seen = {key: values.copy() for key, values in row.observed.items()}
    seen[of, what][at] += more
    return driven(row.case, seen)


def gathered(rows: Iterable[Driven], limits: Limits | None = None) -> tuple[Evidence, Driven]:
    """All that came of some cases, as evidence; and the first that differs."""
    evidence, kept = Evidence(limits), [*rows]
    for row in kept:
        evidence.add(row)
    return evidence, next(row for row in kept if not row.passed)


def composed_of(rows: Iterable[Driven], limits: Limits | None = None) -> Judged:
    """What is composed of all that came of some cases (CONFORM-7)."""
    evidence, first = gathered(rows, limits)
    return evidence.composed(first)
