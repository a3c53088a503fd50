"""Hypothesis strategies for FS networks, and `verify` (extra `verify`): the public door of
`fsref.verification.strategies`.
"""

from fsref.verification.strategies import Case, cases, images, membranes, networks, tables, verify

__all__ = ["Case", "cases", "images", "membranes", "networks", "tables", "verify"]
