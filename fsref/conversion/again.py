"""What a network says of weights that were fitted again (CONV-13)."""

from __future__ import annotations

from collections.abc import Mapping

from fsref.law.network import Network

FITTED_AGAIN = "weights were fitted again (CONV-13): they are not those of the float graph"


def refitted(net: Network) -> bool:
    """Whether a network says that its weights were fitted again: they are not those of its graph."""
    options = net.provenance.get("options")  # of a file it may be anything
    return isinstance(options, Mapping) and options.get("refit") is True
