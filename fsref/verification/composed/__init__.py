"""Causes that no catalogue names, composed of where, what and when (CONFORM-7)."""
