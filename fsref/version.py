"""Which fsref this is, and which version of the law it holds (ID-4)."""

__version__ = "0.2.0"
SPEC_VERSION = "1.2"
