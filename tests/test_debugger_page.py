"""The page of `fsref view` in a real browser: what its script shows of a neuron is what `fsref explain` says; slider,
keys, clicks and the next difference do what they say, at every width, light and dark (DEBUG-1, DEBUG-3).
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref import Network
from fsref.reports.view_page import SpikePage
from fsref.verification.explanation import Explanation
from test_debugger import NETS, broken, partial, unjudged
from test_page import EVIL, Reader, chromium

__all__ = ["unjudged"]  # a fixture

pytestmark = pytest.mark.needs_programs

PLAIN = """
const plain = (value) => JSON.stringify(value, (key, own) => (typeof own === "bigint" ? String(own) : own));
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const text = (id) => find(id).textContent.replace(/\\s+/g, " ").trim();
const clicked = (node, x, y) => {
  const box = node.getBoundingClientRect();
  const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true };
  node.dispatchEvent(new MouseEvent("click", at));
};
const found = {};
"""
SHOW = "\ndocument.body.dataset.found = plain(found);"


def allowed(html: str, script: str) -> str:
    """The page with one more script, which its policy allows."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    more = html.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return more.replace("</body>", f"<script>{script}</script></body>")


def driven(tmp_path: Path, page: SpikePage, script: str, *options: str) -> dict[str, Any]:
    """What a script finds in the page, whose console says nothing."""
    told, console = chromium(tmp_path, allowed(page.html, PLAIN + script + SHOW), "--dump-dom", *options)
    assert console == []
    found: dict[str, Any] = json.loads(
        str(dict(next(a for t, a in Reader(voided(told)).tags if t == "body"))["data-found"])
    )
    return found


def voided(html: str) -> str:
    """A page whose <input> the reader of another test takes for what needs no end."""
    return html.replace("<input ", "<meta ")


NEURONS = """
for (const [name, numbers] of %s) {
  const p = named.get(name);
  found[name] = numbers.map((n) => {
    const { found: contributions, sums } = deliveredTo(p, n);
    return {
      steps: stepsOf(p, n), sums: [...sums],
      bias: p.opening ? biasOf(p, n) : null, code: p.trains ? codeOf(p, n) : null,
      contributions: contributions.map((c) => [c.source.name, c.from, c.weight, c.code, c.value, c.factor]),
      candidates: candidatesOf(p, n).map((c) => [c.from, codeOf(c.source, c.i), c.out]),
    };
  });
}
"""


def said(e: Explanation) -> dict[str, Any]:
    """An explanation in the form in which the script of the page gives it: what is exact there is text."""

    def exact(value: int | None) -> str | None:
        return None if value is None else str(value)

    steps: list[dict[str, Any]] = []
    for s in e.steps:
        steps.append({"t": s.t, "step": s.step, "fired": int(s.fired), "d": s.d})
        if s.before is not None:
            own = {"before": s.before, "threshold": s.threshold, "reset": s.reset, "after": s.after}
            steps[-1] |= {key: exact(value) for key, value in own.items()}
    return {
        "steps": steps,
        "sums": [[name, str(total)] for name, total in e.sums.items()],
        "bias": exact(e.bias),
        "code": e.code,
        "contributions": [
            [c.source, c.neuron, c.weight, c.code, str(c.contribution), exact(c.factor)] for c in e.contributions
        ],
        "candidates": [[c.neuron, c.code, c.dropped] for c in e.candidates],
    }


@pytest.mark.parametrize("name", NETS)
def test_the_page_explains_as_fsref_does(tmp_path: Path, name: str) -> None:
    """Steps, sums, contributions and candidates of neurons of every population, to the last bit."""
    net = NETS[name]()
    x = handmade.draw(net, 1, seed=6)[0]
    asked = {p.name: list(range(0, p.neurons, max(1, p.neurons // 9))) for p in net.populations}
    found = driven(tmp_path, fsref.view(net, x), NEURONS % json.dumps(list(asked.items())))
    for population, numbers in asked.items():
        for n, shown in zip(numbers, found[population], strict=True):
            wanted = said(fsref.explain(net, x, population, n))
            for one in (shown, wanted):  # those of one size come in any order
                one["contributions"].sort()
            assert shown == wanted, (population, n)


def wide() -> Network:
    """A neuron whose membrane passes 2^53 by odd numbers."""
    table = fsref.Table(T=[2**57 + 1, 2**54 + 3, 5], h=[2**57 - 1, 2**54 + 1, 2], d=[4, 2, 1])
    return Network(
        [
            fsref.Input("in", (1, 1, 1), 4, 15),
            fsref.FS("a", (2, 1, 1), table, [2**58 + 1, 2**54 + 2]),
            fsref.Readout("out", (1, 1, 1), [2**60 + 7]),
        ],
        [fsref.Dense("in", "a", [[2**30 + 1], [3]]), fsref.Dense("a", "out", [[2**30 + 1, -(2**30) - 3]])],
    )


def test_integers_beyond_53_bits_are_exact(tmp_path: Path) -> None:
    net = wide()
    x = np.full((1, 1, 1), 11)
    found = driven(tmp_path, fsref.view(net, x), NEURONS % json.dumps([["a", [0, 1]], ["out", [0]]]))
    told = [(name, n, shown) for name in ("a", "out") for n, shown in enumerate(found[name])]
    assert all(shown == said(fsref.explain(net, x, name, n)) for name, n, shown in told)
    assert any(int(s["after"]) > 2**53 and int(s["after"]) % 2 for s in found["a"][0]["steps"])


DRIVE = """
found.begin = [state.step, text("moment"), state.population === null, text("neuron")];
find("slider").value = "6"; find("slider").dispatchEvent(new Event("input"));
found.slid = [state.step, text("moment")];
press("ArrowRight"); found.right = state.step;
press("ArrowLeft"); press("ArrowLeft"); found.left = state.step;
press("End"); found.end = [state.step, text("moment")]; press("ArrowRight"); found.beyond = state.step;
press("Home"); found.home = state.step;
find("on").click(); found.on = state.step;
press(" "); found.plays = [state.playing > 0, text("play")]; press(" "); found.paused = [state.playing, text("play")];
clicked(document.querySelector("#schedule svg"), 9.5 / (page.steps + 1), 0.3); found.scheduled = state.step;
const stem = named.get("stem");
const [x, y] = [stem.map.cells[50] % stem.map.width, Math.floor(stem.map.cells[50] / stem.map.width)];
clicked(stem.map.canvas, (x + 0.5) / stem.map.width, (y + 0.5) / stem.map.height);
found.chosen = [state.population.name, state.neuron, text("neuron").slice(0, 40)];
found.marks = [...document.querySelectorAll(".mark")].length;
document.querySelector("#neuron td .link").click(); found.source = [state.population.name, find("where").value];
press("Escape"); found.back = [state.population.name, state.neuron];
find("which").value = "pool"; find("where").value = "1,0,2"; find("go").click();
found.typed = [state.population.name, state.neuron, /Candidates/.test(text("neuron"))];
find("where").value = "99"; find("go").click(); found.refused = [state.neuron, find("where").validationMessage];
goTo(stem.start + 1);
const colour = (p, i) => p.map.pixels[p.map.cells[i]];
found.spikes = Array.from({ length: stem.count }, (_, i) => Number(colour(stem, i) !== palette.zero));
find("what").value = "codes"; find("what").dispatchEvent(new Event("change"));
found.codes = Array.from({ length: stem.count }, (_, i) => Number(colour(stem, i) !== palette.zero));
find("what").value = "membranes"; find("what").dispatchEvent(new Event("change"));
found.values = Array.from({ length: stem.count }, (_, i) => valueOf(stem, i));
found.hidden = [find("next").hidden, find("differing").hidden];
"""


def test_slider_keys_and_clicks(tmp_path: Path) -> None:
    """Every control moves the step or the choice, and maps show what was recorded of the step."""
    net = handmade.residual()
    x = handmade.draw(net, 1)[0]
    plan, trace = net.schedule, handmade.recorded(net, x[None])
    found = driven(tmp_path, fsref.view(net, x), DRIVE)
    last = plan.steps
    assert found["begin"] == [
        0,
        f"step 0 of {last}: in fires",
        True,
        "Click a neuron in a map, or find it by population and number.",
    ]
    assert found["slid"] == [6, f"step 6 of {last}: stem, pool fire"] and (found["right"], found["left"]) == (7, 5)
    assert found["end"] == [last, f"step {last} of {last}: none fires; the end: the answer stands"]
    assert (found["beyond"], found["home"], found["on"]) == (last, 0, 1)
    assert found["plays"] == [True, "pause"] and found["paused"] == [0, "play"]
    assert found["scheduled"] == 9
    assert found["chosen"][:2] == ["stem", 50] and found["chosen"][2].startswith("stem 50fs, neuron 50: c 1, y 1, x 2")
    first = fsref.explain(net, x, "stem", 50).contributions[0]
    assert found["source"] == ["in", str(first.neuron)] and found["marks"] > 2
    assert found["back"] == ["stem", 50] and found["typed"] == ["pool", 14, True]
    assert found["refused"][0] == 14 and "no neuron of pool on this page: 4 x 4 x 3" in found["refused"][1]
    trains = trace["stem", "spikes"][0]
    assert found["spikes"] == (trains >> 2 & 1).tolist()
    assert found["codes"] == (trains >> 2 != 0).tolist()
    assert found["values"] == trace["stem", "membranes"][0, 0].tolist()
    assert found["hidden"] == [True, True]


WRONG = """
const at = () => [state.population.name, state.neuron, state.step];
found.opened = [at(), text("found"), text("wrongs"), scrollY];
const wrongText = () => [...document.querySelectorAll("#neuron .wrong")].map((node) => node.textContent);
found.texts = [wrongText()];
found.next = [];
for (let k = 0; k < 4; k++) { press("n"); found.next.push(at()); found.texts.push(wrongText()); }
press("N"); found.previous = at();
find("next").click(); found.clicked = at();
const sum = named.get("sum");
goTo(sum.start + 1);
found.colours = [5, 7].map((i) => {
  const own = sum.map.pixels[sum.map.cells[i]];
  return own === palette.wrong ? "wrong" : own === palette.pale ? "pale" : "right";
});
goTo(sum.start + 2);
found.later = sum.map.pixels[sum.map.cells[7]] === palette.pale;
document.querySelector("#table .link").click(); found.listed = at();
found.table = text("table");
found.logits = text("logits");
"""


@pytest.mark.usefixtures("unjudged")
def test_next_difference_goes_from_wrong_neuron_to_wrong_neuron(tmp_path: Path) -> None:
    """The page opens with the first, in the step that differs, beside it what was observed; then one after the other,
    and round.
    """
    net = handmade.residual()
    x = handmade.draw(net, 3)
    right, dump = handmade.recorded(net, x), broken(net, x)
    found = driven(tmp_path, fsref.view(net, x, dump), WRONG)
    start = net.schedule.start
    mid, out = start["mid"], start["out"]
    first, verdict, told, scrolled = found["opened"]
    assert first == ["mid", 3, mid] and "first in mid: image 1 neuron 3" in verdict and scrolled == 0
    assert told == "1 of 4 neurons that differ"
    order = [["mid", 40, mid], ["sum", 7, start["sum"] + 1], ["out", 2, out], ["mid", 3, mid]]
    assert found["next"] == order and found["previous"] == order[2] and found["clicked"] == order[3]
    observed = [f"{int(dump['mid', 'opening'][1, n]):,}" for n in (3, 40)]
    assert [texts[1:3] for texts in found["texts"][:2]] == [[observed[0], " (-1)"], [observed[1], " (+5)"]]
    word = int(right["sum", "spikes"][1, 7])
    assert found["texts"][2][1:] == [str((word ^ 0b010001) >> shift & 1) for shift in (4, 0)]
    assert found["texts"][3][1] == f"{int(dump['out', 'opening'][1, 2]):,}"
    assert found["colours"] == ["right", "wrong"] and found["later"] is True
    assert found["listed"][:2] == ["mid", 3] and "neuron 7 spikes: observed" in found["table"]
    assert f"yours {int(dump['out', 'opening'][1, 2]):,}" in found["logits"]


MEASURE = """
const wide = [...document.querySelectorAll("body *")].filter((node) => {
  const box = node.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !node.closest(".wide") && !node.closest("svg");
});
const small = populations.filter((p) => !(p.map.canvas.getBoundingClientRect().width > 1)).map((p) => p.name);
parent.postMessage(JSON.stringify({
  inner: innerWidth, scrolls: document.documentElement.scrollWidth > innerWidth, small,
  wide: wide.map((node) => node.tagName + "." + node.className + "#" + node.id),
  ground: getComputedStyle(document.body).backgroundColor, loaded: performance.getEntriesByType("resource").length,
}), "*");
"""
FRAMES = """<!DOCTYPE html><title>frames</title><body><script>
const found = [];
addEventListener("message", (event) => {
  found.push(JSON.parse(event.data));
  document.body.dataset.found = JSON.stringify(found);
});
</script>"""


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_nothing_is_loaded(tmp_path: Path, scheme: str) -> None:
    """At 400, 860, 1,000 and 1,600 pixels, with a wrong neuron open: nothing beyond the window or on the console."""
    net = handmade.residual()
    x = handmade.draw(net, 3)
    html = allowed(fsref.view(net, x, broken(net, x)).html, MEASURE)
    frames = "".join(
        f'<iframe width="{w}" height="900" srcdoc="{escape(html)}"></iframe>' for w in (400, 860, 1000, 1600)
    )
    dark = f"--blink-settings=preferredColorScheme={('dark', 'light').index(scheme)}"
    told, console = chromium(tmp_path, f"{FRAMES}{frames}</body>", dark, "--window-size=1800,4000", "--dump-dom")
    assert console == []
    body = told[told.index("data-found=") :]
    found = json.loads(body.split('"', 2)[1].replace("&quot;", '"'))
    assert sorted(one["inner"] for one in found) == [400, 860, 1000, 1600]
    ground = "rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 28)"
    for one in found:
        assert (one["wide"], one["small"], one["scrolls"], one["loaded"], one["ground"]) == ([], [], False, 0, ground)


PARTIAL = """
const cells = () => [...document.querySelectorAll("#neuron table")[1].querySelectorAll("tbody tr")].map((row) =>
  [row.cells[4].textContent, row.cells[7].textContent]);
found.rows = [2, 5, 9, 11].map((n) => { choose(named.get("mid"), n); return cells(); });
found.wrongs = [text("wrongs")]; find("next").click(); find("next").click(); found.wrongs.push(text("wrongs"));
found.script = document.scripts.length; found.classes = text("logits").includes("<script>alert");
"""


@pytest.mark.usefixtures("unjudged")
def test_what_was_not_observed_is_a_dash(tmp_path: Path) -> None:
    """Of a partial dump each step says what was seen: an integer, x, or nothing; names of classes are text."""
    net = replace(handmade.residual(), classes=(EVIL, f"{EVIL}</script>", "c"))
    x = handmade.draw(net, 1)
    right, dump = handmade.recorded(net, x), partial(net, x)
    found = driven(tmp_path, fsref.view(net, x, dump), PARTIAL)
    rows = {n: [] for n in (2, 5, 9, 11)}
    for n in rows:
        train, after = int(right["mid", "spikes"][0, n]), right["mid", "membranes"][0, :, n]
        spikes, membranes = [str(train >> 4 - t & 1) for t in range(5)], [f"{v:,}" for v in after.tolist()]
        seen = {2: (1, 3), 5: (1, 3), 9: (1,), 11: ()}[n]
        spikes = [z if t in seen else "-" for t, z in enumerate(spikes)]
        membranes = [v if n != 11 and t in (1, 3) else "-" for t, v in enumerate(membranes)]
        rows[n] = [spikes, membranes]
    rows[5][0][1] = "x"
    rows[9][1][3] = f"{int(right['mid', 'membranes'][0, 3, 9]) + 1:,}"
    assert found["rows"] == [list(map(list, zip(*rows[n], strict=True))) for n in (2, 5, 9, 11)]
    assert found["wrongs"] == ["2 neurons that differ", "2 of 2 neurons that differ"]  # on from the last that differs
    assert found["script"] == 4 and found["classes"] is True


def test_one_synapse_that_explains_is_marked(tmp_path: Path) -> None:
    """Of a chip with one weight of the wrong sign, that synapse is named, though eleven others deliver more."""
    weights = np.array([[*range(40, 16, -2), 5, 3]])

    def network(weights: Any) -> Network:
        given, wide = fsref.Input("in", (14, 1, 1), 4, 15), [fsref.Dense("in", "a", weights)]
        return handmade.chain(fsref.FS("a", (1, 1, 1), fsref.fs_relu(4, 100)), *wide, given=given)

    net, x = network(weights), np.full((14, 1, 1), 7)
    wrong = np.where(np.arange(14) == 12, -weights, weights)
    chip = handmade.recorded(network(wrong), x[None], fsref.Record(["a"], ("opening",)))
    dump = fsref.Trace(net, 1, chip.selection, chip.arrays)
    script = """found.rows = [...document.querySelectorAll("#neuron tr")].map((row) => row.textContent)
      .filter((row) => /sign|missing|twice/.test(row)); found.off = text("neuron");"""
    found = driven(tmp_path, fsref.view(net, x, dump), script)
    assert found["rows"] == ["in 12 (12, 0, 0)5735 other sign?"] and "(-70)" in found["off"]
    assert "One synapse would do that: in 12 (12, 0, 0) other sign?" in found["off"]
    assert "1 more21" in found["off"]


def test_the_policy_holds(tmp_path: Path) -> None:
    """A script that the policy does not know does not run, and the console says so."""
    page = fsref.view(handmade.tiny(), handmade.draw(handmade.tiny(), 1)[0])
    html = page.html.replace("</body>", "<script>document.body.dataset.ran = 1</script></body>")
    told, console = chromium(tmp_path, html, "--dump-dom")
    assert "data-ran" not in told and any("Content Security Policy" in line for line in console)
