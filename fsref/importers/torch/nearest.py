"""The nearest form, in a graph, of each torch operator that has none (GRAPH-7)."""

from __future__ import annotations

NEAREST = {
    "batch_norm": ("group_norm", "native_group_norm", "layer_norm", "native_layer_norm", "instance_norm"),
    "batch_norm with running statistics": ("_native_batch_norm_legit.no_stats",),
    "relu or leaky_relu": ("rrelu", "rrelu_with_noise"),
    "floor or round": ("ceil", "trunc", "frac"),
    "amax over height and width": ("max.dim",),
    "pad with a constant": ("reflection_pad2d", "replication_pad2d"),
    "linear": ("einsum", "bmm", "baddbmm"),
}


def nearest(*names: str) -> str:
    """The form nearest to an operator of one of these names, empty when there is none."""
    return next((form for form, known in NEAREST.items() if {*names} & {*known}), "")
