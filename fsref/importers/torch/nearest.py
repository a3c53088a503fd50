"""The nearest form, in a graph, of each torch operator that has none (GRAPH-7)."""

from __future__ import annotations

NEAREST = {
    "batch_norm": (
        "group_norm",
        "native_group_norm",
        "layer_norm",
        "native_layer_norm",
        "instance_norm",
        "_native_batch_norm_legit.no_stats",
    ),
    "relu": ("leaky_relu", "prelu", "_prelu_kernel", "elu", "celu", "selu", "rrelu_with_noise", "softplus"),
    "relu or clip": ("gelu", "mish", "abs", "tanh", "softsign", "hardshrink", "softshrink"),
    "floor or round": ("ceil", "trunc", "frac"),
    "mul": ("pow", "square"),
    "pad with a constant": ("reflection_pad2d", "replication_pad2d"),
}


def nearest(*names: str) -> str:
    """The form nearest to an operator of one of these names, empty when there is none."""
    return next((form for form, known in NEAREST.items() if {*names} & {*known}), "")
