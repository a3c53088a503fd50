"""What a report says of the answers of a classifier: class by class, what was taken for what, and the images it gets
wrong (COUNT-7, COUNT-10).
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from fsref.metrics.classes import ByClass
from fsref.reports.blocks import bar, rows, scrolled
from fsref.reports.evaluation import Evaluation
from fsref.reports.mistakes import cards
from fsref.tables import plural

EACH = 40  # classes that a page lists; of more the least accurate
MAP = 20  # classes of a confusion matrix that is drawn
PAIRS = 20  # that are listed where there are more
Part = tuple[str, str, str, str]  # of a page: id, title, sentence, HTML


def answers(e: Evaluation, confusion: str) -> Iterator[Part]:
    """The parts of a page on the answers to labelled images, none without labels; `confusion` is the figure of the
    confusion matrix, or "".
    """
    found = e.by_class
    if found is None:
        return
    few = found.worst[:EACH] if len(found.worst) > EACH else sorted(found.worst)
    yield "classes", "Accuracy by class", class_sentence(found, few), class_table(found, few)
    if len(found.pairs):
        yield "confused", "What is taken for what", *confused(found, confusion)
    if e.mistakes is not None:
        yield "wrong", "Images got wrong", e.mistakes.told, cards(e.mistakes)


def class_sentence(found: ByClass, few: list[int]) -> str:
    """The best and the worst class in words, and which are listed."""
    shares = [100 * found.accuracy(index)[0] for index in (found.worst[0], found.worst[-1])]
    told = "Of each class the share of its images that is right, with its 95 % interval (COUNT-10)."
    if len(found.worst) > 1 and shares[0] < shares[1]:
        least, most = (which(found, [i for i in found.worst if 100 * found.accuracy(i)[0] == s]) for s in shares)
        told += f" Least of {least}, {shares[0]:.2f} %; most of {most}, {shares[1]:.2f} %."
    if len(few) < len(found.worst):
        told += f" Listed are the {len(few)} least accurate of {len(found.worst):,} classes with images."
    return told


def which(found: ByClass, classes: list[int]) -> str:
    """The first of some classes, and how many more there are."""
    return found.names[classes[0]] + (f" and {len(classes) - 1:,} more" if len(classes) > 1 else "")


def class_table(found: ByClass, few: list[int]) -> str:
    """A line for each of a few classes, its accuracy as a bar."""
    head = ("class", "accuracy %", "", "95 % interval", "right", "images", "given", "most often taken for")
    body = []
    for index in few:
        share, low, high = found.accuracy(index)
        counts = (f"{int(held[index]):,}" for held in (found.right, found.images, found.given))
        told = f"{100 * share:.2f}", bar(share, (low, high)), f"{100 * low:.1f} .. {100 * high:.1f}"
        body.append((escape(found.names[index]), *told, *counts, escape(found.taken_for(index))))
    return scrolled("accuracy by class", rows(head, body, left=(0, 2, 7)))


def drawn(found: ByClass) -> list[int]:
    """The classes of a confusion matrix that is drawn: those with images or given, none where they are too many."""
    there = np.flatnonzero(found.images + found.given).tolist()
    return there if 1 < len(there) <= MAP and len(found.pairs) else []


def confused(found: ByClass, confusion: str) -> tuple[str, str]:
    """What is taken for what, in a sentence, and as a figure or the pairs of most images."""
    label, given, often = found.pairs[0].tolist()
    of = plural(int(found.images[label]), "image")
    told = f"Most often {found.names[label]} is taken for {found.names[given]}: {often:,} of its {of}."
    if confusion:
        return f"{told} Rows are labels, columns the class given; right ones are on the diagonal.", confusion
    pairs = found.pairs[:PAIRS].tolist()
    body = [
        (
            escape(found.names[label]),
            escape(found.names[given]),
            f"{often:,}",
            bar(often / int(found.images[label]), kind="of-label"),
            f"{100 * often / int(found.images[label]):.1f}",
        )
        for label, given, often in pairs
    ]
    head = ("label", "class given", "images", "", "% of the label's")
    listed = f" Listed are {len(pairs)} of {plural(len(found.pairs), 'pair')}, those of most images first."
    return told + listed, scrolled("what is taken for what", rows(head, body, left=(0, 1, 3)))
