"""What was there for the image before, where every image asked before is known (CONFORM-7)."""

from __future__ import annotations

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.scene import Scene
from fsref.verification.stale_causes import in_order


def is_known(scene: Scene) -> bool:
    """Whether every image asked before is in the scene."""
    return scene.at is not None and scene.count > 1


def before(scene: Scene, values: Ints) -> Ints:
    """Values (B, ...) of the image before, 0 of the first."""
    return in_order(scene, lambda asked: np.concatenate([0 * asked[:1], asked[:-1]]), values)
