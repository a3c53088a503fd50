"""A report as JUnit XML, a test case for each case (CONFORM-6)."""

from __future__ import annotations

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
    suite = ElementTree.Element("testsuite", {"name": "fsref conform", **counts, "time": f"{seconds:.3f}"})
    for one in report.driven:
        suite.append(_case(one))
    if report.ended:
        ElementTree.SubElement(suite, "system-err").text = printable(report.ended)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(one: Driven) -> ElementTree.Element:
    """A test case."""
    about = {"classname": f"conform.{one.scope}", "name": f"{one.id} {one.unit}".strip(), "time": f"{one.seconds:.6f}"}
    element = ElementTree.Element("testcase", about)
    if not one.passed:
        kind = "failure" if one.verdict == DIFFERS else "error"
        told = printable(str(one))[:LONGEST]
        ElementTree.SubElement(element, kind, {"type": one.verdict, "message": told}).text = told
    if one.said:
        ElementTree.SubElement(element, "system-err").text = one.said
    return element
