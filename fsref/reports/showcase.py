"""What `fsref run digits` shows: the whole product on one screen or two."""

from __future__ import annotations

import numpy as np

from fsref.formats.sources import ImageSet
from fsref.metrics.score import Score
from fsref.reports.raster import picture, raster
from fsref.simulation.run import Result, class_name, largest
from fsref.tables import Sheet, plural
from fsref.verification.check import CheckReport


def showcase_sheet(score: Score, checked: CheckReport, float_correct: int, differ: int) -> Sheet:
    """The score of a bundled model beside the float model's, and whether every bit was the same in every engine."""
    net, count = score.net, score.image_count
    if checked.agrees:
        told = f"yes: {checked.values:,} integers, all equal in {', '.join(checked.engines)} "
        verdict = ("bit-exact", f"{told}({', '.join(checked.observables)})")
    else:
        first = checked.engine or checked.engines[0]
        verdict = ("DIFFERS", f"bit-exact: NO: {first}: {checked.difference or checked.outside}")
    beside = f"({float_correct:,} of {count:,}); differs from FS on {plural(differ, 'image')}"
    facts = [
        ("accuracy", f"{100 * score.accuracy:.2f} %  ({score.correct:,} of {count:,})"),
        ("float model", f"{100 * float_correct / count:.2f} %  {beside}"),
        verdict,
        ("spikes per neuron", f"{score.spikes_per_neuron:.3f}  ({score.fs_neurons:,} FS neurons)"),
        ("SynOps per image", f"{score.synops:,.0f}"),
        ("latency", plural(score.latency_steps, "step")),
        ("speed", f"{score.images_per_second:,.0f} images per second"),
        ("id", net.id),
    ]
    return Sheet(f"{net.name or 'network'}: {plural(count, 'test image')}, engine {score.engine}", above=facts)


def spikes_of(images: ImageSet, result: Result) -> str:
    """The first of the images, drawn, its raster, and what it was read as."""
    net = result.net
    truth = "" if images.y is None else f"a {class_name(net, int(images.y[0]))}, "
    assert result.trace is not None
    return "\n".join(
        [
            f"{images.names[0]}: {truth}read as {class_name(net, int(result.predictions[0]))}",
            "",
            picture(net, np.asarray(images.x[0], dtype=np.int64)),
            "",
            raster(net, result.trace),
            "",
            f"{net.readout.name}: {'  '.join(largest(net, result.logits[0]))}",
        ]
    )
