"""The law of FS networks as code: neuron, populations, projections, ranges, schedule, network, widths, what may go in.
SPEC.md says it in words.
"""
