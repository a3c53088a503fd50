// The schedule, the answer, and what keys and buttons do.

function schedule() {
  const height = ROW * populations.length;
  const svg = drawn("svg", { viewBox: `0 0 ${page.steps + 1} ${height}`, preserveAspectRatio: "none", height });
  svg.append(drawn("title", {}, "Schedule: populations by steps"));
  const names = make("div");
  populations.forEach((p, row) => {
    const y = ROW * row;
    names.append(make("button", { textContent: p.name, title: p.name, onclick: () => p.map.card.scrollIntoView() }));
    if (p.opening) svg.append(rect(p.receives[0], y + 8, p.receives[1] - p.receives[0], 2, "var(--quiet)"));
    for (let t = 0; t < p.steps; t++) {
      const share = p.fired[t] ? 0.25 + 0.75 * Math.sqrt(p.fired[t] / p.count) : 0;
      const x = p.start + t;
      svg.append(rect(x + 0.04, y + 3, 0.92, 12, "var(--zero)"));
      svg.append(rect(x + 0.04, y + 3, 0.92, 12, "var(--one)", { "fill-opacity": share.toFixed(3) }));
      if (p.wrong && p.wrongSteps.some((word) => (word >> (p.steps - 1 - t)) & 1))
        svg.append(rect(x + 0.04, y + 13, 0.92, 4, "var(--wrong)"));
    }
    if (!p.steps) svg.append(rect(p.start, y + 3, 1, 12, p.wrong && p.wrong.length ? "var(--wrong)" : "var(--one)"));
  });
  const now = rect(0, 0, 1, height, "var(--text)", { "fill-opacity": "0.18", id: "now" });
  svg.append(now);
  svg.onclick = (event) => {
    const box = svg.getBoundingClientRect();
    goTo(Math.floor(((event.clientX - box.left) / box.width) * (page.steps + 1)));
    const p = populations[Math.floor((event.clientY - box.top) / ROW)];
    if (p && state.population === null) p.map.card.scrollIntoView({ block: "nearest" });
  };
  find("schedule").append(names, svg);
}

// The answer: the logits of readouts that are no maps, the largest of them.

function answers() {
  const readouts = populations.filter((p) => p.kind === "readout" && p.plane === 1);
  find("answers").hidden = !readouts.length;
  for (const p of readouts) find("logits").append(make("h3", { textContent: p.name }), logitsOf(p));
}

function logitsOf(p) {
  const part = partOf(p, "opening");
  const values = Array.from(p.opening, Number);
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
  const shown = order.slice(0, SHOWN).sort((a, b) => a - b);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const share = (v) => `${(100 * v) / (high - low || 1)}%`;
  const rows = shown.map((i) => { // a name, a bar and an integer
    const n = neuronAt(p, i);
    const yours = part ? yoursOf(p, part, n) : null;
    const differs = yours !== null && yours !== "=";
    const bar = make("span", { className: `bar ${differs ? "wrong" : values[i] < 0 ? "minus" : ""}` });
    Object.assign(bar.style, { left: share(Math.min(values[i], 0) - low), width: share(Math.abs(values[i])) });
    const best = page.prediction === n;
    const textContent = nameOf(p, n) + (best ? " (predicted)" : "");
    const name = make("span", {}, make(best ? "b" : "span", { textContent }));
    const value = make("button", { className: "link", textContent: told(p.opening[i]), onclick: () => choose(p, n) });
    const own = differs ? make("span", { className: "wrong", textContent: ` yours ${said(yours)}` }) : "";
    return [name, make("div", { className: "track" }, bar), make("span", {}, value, own)];
  });
  const most = order.length > SHOWN ? `the ${SHOWN} largest of ${told(order.length)}` : "";
  const below = make("p", { className: "quiet", textContent: most });
  return make("div", {}, make("div", { className: "logits" }, ...rows.flat()), below);
}

const nameOf = (p, n) => (page.prediction !== undefined && page.classes[n]) || String(n);

// The neuron chosen: where it came from, and the way back.

function choose(p, n, from = "elsewhere") {
  if (state.population) state.trail.push([state.population, state.neuron]);
  show(p, n, from);
}

// What is not where it was chosen from comes into sight; when the page opens, nothing moves.
function show(p, n, from = "elsewhere") {
  Object.assign(state, { population: p, neuron: n });
  showNeuron();
  showCount(p, n);
  if (from === "elsewhere") p.map.card.scrollIntoView({ block: "nearest" });
  const narrow = matchMedia("(max-width: 859px)").matches;
  if (from !== "opening" && narrow) find("neuron").scrollIntoView({ block: "nearest" });
}

function back() {
  if (state.trail.length) show(...state.trail.pop());
}

function chooseTyped() {
  const p = named.get(find("which").value);
  const parts = find("where").value.replace(/[()]/g, "").split(",");
  const typed = parts.map((part) => (part.trim() === "" ? NaN : Number(part)));
  const inside = typed.length === 3 && typed.every((v, axis) => Number.isInteger(v) && v >= 0 && v < p.shape[axis]);
  const n = inside ? numberOf(p, ...typed) : typed.length === 1 ? typed[0] : NaN;
  const there = Number.isInteger(n) && n >= 0 && n < p.shape[0] * p.plane && indexOf(p, n) >= 0;
  find("where").setAttribute("aria-invalid", String(!there));
  find("where").setCustomValidity(there ? "" : `no neuron of ${p.name} on this page: ${p.shape.join(" x ")}`);
  if (there) choose(p, n);
  else find("where").reportValidity();
}

// Steps and differences.

function goTo(step) {
  state.step = Math.max(0, Math.min(page.steps, step));
  find("slider").value = String(state.step);
  find("now").setAttribute("x", String(state.step));
  const now = populations.filter((p) => state.step >= p.start && state.step < p.start + p.steps).map((p) => p.name);
  const more = now.length > 3 ? ` and ${now.length - 3} more` : "";
  const who = now.length ? now.slice(0, 3).join(", ") + more : "none";
  const end = state.step === page.steps ? "; the end: the answer stands" : "";
  find("moment").textContent = `step ${state.step} of ${page.steps}: ${who} fire${now.length > 1 ? "" : "s"}${end}`;
  populations.forEach(draw);
  showNeuron();
}

function play() {
  clearInterval(state.playing);
  const begin = !state.playing;
  if (begin && state.step === page.steps) goTo(0);
  state.playing = begin ? setInterval(() => (state.step < page.steps ? goTo(state.step + 1) : play()), PAUSE) : 0;
  find("play").textContent = begin ? "pause" : "play";
  find("play").setAttribute("aria-pressed", String(begin));
}

const wrongs = [];

// Of a neuron that differs which one it is: the next and the previous difference go on from there.
function showCount(p, n) {
  const row = p.order.get(n);
  if (row !== undefined) state.wrong = p.wrongBefore + row;
  const which = row === undefined ? "" : `${told(state.wrong + 1)} of `;
  find("wrongs").textContent = wrongs.length ? `${which}${told(wrongs.length)} neurons that differ` : "";
}

function nextDifference(by, from = "elsewhere") {
  if (wrongs.length) showDifference(...wrongs[(state.wrong + by + wrongs.length) % wrongs.length], from);
}

// A neuron that differs, in the first of its steps that does.
function showDifference(p, n, from = "elsewhere") {
  const word = p.wrongSteps[indexOf(p, n)];
  goTo(word ? p.start + p.steps - 1 - Math.floor(Math.log2(word)) : p.start);
  choose(p, n, from);
}

function differences() {
  for (const p of populations) {
    p.wrongBefore = wrongs.length;
    for (const n of p.wrong || []) wrongs.push([p, n]);
  }
  for (const id of ["next", "previous", "keys"]) find(id).hidden = !wrongs.length;
  find("differing").hidden = !page.differing.length;
  const rows = page.differing.map((one) => {
    const p = named.get(one.population);
    const textContent = one.population;
    const n = !p || p.order.has(one.neuron) ? one.neuron : p.wrong[0]; // the first on the page
    const onclick = () => showDifference(p, n);
    const name = p && p.order.has(n) ? make("button", { className: "link", textContent, onclick }) : textContent;
    return { cells: [name, one.differing, one.observed, one.neurons, one.first] };
  });
  find("table").append(tableOf(["population", "differ", "of integers", "neurons", "first"], rows));
}

function legend() {
  const keys = [["--one", state.what === "spikes" ? "spikes in this step" : "above 0, darker the larger"]];
  if (state.what !== "spikes") keys.push(["--minus", "below 0"]);
  keys.push(["--zero", state.what === "spikes" ? "silent" : "0, or nothing yet"]);
  if (page.compared) keys.push(["--wrong", "differs in this step"]);
  if (page.compared) keys.push(["--pale", "differs in another step, or in its code, sum or membrane"]);
  const key = (colour, text) => {
    const box = make("span", { className: "key" });
    box.style.background = `var(${colour})`;
    return make("span", {}, box, text);
  };
  find("legend").replaceChildren(...keys.map(([colour, text]) => key(colour, text)),
    make("span", { textContent: "outlined: the neuron chosen, and what it hears most of" }));
}

function begin() {
  populations.forEach(unpacked);
  readPalette();
  schedule();
  find("maps").append(...populations.map(card));
  find("which").append(...populations.map((p) => make("option", { value: p.name, textContent: p.name })));
  find("slider").max = String(page.steps);
  const [next, previous] = [() => nextDifference(1), () => nextDifference(-1)];
  const [start, end] = [() => goTo(0), () => goTo(page.steps)];
  const [before, on] = [() => goTo(state.step - 1), () => goTo(state.step + 1)];
  const buttons = { start, back: before, play, on, end, go: chooseTyped, next, previous };
  for (const [id, action] of Object.entries(buttons)) find(id).onclick = action;
  find("slider").oninput = () => goTo(Number(find("slider").value));
  find("where").onkeydown = (event) => event.key === "Enter" && chooseTyped();
  find("where").oninput = () => find("where").setCustomValidity("");
  find("what").onchange = () => {
    state.what = find("what").value;
    legend();
    goTo(state.step);
  };
  const moves = { Home: start, End: end, ArrowLeft: before, ArrowRight: on, " ": play };
  const keys = { ...moves, Escape: back, n: next, N: previous };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("select, input[type=text]");
    const pressing = event.key === " " && event.target.matches("button, summary");
    if (typing || pressing || event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  matchMedia("(prefers-color-scheme: dark)").onchange = () => {
    readPalette();
    goTo(state.step);
  };
  answers();
  differences();
  legend();
  goTo(0);
  nextDifference(1, "opening");
}

begin();
