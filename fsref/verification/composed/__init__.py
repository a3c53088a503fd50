"""Causes that no catalogue names, composed of where, what and when (OBS-5)."""
