"""Which fsref this is, and which version of the law it holds (ID-4)."""

from collections.abc import Iterable

__version__ = "0.2.0"
SPEC_VERSION = "1.4"
# What files name whose networks need no later rule: any fsref since then reads them.
LEAST_WRITTEN = "1.2"


def latest(versions: Iterable[str]) -> str:
    """The highest of versions MAJOR.MINOR, `LEAST_WRITTEN` of none."""
    return max(versions, default=LEAST_WRITTEN, key=lambda version: tuple(map(int, version.split("."))))
