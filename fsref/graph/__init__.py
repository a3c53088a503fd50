"""The float graph: what a trained network computes, in real numbers, before it is converted (GRAPH)."""
