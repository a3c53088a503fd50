"""Images as arrays, in an npz, a .npy or a published data set: what is taken, and for what is not the expression that
makes it.
"""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import replace

import numpy as np
import pytest

from fsref.errors import FileError, FsrefError, InputError, UsageError
from fsref.formats.sources import load_images
from pictures import grey, network, not_taken
from refusals import check_line

ZEROS = np.zeros((5, 1, 4, 6), np.uint8)
COLOUR = (3, 4, 6)


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((2, 1, 4, 6), np.uint8), "not one image"),
        (np.zeros((4, 5), np.uint8), "not one image"),
        (np.zeros((4, 6)), "integers: float64"),
        (np.full((4, 6), -1), "[0, 0, 0]: code out of range: -1"),
    ],
)
def test_bad_npy(tmp_path, array, word):
    np.save(tmp_path / "a.npy", array)
    not_taken(InputError, tmp_path / "a.npy", network(), "a.npy", word)
    not_taken(UsageError, tmp_path / "a.npy", network(), "crop", crop=2)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    not_taken(FileError, tmp_path / "a.npy", network(), "a.npy", "data do not fill the declared shape")


def test_npy_with_a_broken_header(tmp_path):
    """Whatever stands in the header of a .npy, it is read or refused in one line."""
    np.save(tmp_path / "a.npy", grey())
    whole, net = (tmp_path / "a.npy").read_bytes(), network()
    for at in range(128):
        for byte in (0, ord(" "), ord("0"), ord("("), ord("'"), 255):
            (tmp_path / "a.npy").write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            try:
                load_images(str(tmp_path / "a.npy"), net)
            except FsrefError as error:
                check_line(error)
    for end in range(128):
        (tmp_path / "a.npy").write_bytes(whole[:end])
        not_taken(FileError, tmp_path / "a.npy", net, "a.npy")


def test_npy_of_any_integers(tmp_path):
    """A .npy is taken in every integer type, byte order and memory order in which `np.save` writes one."""
    for kind in "|i1 |u1 <i2 >i2 <u2 >u2 <i4 >i4 <u4 >u4 <i8 >i8 <u8 >u8".split():
        for order in "CF":
            np.save(tmp_path / "a.npy", grey().astype(kind, order=order))
            found = load_images(str(tmp_path / "a.npy"), network()).x
            assert (found == grey()).all() and found.dtype.isnative


def test_npy_is_judged_by_its_header(tmp_path):
    """The shape of a .npy is read before its data: one that is far too large costs nothing."""
    np.save(tmp_path / "a.npy", grey())
    header = (tmp_path / "a.npy").read_bytes()[:128].replace(b"(4, 6), }    ", b"(40000, 6), }")
    (tmp_path / "a.npy").write_bytes(header)
    os.truncate(tmp_path / "a.npy", 128 + 240000)
    not_taken(
        InputError, tmp_path / "a.npy", network(), "not one image of the input's size: (40000, 6) (wanted (1, 4, 6)"
    )
    (tmp_path / "b.npy").mkdir()
    not_taken(FileError, tmp_path / "b.npy", network(), "b.npy")
    (tmp_path / "labels.csv").write_text("file,label\nb.npy,0\n")
    not_taken(FileError, tmp_path, network(), "b.npy: is not a file")


def test_a_contract_that_resizes_leaves_npy_alone(tmp_path):
    """resize and crop of the input contract are for image files: codes in a .npy are taken as they are."""
    net = network(contract=True)
    net = replace(net, contract=replace(net.contract, resize=4))
    np.save(tmp_path / "a.npy", grey())
    assert (load_images(str(tmp_path / "a.npy"), net).x == grey()).all()


@pytest.mark.parametrize(
    ("shape", "x", "says"),
    [
        (
            COLOUR,
            np.zeros((5, 4, 6, 3), np.uint8),
            "(wanted (B, 3, 4, 6); channels are last: x.transpose(0, 3, 1, 2)",
        ),
        (COLOUR, np.zeros((5, 8, 8, 3), np.uint8), "channels are last: x.transpose(0, 3, 1, 2)"),
        ((1, 4, 6), np.zeros((5, 4, 6, 1), np.uint8), "channels are last: x.transpose(0, 3, 1, 2)"),
        (COLOUR, np.zeros((4, 6, 3), np.uint8), "x.transpose(2, 0, 1)[None] makes one image of it"),
        (COLOUR, np.zeros((3, 4, 6), np.uint8), "x[None] makes one image of it"),
        (COLOUR, np.zeros((5, 4, 4, 6), np.uint8), "is the fourth channel alpha? x[:, :3] leaves it out"),
        (COLOUR, np.zeros((5, 72), np.uint8), "x.reshape(-1, 3, 4, 6) makes them"),
        (COLOUR, np.zeros((5, 3, 8, 8), np.uint8), "taken as they are: resize and crop are for image files"),
        ((1, 4, 6), np.ones((5, 4, 6)) / 2, "float64, 0.5..0.5 (wanted codes 0..255; np.round(x * 255).astype("),
        ((1, 4, 6), np.full((5, 4, 6), 200, np.float32), "float32, 200..200 (wanted codes 0..255; x.astype(np.uint8)"),
        ((1, 4, 6), np.full((5, 4, 6), -1.5), "float64, -1.5..-1.5 (wanted codes 0..255; take pixels as they are"),
        ((1, 4, 6), np.full((5, 4, 6), np.nan), "float64, nan..nan (wanted codes 0..255; take pixels as they are"),
        ((1, 4, 6), np.zeros((5, 4, 6), bool), "bool, 0..0 (wanted codes 0..255; "),
    ],
)
def test_arrays_that_are_no_codes_say_what_would_do(tmp_path, shape, x, says):
    """Channels last, one image, alpha, flat, another size, floats of pixels or of 0..1, normalised floats."""
    np.savez(tmp_path / "a.npz", x=x)
    not_taken(InputError, tmp_path / "a.npz", network(shape), "a.npz: x: ", says)


@pytest.mark.parametrize(
    ("shape", "x", "says"),
    [
        (COLOUR, np.zeros((4, 6, 3), np.uint8), "(wanted (3, 4, 6); channels are last: x.transpose(2, 0, 1)"),
        (COLOUR, np.zeros((1, 4, 6, 3), np.uint8), "channels are last: x.transpose(0, 3, 1, 2)"),
        (COLOUR, np.zeros((2, 3, 4, 6), np.uint8), "more images go into an npz"),
        ((1, 4, 6), np.full((4, 6), 0.5), "(wanted codes 0..255; np.round(x * 255).astype(np.uint8)"),
        ((1, 4, 6), np.array("a"), "(wanted codes 0..255)"),
        ((1, 4, 6), np.array(1.0), "(wanted (1, 4, 6)"),
    ],
)
def test_one_image_that_is_no_codes_says_what_would_do(tmp_path, shape, x, says):
    np.save(tmp_path / "a.npy", x)
    not_taken(InputError, tmp_path / "a.npy", network(shape), "a.npy: not ", says)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.eye(3, dtype=int)[[0, 1, 2, 0, 1]], "one-hot: (5, 3) (wanted one class 0..2 per image, (5,): y.argmax(1)"),
        (np.eye(3)[[0, 1, 2, 0, 1]], "y.argmax(1)"),
        (np.zeros((5, 1), int), "y.ravel()"),
        (np.zeros(5), "not an array of integers: float64 (wanted one class 0..2 per image, (5,): y.astype(np.int64)"),
        (np.array(list("abcab")), "not an array of integers: <U1 (wanted numbers of classes 0..2)"),
        (np.array([{}] * 5), "not an array of integers: |O"),
    ],
)
def test_labels_that_are_no_classes_say_what_would_do(tmp_path, y, says):
    """One-hot, a column, floats, text: each is refused with the expression that makes classes of it."""
    np.savez(tmp_path / "a.npz", x=ZEROS, y=y)
    not_taken(InputError, tmp_path / "a.npz", network(), "a.npz: y: ", says)


def test_arrays_by_other_names(tmp_path):
    """An npz without x tells what it has and how to write one."""
    np.savez(tmp_path / "mnist.npz", x_train=ZEROS, **{"long" * 30: ZEROS})
    not_taken(
        FileError, tmp_path / "mnist.npz", network(), "x (there are long", "x_train; wanted images x and", "np.savez("
    )
    assert len(str(pytest.raises(FileError, load_images, str(tmp_path / "mnist.npz"), network()).value)) < 400


def test_pickled_cifar10_is_never_read(tmp_path):
    """The version of CIFAR-10 for Python says which one is wanted; the folder above, or a folder of batches where a
    source of images was named, too.
    """
    net = network((3, 32, 32), count=10)
    inner = tmp_path / "cifar-10-batches-py"
    inner.mkdir()
    for name in ("test_batch", "data_batch_1"):
        (inner / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    for source in (f"cifar10:{inner}", f"cifar10-train:{inner}", f"cifar10:{tmp_path}", str(inner)):
        not_taken(FileError, source, net, "pickles are never read: wanted the binary version, cifar-10-binary.tar.gz")
    binary = tmp_path / "cifar-10-batches-bin"
    binary.mkdir()
    (binary / "test_batch.bin").write_bytes(bytes(3073))
    not_taken(FileError, f"cifar10:{tmp_path}", net, f"did you mean cifar10:{binary}?")
    not_taken(FileError, binary, net, f"did you mean cifar10:{binary}?")
    assert len(load_images(f"cifar10:{binary}", net, limit=2**62).x) == 1


@pytest.mark.parametrize(
    ("name", "opener"),
    [
        ("train-images-idx3-ubyte", "np.fromfile(FILE"),
        ("t10k-labels.idx1-ubyte.gz", "np.frombuffer(gzip.open(FILE).read()"),
    ],
)
def test_idx_files_say_what_would_do(tmp_path, name, opener):
    """The files of MNIST are not read; what makes arrays of them is told, and works."""
    images = bytes(16) + bytes(range(98)) * 16
    (tmp_path / name).write_bytes(gzip.compress(images) if name.endswith("gz") else images)
    says = "an idx file, as of MNIST: x = np."
    for source in (tmp_path / name, tmp_path):
        not_taken(FileError, source, network(), says, f"{opener}, np.uint8, offset=16).reshape(-1, 28, 28)")
    line = str(pytest.raises(FileError, load_images, str(tmp_path), network()).value)
    expression = re.search(r"x = (np.*?28\))", line)
    assert expression is not None
    x = eval(expression[1], {"np": np, "gzip": gzip, "FILE": tmp_path / name})
    assert x.tobytes() == images[16:] and x.shape == (2, 28, 28)
