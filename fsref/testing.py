"""The public door of what needs Hypothesis (extra `verify`): strategies for FS networks, `verify`, which holds
somebody else's conversion against fsref, and `prove`, which proves a network for every image.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError('fsref.testing needs Hypothesis: pip install "fsref[verify]"', name=error.name) from None

from fsref.verification.agreement import Agreement, Disagreement
from fsref.verification.certificate import Certificate
from fsref.verification.proof import prove
from fsref.verification.strategies import Case, cases, images, membranes, networks, tables
from fsref.verification.verify import verify

__all__ = [
    "Agreement",
    "Case",
    "Certificate",
    "Disagreement",
    "cases",
    "images",
    "membranes",
    "networks",
    "prove",
    "tables",
    "verify",
]
