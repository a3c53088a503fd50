"""A report as JUnit XML, a test case for each case (CONFORM-6)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from fsref.conformance.driven import DIFFERS, Driven
from fsref.conformance.verdict import Report
from fsref.errors import printable

LONGEST = 4_096  # characters of a text


def junit(report: Report) -> bytes:
    """The XML of a report: a suite of test cases by scope; what differs is a failure, what is no answer an error."""
    failures = sum(one.verdict == DIFFERS for one in report.driven)
    errors = sum(not one.passed for one in report.driven) - failures
    seconds = sum(one.seconds for one in report.driven)
    counts = {"tests": str(len(report.driven)), "failures": str(failures), "errors": str(errors)}
    name = printable(f"fsref conform {report.device}")
    suite = ElementTree.Element("testsuite", {"name": name, **counts, "time": f"{seconds:.3f}"})
    for one in report.driven:
        first = report.first is not None and one.id == report.first.id and one.turn == report.first.turn
        suite.append(_case(one, [hint.text for hint in report.hints.hints] if first else []))
    if report.ended:
        ElementTree.SubElement(suite, "system-err").text = printable(report.ended)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(one: Driven, hints: Sequence[str]) -> ElementTree.Element:
    """A test case, with what is likely wrong in the text of its failure."""
    about = {"classname": f"conform.{one.scope}", "name": f"{one.id} {one.unit}".strip(), "time": f"{one.seconds:.6f}"}
    element = ElementTree.Element("testcase", about)
    if not one.passed:
        kind = "failure" if one.verdict == DIFFERS else "error"
        told = printable(str(one))[:LONGEST]
        text = "\n".join([told, *(f"hint: {printable(hint)}"[:LONGEST] for hint in hints)])
        ElementTree.SubElement(element, kind, {"type": one.verdict, "message": told}).text = text
    if one.said:
        ElementTree.SubElement(element, "system-err").text = one.said
    return element
