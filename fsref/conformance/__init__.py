"""Driving a device by frames, judging it, and making its failure small (CONFORM)."""
