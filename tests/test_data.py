"""Images for a network: every source and what it refuses, drawn images from the spec alone, and the bundled digits."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import fsref
import naive
from fsref.errors import FileError, FsrefError, InputError, LimitError, UsageError
from fsref.formats import bundled as models
from fsref.formats.bundled import bundled
from fsref.formats.sources import image_file, load_images
from fsref.law.images import drawn_images
from fsref.law.projections import Dense
from fsref.verification import golden
from fsref.verification.golden import golden_record
from nodes import residual
from pictures import grey, network, not_taken, picture
from refusals import refused

# Drawn images


def split_mix(seed, number):
    """Word `number` of SplitMix64(seed), from ID-3, in plain integers."""
    z = (seed + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % 2**64
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


@pytest.mark.parametrize(
    ("seed", "max_code", "steps"), [(0, 255, 8), (1, 16, 5), (2**64 - 1, 65535, 16), (12345, 1, 1)]
)
def test_drawn_images_from_the_spec_alone(seed, max_code, steps):
    """Every code of every drawn image is what the text of ID-3 gives in plain Python integers."""
    drawn = drawn_images(network((2, 3, 5), steps, max_code).input, 4, seed)
    expected = [(split_mix(seed, n) >> 32) * (max_code + 1) >> 32 for n in range(4 * 30)]
    assert drawn.shape == (4, 2, 3, 5) and drawn.dtype == np.int64
    assert drawn.ravel().tolist() == expected
    assert 0 <= min(expected) and max(expected) <= max_code


def test_split_mix_is_the_published_one():
    """The first words of SplitMix64 with seed 1234567, as its author's C code prints them."""
    assert [split_mix(1234567, n) for n in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_more_drawn_images_begin_with_the_same_ones():
    net = network()
    assert (drawn_images(net.input, 5, 7)[:2] == drawn_images(net.input, 2, 7)).all()
    assert (drawn_images(net.input, 2, 7) != drawn_images(net.input, 2, 8)).any()


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (-1, 1), (1, -1), (1, 2**64)])
def test_drawn_images_out_of_range_are_refused(count, seed):
    with pytest.raises(UsageError, match="ID-3"):
        drawn_images(network().input, count, seed)


# Folders


def test_folder_per_class_in_turn(tmp_path):
    """Sorted class folders are the classes; images come one of each class in turn, so that a limit keeps all
    classes.
    """
    for number, name in enumerate(("ant", "bee", "cat")):
        for index in range(2):
            picture(tmp_path / name / f"{index}.png", grey(10 * number + index))
    found = load_images(str(tmp_path), network())
    assert found.names == ("ant/0.png", "bee/0.png", "cat/0.png", "ant/1.png", "bee/1.png", "cat/1.png")
    assert found.y.tolist() == [0, 1, 2, 0, 1, 2] and found.y.dtype == np.int64
    assert found.x.shape == (6, 1, 4, 6) and found.x.dtype == np.uint8
    assert (found.x[4, 0] == grey(11)).all()
    few = load_images(str(tmp_path), network(), limit=2)
    assert few.names == found.names[:2] and few.y.tolist() == [0, 1]


def test_folders_named_as_classes_may_be_some_of_them(tmp_path):
    picture(tmp_path / "bee" / "a.png", grey())
    assert load_images(str(tmp_path), network(classes=("cat", "ant", "bee"))).y.tolist() == [2]
    not_taken(FileError, tmp_path, network(classes=("x", "y", "z")), "bee", "x, y, z")


def test_folder_without_labels(tmp_path):
    """Images alone have no classes; files that are no images and hidden ones are passed over."""
    picture(tmp_path / "b.png", grey(2))
    picture(tmp_path / "a.bmp", grey(1))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.png").write_text("x")
    found = load_images(str(tmp_path), network())
    assert found.names == ("a.bmp", "b.png") and found.y is None


def test_many_images_of_a_folder_lie_in_a_file_without_a_name(tmp_path, monkeypatch):
    """Beyond MAX_HELD bytes the images of a folder are the same, and none of them is in memory or under a name; a full
    disk is one line (RUN-4).
    """
    net, folder = network((1, 100, 200)), tmp_path / "images"
    for index in range(5):
        picture(folder / f"{index}.png", grey(7 * index, 100, 200))
    held = load_images(folder, net).x
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    monkeypatch.setattr("fsref.formats.folders.MAX_HELD", held.nbytes - 1)
    tracemalloc.start()
    on_disk = load_images(folder, net, limit=5).x
    most = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert np.array_equal(on_disk, held) and isinstance(on_disk, np.memmap) and not list(room.iterdir())
    assert most < held.nbytes

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fsref.formats.folders.reserve", full)
    with refused(LimitError, "RUN-4", str(folder), says=("No space left", "TMPDIR")):
        load_images(folder, net)


def test_labels_csv(tmp_path):
    """labels.csv gives file and class, by name or by number, in its own order."""
    for name in ("p.png", "q.png", "deep/r.png"):
        picture(tmp_path / name, grey(ord(name[0])))
    (tmp_path / "labels.csv").write_text("file,label\nq.png,cat\ndeep/r.png,ANT\n\np.png,bee\n")
    found = load_images(str(tmp_path), network(classes=("ant", "bee", "cat")))
    (tmp_path / "labels.csv").write_text("file,label\nq.png,2\ndeep/r.png,00\n\np.png,1\n")
    assert (load_images(str(tmp_path), network(classes=("ant", "bee", "cat"))).y == found.y).all()
    assert found.names == ("q.png", "deep/r.png", "p.png") and found.y.tolist() == [2, 0, 1]
    assert found.x[0, 0, 0, 0] == ord("q")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "header"),
        ("file,label\n", "names no image (after the header"),
        ("name,label\na.png,0\n", "header file,label: name,label (between commas"),
        ("file,label\na.png,3\n", "line 2"),
        ("file,label\na.png,0\na.png,-1\n", "line 3"),
        ("file,label\na.png\n", "line 2"),
        ("file,label\na.png,0,1\n", "line 2"),
        ("file,label\na.png,dog\n", "dog"),
        ("file,label\na.png,0\nb.png,dog\n", "line 3: is no number, where others are, such as 0: dog (wanted"),
        ('file,label\n"a.png,0\n', "cannot be read"),
        ("file,label\nmissing.png,0\n", "missing.png"),
    ],
)
def test_bad_labels_csv(tmp_path, text, word):
    picture(tmp_path / "a.png", grey())
    (tmp_path / "labels.csv").write_text(text)
    not_taken(FileError, tmp_path, network(), word)


def test_size_mismatch_is_refused_unless_asked(tmp_path):
    """Nothing is resized or cropped silently; the error names the file and both sizes."""
    picture(tmp_path / "a.png", np.arange(8 * 12).reshape(8, 12))
    not_taken(InputError, tmp_path, network(), "a.png", "8 x 12 (wanted 4 x 6; nothing", "[RUN-4]")
    not_taken(InputError, tmp_path, network((1, 6, 6)), "8 x 12 (wanted 6 x 6; ", "resize 6 and crop 6 would do")
    assert load_images(str(tmp_path), network(), resize=4).x.shape == (1, 1, 4, 6)
    square = load_images(str(tmp_path), network((1, 6, 6)), crop=6).x[0, 0]
    assert (square == np.arange(8 * 12).reshape(8, 12)[1:7, 3:9]).all()
    assert load_images(str(tmp_path), network((1, 4, 4)), resize=4, crop=4).x.shape == (1, 1, 4, 4)
    not_taken(InputError, tmp_path, network(), "a.png", "crop", crop=9)


@pytest.mark.parametrize("option", ["resize", "crop", "limit"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "4", True, 2**40])
def test_sizes_and_numbers_out_of_range_are_refused(tmp_path, option, value):
    """resize and crop are sides, 1..65536; limit is 1 or more; in folders and for a single image."""
    picture(tmp_path / "a.png", grey())
    if option == "limit" and value == 2**40:
        assert len(load_images(str(tmp_path), network(), limit=value).x) == 1
        return
    wanted = "wanted 1 or more" if option == "limit" else "wanted 1..65536"
    for source in (tmp_path, tmp_path / "a.png"):
        not_taken(
            UsageError, source, network(), f"{option}: not an integer in range: {value} ({wanted})", **{option: value}
        )
    if option != "limit":
        with refused(UsageError, "RUN-4", option):
            image_file(tmp_path / "a.png", network(), **{option: value})


def test_grey_and_rgb(tmp_path):
    """An RGB network takes grey files as three equal channels; a grey network takes no colour."""
    colour = np.arange(4 * 6 * 3).reshape(4, 6, 3)
    picture(tmp_path / "c.png", colour)
    rgb = network((3, 4, 6), contract=True)
    assert rgb.contract.order == "RGB"
    assert (load_images(str(tmp_path), rgb).x[0] == colour.transpose(2, 0, 1)).all()
    assert (load_images(str(tmp_path), network((3, 4, 6))).x[0] == colour.transpose(2, 0, 1)).all()
    line = "c.png: colour image where the network takes grey: RGB (wanted 8-bit L, no alpha; image.convert('L') of"
    not_taken(InputError, tmp_path, network(), line)
    not_taken(InputError, tmp_path, network((2, 4, 6)), "c.png", "(2, 4, 6)")
    picture(tmp_path / "c.png", grey(3))
    assert (load_images(str(tmp_path), rgb).x[0] == grey(3)[None]).all()
    picture(tmp_path / "c.png", colour, "RGBA")
    not_taken(InputError, tmp_path, rgb, "c.png: colour image with alpha: RGBA (wanted", "image.convert('RGB')")
    picture(tmp_path / "c.png", grey(3), "LA")
    not_taken(InputError, tmp_path, rgb, "c.png: grey image with alpha: LA")
    not_taken(InputError, tmp_path, network(), "c.png: grey image with alpha: LA (wanted 8-bit L, no alpha;")
    picture(tmp_path / "c.png", grey(3), "1")
    not_taken(InputError, tmp_path, network(), "c.png: image of another depth: 1 (wanted 8 bits a sample")


def test_a_transparent_colour_is_alpha(tmp_path):
    """A PNG that calls one colour transparent shows another than the one it holds."""
    for mode, net in (("L", network()), ("P", network((3, 4, 6))), ("RGB", network((3, 4, 6)))):
        Image.new(mode, (6, 4)).save(tmp_path / "a.png", transparency=(0, 0, 0) if mode == "RGB" else 0)
        not_taken(InputError, tmp_path, net, f"with alpha: {mode} (wanted 8-bit ", "leaves alpha out)", "[RUN-4]")


def png(bits: int, kind: int, data: bytes) -> bytes:
    """A PNG of 6 x 4 with so many bits a sample, of a kind (0 grey, 2 RGB), every row of these data."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 6, 4, bits, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress((b"\0" + data) * 4)),
    ]
    chunks = (name + held for name, held in [*parts, (b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.png", png(4, 0, bytes(3)), "L;4"),
        ("a.png", png(2, 0, bytes(2)), "L;2"),
        ("a.png", png(16, 2, bytes(36)), "RGB;16B"),
        ("a.pgm", b"P5\n6 4\n100\n" + bytes(24), "samples 0..100"),
        ("a.pgm", b"P2\n6 4\n15\n" + b"7 " * 24, "samples 0..15"),
        ("a.ppm", b"P6\n6 4\n65535\n" + bytes(144), "samples 0..65535"),
    ],
)
def test_samples_of_another_depth_are_refused(tmp_path, name, data, told):
    """Decoders make 8 bits of 2, 4 or 16, and 255 of what a PGM calls its largest value: no code is the file's."""
    (tmp_path / name).write_bytes(data)
    net = network((3, 4, 6) if told in ("RGB;16B", "samples 0..65535") else (1, 4, 6))
    not_taken(InputError, tmp_path, net, f"image of another depth: {told} (wanted 8 bits a sample", "[RUN-4]")


def test_palettes_and_samples_of_8_bits_are_taken(tmp_path):
    """Of a palette few bits choose a colour, which has 8; every format writes 8 bits as they are."""
    for name in ("a.png", "a.bmp", "a.tif", "a.ppm"):
        picture(tmp_path / name, grey(3))
        assert (load_images(str(tmp_path), network()).x[0, 0] == grey(3)).all()
        (tmp_path / name).unlink()
    Image.new("P", (6, 4)).save(tmp_path / "a.png", bits=4)
    assert load_images(str(tmp_path), network((3, 4, 6))).x.shape == (1, 3, 4, 6)
    (tmp_path / "a.pgm").write_bytes(b"P2\n6 4\n255\n" + b"7 " * 24)
    assert (load_images(str(tmp_path / "a.pgm"), network()).x == 7).all()


def test_pixels_beyond_max_code_are_refused(tmp_path):
    picture(tmp_path / "a.png", grey(12))
    line = f"{tmp_path / 'a.png'} [0, 0, 5]: code out of range: 17 (wanted 0..16; "
    not_taken(InputError, tmp_path, network(steps=5, max_code=16), line, "[RUN-1]")


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (1, 1, 4, 6)])
def test_one_image(tmp_path, shape):
    """One image file, or one image of codes in a .npy, is a source without classes."""
    picture(tmp_path / "a.png", grey(9))
    np.save(tmp_path / "a.npy", grey(9).astype(np.int32).reshape(shape))
    for name in ("a.png", "a.npy"):
        found = load_images(str(tmp_path / name), network())
        assert (found.x == grey(9)).all() and found.x.shape == (1, 1, 4, 6)
        assert found.y is None and found.names == (str(tmp_path / name),)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.txt", ("a.txt: no kind of picture that fsref reads has this suffix (wanted .bmp, ", "FILE.npz")),
        ("a.gif", ("a.gif: no kind of picture that fsref reads has this suffix (wanted .bmp, ", ".png, ")),
        ("labels.csv", ("labels.csv: is a table of labels, not a folder with one (name the folder: ",)),
        ("Labels.csv", (", and the table in it labels.csv)",)),
    ],
)
def test_a_file_is_no_folder(tmp_path, name, says):
    """What a file is that is no source is told, and what would do."""
    (tmp_path / name).write_text("x")
    not_taken(FileError, tmp_path / name, network(), *says, "[RUN-4]")


@pytest.mark.parametrize(
    ("name", "told"),
    [("a.tif", "several pages: TIFF"), ("a.png", "several frames: PNG"), ("a.webp", "several frames: WEBP")],
)
def test_a_file_of_several_pictures_is_refused(tmp_path, name, told):
    """The first page or frame is not taken without a word; a file that could have more and has one is read."""
    first, *others = [Image.fromarray(np.dstack([grey(k)] * 3)) for k in range(3)]
    colour = network((3, 4, 6))
    first.save(tmp_path / name, save_all=True, append_images=others, lossless=True)
    not_taken(FileError, tmp_path / name, colour, f"holds {told}", "wanted one picture")
    first.save(tmp_path / name, save_all=True, lossless=True)
    assert load_images(str(tmp_path / name), colour).x.shape == (1, 3, 4, 6)


def test_what_a_camera_puts_behind_a_jpeg_is_left_alone(tmp_path):
    """An MPO opens as the JPEG that it begins with."""
    first, *others = [Image.fromarray(grey(k)) for k in range(2)]
    first.save(tmp_path / "a.mpo", save_all=True, append_images=others)
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    assert load_images(str(tmp_path / "a.jpg"), network()).x.shape == (1, 1, 4, 6)


def test_a_source_may_be_a_path(tmp_path):
    """A pathlib.Path is taken as its text is; what is no path is refused."""
    picture(tmp_path / "a.png", grey(1))
    for source in (tmp_path, tmp_path / "a.png"):
        assert (load_images(source, network()).x == grey(1)).all()
    with refused(UsageError, "RUN-2", "load_images", says="not a path: ndarray"):
        load_images(np.zeros((1, 1, 4, 6), np.uint8), network())


def test_bad_image_files_and_folders(tmp_path):
    not_taken(FileError, tmp_path / "none", network(), "none")
    not_taken(FileError, tmp_path, network(), "no image files")
    (tmp_path / "a.png").write_bytes(b"not an image")
    not_taken(FileError, tmp_path, network(), "a.png")
    packed = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(packed, "png")
    (tmp_path / "a.png").write_bytes(packed.getvalue()[:2000])
    not_taken(FileError, tmp_path, network((1, 64, 64)), "a.png")
    (tmp_path / "empty").mkdir()
    not_taken(FileError, tmp_path, network(count=1), "empty")


# npz


def test_npz(tmp_path):
    """numpy.savez writes what is read: x of any integer type, y if there are classes."""
    x = np.random.default_rng(1).integers(0, 256, (5, 1, 4, 6))
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 2, 0, 1])
    found = load_images(str(tmp_path / "a.npz"), network())
    assert (found.x == x).all() and found.y.tolist() == [0, 1, 2, 0, 1] and found.names[4] == "x[4]"
    few = load_images(str(tmp_path / "a.npz"), network(), limit=2)
    assert (few.x == x[:2]).all() and few.y.tolist() == [0, 1] and len(few.names) == 2
    np.savez(tmp_path / "b.npz", x=x[:, 0].astype(np.uint8))
    found = load_images(str(tmp_path / "b.npz"), network())
    assert (found.x == x).all() and found.y is None


@pytest.mark.parametrize(
    ("kind", "arrays", "word"),
    [
        (FileError, {"images": np.zeros((1, 1, 4, 6), np.uint8)}, "missing: x"),
        (
            InputError,
            {"x": np.zeros((1, 1, 4, 6))},
            "x: not an array of integers: float64, 0..0 (wanted codes 0..255; ",
        ),
        (InputError, {"x": np.array([{}], object)}, "x: not an array of integers: |O (wanted codes 0..255)"),
        (InputError, {"x": np.array(["a"])}, "x: not an array of integers: <U1 (wanted codes 0..255)"),
        (InputError, {"x": np.zeros((1, 1, 4, 5), np.uint8)}, "(1, 1, 4, 5) (wanted (B, 1, 4, 6)"),
        (InputError, {"x": np.zeros((0, 1, 4, 6), np.uint8)}, "x: there are none: 0 (wanted 1 or more)"),
        (InputError, {"x": np.zeros(24, np.uint8)}, "(24,)"),
        (InputError, {"x": np.full((2, 1, 4, 6), -1)}, "x[0] [0, 0, 0]"),
        (InputError, {"x": np.full((2, 1, 4, 6), 256)}, "256"),
        (InputError, {"x": np.zeros((2, 1, 4, 6), np.uint8), "y": [0]}, "(1,)"),
        (InputError, {"x": np.zeros((2, 1, 4, 6), np.uint8), "y": [0, 3]}, "x[1] label"),
        (InputError, {"x": np.zeros((2, 1, 4, 6), np.uint8), "y": [[0, 1]]}, "(1, 2) (wanted one class 0..2 per image"),
    ],
)
def test_bad_npz(tmp_path, kind, arrays, word):
    np.savez(tmp_path / "a.npz", **arrays)
    not_taken(kind, tmp_path / "a.npz", network(), word)


def test_npz_that_is_no_plain_archive(tmp_path):
    not_taken(FileError, tmp_path / "a.npz", network(), "cannot be read")
    (tmp_path / "a.npz").write_bytes(b"PK but no zip")
    not_taken(FileError, tmp_path / "a.npz", network(), "zip")
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1, 1, 4, 6), np.uint8))
    not_taken(FileError, tmp_path / "a.npz", network(), "compressed")
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 1, 4, 6), np.uint8))
    not_taken(UsageError, tmp_path / "a.npz", network(), "folders", resize=8)


# CIFAR-10


def test_cifar10(tmp_path):
    records = np.random.default_rng(2).integers(0, 256, (4, 3073), np.uint8)
    records[:, 0] = [9, 0, 3, 3]
    records.tofile(tmp_path / "test_batch.bin")
    net = network((3, 32, 32), count=10, contract=True)
    found = load_images(f"cifar10:{tmp_path}", net)
    assert found.y.tolist() == [9, 0, 3, 3] and found.names[1] == "test_batch.bin[1]"
    assert found.x[2, 1, 5, 7] == records[2, 1 + 1024 + 5 * 32 + 7]
    assert load_images(f"cifar10:{tmp_path}", net, limit=3).x.shape == (3, 3, 32, 32)
    not_taken(InputError, f"cifar10:{tmp_path}", network(), "(3, 32, 32)", "(1, 4, 6)")
    not_taken(InputError, f"cifar10:{tmp_path}", network((3, 32, 32)), "[0] label", "0..2")


@pytest.mark.parametrize("size", [0, 1, 3072, 3074, 3 * 3073 - 1])
def test_truncated_cifar10_is_refused(tmp_path, size):
    (tmp_path / "test_batch.bin").write_bytes(bytes(size))
    not_taken(
        FileError, f"cifar10:{tmp_path}", network((3, 32, 32), count=10), "test_batch.bin", f"{size} bytes", "3073"
    )


def test_cifar10_that_is_not_there(tmp_path):
    not_taken(FileError, f"cifar10:{tmp_path}", network(), "test_batch.bin")
    for source in ("cifar10", "cifar10:"):
        not_taken(UsageError, source, network(), f"{source}: names no folder (cifar10:DIR) [RUN-4]")


# Bundled models


@pytest.fixture(scope="module")
def digits():
    return fsref.load("digits")


@pytest.fixture(scope="module")
def arrays():
    with np.load(bundled("digits") / "digits.npz", allow_pickle=False) as found:
        return dict(found)


def test_load(tmp_path, monkeypatch, digits):
    """A path or a bundled name; a file of that name goes first, a folder of that name does not."""
    path = tmp_path / "mine.npz"
    fsref.save(network(), path)
    assert fsref.load(str(path)).id == network().id
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert fsref.load("digits").id == digits.id
    (tmp_path / "digits").rmdir()
    fsref.save(network(), "digits")
    assert fsref.load("digits").id == network().id
    with pytest.raises(UsageError, match="'nothing'.*digits"):
        fsref.load("nothing")
    with pytest.raises(FileError, match="no/such.npz"):
        fsref.load("no/such.npz")
    for name in ("..", "a/b", ""):
        with pytest.raises(UsageError):
            bundled(name)


def test_bundled_model_of_an_installed_package_goes_first(tmp_path, monkeypatch):
    """A wheel lays models out as fsref/models/NAME; a clone has them in reference_models/ beside the package."""
    monkeypatch.setattr(models, "__file__", str(tmp_path / "fsref" / "formats" / "bundled.py"))
    places = [tmp_path / "reference_models" / "digits", tmp_path / "fsref" / "models" / "digits"]
    for place in places:
        place.mkdir(parents=True)
        (place / "digits.fs.npz").touch()
        assert bundled("digits") == place


def test_digits_accuracy(digits, arrays):
    """The float network was right on 98 % or more of the held-out images; the FS network says otherwise on at most
    2.
    """
    images = load_images("digits", digits)
    assert images.x.shape == (599, 1, 8, 8)
    assert (images.x[:, 0] == arrays["x_test"]).all() and (images.y == arrays["y_test"]).all()
    right = float((arrays["float_labels"] == images.y).mean())
    assert right >= 0.98 and digits.provenance["float_accuracy"] == round(right, 6)
    result = fsref.run(digits, images.x)
    assert (result.predictions != arrays["float_labels"]).sum() <= 2
    assert digits.provenance["fs_accuracy"] == round(float((result.predictions == images.y).mean()), 6)


def test_digits_split(arrays):
    """Training and test images are 1,797 pictures of ten classes, pixels 0..16, no image in both parts."""
    shapes = {"x_test": (599, 8, 8), "y_test": (599,), "float_labels": (599,)}
    shapes |= {"x_train": (1198, 8, 8), "y_train": (1198,)}
    assert {name: a.shape for name, a in arrays.items()} == shapes
    assert {a.dtype.name for a in arrays.values()} == {"uint8"}
    assert max(arrays["x_test"].max(), arrays["x_train"].max()) == 16
    assert set(arrays["y_test"].tolist()) == set(arrays["y_train"].tolist()) == set(range(10))
    assert not {a.tobytes() for a in arrays["x_test"]} & {a.tobytes() for a in arrays["x_train"]}


def test_digits_has_every_feature(digits):
    """What the bundled network is there to show: each kind of projection and population an engine must get right."""
    convolutions = [p for p in digits.projections if isinstance(p, fsref.Conv2d)]
    fs = digits.fs
    assert [p.name for p in digits.populations] == ["input", "conv1", "depth1", "merge1", "pool", "conv2", "logits"]
    assert digits.input.shape == (1, 8, 8) and (digits.input.steps, digits.input.max_code) == (5, 16)
    assert any(any(p.padding) for p in convolutions)
    assert any(max(p.stride) > 1 for p in convolutions)
    assert any(p.groups == digits[p.source].shape[0] > 1 and max(p.kernel) > 1 for p in convolutions)
    assert list(digits.into("merge1")) == ["depth1->merge1", "conv1->merge1"]
    assert any(any(p.padding) for p in digits.pools)
    assert any(isinstance(p, Dense) and p.pooled and p.target == "logits" for p in digits.projections)
    assert any(p.bias.ndim == 3 for p in fs)
    assert {p.steps for p in fs} == {6, 8}
    assert all(p.table.T.ndim == 2 for p in fs)
    assert all(p.weights.dtype == np.int8 for p in digits.projections)
    assert sum(p.weights.size for p in digits.projections) <= 15_000
    assert digits.classes == tuple("0123456789") and digits.contract.order == "L" and len(digits.contract.mean) == 1
    assert all(p.scale and p.scale > 0 for p in (digits.input, *fs))
    assert digits.provenance["data_license"] == "CC-BY-4.0" and digits.provenance["tool"] == "tools/train_digits.py"


def test_digits_bias_map_is_the_mean_at_the_border(digits):
    """conv1's map is constant inside, and differs at the border, where the padding meets fewer taps."""
    bias = digits["conv1"].bias
    assert (bias[:, 1:-1, 1:-1] == bias[:, 1:2, 1:2]).all()
    assert (bias[:, 0, 1:-1] == bias[:, 0, 1:2]).all() and (bias[:, 0] != bias[:, 1]).any()


def test_digits_golden_recomputed(digits):
    """golden.json is what all three engines give today, and names the very files beside it."""
    folder = bundled("digits")
    committed = json.loads((folder / "golden.json").read_text())
    images = load_images("digits", digits)
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("digits.fs.npz", "digits.npz")}
    assert {"files": files, **golden_record(digits, images.x, images.y)} == committed
    assert "correct" not in golden_record(digits, images.x[:4])


def test_digits_golden_by_the_naive_oracle(digits):
    """The same logits and digests from plain Python that has only read SPEC.md."""
    committed = json.loads((bundled("digits") / "golden.json").read_text())
    net = naive.load((bundled("digits") / "digits.fs.npz").read_bytes())
    images = np.concatenate([load_images("digits", digits, limit=3).x, drawn_images(digits.input, 3, 1)])
    for image, expected in zip(images, committed["images"], strict=True):
        seen = naive.simulate(net, image.ravel().tolist())
        assert list(seen.logits) == expected["logits"]
        for p, words in enumerate(expected["digests"].values()):
            assert [f"{naive.digest(naive.spikes(net, seen, p, t)):08x}" for t in range(len(words))] == words


def test_golden_record_refuses_engines_that_differ(digits, monkeypatch):
    """A golden value is one on which all engines agree."""
    real = fsref.run

    def one_off(net, images, engine="events", **options):
        result = real(net, images, engine, **options)
        if engine == "quantized":
            result.logits[0, 0] += 1
        return result

    monkeypatch.setattr(golden, "run", one_off)
    with refused(FsrefError, "RUN-2", "golden record", "events and quantized", says="two engines differ"):
        golden_record(digits, load_images("digits", digits, limit=3).x)


def test_bundled_files_are_written_reproducibly():
    """Members stored, sorted, dated 1980: the same network gives the same bytes, and saving the loaded network gives
    the file.
    """
    folder = bundled("digits")
    for name in ("digits.fs.npz", "digits.npz"):
        with zipfile.ZipFile(folder / name) as archive:
            entries = archive.infolist()
        assert [e.filename for e in entries] == sorted(e.filename for e in entries)
        assert {(e.date_time, e.compress_type) for e in entries} == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)}


def test_saving_the_bundled_network_again_gives_its_bytes(tmp_path, digits):
    fsref.save(digits, tmp_path / "again.fs.npz")
    assert (tmp_path / "again.fs.npz").read_bytes() == (bundled("digits") / "digits.fs.npz").read_bytes()


def test_digits_as_a_folder_are_the_same_images(tmp_path, digits):
    """Images that went through files, folders and labels.csv come back the same."""
    images = load_images("digits", digits, limit=12)
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label"])
        for index, (pixels, label) in enumerate(zip(images.x, images.y, strict=True)):
            picture(tmp_path / f"{index}.png", pixels[0])
            table.writerow([f"{index}.png", label])
    found = load_images(str(tmp_path), digits)
    assert (found.x == images.x).all() and (found.y == images.y).all()


@pytest.mark.parametrize(
    ("source", "count", "seed"), [("drawn:3", 3, 1), ("drawn:2:0", 2, 0), (f"drawn:1:{2**64 - 1}", 1, 2**64 - 1)]
)
def test_drawn_images_are_a_source(source, count, seed):
    """`drawn:N[:SEED]` are those of ID-3 without classes, for a network and a float graph; a limit takes the first."""
    graph = residual()
    for model, into in ((network((2, 3, 5), 5, 17), network((2, 3, 5), 5, 17).input), (graph, graph.contract())):
        found = load_images(source, model)
        assert found.y is None and (found.x == drawn_images(into, count, seed)).all()
        assert (load_images(source, model, limit=1).x == found.x[:1]).all() and found.names[0] == "drawn[0]"


@pytest.mark.parametrize(
    "text", ["", ":", ":0", ":-1", ":1.5", ":x", ":3:", ":3:x", ":3:1:1", ":3:-1", f":3:{2**64}", ":³"]
)
def test_what_names_no_drawn_images(text):
    """One line that says the form; nothing is resized or cropped; too many are refused before they are drawn."""
    with refused(UsageError, "RUN-4", f"drawn{text}", says="names no drawn images (drawn:N or drawn:N:SEED, N of 1"):
        load_images(f"drawn{text}", network())
    with refused(UsageError, "RUN-4", "drawn:1", says="resize and crop are for image files"):
        load_images("drawn:1", network(), resize=3)
    with refused(LimitError, "RUN-4", "drawn:9999999999", says="at most 67,108,864: drawn:2796202)"):
        load_images("drawn:9999999999", network())
    assert len(load_images("drawn:9999999999", network(), limit=2).x) == 2


def test_drawn_images_are_of_seed_1_unless_told():
    """The seed of RUN-2 is 1."""
    given = network().input
    assert (drawn_images(given, 3) == drawn_images(given, 3, 1)).all()


def test_a_std_of_ten_times_the_pixels_is_not_doubted():
    """Beyond it a std is that of another scale (GRAPH-5)."""
    doubts = [fsref.Pixels(1, 2, 2, 0.5, std, scale=1 / 255).doubt() for std in (10.0, 10.5)]
    assert doubts[0] == "" and "std 10.5 lies far above" in doubts[1]
