"""What the law says of each step, by which rule, and what may be done instead (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fsref.verification.composed.adding import adds_otherwise
from fsref.verification.composed.arriving import arrives_otherwise
from fsref.verification.composed.between import leaves_otherwise, spikes_left
from fsref.verification.composed.channels import sums_of_channels
from fsref.verification.composed.clearing import clears_otherwise
from fsref.verification.composed.codes import codes_otherwise
from fsref.verification.composed.coinciding import coincides_otherwise
from fsref.verification.composed.ending import ends_otherwise
from fsref.verification.composed.gathering import gathers_otherwise
from fsref.verification.composed.gating import gates_otherwise
from fsref.verification.composed.keeping import keeps_otherwise
from fsref.verification.composed.landing import lands_otherwise
from fsref.verification.composed.lanes import lanes_otherwise
from fsref.verification.composed.lying import lies_otherwise
from fsref.verification.composed.memory import addressed_otherwise
from fsref.verification.composed.neurons import fires_otherwise, resets_otherwise
from fsref.verification.composed.opening import opens_otherwise
from fsref.verification.composed.partials import partly_otherwise, runs_over_words
from fsref.verification.composed.passing import passes_otherwise
from fsref.verification.composed.placing import placed_otherwise, right
from fsref.verification.composed.pointing import points_otherwise
from fsref.verification.composed.pooling import pools_otherwise
from fsref.verification.composed.relation import Change, Part
from fsref.verification.composed.running import runs_otherwise
from fsref.verification.composed.sending import sends_otherwise
from fsref.verification.composed.spikes import spikes_otherwise
from fsref.verification.composed.standing import begins_otherwise, stands_otherwise
from fsref.verification.composed.told import told_otherwise, trains_otherwise
from fsref.verification.composed.trailing import trails_otherwise
from fsref.verification.composed.updating import updates_otherwise
from fsref.verification.composed.viewing import views_otherwise
from fsref.verification.composed.weighing import products_otherwise, weights_otherwise
from fsref.verification.composed.windows import windows_otherwise

SUMMED = 0.7  # how much dearer words of updates are for sums: few sums tell them from what is lost otherwise
Changes = Callable[[Sequence[Part]], Iterable[Change]]


def _opens(parts: Sequence[Part]) -> Iterator[Change]:
    yield from opens_otherwise(parts)
    yield from leaves_otherwise(parts)
    yield from begins_otherwise()
    yield from adds_otherwise()
    yield from updates_otherwise()
    yield from partly_otherwise()
    yield from runs_over_words()


def _delivers(parts: Sequence[Part]) -> Iterator[Change]:
    yield from stands_otherwise(parts)
    yield from clears_otherwise()
    yield from spikes_left(parts)
    yield from told_otherwise(parts)
    yield from placed_otherwise("each sum", right)
    yield from spikes_otherwise()
    yield from coincides_otherwise()
    yield from trails_otherwise()
    yield from arrives_otherwise()
    yield from partly_otherwise()
    yield from weights_otherwise()
    yield from addressed_otherwise()
    yield from products_otherwise()
    yield from windows_otherwise()
    yield from lands_otherwise()
    yield from lanes_otherwise()
    yield from gathers_otherwise()
    yield from points_otherwise()
    yield from lies_otherwise()
    yield from keeps_otherwise()
    yield from passes_otherwise()
    yield from updates_otherwise(SUMMED)
    yield from sums_of_channels()


def _gates(parts: Sequence[Part]) -> Iterator[Change]:
    yield from stands_otherwise(parts)
    yield from gates_otherwise(parts)


LAW: dict[str, tuple[str, str, Changes]] = {  # what the law says, by which rule, and what may be done instead
    "sums": ("a projection delivers w * d[t] with each spike", "PROJ-1", _delivers),
    "gate": ("a gate delivers w * d[t] times the code of its factor with each spike", "GATE-1", _gates),
    "opening": ("a membrane opens with the bias and all sums", "NET-6", _opens),
    "firing": ("a neuron fires when v >= T", "FS-2", fires_otherwise),
    "reset": ("a spike lowers the membrane by h, and nothing else does", "FS-3", resets_otherwise),
    "run": ("a neuron fires when v >= T, and h comes off then", "FS-3", runs_otherwise),
    "sent": ("a train says in which steps a neuron fires", "EVENT-2", sends_otherwise),
    "ended": ("a neuron runs through all steps of its table", "FS-1", ends_otherwise),
    "code": ("a code is the sum of d over the spikes", "FS-4", codes_otherwise),
    "pool": ("a window fires when a candidate that is still in fires", "POOL-1", pools_otherwise),
    "view": ("a view shows what its source sends at the places that it names", "VIEW-1", views_otherwise),
    "told opening": ("the opening membrane is told", "OBS-1", told_otherwise),
    "told spikes": ("the train is told", "OBS-1", trains_otherwise),
    "told membranes": ("the membrane behind each step is told", "OBS-1", told_otherwise),
    "told codes": ("the code is told", "OBS-1", told_otherwise),
}
