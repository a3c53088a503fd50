"""The rules that fsref holds, from the pages that lie beside the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import fill

from fsref.tables import WIDTH

# Every page that holds rules: the law, and what fsref does around it.
PAGES = (
    "SPEC.md",
    "ACTIVATIONS.md",
    "CONVERSION.md",
    "RATE_CODING.md",
    "COSTS.md",
    "RUNS.md",
    "PROOF.md",
    "FLOATS.md",
    "HARDWARE.md",
    "CONFORMANCE.md",
)
HEADING = re.compile(r"^### ([A-Z]+-\d+) (.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """A rule: its name, its title, the page it stands on, and its text down to where its code and test are."""

    rule: str
    title: str
    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule} {self.title} ({self.page})\n{wrapped(self.text)}"


def wrapped(text: str) -> str:
    """The text of a page within 80 columns: paragraphs are filled, what has lines of its own keeps them as it can."""
    parts: list[str] = []
    for line in text.splitlines():
        goes_on = bool(re.match(r"\w|[`*(](?!``)", line))
        if goes_on and parts and parts[-1][:1].isalnum() and not line.startswith("Code: "):
            parts[-1] += f" {line}"
        else:
            parts.append(line)
    return "\n".join(fill(part, WIDTH, break_long_words=False, break_on_hyphens=False) for part in parts)


@cache
def rules() -> dict[str, Rule]:
    """Every rule by its name, in the order of the pages."""
    found = {}
    for page in PAGES:
        text = (Path(__file__).parent.parent / page).read_text(encoding="utf-8")
        for start in HEADING.finditer(text):
            block = re.split(r"^##", text[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]
            found[start[1]] = Rule(start[1], start[2], page, block.strip())
    return found
