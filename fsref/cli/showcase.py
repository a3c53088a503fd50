"""What `fsref run digits` does: the whole product on a model that comes with fsref."""

from __future__ import annotations

import numpy as np

from fsref.cli.options import show, work
from fsref.cli.verb import Given
from fsref.engines.engine import ENGINES
from fsref.formats.bundled import bundled
from fsref.formats.sources import load_images
from fsref.law.network import Network
from fsref.metrics.score import evaluate
from fsref.reports.progress import progress
from fsref.reports.showcase import showcase_sheet, spikes_of
from fsref.simulation.recording import Record
from fsref.simulation.run import run as run_network
from fsref.verification.check import check


def showcase(name: str, net: Network, engine: str, given: Given, as_json: bool) -> int:
    """Evaluate a bundled model on all its test images, check every bit against the other engines, draw one digit's
    spikes.
    """
    images = load_images(name, net)
    with np.load(bundled(name) / f"{name}.npz", allow_pickle=False) as arrays:
        told = arrays["float_labels"]
    with progress(f"{engine}, {len(images.x)} images", len(images.x)) as advance:
        score = evaluate(net, images.x, images.y, engine, **work(given), progress=advance)
    with progress("every bit, three engines", len(images.x)) as advance:
        compared = (engine, *(e for e in ENGINES if e != engine))
        checked = check(net, images.x, compared, **work(given), progress=advance)
    result = run_network(net, images.x[:1], engine, Record(observables=("spikes",)))
    float_correct, differ = int((told == images.y).sum()), int((told != score.predictions).sum())
    share = float_correct / score.image_count
    plain = {"float_correct": float_correct, "float_accuracy": share, "differ_from_float": differ}
    shown = [showcase_sheet(score, checked, float_correct, differ), spikes_of(images, result)]
    show(as_json, shown, {**score.to_dict(), **plain, "check": checked.to_dict()})
    return 0 if checked.agrees else 1
