"""The public door of figures: each function takes what fsref returns, and `ax`, axes of matplotlib, or none, and
returns axes; report, `--plot` and `--plots` draw with the same (COUNT-9). matplotlib comes with `pip install
fsref[plot]`.
"""

from fsref.reports.curves import accuracy, growth
from fsref.reports.losses import losses
from fsref.reports.neurons import neuron, staircase
from fsref.reports.pictures import axes, picture
from fsref.reports.scores import confusion, energy, energy_by_population
from fsref.reports.times import activity, raster, timeline

__all__ = [
    "accuracy",
    "activity",
    "axes",
    "confusion",
    "energy",
    "energy_by_population",
    "growth",
    "losses",
    "neuron",
    "picture",
    "raster",
    "staircase",
    "timeline",
]
