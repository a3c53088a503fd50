"""Driving a device by frames, judging it, and making its failure small (CONFORM)."""

from fsref.conformance.conforming import conform

__all__ = ["conform"]
