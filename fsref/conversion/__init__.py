"""From a trained network to FS spikes: float graph, ways in, calibration, quantisation, search."""
