"""What runs cost and how well they answer: counts, fan-out, energy, scores, losses. Exact, and they add."""
