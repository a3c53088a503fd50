"""Labels of folders and labels.csv: numbers are numbers, names are the network's, and what is taken for granted is told
(RUN-4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.cli.main import main
from fsref.errors import FileError, InputError
from fsref.formats.cifar10 import CLASSES
from fsref.formats.labels import nearest_classes
from fsref.formats.sources import ImageSet, load_images
from nodes import drawn, residual
from pictures import grey, network, not_taken, picture
from refusals import refused

PLANES = ("plane", "car", *CLASSES[2:])  # what a well-known tutorial calls them


def folders(place: Path, names: Sequence[str]) -> str:
    """A folder with a folder of one image for each name, whose pixels tell which."""
    for number, name in enumerate(names):
        picture(place / name / "a.png", grey(number))
    return str(place)


def table(place: Path, labels: Sequence[str]) -> str:
    """A folder with a labels.csv of one image for each label, whose pixels tell which."""
    for number in range(len(labels)):
        picture(place / f"{number}.png", grey(number))
    rows = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
    (place / "labels.csv").write_text(f"file,label\n{rows}")
    return str(place)


def labels(found: ImageSet) -> list[int]:
    """The labels in the order of the names that the images were made for."""
    assert found.y is not None
    return [int(found.y[i]) for i in np.argsort(found.x[:, 0, 0, 0], kind="stable")]


MADE = pytest.mark.parametrize("made", [folders, table])


@MADE
@pytest.mark.parametrize("classes", [(), tuple(f"c{k}" for k in range(12))])
def test_numbers_are_numbers(tmp_path: Path, made: Any, classes: Sequence[str]) -> None:
    """0..11 are the classes 0..11, 10 not before 2, whether classes have names or not; leading zeros change nothing;
    some of the classes will do.
    """
    net = network(count=12, classes=classes)
    found = load_images(made(tmp_path / "all", [str(k) for k in range(12)]), net)
    assert labels(found) == list(range(12))
    assert found.labelling is not None and found.labelling.by == "number" and found.labelling.classes["10"] == 10
    assert labels(load_images(made(tmp_path / "some", ["00", "11", "02"]), net)) == [0, 11, 2]


def test_spaces_around_a_number(tmp_path: Path) -> None:
    """A row `a.png, 10` names class 10, not the name " 10", which sorts before " 2"."""
    assert labels(load_images(table(tmp_path, [f" {k} " for k in range(12)]), network(count=12))) == list(range(12))


@MADE
@pytest.mark.parametrize("form", ["class_{}", "{}.0", "c{}x", "-{}", "{} of 12"])
def test_numbers_in_names_are_not_sorted_as_text(tmp_path: Path, made: Any, form: str) -> None:
    """class_10 before class_2 is no order of classes to take for granted; with zeros before it is."""
    source = made(tmp_path / "a", [form.format(k) for k in range(12)])
    words = (
        "names in sorted order are not in the order of the numbers in them: ",
        "numbers 0..11 would do)",
        "[RUN-4]",
    )
    not_taken(FileError, source, network(count=12), *words)
    zeros = made(tmp_path / "b", [form.format(f"{k:02}") for k in range(12)])
    assert labels(load_images(zeros, network(count=12))) == list(range(12))


@MADE
@pytest.mark.parametrize("classes", [(), ("0", "1", "2")])
@pytest.mark.parametrize("names", [("-1", "1"), ("0.0", "1.0"), ("+1", "2", "0", "1")])
def test_a_number_that_is_no_class_is_called_that(tmp_path: Path, made: Any, names: Any, classes: Any) -> None:
    """A sign is no spelling of the class 1, and a point no way to write one."""
    wrong = next(name for name in sorted(names) if not name.isdecimal())
    words = (f"is no class number: {wrong} (wanted 0..2, in digits)", "[RUN-4]")
    not_taken(FileError, made(tmp_path, names), network(count=3, classes=classes), *words)


def test_a_folder_of_cifar10_that_is_missing_is_told_first(tmp_path: Path) -> None:
    """Before what its classes would be."""
    net = network((3, 32, 32), count=10, classes=("cat", *(f"c{k}" for k in range(9))))
    with refused(FileError, "RUN-4", str(tmp_path / "no" / "test_batch.bin"), says="no such file"):
        load_images(f"cifar10:{tmp_path / 'no'}", net)


@MADE
@pytest.mark.parametrize(
    "names", [("cat", "cat-big", "cat2"), ("0x", "a1", "ab"), ("a" + "9" * 200, "b" + "1b" * 60, "n01")]
)
def test_names_in_sorted_order_that_hold_numbers(tmp_path: Path, made: Any, names: Sequence[str]) -> None:
    """Where no two numbers meet, or their order is that of the text, sorted order is taken."""
    assert labels(load_images(made(tmp_path, names), network(count=3))) == [sorted(names).index(name) for name in names]


@MADE
@pytest.mark.parametrize("name", ["12", "012", "99999999999999999999", "9" * 200])
def test_numbers_beyond_the_classes_are_refused(tmp_path: Path, made: Any, name: str) -> None:
    source = made(tmp_path, ["0", name])
    not_taken(FileError, source, network(count=12), "no such class: ", name[:80], "(wanted 0..11)", "[RUN-4]")


@MADE
def test_names_are_the_networks_in_any_order_and_spelling(tmp_path: Path, made: Any) -> None:
    """A name is the class that the network calls so; case, spaces, - and _ apart."""
    net = network(classes=("sea lion", "Guinea_Pig", "T-Rex"))
    found = load_images(made(tmp_path, ["t_rex", "SEALION", "guinea pig"]), net)
    assert labels(found) == [2, 0, 1]
    assert found.labelling is not None and found.labelling.by == "name"
    assert "sorted order" not in str(found)


def test_names_that_are_numbers(tmp_path: Path) -> None:
    """Where the network calls its classes by numbers, its names go first."""
    net = network(count=3, classes=("1", "2", "3"))
    assert labels(load_images(folders(tmp_path / "a", ["1", "2"]), net)) == [0, 1]
    assert labels(load_images(folders(tmp_path / "b", ["0", "1"]), net)) == [0, 1]


def test_a_name_of_two_classes_is_refused(tmp_path: Path) -> None:
    """Two classes that differ in spelling alone need the exact one; two of one name need numbers."""
    net = network(classes=("crane", "Crane", "maillot"))
    assert labels(load_images(folders(tmp_path / "a", ["Crane", "crane"]), net)) == [1, 0]
    not_taken(FileError, folders(tmp_path / "b", ["CRANE"]), net, "two classes have this name: CRANE (classes 0 and 1")
    twice = network(classes=("crane", "crane", "maillot"))
    not_taken(FileError, folders(tmp_path / "c", ["crane"]), twice, "two classes have this name: crane", "numbers 0..2")


@MADE
def test_names_of_others_are_refused_with_the_nearest_pairing(tmp_path: Path, made: Any) -> None:
    """plane, car, ... for airplane, automobile, ... was numbered in the order of the alphabet: bird first."""
    source = made(tmp_path, PLANES)
    not_taken(
        FileError,
        source,
        network(count=10, classes=CLASSES),
        "names are not the network's classes: bird, car, cat, deer, dog, frog, horse, plane, ship, truck (wanted",
        "classes airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck; did you mean",
        "did you mean car = automobile, plane = airplane?; numbers 0..9 would do",
    )


def test_pairs_of_names() -> None:
    """Each class is paired once; what is like no class is left out; long lists and names stay cheap."""
    assert nearest_classes(["cats", "dogs"], ["dog", "cat", "bird"]) == [("cats", "cat"), ("dogs", "dog")]
    assert nearest_classes(["cat", "xyz"], ["cat", "dog", "bird"]) == []
    assert nearest_classes(["cat", "xyz"], ["cat", "dog"]) == [("xyz", "dog")]
    many = [f"n{k:08}" for k in range(10_000)]
    assert len(nearest_classes(many, [name + "x" for name in many[:100]])) <= 10
    assert nearest_classes(["a" * 10**6], ["a" * 10**6 + "b"]) == [("a" * 10**6, "a" * 10**6 + "b")]


@MADE
def test_a_mixture_of_numbers_and_names_is_refused(tmp_path: Path, made: Any) -> None:
    for place, classes in (("a", ()), ("b", ("ant", "bee", "cat"))):
        not_taken(
            FileError,
            made(tmp_path / place, ["0", "bee", "2"]),
            network(classes=classes),
            "is no number, where others are, such as 0: bee (wanted",
        )


@MADE
def test_sorted_order_is_told(tmp_path: Path, made: Any) -> None:
    """Where the network names no classes and there is one name for each, their sorted order is taken and told; any
    other count of names is refused.
    """
    found = load_images(made(tmp_path / "a", ["cat", "ant", "bee"]), network())
    assert labels(found) == [2, 0, 1]
    assert found.labelling is not None
    assert found.to_dict()["labelling"] == {"by": "order", "classes": {"ant": 0, "bee": 1, "cat": 2}}
    assert "the network names no classes; taken in sorted order: ant = 0, bee = 1," in str(found)
    for place, names in (("b", ["cat", "ant"]), ("c", ["cat", "ant", "bee", "dog"])):
        says = "(wanted 3 classes without names; numbers 0..2 would do)"
        not_taken(FileError, made(tmp_path / place, names), network(), "names are not one for each class: ant", says)


def test_numbers_of_an_npz_and_images_without_labels(tmp_path: Path) -> None:
    """Labels of an npz are numbers; without labels there is nothing to read."""
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4, 6), np.uint8), y=[0, 2])
    found = load_images(str(tmp_path / "a.npz"), network(classes=("a", "b", "c")))
    assert found.to_dict() == {"labelling": {"by": "number", "classes": {}}, "left_out": 0}
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 4, 6), np.uint8))
    assert load_images(str(tmp_path / "b.npz"), network()).to_dict() == {"labelling": None, "left_out": 0}


def test_cifar10_goes_by_the_networks_names(tmp_path: Path) -> None:
    """Where the network names the ten classes, in whatever order, labels are read by name; where it names others they
    are numbers, unless a name of CIFAR-10 has another number.
    """
    records = np.zeros((10, 3073), np.uint8)
    records[:, 0] = range(10)
    records.tofile(tmp_path / "test_batch.bin")

    def read(classes: Sequence[str]) -> list[int]:
        found = load_images(f"cifar10:{tmp_path}", network((3, 32, 32), count=10, classes=classes))
        assert found.y is not None
        return [int(label) for label in found.y]

    for same in ((), CLASSES, PLANES, [f"class {k}" for k in range(10)], [name.upper() for name in CLASSES]):
        assert read(same) == list(range(10))
    assert read(sorted(CLASSES, reverse=True)) == list(range(9, -1, -1))
    wrong = network((3, 32, 32), count=10, classes=("plane", "car", "cat", "bird", *CLASSES[4:]))
    not_taken(
        InputError, f"cifar10:{tmp_path}", wrong, "bird is class 2: 3 in the network (wanted the classes of CIFAR-10"
    )
    records[3, 0] = 10
    records.tofile(tmp_path / "test_batch.bin")
    named = network((3, 32, 32), count=10, classes=CLASSES)
    not_taken(InputError, f"cifar10:{tmp_path}", named, "test_batch.bin[3] label: no such class: 10 (wanted 0..9)")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_every_verb_that_scores_tells_how_labels_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    """convert, evaluate, run and compare print the order that was taken, and `--json` says how labels were read."""
    monkeypatch.chdir(tmp_path)
    net, x = residual(), drawn(10)
    predicted = net.forward(x).argmax(axis=1)
    fsref.save(replace(net, classes=()), "graph.npz")
    for k, image in enumerate(x):
        picture(Path("images") / f"{k}.png", image.transpose(1, 2, 0))
    names = ["ant", "bee", "cat", "dog", "eel"]
    rows = [f"{k}.png,{names[label]}" for k, label in enumerate(predicted)]
    spare = [f"spare{k}.png,{name}" for k, name in enumerate(names)]  # each name once at least
    for k in range(len(names)):
        picture(Path("images") / f"spare{k}.png", x[0].transpose(1, 2, 0))
    Path("images/labels.csv").write_text("\n".join(["file,label", *rows, *spare]) + "\n")
    data = ["--data", "images", *form]
    for command in (
        ["convert", "graph.npz", "--out", "net.npz"],
        ["evaluate", "net.npz"],
        ["run", "net.npz"],
        ["compare", "graph.npz", "net.npz"],
    ):
        assert main([*command, *data]) == 0
        out = capsys.readouterr().out
        if form:
            expected = {"by": "order", "classes": {name: k for k, name in enumerate(names)}}
            assert json.loads(out)["labelling"] == expected, command
        else:
            told = "labels the network names no classes; taken in sorted order: ant = 0, bee = 1, cat = 2, dog = 3,"
            assert told in " ".join(out.split()), command


def test_names_of_strangers_are_cut_and_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names from a folder reach the terminal escaped, the first ten, each cut."""
    names = ["\x1b[2J" + "x" * 60, *(f"name {k:02}" for k in range(30))]
    source = folders(tmp_path / "many", names)
    fsref.save(network(count=31), tmp_path / "net.npz")
    assert main(["evaluate", str(tmp_path / "net.npz"), "--data", source]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b[2J" in out
    assert "xxx... = 0, name 00 = 1," in " ".join(out.split()) and "and 21 more" in " ".join(out.split())
    net = network(count=3, classes=("a", "b", "c"))
    line = str(pytest.raises(FileError, load_images, source, net).value)
    assert len(line) < 600 + len(source)


def test_what_is_no_image_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What lies in a folder of images and is none is named, not left out in silence: other kinds of picture, folders
    below a class, images beside the classes; hidden files are not looked at.
    """
    folders(tmp_path / "all", ["0", "1", "2"])
    for stray in ("all/0/b.gif", "all/0/.hidden.gif", "all/2/notes.txt", "all/README", "all/1/more/a.png"):
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_bytes(b"")
    picture(tmp_path / "all" / "stray.png", grey(1))
    found = load_images(str(tmp_path / "all"), network())
    assert found.left_out == ("stray.png", "0/b.gif", "1/more", "2/notes.txt") and found.to_dict()["left_out"] == 4
    fsref.save(network(), tmp_path / "net.npz")
    assert main(["evaluate", str(tmp_path / "net.npz"), "--data", str(tmp_path / "all")]) == 0
    assert "left out  4 names of no image file: stray.png, 0/b.gif, 1/more, 2/notes.txt" in capsys.readouterr().out
    alone = tmp_path / "alone"
    picture(alone / "a.png", grey(0))
    (alone / "b.heic").write_bytes(b"")
    assert load_images(str(alone), network()).left_out == ("b.heic",)


def test_a_file_has_one_label(tmp_path: Path) -> None:
    """A labels.csv that gives a file two labels is refused; the same row twice is two images."""
    picture(tmp_path / "a.png", grey(0))
    (tmp_path / "labels.csv").write_text("file,label\na.png,0\na.png,0\n")
    assert len(load_images(str(tmp_path), network()).x) == 2
    (tmp_path / "labels.csv").write_text("file,label\na.png,0\n\na.png,1\n")
    place = f"{tmp_path / 'labels.csv'} line 4"
    with refused(FileError, "RUN-4", place, "a.png", says="another label: a.png (it had label 0 before)"):
        load_images(str(tmp_path), network())
