"""What a package index shows: classifiers, and a README whose links all lead somewhere there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
KINDS = (
    "Development Status",
    "Environment",
    "Intended Audience",
    "Natural Language",
    "Operating System",
    "Programming Language",
    "Topic",
    "Typing",
)


def test_the_readme_of_a_package_index_names_files_and_links_none() -> None:
    """Every link of the README in the metadata is an address; every file that the README of the repository links is
    named by its path, which is there.
    """
    shown = ProjectMetadata(str(ROOT), PluginManager()).core.readme
    links = re.findall(r"\]\(([^)\s]+)", shown)
    assert links and all(re.match(r"https?://", link) for link in links)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    beside = {
        link.partition("#")[0] for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)", readme) if "://" not in link
    }
    assert len(beside) > 10
    for path in beside - {""}:
        assert f"`{path}`" in shown and (ROOT / path).exists(), path
    assert "fsref.__file__" in shown and shown.startswith("# fsref\n")


def test_classifiers_are_known_and_complete() -> None:
    """Every classifier is one that package indexes know, which Hatchling checks; each kind that tells users something
    is there, and the versions of Python begin where requires-python does.
    """
    core = ProjectMetadata(str(ROOT), PluginManager()).core
    assert sorted(core.classifiers) == sorted(PROJECT["classifiers"])
    assert {one.partition(" :: ")[0] for one in core.classifiers} == set(KINDS)
    versions = [re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", one) for one in core.classifiers]
    known = sorted(int(found[1]) for found in versions if found)
    assert known == list(range(known[0], known[-1] + 1))
    assert PROJECT["requires-python"] == f">=3.{known[0]}"


def test_nobody_and_no_address_is_invented() -> None:
    """The metadata name no author and no address: there is none to name."""
    assert not {"authors", "maintainers", "urls"} & set(PROJECT)
