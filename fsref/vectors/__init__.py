"""Golden vectors: cases with what is expected, packs of them, and what makes them (VECTOR)."""
