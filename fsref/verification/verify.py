"""`verify`: somebody else's conversion held against fsref on corner images and on examples that Hypothesis draws and
shrinks (OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import ArrayLike

from fsref.errors import FsrefError, UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.verification.agreement import Agreement
from fsref.verification.aimed import MOST, aimed
from fsref.verification.answered import Table, is_table, verify_table
from fsref.verification.beside import Beside
from fsref.verification.strategies import images as images_of
from fsref.verification.theirs import Forward, Theirs

VERIFYING = settings(
    database=None,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@public
def verify(
    net: Network | str | PathLike[str],
    their_forward: Forward | Table | str | PathLike[str],
    images: SearchStrategy[Ints] | ArrayLike | None = None,
    populations: Sequence[str] | None = None,
    max_examples: int = 100,
    budget: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Agreement:
    """That somebody else's conversion gives the integers of `net` on corner images, on those that aim at where rules
    decide in hidden populations, and on `max_examples` examples drawn and shrunk by Hypothesis (OBS-4).

    `net` is a network, the path of one, or a bundled name. `their_forward` takes images (B, C, H, W), uint8, int32 when
    max_code is above 255, and gives logits (B, classes), or a dictionary of codes by population, "logits" among them or
    not; or it is the path of a quantised ONNX file with outputs of these names. `populations` are those that must be
    there and are compared; all that are given otherwise. `images` is a strategy, testing.images(net) otherwise, or an
    array to choose from. `budget` says how many images are tried to find those that aim, up to 4,096 by the size of the
    network otherwise; `progress` is called with how many images were tried, or compared, since the last call.

    Answers that are there already are a table: a recording, a mapping or npz of arrays NAME or NAME.OBSERVABLE, a CSV,
    a folder (TRACE-5). It is compared in all that it holds, membranes too, on the first of `images` (B, C, H, W).
    Errors: Disagreement, an AssertionError, at the first difference; UsageError for answers of a wrong kind.
    """
    if not isinstance(max_examples, int) or max_examples < 0:
        raise UsageError("OBS-4", "verify", "max_examples is no number of examples", max_examples, "0 or more")
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or not 0 <= budget <= MOST):
        raise UsageError("OBS-4", "verify", "budget is no number of images to try", budget, f"0..{MOST:,}")
    net = network_of(net)
    if is_table(their_forward):
        answered = None if isinstance(images, SearchStrategy) else images
        return verify_table(net, cast(Table, their_forward), answered, populations)
    theirs = Theirs(net, cast(Forward, their_forward), populations)
    beside = Beside(net, theirs, max_examples, progress)
    aims = aimed(net, budget, progress=progress)

    @settings(VERIFYING, max_examples=max(1, max_examples))
    @given(_drawn(net, images))
    def agree(x: Ints) -> None:
        beside.compare(check_images(net.input, x))

    try:
        beside.first(aims.images)
        if max_examples:
            agree()
    except Exception:
        match beside.failed:
            case None:
                raise
            case FsrefError() as error:
                raise error from error.__cause__
            case (x, answers):
                found = beside.disagreement(x, answers)
        if found is None:
            raise UsageError("OBS-4", "their function", "gave two answers for one image") from None
        raise found from None
    busy = beside.busy / max(1, beside.neurons)
    return Agreement(net.name, net.id, beside.image_count, theirs.names, beside.values, busy, aims.tried, aims.reach)


def _drawn(net: Network, images: SearchStrategy[Ints] | ArrayLike | None) -> SearchStrategy[Ints]:
    """The strategy of images that `verify` was asked for. Errors: InputError."""
    if images is None:
        return images_of(net)
    if isinstance(images, SearchStrategy):
        return images
    real = check_images(net.input, images)
    return st.lists(st.integers(0, len(real) - 1), min_size=1, max_size=2).map(lambda rows: real[rows])
