"""Image files of strangers: only the listed formats are opened, the header alone decides on the size, and a broken file
is one line (RUN-4).
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile

import fsref
from fsref.errors import FileError, FsrefError, InputError, LimitError
from fsref.formats import folders, sources
from fsref.formats.image_files import FORMATS, SUFFIXES
from fsref.formats.sources import load_images
from pictures import grey, network, not_taken, picture
from refusals import check_line


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(path: Path, height: int, width: int) -> Path:
    """A PNG that is a header alone: whoever decodes it finds no pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def sized(resize: int | None, crop: int | None, shape: tuple[int, int, int] = (1, 4, 4)) -> fsref.Network:
    """A network whose contract resizes and crops."""
    net = network(shape, contract=True)
    return replace(net, contract=replace(net.contract, resize=resize, crop=crop))


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding a pixel is an error of the test."""

    def load(self: object) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    ("kind", "size", "net", "says"),
    [
        (InputError, (1, 20_000), sized(256, 224, (1, 224, 224)), "1 x 20000 becomes 256 x 5120000 (at most 65,536 a"),
        (InputError, (100, 100), sized(30_000, 4), "shorter side is 30000: 100 x 100 becomes 30000 x 30000 (at"),
        (InputError, (12_000, 4_000), network((1, 32, 32)), "size is not the input's: 12000 x 4000 (wanted 32 x 32;"),
        (FileError, (12_000, 12_000), network((1, 32, 32)), "picture is too large: 12000 x 12000 (at most 65,536"),
        (FileError, (1, 65_537), network((1, 32, 32)), "picture is too large: 1 x 65537 (at most 65,536 a side and"),
        (FileError, (65_536, 65_536), network((1, 32, 32)), "picture is too large"),
        (InputError, (300, 200), sized(None, 256, (1, 256, 256)), "smaller than the crop: 300 x 200 (wanted 256 x 256"),
        (InputError, (8, 16), sized(6, None, (1, 6, 6)), "once resized and cropped is not the input's: 6 x 12 (wanted"),
    ],
)  # fmt: skip
def test_a_size_is_refused_from_the_header(
    tmp_path: Path, kind: type[FsrefError], size: tuple[int, int], net: fsref.Network, says: str
) -> None:
    """A picture that is too large, becomes so, or has another size than the input costs a look at its header."""
    header(tmp_path / "a.png", *size)
    not_taken(kind, tmp_path, net, "a.png: ", says, "[RUN-4]")
    not_taken(kind, tmp_path / "a.png", net, "a.png: ", says, "[RUN-4]")


def test_the_largest_picture_is_taken(tmp_path: Path) -> None:
    """A side of 65,536, and a picture that grows as far as the bounds allow, are no error."""
    picture(tmp_path / "a.png", np.zeros((1, 65_536), np.uint8))
    assert load_images(str(tmp_path), network((1, 1, 65_536))).x.shape == (1, 1, 1, 65_536)
    picture(tmp_path / "a.png", grey(0, 4, 4))
    assert load_images(str(tmp_path), sized(1024, 4)).x.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "CMYK"])
def test_pixels_are_those_of_resize_then_crop(tmp_path: Path, mode: str) -> None:
    """A picture becomes codes as Pillow converts, resizes (bilinear, the longer side rounded down) and crops it."""
    rng = np.random.default_rng(3)
    for name, (height, width) in {"a.tif": (37, 23), "b.tif": (20, 61), "c.tif": (5, 7)}.items():
        drawn = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(drawn).convert(mode).save(tmp_path / name)
        image = Image.open(tmp_path / name).convert("RGB")
        least = min(width, height)
        image = image.resize((width * 11 // least, height * 11 // least), Image.Resampling.BILINEAR)
        left, top = round((image.width - 8) / 2), round((image.height - 8) / 2)
        expected = np.asarray(image.crop((left, top, left + 8, top + 8))).transpose(2, 0, 1)
        found = load_images(str(tmp_path / name), network((3, 8, 8), contract=True), resize=11, crop=8)
        assert (found.x[0] == expected).all()


def test_only_the_listed_formats_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .png that is EPS starts no program, and no format but those of the page is read; which of those a file is, its
    content says.
    """
    page = (Path(fsref.__file__).parent / "RUNS.md").read_text(encoding="utf-8")
    assert "an image file is PNG, JPEG, BMP, PPM or PGM, TIFF or WebP by its content" in page
    assert {Image.registered_extensions()[suffix] for suffix in SUFFIXES} == set(FORMATS)

    def started(*_: object) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.png").write_bytes(eps)
    says = "a.png: not an image that can be read (wanted PNG, JPEG, BMP, PPM, TIFF, WEBP by its content)"
    not_taken(FileError, tmp_path, network(), says)
    for kind in ("GIF", "ICO", "TGA", "PCX"):
        Image.fromarray(grey()).save(tmp_path / "a.png", kind)
        not_taken(FileError, tmp_path, network(), says)
    for kind in ("BMP", "PPM", "TIFF", "PNG"):
        Image.fromarray(grey()).save(tmp_path / "a.jpg", kind)
        assert (load_images(str(tmp_path / "a.jpg"), network()).x == grey()).all()


def written(kind: str) -> bytes:
    """A small colour picture in a format."""
    packed = io.BytesIO()
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8)).save(packed, kind)
    return packed.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("heard", ["error", "always"])
def test_broken_pictures_are_one_line(tmp_path: Path, kind: str, heard: Any) -> None:
    """Truncated and mutated pictures are taken or refused in one line, whatever Pillow raises or warns of, warnings
    being errors or printed.
    """
    whole, rng, net = written(kind), np.random.default_rng(7), network((3, 8, 8))
    broken = [whole[:end] for end in range(0, len(whole), 1 + len(whole) // 40)]
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), 200), 3):
            data[at] = rng.integers(0, 256)
        broken.append(bytes(data))
    with warnings.catch_warnings(record=heard == "always") as seen:
        warnings.simplefilter(heard)
        for data in broken:
            (tmp_path / "a.png").write_bytes(data)
            try:
                load_images(str(tmp_path / "a.png"), net)
            except FsrefError as error:
                check_line(error)
    assert not seen


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("heard", ["error", "always"])
def test_a_decompression_bomb_is_a_picture_too_large(tmp_path: Path, heard: Any) -> None:
    """What Pillow warns of, or refuses, is refused in our words, warnings being errors or printed."""
    for size in ((10_000, 9_000), (20_000, 20_000), (65_000, 65_000)):
        header(tmp_path / "a.png", *size)
        with warnings.catch_warnings(record=heard == "always") as seen:
            warnings.simplefilter(heard)
            not_taken(
                FileError, tmp_path / "a.png", network(), "a.png: picture is too large", "(at most 65,536 a side and"
            )
        assert not seen


def test_files_that_are_no_files(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes, a device, a link to nothing and a file too large are refused before they are
    opened.
    """
    (tmp_path / "a.png").mkdir()
    os.mkfifo(tmp_path / "b.png")
    os.symlink("/dev/zero", tmp_path / "c.png")
    os.symlink("nothing", tmp_path / "d.png")
    (tmp_path / "e.png").touch()
    os.truncate(tmp_path / "e.png", 2**28 + 1)
    for name, says in zip("abcde", ["is not a file"] * 3 + ["no such file", "image file is too large"], strict=True):
        (tmp_path / "labels.csv").write_text(f"file,label\n{name}.png,0\n")
        not_taken(FileError, tmp_path, network(), f"{name}.png: {says}")


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "..", "/tmp/a.png", "C:\\a.png", "\\\\host\\a.png", "x\\..\\..\\a.png"]
)
def test_labels_csv_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    """labels.csv names files of its folder: no absolute path, no .., whatever the system; the file is not looked at."""
    picture(tmp_path / "a.png", grey())
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "labels.csv").write_text(f"file,label\n{name},0\n")
    not_taken(
        FileError, inner, network(), "labels.csv line 2: names a file outside its folder: ", "wanted a path below it"
    )


def test_links_inside_a_folder_are_followed(tmp_path: Path) -> None:
    """A link in the folder, to a file or a folder elsewhere, is its owner's; names with dots are names."""
    picture(tmp_path / "store" / "a..b.png", grey(5))
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "data" / "images")
    (tmp_path / "data" / "labels.csv").write_text("file,label\na..b.png,0\n")
    assert (load_images(str(tmp_path / "data"), network()).x == grey(5)).all()


def test_a_labels_csv_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A labels.csv of 2^26 bytes and more is refused by its size, one of too many rows while it is read."""
    (tmp_path / "labels.csv").write_text("file,label\n")
    os.truncate(tmp_path / "labels.csv", 10**9)
    says = "labels.csv: is too large: 1,000,000,000 bytes (at most 67,108,864)"
    not_taken(FileError, tmp_path, network(), says)
    monkeypatch.setattr(folders, "MAX_IMAGES", 3)
    (tmp_path / "labels.csv").write_text("file,label\n" + "a.png,0\n" * 4)
    not_taken(FileError, tmp_path, network(), "labels.csv: names too many images (at most 3)")


def test_the_images_of_a_folder_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the codes of a folder take is known before the first is read: more than 2^33 bytes are refused, with what
    would do; so is a folder of too many files.
    """
    assert sources.MAX_CODES == 2**33
    for number in range(4):
        (tmp_path / f"{number}.png").touch()
    monkeypatch.setattr(sources, "MAX_CODES", 80)
    says = f"{tmp_path}: images take too much memory: 4 images, 96 bytes (at most 80: limit 3)"
    not_taken(LimitError, tmp_path, network(), says)
    not_taken(FileError, tmp_path, network(), "0.png: not an image", limit=3)
    monkeypatch.setattr(folders, "MAX_IMAGES", 3)
    not_taken(FileError, tmp_path, network(), "too many images: 4 (at most 3)")


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without permission is one line."""

    def iterdir(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", iterdir)
    not_taken(FileError, tmp_path, network(), f"{tmp_path}: cannot be read: Permission denied")
