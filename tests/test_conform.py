"""`fsref conform` (CONFORM-2, CONFORM-3, CONFORM-6): devices in C, Python and Verilog, right ones and wrong ones, and
devices that do what no device should.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from select import select
from time import monotonic
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from fsref import Dense, Network, save
from fsref.cli.main import main
from fsref.conformance import conform, conforming
from fsref.conformance.device import Broken, Process
from fsref.conformance.drawn import drawn
from fsref.conformance.drive import STARTS, Drive
from fsref.conformance.frames import load_frame, to_hex
from fsref.conformance.function import Function
from fsref.conformance.greeting import GREETING, Greeting, greeting_of
from fsref.conformance.junit import junit
from fsref.conformance.replay import needed
from fsref.conformance.stimuli import cases_of, image_case
from fsref.conformance.verdict import Report
from fsref.conformance.wire import Wire
from fsref.errors import FileError, FsrefError, UsageError
from fsref.simulation.following import following
from fsref.vectors.case import SCOPES, Case, case_of
from fsref.vectors.pack import Pack, Reject
from fsref.verification.aimed import aimed
from handmade import residual, tiny

DEVICES = Path(__file__).resolve().parent / "devices"
PYTHON = [sys.executable, "-S"]
CORE = [*PYTHON, str(DEVICES / "core.py")]
QUICK = 0.5  # seconds that a device has which never answers
ENOUGH = 30.0  # and one that does
compiled = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
simulated = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")


def given(*codes: int, net: Network | None = None, **about: Any) -> Case:
    """A case of `tiny`, by the codes of its input."""
    return case_of(net or tiny(), "network", "out", {("in", "codes"): codes}, **about)


def hostile(mode: str, *more: str) -> list[str]:
    """The command of a hostile device."""
    return [*PYTHON, str(DEVICES / "hostile.py"), mode, *more]


def greeting(**plain: Any) -> list[str]:
    """The words of a command that say how core.py greets."""
    return ["--greet", json.dumps(plain)]


@pytest.fixture(scope="session")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the device in C."""
    target = str(tmp_path_factory.mktemp("c") / "core")
    build = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", target, str(DEVICES / "core.c")]
    subprocess.run(build, check=True, timeout=60)
    return target


@cache
def some_of_each_scope() -> list[Case]:
    """A few cases of each scope of a network of every kind."""
    cases = list(cases_of(residual(), Greeting.of({"scopes": SCOPES})))
    return [one for scope in SCOPES for one in [c for c in cases if c.scope == scope][::9]]


@pytest.mark.parametrize("carrier", ["frames", "hex", "files"])
def test_a_right_device_passes(carrier: str) -> None:
    """A device in Python that is right passes every case in every scope, over every carrier; nothing else is said."""
    command = [*CORE, *(["--hex"] if carrier == "hex" else [])]
    report = conform(command, residual(), carrier, cases=some_of_each_scope(), examples=3)
    assert report.agrees and report.first is None and report.ended == ""
    assert set(report.counts) == set(SCOPES) and all(set(found) == {"pass"} for found in report.counts.values())
    assert report.hints.hints == () and report.explanation() is None and report.alone
    assert "all pass" in report.line and "\nhint " not in str(report)


def test_the_level_1_pack_is_driven_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the cases are those of the pack for the device's limits and scopes, then its rejects; the
    report has the bins of a pack of which all was driven.
    """
    pack = Pack("any", 1, 0, None, [given(1, 2, 3, 4)], [Reject((9,), "CONFORM-1", ("unknown",))], {"FS-2": {}})
    asked: list[Any] = []
    monkeypatch.setattr("fsref.conformance.conforming.pack_for", lambda *given: asked.append(given) or pack)
    command = [*CORE, *greeting(scopes=["network", "neuron"], steps=[2, 3], refuses=True)]
    report = conform(command, examples=0)
    ((_, limits, level, scopes),) = asked
    assert (limits.steps, level, scopes) == ((2, 3), 1, ("network", "neuron"))
    assert [one.scope for one in report.driven] == ["network", "reject", "network"] and report.agrees
    assert report.bins == pack.bins
    hanging = conform(hostile("hang"), timeout=QUICK, start_timeout=ENOUGH, cases=[TRIGGER] * 3, examples=0)
    assert hanging.bins == {}


def test_no_case_of_a_network_is_driven_twice() -> None:
    """Of a given network every image that aims is driven, in the pack or behind it, and no case stands in both."""
    net = tiny()

    def right(net: Network, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        codes = {(net.input.name, "codes"): asked[f"{net.input.name}.codes"][None]}
        return {".".join(key): values[0] for key, values in following(net, codes).items()}

    report = conform(right, net, examples=0)
    driven = [one.id for one in report.driven]
    assert report.agrees and len(set(driven)) == len(driven)
    assert {image_case(net, image).id for image in aimed(net).images} <= set(driven)


def test_networks_that_are_drawn_follow_the_cases() -> None:
    """Without a network there are the drawn ones, the same each time, within the limits of the device; each is loaded
    before it is run.
    """
    command = [*CORE, *greeting(scopes=["network"], steps=[2, 3], kinds=["input", "fs", "readout", "dense"])]
    reports = [conform(command, cases=[], examples=4) for _ in range(2)]
    ids = [[one.id for one in report.driven] for report in reports]
    assert ids[0] == ids[1] and len(ids[0]) >= 4 and reports[0].agrees
    assert len({one.network for one in reports[0].driven}) > 1
    drawn_cases = list(drawn(Greeting.of({"steps": [2, 3]}), None, 4))
    assert {k for case in drawn_cases for k in case.net.steps.values() if k} <= {2, 3}


def minus_128() -> Network:
    """`tiny` with a weight of -128."""
    first = Dense("in", "hid", [[1, 2, 0, -128], [3, 0, 1, 1], [-1, 1, 2, 0]])
    return tiny(projections=[first, Dense("hid", "out", [[1, -1, 2], [0, 3, -2]])])


AIMED = [given(15, 15, 15, 15), given(0, 0, 0, 0), given(0, 2, 6, 1), given(15, 7, 9, 3), given(1, 7, 7, 0)]


@compiled
@pytest.mark.parametrize(
    ("bug", "place", "hint"),
    [
        ("ABOVE", "hid", "equality fires"),
        ("SATURATE", "hid", ""),
        ("STALE", "hid", ""),
        ("LAST", "in->hid", ""),
        ("STEP", "hid", ""),
        ("UNSIGNED", "in->hid", "takes that for +128"),
    ],
)
def test_bugs_of_a_device_in_c(in_c: str, bug: str, place: str, hint: str) -> None:
    """The device in C is right; each bug planted in it is caught, its place and cause named, and where something is
    left of the case before, that it passes alone.
    """
    cases = [*AIMED, given(3, 1, 2, 1, net=minus_128()), given(0, 0, 1, 1, net=minus_128())]
    assert conform([in_c], cases=cases, examples=0).agrees
    report = conform([in_c, bug], cases=cases, examples=0)
    first = report.first
    assert first is not None and first.verdict == "differs" and first.difference is not None
    assert first.difference.place == place and report.alone == (bug != "STALE")
    assert hint in " ".join(h.text for h in report.hints.hints) and ("passes" in str(report)) == (bug == "STALE")
    if first.difference.observable == "spikes":
        assert first.difference.step is not None and {first.difference.observed, first.difference.expected} == {0, 1}
    explanation = report.explanation()
    assert explanation is not None and explanation.neuron == first.difference.neuron
    if place == "in->hid":
        assert explanation.sums[place] == first.difference.expected
        assert explanation.sums[place] == sum(c.contribution for c in explanation.contributions)


@simulated
def test_a_device_in_verilog(tmp_path: Path) -> None:
    """A device in Verilog that holds one network is driven by lines of hex, and is never sent a load; bugs in it are
    caught; with no network given, or another one, it cannot be driven.
    """
    net = tiny()
    text = json.dumps({"name": "core.sv", "network": net.id, "refuses": False}).encode()
    text += b" " * (-len(text) % 8)
    line = to_hex(np.concatenate([[0, len(text)], np.frombuffer(text, "<i8")]))

    def built(bug: str) -> list[str]:
        target = str(tmp_path / bug)
        subprocess.run(
            ["iverilog", "-g2012", f"-DBUG_{bug}", f'-DGREETING="{line}"', "-o", target, str(DEVICES / "core.sv")],
            check=True,
            timeout=60,
        )
        return ["vvp", "-n", target]

    assert conform(right := built("NONE"), net, "hex", examples=20).agrees
    for bug in ("SATURATE", "ABOVE", "STALE", "WIDTH"):
        report = conform(built(bug), net, "hex", cases=AIMED, examples=0)
        assert report.first is not None and report.first.place == "hid", bug
    for other in (None, minus_128()):
        with pytest.raises(UsageError, match="the device holds"):
            conform(right, other, "hex")


SCOPED = {"population": "hid", "projection": "in->hid", "neuron": "hid"}


@pytest.mark.parametrize("scope", SCOPED)
def test_isolated_scopes_name_the_unit(scope: str) -> None:
    """In a scope of its own a unit is driven by what is given, so its mistake shows though the device is wrong before
    it, too.
    """
    cases = [c for c in cases_of(tiny(), Greeting.of({"scopes": [scope]})) if c.unit == SCOPED[scope]]
    report = conform([*CORE, "--bug", "reset"], cases=cases, examples=0)
    assert {one.scope for one in report.driven} == {scope} and report.agrees == (scope == "projection")
    case = cases[0]
    wrong = conform(lambda net, given: {k: v + 1 for k, v in arrays(case).items()}, cases=[case], examples=0,
                    greeting={"scopes": [scope]})  # fmt: skip
    explanation = wrong.explanation()
    assert wrong.first is not None and wrong.first.place in ("hid", "in->hid") and explanation is not None
    assert (explanation.synapses == 0) == (scope == "neuron")
    assert (explanation.steps == ()) == (scope == "projection")


@compiled
def test_causes_in_scope_projection(in_c: str) -> None:
    """What a projection delivers wrong by itself is put into the membrane alone, and its cause is named."""
    cases = list(cases_of(minus_128(), Greeting.of({"scopes": ["projection"]})))
    report = conform([in_c, "UNSIGNED"], cases=cases, examples=0)
    assert "takes that for +128" in " ".join(hint.text for hint in report.hints.hints)


def test_causes_of_logits_and_words_out_of_range() -> None:
    """Logits in another order are told from one answer; a train of more bits than K differs as a word."""
    case = given(15, 7, 9, 3)
    told = arrays(case)
    turned = conform(lambda net, given: {"out.opening": told["out.opening"][::-1]}, cases=[case], examples=0)
    assert turned.hints.hints
    words = conform(lambda net, given: {"hid.spikes": told["hid.spikes"] + 8}, cases=[case], examples=0)
    assert words.first is not None and words.first.difference is not None and words.first.difference.step is None


def arrays(case: Case) -> dict[str, Any]:
    """What is expected of a case, by NAME.OBSERVABLE."""
    return {".".join(key): values for key, values in case.expected.items()}


def test_a_bug_of_pooling_is_found_in_its_own_scope() -> None:
    """A max-pool that is the OR of its window is caught in scope max_pool alone, and the cause is named."""
    command = [*CORE, "--bug", "or", *greeting(scopes=["max_pool"])]
    report = conform(command, residual(), examples=0)
    assert report.first is not None and report.first.scope == "max_pool" and set(report.counts) == {"max_pool"}
    assert [hint.name for hint in report.hints.hints] and "POOL-1" in report.hints.hints[0].text


TRIGGER = given(9, 0, 0, 0)
EXPECTED = {
    "exit": "silence",
    "fail": "crash",
    "kill": "crash",
    "hang": "timeout",
    "half": "silence",
    "half-hang": "timeout",
    "close": "silence",
    "text": "garbage",
    "endless": "longer",
    "longer": "longer",
    "shorter": "garbage",
    "more": "longer",
    "drip": "timeout",
    "noise": "timeout",
    "child": "timeout",
    "refuse": "refused",
}


@pytest.mark.parametrize(
    ("mode", "carrier"),
    [*((mode, "frames") for mode in EXPECTED), *((m, "hex") for m, v in EXPECTED.items() if v != "timeout")],
)
def test_a_hostile_device_costs_a_timeout(mode: str, carrier: str) -> None:
    """Whatever a device does in the place of a reply is a verdict of that one case; the cases behind it are answered
    by the device started anew, and pass.
    """
    cases = [given(1, 2, 3, 4), TRIGGER, given(4, 3, 2, 1)]
    seconds = QUICK if EXPECTED[mode] == "timeout" or mode == "close" else ENOUGH
    command = hostile(mode, *(["--hex"] * (carrier == "hex")))
    report = conform(command, None, carrier, seconds, 0, cases, start_timeout=ENOUGH)
    assert [one.verdict for one in report.driven] == ["pass", EXPECTED[mode], "pass"]
    told = str(report)
    assert report.first is not None and EXPECTED[mode] in told and "\x1b" not in told and "\x07" not in told
    if mode == "fail":
        assert "exit code 1" in report.first.told and r"out of order \x1b[31m" in report.first.said
    if mode == "kill":
        assert "SIGSEGV" in report.first.told


def test_a_device_that_answers_nothing_is_given_up() -> None:
    """Three starts in a row behind which nothing is answered end the run, and what is left is not driven."""
    report = conform(hostile("hang"), None, timeout=QUICK, start_timeout=ENOUGH, examples=0, cases=[TRIGGER] * 9)
    assert [one.verdict for one in report.driven] == ["timeout"] * STARTS
    assert not report.agrees and "3 starts in a row" in report.ended and "ended" in report.line


def test_a_device_that_closes_its_input() -> None:
    """A frame that nobody reads any more is no error of ours: what the device does then is the verdict."""
    cases = [TRIGGER, TRIGGER]
    report = conform(hostile("deaf"), None, timeout=QUICK, start_timeout=ENOUGH, examples=0, cases=cases)
    assert {one.verdict for one in report.driven} == {"timeout"}


def test_a_device_that_has_ended_is_not_waited_for() -> None:
    """Where a device ended before it is asked, its verdict is there at once."""
    device = Process([*PYTHON, "-c", ""], ENOUGH, lines=False)
    try:
        device.start()
        assert device.process is not None and device.process.wait(ENOUGH) == 0
        begun = monotonic()
        with pytest.raises(Broken) as found:
            device.ask(np.array([0, 1]), GREETING)
        assert found.value.verdict == "silence" and monotonic() - begun < ENOUGH
    finally:
        device.stop()


def test_what_comes_before_it_is_asked_for() -> None:
    """A device that goes on writing behind a reply is found out at the next frame, which is not sent."""
    device = Process(hostile("later"), ENOUGH, lines=False)
    try:
        device.start()
        device.ask(np.array([0, 1]), GREETING)
        assert device.process is not None and device.process.stdin is not None and device.process.stdout is not None
        device.process.stdin.write(bytes(8))
        assert select([device.process.stdout], [], [], ENOUGH)[0]
        with pytest.raises(Broken) as found:
            device.ask(np.array([3]), 1)
        assert found.value.verdict == "garbage" and "before it was asked" in found.value.told
        assert device.process is None
    finally:
        device.stop()


def test_nothing_of_a_device_is_left_running(tmp_path: Path) -> None:
    """What a device has started ends with it: behind a timeout its child is gone, too."""
    note = tmp_path / "pid"
    code = (
        "import os, select, subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import select; select.select([], [], [])']); "
        f"open({str(note)!r}, 'w').write(str(child.pid)); select.select([], [], [])"
    )
    with pytest.raises(UsageError, match="timeout for a greeting"):
        conform([*PYTHON, "-c", code], timeout=QUICK, examples=1)
    state = Path(f"/proc/{note.read_text()}/stat")

    def gone() -> bool:
        try:
            return state.read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    for _ in range(200_000):  # it was killed; when it ends is for the system to say
        if gone():
            break
        os.sched_yield()
    assert gone()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-device"], "cannot be started: No such file or directory: no-such-device"),
        ("no-such-device --x", "no-such-device"),
        ("'", "is no command"),
        ("", "the command is empty"),
        ([], "the command is empty"),
        ([str(DEVICES)], "cannot be started"),
        (["a\0b"], "cannot be started"),
        (hostile("mute"), "timeout for a greeting"),
        (hostile("early"), "garbage for a greeting"),
        (["true"], "silence for a greeting"),
        (["false"], "crash for a greeting"),
        ([*CORE, *greeting(scope=["network"])], "did you mean scopes"),
        ([*CORE, *greeting(steps=[0, 99])], "steps: not in range"),
        ([*CORE, *greeting(scopes=["network"], observables=[])], "nothing can be asked of it: network"),
    ],
)
def test_what_cannot_be_driven_is_one_line(command: Any, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A device that is not there, cannot be started, or does not greet as it should ends with 2 and one line."""
    seconds = QUICK if "timeout" in told else ENOUGH
    text = command if isinstance(command, str) else shlex.join(command)
    if "\0" not in text and text:
        assert main(["conform", "--dut", text, "--timeout", str(seconds), "--examples", "2"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and told in err and len(err.splitlines()) == 2 and "fsref rule CONF" in err or "CHIP" in err
    with pytest.raises(FsrefError) as refused:
        conform(command, timeout=seconds, examples=2)
    assert told in str(refused.value) and "\n" not in str(refused.value)


GREETINGS = [
    ({"a": 1}, "unknown key"),
    ({"scopes": []}, "not a list of scopes"),
    ({"scopes": ["layer"]}, "not a list of scopes"),
    ({"scopes": "network"}, "not a list of scopes"),
    ({"network": "abc"}, "no id of a network"),
    ({"network": 7}, "no id of a network"),
    ({"version": "x" * 300}, "not a text"),
    ({"observables": ["spike"]}, "did you mean spikes"),
    ({"name": "x" * 70_000}, "longer for a greeting"),
]


def test_a_greeting_has_65536_bytes_at_most() -> None:
    """Blanks count, too; none at all is an empty object."""
    assert greeting_of(b"") == Greeting()
    assert greeting_of(b"{}" + b" " * (2**16 - 2)) == Greeting()
    with pytest.raises(FileError, match="too long"):
        greeting_of(b"{}" + b" " * (2**16 - 1))


@pytest.mark.parametrize(("plain", "told"), GREETINGS)
def test_greetings_that_are_refused(plain: dict[str, Any], told: str) -> None:
    """A greeting with unknown keys, scopes, observables, ids or too much of anything is refused in one line."""
    with pytest.raises(UsageError) as refused:
        conform([*CORE, *greeting(**plain)], examples=1)
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_a_device_that_greets_otherwise_each_time_is_given_up() -> None:
    """A start that greets otherwise than the first is none."""

    class Changing:
        """Greets with another version each time."""

        together = 1
        greetings = iter([Greeting(), *(Greeting(version=str(n)) for n in range(9))])

        def greet(self) -> Greeting:
            return next(self.greetings)

        def answers(self, case: Case) -> Iterator[Any]:
            raise Broken("crash", "ended")

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    drive = Drive(Changing())  # type: ignore[arg-type]
    assert [one.verdict for one in drive.through([TRIGGER, TRIGGER])] == ["crash"] and drive.ended


def test_what_other_cases_left_is_told_of_a_case_that_is_run_twice() -> None:
    """A device that is wrong behind cases of another network first shows it in a case that is run twice: it is told
    that something stands there still.
    """
    seen: set[str] = set()

    def device(net: Network, given: dict[str, Any]) -> dict[str, Any]:
        told = law(net, given)
        seen.add(net.id)
        return {name: values + (len(seen) > 1) for name, values in told.items()}

    class Anew(Function):
        def greet(self) -> Greeting:
            seen.clear()
            return super().greet()

    cases = [given(1, 1, 1, 1, net=minus_128()), given(15, 7, 9, 3, protocol="repeat")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conforming, "Function", Anew)
        report = conform(device, cases=cases, rejects=[], examples=0)
    assert not report.alone and [hint.text.partition(": ")[2] for hint in report.hints.hints] == [conforming.STANDS]


class Anew(Function):
    """A function whose runs are counted from each start on."""

    runs = 0

    def greet(self) -> Greeting:
        Anew.runs = 0
        return super().greet()


def counted(at: Callable[[int], bool], wrong: Callable[[dict[str, Any]], dict[str, Any]]) -> Report:
    """The report of a device that is wrong in some runs, by their number since its start, of 12 cases."""

    def device(net: Network, codes: dict[str, Any]) -> dict[str, Any]:
        Anew.runs += 1
        told = law(net, codes)
        return wrong(told) if at(Anew.runs) else told

    cases = [given(n, 7, 9, n) for n in range(12)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conforming, "Function", Anew)
        return conform(device, cases=cases, rejects=[], examples=0)


def one_more(told: dict[str, Any]) -> dict[str, Any]:
    """What is told, off by one."""
    return {name: values + 1 for name, values in told.items()}


def test_a_device_that_does_not_answer_alike_twice_is_told() -> None:
    """A device that answers the same otherwise from start to start is said to do so: no cause between images is told,
    nothing is made small; one that is wrong in its seventh run since each start answers alike, and its replay asks all
    that came before.
    """
    starts: list[int] = []

    def by_chance(run: int) -> bool:
        starts.extend([run] if run == 1 else [])
        return run > 1 and len(starts) % 2 == 1

    report = counted(by_chance, one_more)
    assert not report.steady and not report.agrees and report.to_dict()["steady"] is False
    assert "left to chance" in " ".join(str(report).split()) and "asked once of a device" not in str(report)
    assert report.small == () and report.hints.hints == ()
    report = counted(lambda run: run == 7, one_more)
    assert report.steady and not report.alone and "asked once of a device" in str(report)
    assert len(needed(report)) == len(report.small) == 7
    seen: list[bool] = []

    def behind_another(net: Network, codes: dict[str, Any]) -> dict[str, Any]:
        seen.append(any((q.weights == -128).any() for q in net.projections))
        return law(net, codes) if seen[-1] or True not in seen else one_more(law(net, codes))

    class Forgetting(Function):
        def greet(self) -> Greeting:
            seen.clear()
            return super().greet()

    cases = [*(given(n, 7, 9, n) for n in range(4)), given(1, 1, 1, 1, net=minus_128()), given(9, 9, 9, 9)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conforming, "Function", Forgetting)
        report = conform(behind_another, cases=cases, rejects=[], examples=0)
    assert not report.alone and report.steady and len(report.before) == 6 and len(needed(report)) == 2


def test_a_crash_is_made_smaller() -> None:
    """What a device crashes at ends as small as what it answers wrongly, though it is started for each question; and
    where it does so in its seventh run alone the replay asks those before it.
    """

    def device(net: Network, codes: dict[str, Any]) -> dict[str, Any]:
        if any((q.weights == -128).any() for q in net.projections):
            raise ZeroDivisionError("-128")
        return law(net, codes)

    case = given(15, 7, 9, 3, net=minus_128())
    report = conform(device, cases=[case] * 4, rejects=[], examples=0)
    assert report.ended and report.small and report.small[-1].verdict == "crash"
    assert (last := report.small[-1].case) is not None and max(p.neurons for p in last.net.populations) == 1

    def crashes(told: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("seven")

    report = counted(lambda run: run == 7, crashes)
    assert not report.alone and report.steady and len(needed(report)) == 7


@dataclass
class Frame:
    """A reject made by hand."""

    id: str
    frame: list[int]
    rule: str = "NET-7"
    flags: tuple[str, ...] = ("planted",)
    net: Network | None = None


def test_rejects_must_be_refused() -> None:
    """A frame that is to be refused passes where it is, is *accepted* where it is answered; the case before it is
    driven again behind it.
    """
    net = tiny()
    rejects = [
        Frame("code", [2, 1, 0, 4, 4, 16, 0, 0, 0, 0]),
        Frame("unknown", [2, 1, 9, 2, 1, 0, 0]),
        Frame("cut", load_frame(net)[:-1].tolist(), "ID-1"),
    ]
    strict = [*CORE, *greeting(refuses=True)]
    report = conform(strict, cases=[given(1, 2, 3, 4)], rejects=rejects, examples=0)
    assert report.agrees and report.counts["reject"] == {"pass": 3} and report.counts["network"] == {"pass": 4}
    taken = conform(strict, cases=[given(1, 2, 3, 4)], rejects=[Frame("good", load_frame(net).tolist())], examples=0)
    assert [one.verdict for one in taken.driven] == ["pass", "accepted", "pass"] and "planted [NET-7]" in " ".join(
        str(taken).split()
    )
    other = [Frame("other", load_frame(minus_128()).tolist())]
    taken = conform(strict, cases=[given(1, 2, 3, 4)], rejects=other, examples=0)
    assert [one.verdict for one in taken.driven] == ["pass", "accepted", "pass"]
    assert "reject" not in conform(CORE, cases=[given(1, 2, 3, 4)], rejects=rejects, examples=0).counts


@compiled
@pytest.mark.parametrize("protocol", ["", "repeat", "reset", "reload"])
def test_protocols(in_c: str, protocol: str) -> None:
    """What stands before a run is sent: the same run once more, a reset between, another network loaded in between; a
    device that keeps its membranes fails where they stay.
    """
    cases = [given(1, 1, 1, 1, net=minus_128()), given(15, 7, 9, 3, protocol=protocol)]
    assert conform([in_c], cases=cases, examples=0).agrees
    stale = conform([in_c, "STALE"], cases=cases, examples=0)
    kept = protocol in ("repeat", "reset")
    assert [one.verdict for one in stale.driven] == ["pass", "differs" if kept else "pass"]
    assert stale.alone != kept and (f"protocol  {protocol}" in str(stale)) == kept


def test_files_go_on_behind_what_breaks_off(tmp_path: Path) -> None:
    """Of a file that was answered in part the rest is asked anew; what the device does not answer is told by case."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import core; lines = open(sys.argv[2]).readlines(); "
        "replies = core.answers(core.lines(lines)); out = open(sys.argv[3], 'w')\n"
        "for line, reply in zip(lines, replies):\n"
        "    if line.split()[5:6] == ['%016x' % 9]: sys.exit(3)\n"
        "    out.write(core.text(reply)); out.flush()"
    )
    script = tmp_path / "files.py"
    script.write_text(code)
    cases = [given(1, 2, 3, 4), given(0, 0, 0, 0), TRIGGER, given(4, 3, 2, 1)]
    report = conform([*PYTHON, str(script), str(DEVICES)], None, "files", examples=0, cases=cases)
    assert [one.verdict for one in report.driven] == ["pass", "pass", "crash", "pass"]
    bad = conform([*CORE, "--bug", "above"], None, "files", examples=0, cases=[*cases, *cases])
    assert not bad.agrees and {one.verdict for one in bad.driven} == {"pass", "differs"}
    silent = conform(CORE, None, "files", examples=0, cases=cases)
    assert silent.agrees
    with pytest.raises(UsageError, match="silence for a greeting"):
        conform(["true"], None, "files", examples=1)


def law(net: Network, codes: dict[str, Any]) -> dict[str, Any]:
    """A function that is right."""
    name = net.input.name
    return arrays(case_of(net, "network", net.readout.name, {(name, "codes"): codes[f"{name}.codes"]}))


def test_a_function_of_python() -> None:
    """A function that gives what is right passes, of what it gives; what it gives wrong, of a wrong shape, unknown or
    not at all is a verdict; what it raises is a crash.
    """
    cases = [given(1, 2, 3, 4), given(15, 7, 9, 3)]

    def driven(answer: Callable[..., Any], **told: Any) -> list[str]:
        return [one.verdict for one in conform(answer, cases=cases, examples=0, greeting=told).driven]

    assert driven(law) == driven(lambda net, x: {"out.opening": law(net, x)["out.opening"].tolist()}) == ["pass"] * 2
    assert driven(lambda net, x: law(net, x) | {"hid.codes": law(net, x)["hid.codes"] + 1}) == ["differs"] * 2
    assert driven(lambda net, x: {"out.opening": [1]}) == driven(lambda net, x: {"out.opening": [1.5, 2]}) == driven(
        lambda net, x: {"nobody.codes": [1]}
    ) == driven(lambda net, x: 7) == ["garbage"] * 2  # fmt: skip
    assert driven(lambda net, x: {}) == ["silence"] * 2
    assert driven(lambda net, x: {"hid.codes": law(net, x)["hid.codes"]}, observables=["codes", "opening"]) == [
        "silence"
    ] * 2  # fmt: skip
    assert driven(lambda net, x: 1 // 0) == ["crash"] * 2
    report = conform(law, cases=[given(1, 2, 3, 4)], examples=0)
    assert report.agrees and report.device == "law"


def test_a_function_is_not_told_what_is_expected() -> None:
    """A function that gives all that follows from what is given passes in every scope, of whatever unit; rejects are
    sent to none.
    """

    def everything(net: Network, named: dict[str, Any]) -> dict[str, Any]:
        arrays = {(name.rpartition(".")[0], name.rpartition(".")[2]): values[None] for name, values in named.items()}
        return {".".join(key): values for key, values in following(net, arrays).items()}

    rejects = [Reject((9,), "CONFORM-1", ())]
    report = conform(
        everything, cases=some_of_each_scope(), rejects=rejects, examples=0, greeting={"scopes": list(SCOPES)}
    )
    assert report.agrees and {one.scope for one in report.driven} == set(SCOPES)


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref conform` prints counts by scope and verdict, the first failure with its place, its neuron and its cause,
    and ends with 1; as JSON the same; as JUnit a test case for each case, in well-formed XML. A right device ends with
    0.
    """
    save(tiny(), path := tmp_path / "tiny.fs.npz")
    target = tmp_path / "report.xml"
    command = shlex.join([*CORE, "--bug", "above", *greeting(name="chip \x1b[1m<&>", scopes=["network", "neuron"])])
    asked = ["conform", str(path), "--dut", command, "--examples", "0"]
    assert main([*asked, "--junit", str(target)]) == 1
    out = capsys.readouterr().out
    for part in ("DIFFERS", "hint", "equality fires", "chained", "isolated", "threshold", "network b07efff9afc3"):
        assert part in " ".join(out.split())
    assert "bins of the level-1 pack" in out and "\x1b" not in out and max(map(len, out.splitlines())) <= 80
    suite = ElementTree.fromstring(target.read_bytes())[0]
    assert main([*asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    failed = sum(one["verdict"] == "differs" for one in told["cases"])
    assert (suite.get("tests"), suite.get("failures")) == (str(told["case_count"]), str(failed)) and failed
    assert len(suite.findall("testcase")) == told["case_count"] and told["verdicts"]["network"]["differs"]
    assert told["causes"] and told["explanation"]["steps"] and told["first"]["verdict"] == "differs"
    assert main([*asked, "--junit", str(target)]) == 2 and "report.xml" in capsys.readouterr().err
    assert told["bins"]["FS-2"]["reached"] == 3 * 3 * 3 and "reject" not in told["verdicts"]
    assert main(["conform", str(path), "--dut", shlex.join(CORE), "--examples", "0"]) == 0
    assert main([*asked, "--force"]) == 2 and "goes with --junit" in capsys.readouterr().err


def rows_of(answer: dict[str, Any], case: Case) -> list[list[str]]:
    """The lines of the report of a device that answers this, in words."""
    report = conform(lambda net, given: answer, cases=[case], examples=0)
    assert not report.agrees and report.to_dict()["yours"] is not None
    return [line.split() for line in first_of(report)]


def first_of(report: Report) -> list[str]:
    """The lines of a report up to the smallest case."""
    return str(report).partition("the smallest case:")[0].splitlines()


@pytest.mark.parametrize(
    ("name", "at", "by", "marked"),
    [
        ("in->hid.sums", 0, -1, "sum in->hid 26 25 <- first"),
        ("hid.opening", 0, 5, "opening membrane 27 32 <- first"),
        ("hid.spikes", 2, 2, "5 1 4 2 2 0 1 2 <- first"),  # fires in step 1, whose membrane is right
        ("hid.membranes", (0, 0), 1, "5 1 4 19 20 1 1 2 <- first"),
        ("hid.membranes", (2, 0), 7, "after 13 20 <- first"),
    ],
)
def test_yours_stands_beside_what_is_right(name: str, at: Any, by: int, marked: str) -> None:
    """Of the neuron that differs first everything that the device answered stands beside what is right, and the first
    row that is not right is marked, once; by hand: hid has K = 3, theta 2, openings 27, 55, 10.
    """
    found = {key: values.copy() for key, values in arrays(given(15, 7, 9, 3)).items()}
    found[name][at] += by
    rows = rows_of(found, given(15, 7, 9, 3))
    assert [row for row in rows if "<-" in row] == [marked.split()]


def test_yours_is_a_dash_where_nothing_was_answered() -> None:
    """Spikes alone stand beside no membrane; codes alone behind the code, beside no step; a train of too many bits is
    said to be none.
    """
    case = given(15, 7, 9, 3)
    rows = rows_of({"hid.spikes": np.array([6, 7, 5])}, case)
    assert "6 2 2 15 - 1 0 1 <- first".split() in rows and "after 13 -".split() in rows
    rows = rows_of({"hid.codes": np.array([8, 7, 5])}, case)
    assert ["yours", "8"] in rows and "4 0 27 8 fires 8 19 4".split() in rows
    rows = rows_of({"hid.spikes": np.array([15, 7, 5])}, case)
    assert "train yours is 15, no train of 3 steps".split() in rows


def test_yours_of_a_pool_has_no_membrane() -> None:
    """A max-pool that sends another train is shown with its spikes beside the right ones."""
    case = next(
        c for c in cases_of(residual(), Greeting.of({"scopes": ["max_pool"]})) if max(c.expected["pool", "spikes"])
    )
    found = arrays(case)
    report = conform(lambda net, given: {"pool.spikes": found["pool.spikes"] * 0}, cases=[case], examples=0,
                     greeting={"scopes": ["max_pool"]})  # fmt: skip
    marked = [line.split() for line in first_of(report) if line.endswith("<- first")]
    assert len(marked) == 1 and marked[0][2:4] == ["1", "0"]


def test_junit_escapes_what_a_device_says() -> None:
    """Whatever a device writes to its standard error is text in the XML, without control characters."""
    report = conform(hostile("fail"), None, examples=0, cases=[given(1, 2, 3, 4), TRIGGER])
    suite = ElementTree.fromstring(junit(report))[0]
    assert suite.get("errors") == "1" and r"\x1b" in (suite.findall("testcase")[1].findtext("system-err") or "")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"carrier": "uart"}, "carrier"),
        ({"timeout": 0}, "seconds"),
        ({"timeout": float("nan")}, "seconds"),
        ({"timeout": True}, "seconds"),
        ({"examples": -1}, "examples"),
        ({"greeting": {}}, "goes with a function"),
        ({"example": 1}, "did you mean examples"),
    ],
)
def test_arguments_that_are_refused(more: dict[str, Any], told: str) -> None:
    """Arguments that cannot act are refused before anything is started."""
    with pytest.raises(UsageError, match=told):
        conform(["no-such-device"], **more)


def test_a_network_that_does_not_fit_is_refused() -> None:
    """A network that breaks a limit of the device is not sent to it."""
    with pytest.raises(UsageError, match="does not fit the limits"):
        conform([*CORE, *greeting(kinds=["input", "fs", "readout", "conv2d"])], tiny())


def test_what_is_asked_is_what_the_device_has() -> None:
    """A device that names observables is asked for those alone, in the order of OBS-2."""
    case = case_of(residual(), "network", "out", {("in", "codes"): [7] * residual().input.neurons})
    asked = Greeting.of({"observables": ["codes", "sums"]}).asked(case)
    assert [key for key in asked if key[1] not in ("codes", "sums")] == [] and len(asked) > 5
    order = [p.name for p in residual().populations]
    places = [order.index(residual().named_projections[of].target if what == "sums" else of) for of, what in asked]
    assert places == sorted(places)


def test_a_frame_larger_than_a_pipe_goes_both_ways() -> None:
    """A device that answers while it is still being written to, and frames of more than a pipe holds, pass."""
    device = Wire(Process([*CORE, "--hex"], 20.0, lines=True))
    net = tiny(projections=[Dense("in", "hid", np.ones((3, 4), int)), Dense("hid", "out", [[1, -1, 2], [0, 3, -2]])])
    try:
        drive = Drive(device)
        assert drive.judged(given(1, 2, 3, 4, net=net)).passed
        found = drive.last([given(4, 4, 4, 4, net=net)])
        assert found is not None and found.passed
        reply = device.device.ask(np.array([2, *range(40_000)]), GREETING)
        assert reply.tolist() == [5]
    finally:
        device.stop()


def test_what_is_not_asked_is_told_with_the_reason() -> None:
    """The report says, scope by scope, how many cases were not for the device and why, and of which scope there is
    none: nothing is left out silently (CONFORM-6).
    """

    def right(net: Network, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        codes = {(net.input.name, "codes"): asked[f"{net.input.name}.codes"][None]}
        return {".".join(key): values[0] for key, values in following(net, codes).items()}

    told = {"observables": ["opening"], "scopes": ["network", "projection", "max_pool"]}
    report = conform(right, tiny(), examples=0, greeting=told)
    assert report.agrees and set(report.counts) == {"network"}
    assert set(report.unasked) == {
        ("reject", "it refuses nothing"),
        ("projection", "it answers no observable that follows"),
    }
    assert min(report.unasked.values()) > 1
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    for (scope, why), count in report.unasked.items():
        assert f"not asked {count} cases of scope {scope}: {why}" in lines
    assert "not asked scope max_pool: no case has such a unit" in lines
    plain = report.to_dict()["unasked"]
    assert {(one["scope"], one["why"]): one["count"] for one in plain} == report.unasked
    one = image_case(tiny(), np.zeros((1, 2, 2), np.int64))
    assert conform(right, tiny(), examples=0, cases=[one]).unasked == {}
