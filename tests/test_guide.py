"""The pages of fsref/guide run, block after block, in an empty directory; links of every page lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import BLOCK, READER, follow, python_blocks, shell_session

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "fsref" / "guide"
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *ROOT.glob("fsref/**/*.md"), *ROOT.glob("reference_models/**/*.md")]
)
NEEDS = {  # beyond what fsref itself needs
    "chips.md": ("hypothesis",),
    "from_pytorch.md": ("torch", "sklearn", "onnx"),
    "from_weights.md": ("hypothesis",),
    "nir.md": ("nir",),
    "proof.md": ("hypothesis",),
    "vcd.md": ("vcd",),
}
# Pages of files and commands alone, with the programs and modules that they need.
SESSIONS = {
    "adapters.md": ("gcc",),
    "cocotb.md": ("iverilog", "cocotb"),
    "conform.md": ("gcc",),
    "vectors.md": (),
}
FOLLOWED = {"test_bench.md", *SESSIONS}  # test_bench.py follows the first
PROGRAMS = {"gcc", "iverilog"}
# Figures come from a training, which differs between machines in its last bits: their digits are not compared.
TRAINED = {"from_pytorch.md"}


def shape(text: str, page: str) -> list[str]:
    """The lines of an output as they are compared."""
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return [re.sub(r"[-+]?\d[\d,.]*", "#", line) for line in lines] if page in TRAINED else lines


@pytest.mark.parametrize("page", sorted({path.name for path in GUIDE.glob("*.md")} - FOLLOWED))
def test_a_page_runs_in_an_empty_directory(page: str, tmp_path: Path) -> None:
    """Every python block of a page runs after those before it, and prints the text block that follows it; then the
    commands of sh blocks do.
    """
    for module in NEEDS.get(page, ()):
        pytest.importorskip(module)
    text = (GUIDE / page).read_text(encoding="utf-8")
    pairs = python_blocks(text)
    assert pairs, f"{page} has no python block"
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "2"}
    given = json.dumps([text for text, _ in pairs])
    done = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=tmp_path,
        env=settings,
        input=given,
        capture_output=True,
        encoding="utf-8",
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    for (_, shown), printed in zip(pairs, json.loads(done.stdout), strict=True):
        if shown is not None:
            assert shape(printed, page) == shape(shown, page)
    for command in "".join(block for language, block in BLOCK.findall(text) if language == "sh").splitlines():
        program, *arguments = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("page", sorted(SESSIONS))
def test_a_session_followed_to_the_letter(page: str, tmp_path: Path) -> None:
    """In an empty directory, every file of a page saved and every command of it typed prints what the page shows; no
    file has more than 60 lines.
    """
    for name in SESSIONS[page]:
        if name not in PROGRAMS:
            pytest.importorskip(name)
        elif shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    session = shell_session((GUIDE / page).read_text(encoding="utf-8"))
    assert all(len(text.splitlines()) <= 60 for name, text, _ in session if name)
    follow(session, tmp_path)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_frames_of_a_page_are_answered_so(tmp_path: Path) -> None:
    """The device of the page answers the frames that the page spells out as it says."""
    text = (GUIDE / "conform.md").read_text(encoding="utf-8")
    (device,) = (text for name, text, _ in shell_session(text) if name == "device.c")
    (tmp_path / "device.c").write_text(device)
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", "device", "device.c"], cwd=tmp_path, check=True)
    lines = re.findall(r"^(?:load|run|reply) +([-\d ]+)$", text, re.MULTILINE)
    frames = [[int(word) for word in line.split()] for line in lines]
    packed = [struct.pack(f"<{len(words) + 1}q", len(words), *words) for words in frames]
    assert len(packed) == 4
    given = b"".join(packed[::2])
    done = subprocess.run(["./device"], cwd=tmp_path, input=given, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"".join(packed[1::2])


def anchors(page: Path) -> set[str]:
    """The names under which headings of a page are linked, as GitHub makes them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link of a page that is no address leads to a file or folder of this project, and to a heading that is
    there.
    """
    at = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", at.read_text(encoding="utf-8"))):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, heading = link.partition("#")
        target = (at.parent / path).resolve() if path else at
        assert target.is_relative_to(ROOT) and target.exists(), f"{page}: {link} leads nowhere"
        assert not heading or heading in anchors(target), f"{page}: no heading {link}"
