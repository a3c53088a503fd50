"""Which tests run, and what is said of those that were skipped: every skip is listed with its reason, and in CI an
unlisted one fails the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LEFT_OUT = ("needs_programs", "long")  # unless --all is given
ALLOWED = Path(__file__).with_name("allowed_skips.txt")
SKIPS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --all."""
    parser.addoption(
        "--all",
        action="store_true",
        help="also run tests that need other programs or minutes; fail on a skip that allowed_skips.txt does not hold",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the list of skips; packs that commands keep stand where this repository's tests keep things."""
    os.environ["XDG_CACHE_HOME"] = str(config.rootpath / ".pytest_cache" / "user")
    config.stash[SKIPS] = {}
    config.pluginmanager.register(SkipList(config), "fsref-skips")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that need other programs or minutes, unless --all is given."""
    if not config.getoption("--all"):
        left_out = [item for item in items if any(item.get_closest_marker(name) for name in LEFT_OUT)]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def allowed_skips(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (nodeid, reason) patterns of allowed_skips.txt."""
    pairs = [line.partition("|") for line in lines if line.strip() and not line.startswith("#")]
    return [(nodeid.strip(), reason.strip()) for nodeid, _, reason in pairs]


class SkipList:
    """Gathers skips of tests and of whole modules, in this process or in the workers of pytest-xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.skips = config, config.stash[SKIPS]

    def strict(self) -> bool:
        """Say whether an unlisted skip fails the run."""
        return os.environ.get("CI") == "true" or bool(self.config.getoption("--all"))

    def unlisted(self) -> list[str]:
        """Return the skips that allowed_skips.txt does not hold."""
        allowed = allowed_skips(ALLOWED.read_text(encoding="utf-8").splitlines())
        return [
            node
            for node, reason in self.skips.items()
            if not any(fnmatchcase(node, n) and fnmatchcase(reason, r) for n, r in allowed)
        ]

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Take in a report."""
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skips[report.nodeid] = reason.removeprefix("Skipped: ")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test."""
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a skipped module."""
        self.note(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in what a worker skipped: xdist passes skips of tests on, but not every skip of a module."""
        self.skips.update(getattr(node, "workeroutput", {}).get("fsref-skips", {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the skips to the controller, or fail the run for an unlisted one."""
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["fsref-skips"] = self.skips
        elif self.strict() and session.exitstatus == 0 and self.unlisted():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List every skip with its reason."""
        if self.skips:
            unlisted = set(self.unlisted())
            terminalreporter.section("skips")
            for node, reason in sorted(self.skips.items()):
                mark = " <- not in tests/allowed_skips.txt" if node in unlisted else ""
                fails = ": fails" if mark and self.strict() else ""
                terminalreporter.line(f"{node}: {reason}{mark}{fails}")
