# SPDX-License-Identifier: Apache-2.0
"""The README as a package index shows it, where no file lies beside it: a link to a file is the path of the file, and
it is said where these are. Called by Hatchling when it makes the metadata of the package.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

FIGURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)[^)]*\)\n*", re.MULTILINE)
LINK = re.compile(r"\[((?:`[^`]*`|[^\]`])*)\]\(([^)\s]+)\)")
WHERE = """
## Where the pages are

Paths that begin with `fsref/` lie in the installed package, beside what
`python -c "import fsref; print(fsref.__file__)"` prints; the others in the source.
"""


class PackagedReadme(MetadataHookInterface):
    """The readme of the package's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set it."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": packaged(text)}


def packaged(text: str) -> str:
    """The README without links to files beside it."""
    return LINK.sub(_path, FIGURE.sub("", text)).rstrip("\n") + "\n" + WHERE


def _path(found: re.Match[str]) -> str:
    """An address as it is; else what the link says, and the path of its file."""
    said, link = found[1], found[2]
    path, _, _ = link.partition("#")
    if re.match(r"[a-z]+:", link):
        return found[0]
    if not path:
        return said
    return f"`{path}`" if said.strip("`") in (path, path.rpartition("/")[2]) else f"{said} (`{path}`)"
