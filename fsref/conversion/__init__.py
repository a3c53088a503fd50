"""From a float graph to an FS network: folding, calibration, quantisation, search (CONV)."""
