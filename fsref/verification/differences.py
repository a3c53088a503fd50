"""A dump held against an engine: counts and first differences by population, each by itself if asked (TRACE-3)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines import reference
from fsref.engines.engine import Engine
from fsref.errors import UsageError
from fsref.formats.bundled import network_of
from fsref.formats.labels import few
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import OBSERVABLES
from fsref.simulation.difference import Difference, NotCompared, at_step, first_by_population
from fsref.simulation.memory import check_threads, images_at_once, run_bytes
from fsref.simulation.recording import Key, Record, Trace, recording_bytes, select
from fsref.simulation.run import run
from fsref.simulation.shared import shared
from fsref.simulation.silence import told, without_silence
from fsref.verification.causes import Judged, forget, hints
from fsref.verification.composed.composed import ROWS
from fsref.verification.composed.naming import judged_alone
from fsref.verification.counted import Count
from fsref.verification.disagreement import distance
from fsref.verification.explain import place_of
from fsref.verification.isolated import TOGETHER, Sent, computed, images_of, read_by, senders
from fsref.verification.isolated import isolated as isolated_of
from fsref.verification.neuron_steps import Steps, steps_of
from fsref.verification.orders import Tried
from fsref.verification.returned import Compared, DumpReport, First
from fsref.verification.scene import Scene
from fsref.verification.taps import products_bytes

KEPT = 64  # images that differ, and as many that do not, on which causes are judged,
LARGEST = 2**20  # or fewer, where that many neurons answer for them,
EACH = 2**10  # or the memory allowed holds no more: bytes for each neuron of an image judged
READ = 2**6  # and for each of what is behind its sources, by itself
ROW_BYTES = 2**12  # of a row of what causes are composed of
ORDERED = 2  # integers that differ at least where an order is looked for


class Judge:
    """A dump beside an engine's recordings of the same images, a chunk at a time."""

    def __init__(
        self,
        net: Network,
        x: Ints,
        dump: Trace,
        alone: bool,
        engine: str | Engine,
        threads: int,
        batch: int | None,
        memory_limit: int,
    ) -> None:
        self.net, self.x, self.dump, self.alone = net, x, dump, alone
        self.engine, self.threads, self.batch, self.memory_limit = engine, threads, batch, memory_limit
        self.counts = {name: Count() for name in dump.selection.neurons}
        self.seen = np.zeros(dump.image_count, np.bool_)  # images of which something was observed
        kinds = {key[1] for key in dump.arrays}
        self.record = Record(
            {name: None if alone else neurons.tolist() for name, neurons in dump.selection.neurons.items()},
            [o for o in OBSERVABLES if o in kinds],
        )
        if alone:
            self.record = Record(
                [*read_by(net, dump.selection.neurons), *dump.selection.neurons],
                [o for o in OBSERVABLES if o in kinds | {"codes", "spikes"}],
            )

    def expected(self, some: slice, alone: bool, memory_limit: int) -> tuple[Trace, Trace]:
        """The dump and what is right of some images; `alone`, of what was observed of their sources."""
        observed = images_of(self.dump, some)
        engine = run(self.net, self.x[some], self.engine, self.record, self.batch, self.threads, memory_limit).trace
        assert engine is not None
        if not alone:
            return observed, engine
        known = senders(observed, engine, read_by(self.net, self.counts))
        for name, count in self.counts.items():
            for source, images in computed(self.net, known, name).items():
                count.computed[source] = count.computed.get(source, 0) + images
        return observed, isolated_of(engine, known, self.counts)

    def chunk(self, some: slice, memory_limit: int) -> None:
        """Compare some images."""
        both = shared(*self.expected(some, self.alone, memory_limit))
        for count in self.counts.values():
            count.wrong.append(np.zeros(some.stop - some.start, np.bool_))
        for part in both:
            self.counts[part.population].add(part, some.start)
            self.counts[part.population].blank(part, some.start)
            for rows, _, _, bits in part.chunks():
                self.seen[some][rows] |= (bits != 0).reshape(len(bits), -1).any(axis=1)
        for name, found in first_by_population(both).items():
            if self.counts[name].first is None:
                self.counts[name].first = replace(found, image=found.image + some.start)

    def looks_like(self, chunk: int, memory_limit: int) -> str:
        """The order in which everything observed would be right, or nearly, in words, or "" (TRACE-2)."""
        differing = {key: of for count in self.counts.values() for key, of in count.keys.items()}
        if sum(differing.values()) < ORDERED:
            return ""
        tried = Tried(self.net, differing)
        for start in range(0, self.dump.image_count, chunk):
            some = slice(start, min(start + chunk, self.dump.image_count))
            # An order is one of the dump, whatever its sources sent.
            tried.add(shared(*self.expected(some, False, memory_limit)))
        return tried.told()

    def first(self, name: str) -> First | None:
        """The first difference of a population with what decided it."""
        found = self.counts[name].first
        if found is None:
            return None
        p = self.net[name]
        place = place_of(found.neuron, p.shape)
        opening, train = self._opened(name, found)
        fs = {q.name: q for q in self.net.fs}
        if opening is None:
            return First(found, place, None, None)
        steps = steps_of(self.dump, self.net, fs[name], found, opening, train) if name in fs else Steps()
        found = replace(found, rule=steps.rule or found.rule)
        if found.observable in ("sums", "opening"):
            return First(found, place, None, None, steps)
        if found.step is not None:
            t = found.step - self.net.schedule.start[name]
            return First(found, place, *at_step(self.net, name, found.neuron, t, opening, train), steps)
        above = distance(self.net, fs[name], place[0], opening) if name in fs else None
        return First(found, place, opening, None if above is None else opening - above, steps)

    def _opened(self, name: str, found: Difference) -> tuple[int | None, int]:
        """The right opening membrane and train of the neuron that differs first."""
        if "opening" not in self.net[name].observables or self.net[name] in self.net.readouts:
            return None, 0
        trace, _ = self.right(name, np.array([found.image]))
        return int(trace[name, "opening"][0, found.neuron]), int(trace[name, "spikes"][0, found.neuron])

    def right(self, name: str, rows: NDArray[np.intp]) -> tuple[Trace, dict[str, Sent]]:
        """What is right of a population for some images, whole, and what its sources sent."""
        sources = read_by(self.net, [name]) if self.alone else list(self.net.sources(name))
        trace = self._run(rows, Record([name], OBSERVABLES))
        if not sources:
            return trace, {}
        engine = self._run(rows, Record(sources, ("codes", "spikes")))
        known = senders(images_of(self.dump, rows) if self.alone else engine, engine, sources)
        return isolated_of(trace, known, [name]) if self.alone else trace, known

    def _run(self, rows: NDArray[np.intp], record: Record) -> Trace:
        """An engine's recording of some images."""
        trace = run(self.net, self.x[rows], self.engine, record, self.batch, self.threads).trace
        assert trace is not None
        return trace

    def judged(self, name: str, before: Sequence[str]) -> Judged:
        """The causes that give everything observed of a population in every image judged: those that differ, and as
        many that do not, in which no population before it is wrong, unless each stands by itself (OBS-4). Where none is
        known, and no population before it differs, composed ones (CONFORM-7).
        """
        whole = {o: images for o in OBSERVABLES if o != "sums" and (images := self.dump.whole_in(name, o)).any()}
        most = max((int(images.sum()) for images in whole.values()), default=0)
        seen = [o for o, images in whole.items() if 2 * images.sum() >= most]  # what was probed in few says less
        if not seen:
            return Judged()
        wrong = np.concatenate(self.counts[name].wrong)
        early = self.early(before) | ~np.all([whole[o] for o in seen], axis=0)
        neurons = sum(self.net[n].neurons for n in (*self.net.sources(name), name))
        read = sum(self.net[n].neurons for n in read_by(self.net, [name])) if self.alone else 0
        most = max(1, min(KEPT, LARGEST // neurons))
        room = max(1, min(most, self.memory_limit // (EACH * neurons + READ * read)))
        unlike, alike = np.flatnonzero(wrong & ~early), np.flatnonzero(~wrong & ~early)
        if not len(unlike):
            return Judged()
        scene, count = self._scene(name, _judged(unlike, alike, room), seen), min(room, len(unlike))
        if (found := hints(scene)) or any(self.counts[other].differing for other in before):
            return Judged(found, count if found else 0, count, int(wrong.sum()))
        rows = _judged(unlike, alike, most)  # the same ones whatever memory is allowed
        each = self.net[name].neurons * (self.net.steps[name] + 1)
        composed = min(len(rows), ROWS // each)
        if not composed:
            return Judged((), 0, 0, int(wrong.sum()))
        held = len(rows) * (EACH * neurons + READ * read) + ROW_BYTES * composed * each
        if held > self.memory_limit:
            return Judged((), 0, 0, int(wrong.sum()))
        if room < most:
            scene, count = self._scene(name, rows, seen), min(most, len(unlike))
        return judged_alone(scene, count, int(wrong.sum()))

    def early(self, before: Sequence[str]) -> NDArray[np.bool_]:
        """In which images a population `before` is wrong, unless each stands by itself."""
        found = np.zeros(self.dump.image_count, np.bool_)
        for other in () if self.alone else before:
            found |= np.concatenate(self.counts[other].wrong)
        return found

    def _scene(self, name: str, rows: NDArray[np.intp], seen: Sequence[str]) -> Scene:
        """A population, and what was observed of it in some images."""
        net, p, count = self.net, self.net[name], len(rows)
        right, known = self.right(name, rows)
        theirs, wrong = {}, set()
        for observable in seen:
            values = np.asarray(self.dump[name, observable][rows])
            steps = (values.shape[1],) if observable == "membranes" else ()
            theirs[observable] = values.reshape(count, *steps, *p.shape)
            wrong |= {observable} if (values != right[name, observable]).any() else set()
        sources = net.sources(name)
        codes = {source: known[source].codes for source in sources}
        own = "codes" if "codes" in p.observables else "opening"
        codes[name] = right[name, own].reshape(count, *p.shape)
        if own == "opening" and "opening" in theirs:
            theirs["codes"] = theirs.pop("opening")  # a cause that moves neurons tells them as codes
            wrong = {"codes"} if wrong else set()
        trains = {source: known[source].trains for source in sources}
        if "spikes" in p.observables:
            trains[name] = right[name, "spikes"].reshape(count, *p.shape)
        opening = right[name, "opening"].reshape(count, *p.shape) if "opening" in p.observables else None
        at = rows if rows.max() + 1 == count else None  # every image before the last is there
        return Scene(net, p, codes, trains, opening, theirs, frozenset(wrong), self.x[rows], at)


def _judged(unlike: NDArray[np.intp], alike: NDArray[np.intp], room: int) -> NDArray[np.intp]:
    """The first images that differ, so many of them, and as many that do not, none of them left out between those."""
    if len(unlike) > room:
        alike = alike[alike < unlike[room]]
    return np.concatenate([unlike[:room], alike[:room]])


def compare_dump(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    dump: Trace,
    isolated: bool = False,
    engine: str | Engine = "quantized",
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
    numbers: Sequence[int] | None = None,
) -> DumpReport:
    """What a dump says of images (B, C, H, W), of which it holds the first: how much was observed, how much of it
    differs from an engine, where first, and what that looks like; with `isolated` each population is computed from what
    was observed of its sources (TRACE-1 to TRACE-3). Images are told by their `numbers`, 0, 1, ... unless given.

    Errors: UsageError for a dump of another network or of more images, InputError, LimitError.
    """
    net = network_of(net)
    if dump.net.id != net.id:
        raise UsageError("TRACE-1", "diff", "the dump is of another network", dump.net.id, f"expected {net.id}")
    x, count, workers = check_images(net.input, images), dump.image_count, check_threads(threads)
    if count > len(x):
        limit = f"given {len(x)}{_more(dump, len(x))}"
        raise UsageError("TRACE-2", "diff", "the dump holds more images than are given", count, limit)
    judge = Judge(net, x, dump, isolated, engine, workers, batch, memory_limit)
    selected = select(net, judge.record)
    one = recording_bytes(net, selected, 1)

    def own(images: int) -> int:  # all images; what was observed, is right, and where they differ; by itself once more
        alone = TOGETHER * reference.working_bytes(net) if isolated else 0
        arrays = images * one * (8 if isolated or dump.unknown else 4)
        return 8 * len(x) * net.input.neurons + arrays + 128 * count + alone + products_bytes(net)

    def bound(images: int) -> int:
        return own(images) + run_bytes(net, images, engine, selected, False, batch or 1, workers)

    chunk = images_at_once(one, bound, memory_limit, "diff")
    left = memory_limit - own(chunk)
    for start in range(0, count, chunk):
        judge.chunk(slice(start, min(start + chunk, count)), left)
        if progress is not None:
            progress(min(chunk, count - start))
    looks_like = judge.looks_like(chunk, left)
    rows: list[Compared] = []
    before: list[str] = []
    for p in net.populations:
        if p.name not in judge.counts:
            rows.append(Compared(p.name, neuron_count=p.neurons, step_count=net.steps[p.name]))
            continue
        found = judge.counts[p.name]
        judged = judge.judged(p.name, before) if found.differing and not looks_like else Judged()
        forget()
        begins = judge.first(p.name)
        if begins is not None and judged.explained and not judge.early(before)[begins.difference.image]:
            begins = begins.by(judged.hints[0].text)
        before.append(p.name)
        rows.append(_compared(net, p.name, dump, found, begins, judged, isolated))
    wrong = [(p.first.difference.image, i) for i, p in enumerate(rows) if p.first is not None]
    named = range(len(x)) if numbers is None else numbers
    rows = [_numbered(p, named) for p in rows]
    none = [named[i] for i in range(len(x)) if i >= count or not judge.seen[i]]
    if len(none) == len(x):
        raise UsageError("TRACE-6", "dump", "answers none of the images", None, "all that it holds is x, z or absent")
    first = rows[min(wrong)[1]] if wrong else None
    firing = without_silence(dump)
    if firing:
        warnings.warn(NotCompared(f"diff: {told(firing)}"), stacklevel=2)
    seen = int(judge.seen.sum())
    return DumpReport(net.name, net.id, seen, len(x), isolated, tuple(rows), first, looks_like, firing, tuple(none))


def _more(dump: Trace, given: int) -> str:
    """What images beyond those given look like, in words, or ""."""
    first, last = (
        [" ".join(key) for key in dump.arrays if _answered(images_of(dump, slice(at, at + 1)), key)]
        for at in (0, dump.image_count - 1)
    )
    if not first:
        return "; it says nothing of image 0: images are counted from 0, in the order of those given"
    if len(last) < len(first):
        return f"; the last one is of {few(last)} alone: of an earlier run?"
    return ""


def _answered(dump: Trace, key: Key) -> bool:
    """Whether anything of an array was observed and is known."""
    seen, unknown = dump.seen.get(key, np.array(-1)), dump.unknown.get(key, np.array(0))
    return bool((seen & ~unknown).any())


def _numbered(p: Compared, numbers: Sequence[int]) -> Compared:
    """A population of a report, whose images are told by their numbers."""
    blank = {name: tuple(numbers[i] for i in images) for name, images in p.unanswered.items()}
    first, unknown = (
        None if f is None else replace(f, difference=replace(f.difference, image=numbers[f.difference.image]))
        for f in (p.first, p.first_unknown)
    )
    return replace(p, first=first, first_unknown=unknown, unanswered=blank)


def _compared(
    net: Network, name: str, dump: Trace, found: Count, first: First | None, judged: Judged, isolated: bool
) -> Compared:
    """A population of a report."""
    kinds = {what for of, what in dump.arrays if of == name or (what == "sums" and of in net.into(name))}
    observables = tuple(o for o in OBSERVABLES if o in kinds)
    images = int(np.concatenate(found.wrong).sum())
    size = len(dump.selection.neurons[name]), net[name].neurons, len(dump.selection.window[name]), net.steps[name]
    sources = found.computed if isolated else None
    extent, hidden = found.extent.told(net[name].shape, found.differing), found.first_unknown
    return Compared(
        name,
        observables,
        *size,
        found.values,
        found.differing,
        images,
        first,
        judged,
        sources,
        extent,
        found.unknown,
        None if hidden is None else First(hidden, place_of(hidden.neuron, net[name].shape), None, None),
        {" ".join(key): tuple(blank) for key, blank in found.unanswered.items()},
        found.partial,
        found.digits,
    )
