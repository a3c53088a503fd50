"""Ways to make a unit smaller: a neuron alone, fewer inputs, fewer steps, smaller integers (CONFORM-4)."""
