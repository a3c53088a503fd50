"""Ways in for models of other frameworks; each becomes a float graph, whole or not at all (GRAPH-7)."""
