// The schedule, the answer, the neuron chosen, and what keys and buttons do.

const SPACE = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const rect = (x, y, width, height, fill, more = {}) => drawn("rect", { x, y, width, height, fill, ...more });

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
  for (const p of readouts) find("logits").append(make("h3", { textContent: p.name }), ...logitsOf(p));
}

function logitsOf(p) {
  const part = partOf(p, "opening");
  const values = Array.from(p.opening, Number);
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
  const shown = order.slice(0, SHOWN).sort((a, b) => a - b);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const share = (v) => `${(100 * v) / (high - low || 1)}%`;
  const rows = shown.map((i) => {
    const n = neuronAt(p, i);
    const yours = part ? yoursOf(p, part, n) : null;
    const differs = yours !== null && yours !== "=";
    const bar = make("span", { className: `bar ${differs ? "wrong" : values[i] < 0 ? "minus" : ""}` });
    Object.assign(bar.style, { left: share(Math.min(values[i], 0) - low), width: share(Math.abs(values[i])) });
    const best = page.prediction === n;
    const name = make("span", {}, make(best ? "b" : "span", { textContent: nameOf(p, n) + (best ? " (predicted)" : "") }));
    const value = make("button", { className: "link", textContent: told(p.opening[i]), onclick: () => choose(p, n) });
    const said = differs ? make("span", { className: "wrong", textContent: ` yours ${spoken(yours)}` }) : "";
    return make("div", { className: "logit" }, name, make("div", { className: "track" }, bar), make("span", {}, value, said));
  });
  if (order.length > SHOWN)
    rows.push(make("p", { className: "quiet", textContent: `the ${SHOWN} largest of ${told(order.length)}` }));
  return rows;
}

const nameOf = (p, n) => (page.prediction !== undefined && page.classes[n]) || String(n);
const spoken = (value) => (typeof value === "string" ? value : told(value));

// The neuron chosen.

const headed = (text) => make("h3", { textContent: text });

function linkTo(source, n) {
  const [c, y, x] = placeOf(source, n);
  const textContent = `${source.name} ${n} (${c}, ${y}, ${x})`;
  return make("button", { className: "link", textContent, onclick: () => choose(source, n) });
}

function tableOf(head, rows, marked = () => "") {
  const cells = (values, tag) => values.map((v) => make(tag, {}, v instanceof Node ? v : v === null ? "" : spoken(v)));
  const body = rows.map((row) => make("tr", { className: marked(row) }, ...cells(row.cells, "td")));
  return make("div", { className: "wide" }, make("table", {},
    make("thead", {}, make("tr", {}, ...cells(head, "th"))), make("tbody", {}, ...body)));
}

function beside(p, part, n, t, right) {
  const yours = part ? yoursOf(p, part, n, t) : null;
  if (yours === null) return "-";
  return yours === "=" ? right : make("span", { className: "wrong", textContent: spoken(yours) });
}

function stepsTable(p, n, steps) {
  const spikes = partOf(p, "spikes");
  const membranes = partOf(p, "membranes");
  const head = ["step", ...(p.T ? ["threshold", "membrane"] : []), "spike", ...(spikes ? ["yours"] : []),
    ...(p.T ? ["reset", "after"] : []), ...(membranes ? ["yours"] : []), "d"];
  const rows = steps.map((s) => {
    const own = spikes ? [beside(p, spikes, n, s.t, s.fired)] : [];
    const after = membranes ? [beside(p, membranes, n, s.t, s.after)] : [];
    const [first, then] = p.T ? [[s.threshold, s.before], [s.reset, s.after]] : [[], []];
    return { step: s.step, cells: [s.step, ...first, s.fired, ...own, ...then, ...after, s.d] };
  });
  return tableOf(head, rows, (row) => (row.step === state.step ? "now" : ""));
}

function plotOf(steps) {
  const [width, height, left, top] = [440, 200, 70, 8];
  const all = steps.flatMap((s) => [s.before, s.after, s.threshold]).map(Number);
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
  const x = (k) => left + ((width - left - 6) * k) / steps.length;
  const y = (v) => top + ((height - top - 34) * (high - Number(v))) / (high - low);
  const line = (x1, y1, x2, y2, stroke, more = {}) => drawn("line", { x1, y1, x2, y2, stroke, "stroke-width": 2, ...more });
  const text = (value, at, down, anchor) => drawn("text", { x: at, y: down, "text-anchor": anchor }, value);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, id: "plot", role: "img" });
  svg.append(drawn("title", {}, "The membrane over its steps, its thresholds and spikes"));
  const apart = (v) => v === 0 || Math.abs(y(v) - y(0)) > 14;
  for (const v of new Set([low, 0, high].filter(apart)))
    svg.append(line(left, y(v), width - 6, y(v), "var(--line)", { "stroke-width": 1 }), text(told(v), left - 5, y(v) + 4, "end"));
  let path = "";
  steps.forEach((s, t) => {
    path += `${t ? "L" : "M"}${x(t)} ${y(s.before)}H${x(t + 0.5)}V${y(s.after)}H${x(t + 1)}`;
    if (s.step === state.step) svg.prepend(rect(x(t), top, x(1) - x(0), height - top - 34, "var(--zero)"));
    svg.append(line(x(t + 0.08), y(s.threshold), x(t + 0.92), y(s.threshold), "var(--minus)", { "stroke-dasharray": "4 2" }));
    if (steps.length <= 12 || t % 2 === 0) svg.append(text(String(s.step), x(t + 0.5), height - 20, "middle"));
  });
  svg.append(drawn("path", { d: path, fill: "none", stroke: "var(--one)", "stroke-width": 2 }));
  steps.forEach((s, t) => {
    if (s.fired) svg.append(drawn("circle", { cx: x(t + 0.5), cy: y(s.before), r: 4.5, fill: "var(--one)" }));
  });
  svg.append(text("step; line membrane, dashes threshold, dot spike", (left + width) / 2, height - 4, "middle"));
  return svg;
}

function factsOf(p, n, i, delivered) {
  const rows = [];
  const add = (name, right, observable, of = "") => {
    const part = (p.parts || []).find((one) => one.observable === observable && one.of === of);
    rows.push({ cells: [name, right ?? "", part ? beside(p, part, n, null, right ?? "") : "-"] });
  };
  if (p.opening) {
    add("bias", biasOf(p, i), "");
    for (const [name, sum] of delivered.sums) add(name, sum, "sums", name);
    add("opening membrane", p.opening[i], "opening");
  }
  if (p.trains) add("code", codeOf(p, i), "codes");
  return page.compared ? tableOf(["", "right", "yours"], rows) : tableOf(["", ""], rows.map((r) => ({ cells: r.cells.slice(0, 2) })));
}

function synapsesTable(p, { found, sums }) {
  if (!p.opening) return [];
  if (!p.synapses) return [make("p", { className: "quiet", textContent: "Its synapses are not on this page." })];
  const largestOne = found.length ? Math.abs(Number(found[0].value)) : 1;
  const gated = found.some((one) => one.factor !== null);
  const rows = found.slice(0, SHOWN).map((one) => {
    const bar = make("span", { className: `bar ${one.value < 0n ? "minus" : ""}` });
    bar.style.width = `${(4 * Math.abs(Number(one.value))) / largestOne}rem`;
    const factor = gated ? [one.factor] : [];
    return { cells: [linkTo(one.source, one.from), one.weight, one.code, ...factor, one.value, bar] };
  });
  const rest = found.slice(SHOWN);
  const none = gated ? [null, null, null] : [null, null];
  if (rest.length)
    rows.push({ cells: [`${told(rest.length)} more`, ...none, rest.reduce((sum, one) => sum + one.value, 0n), null] });
  rows.push({ cells: ["all synapses", ...none, [...sums.values()].reduce((sum, one) => sum + one, 0n), null] });
  const head = ["from", "weight", "code", ...(gated ? ["factor"] : []), "delivered", ""];
  return [headed("Strongest synapses"), tableOf(head, rows)];
}

function candidatesTable(p, n) {
  if (!p.source) return [];
  if (!named.has(p.source)) return [make("p", { className: "quiet", textContent: `${p.source} is not on this page.` })];
  const view = p.kind === "view";
  const rows = candidatesOf(p, n).map((one) => {
    const train = Array.from({ length: p.steps }, (_, t) => fired(one.source, one.i, t)).join("");
    const end = view ? "" : one.out === null ? "stays in" : `out at step ${one.out}`;
    return { cells: [linkTo(one.source, one.from), train, codeOf(one.source, one.i), end] };
  });
  return [headed(view ? "It shows" : "Candidates"), rows.length ? tableOf(["from", "train", "code", ""], rows) : "nothing"];
}

function showNeuron() {
  for (const mark of document.querySelectorAll(".mark")) mark.remove();
  const { population: p, neuron: n } = state;
  if (!p) return;
  const i = indexOf(p, n);
  const [c, y, x] = placeOf(p, n);
  const steps = stepsOf(p, n);
  const delivered = deliveredTo(p, n);
  const parts = [make("h2", { textContent: `${p.name} ${n}` }),
    make("p", { className: "quiet", textContent: `${p.kind}, neuron ${told(n)}: c ${c}, y ${y}, x ${x}` })];
  if (p.wrongly && p.wrongly[i]) parts.push(make("p", { className: "wrong", textContent: "differs from what is right" }));
  parts.push(factsOf(p, n, i, delivered));
  if (p.T) parts.push(headed("Membrane"), plotOf(steps));
  if (steps.length) parts.push(headed("Steps"), stepsTable(p, n, steps));
  parts.push(...synapsesTable(p, delivered), ...candidatesTable(p, n));
  find("neuron").replaceChildren(...parts);
  const from = p.source ? candidatesOf(p, n) : delivered.found.slice(0, SHOWN);
  for (const one of from) markOn(one.source, indexOf(one.source, one.from), "");
  markOn(p, i, "self");
  find("which").value = p.name;
  find("where").value = String(n);
}

function choose(p, n, from = "elsewhere") {
  if (state.population) state.trail.push([state.population, state.neuron]);
  show(p, n, from);
}

// What is not where it was chosen from comes into sight; when the page opens, nothing moves.
function show(p, n, from = "elsewhere") {
  Object.assign(state, { population: p, neuron: n });
  showNeuron();
  if (from === "elsewhere") p.map.card.scrollIntoView({ block: "nearest" });
  if (from !== "opening" && matchMedia("(max-width: 999px)").matches) find("neuron").scrollIntoView({ block: "nearest" });
}

function back() {
  if (state.trail.length) show(...state.trail.pop());
}

function chooseTyped() {
  const p = named.get(find("which").value);
  const typed = find("where").value.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
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
  const who = now.length > 3 ? `${now.slice(0, 3).join(", ")} and ${now.length - 3} more fire` : `${now.join(", ")} fire${now.length === 1 ? "s" : ""}`;
  const end = state.step === page.steps ? "; the end: the answer stands" : "";
  find("moment").textContent = `step ${state.step} of ${page.steps}: ${now.length ? who : "none fires"}${end}`;
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

function nextDifference(by, from = "elsewhere") {
  if (!wrongs.length) return;
  state.wrong = state.wrong < 0 ? 0 : (state.wrong + by + wrongs.length) % wrongs.length;
  const [p, n] = wrongs[state.wrong];
  const word = p.wrongSteps[indexOf(p, n)];
  goTo(word ? p.start + p.steps - 1 - Math.floor(Math.log2(word)) : p.start + p.steps);
  choose(p, n, from);
  find("wrongs").textContent = `${told(state.wrong + 1)} of ${told(wrongs.length)} neurons that differ`;
}

function differences() {
  for (const p of populations) for (const n of p.wrong || []) wrongs.push([p, n]);
  for (const id of ["next", "previous", "keys"]) find(id).hidden = !wrongs.length;
  find("differing").hidden = !page.differing.length;
  const rows = page.differing.map((one) => {
    const p = named.get(one.population);
    const onclick = () => p && choose(p, one.neuron);
    const name = p ? make("button", { className: "link", textContent: one.population, onclick }) : one.population;
    return { cells: [name, one.differing, one.observed, one.neurons, one.first] };
  });
  find("table").append(tableOf(["population", "differ", "of integers", "neurons", "first"], rows));
}

function legend() {
  const keys = [["--one", state.what === "spikes" ? "spikes in this step" : "above 0, darker the larger"]];
  if (state.what !== "spikes") keys.push(["--minus", "below 0"]);
  keys.push(["--zero", state.what === "spikes" ? "silent" : "0, or nothing yet"]);
  if (page.compared) keys.push(["--wrong", "differs in this step"], ["--pale", "differs in another, or in its code, sum or membrane"]);
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
  const steps = { start: () => goTo(0), back: () => goTo(state.step - 1), on: () => goTo(state.step + 1), end: () => goTo(page.steps) };
  const buttons = { ...steps, play, go: chooseTyped, next: () => nextDifference(1), previous: () => nextDifference(-1) };
  for (const [id, action] of Object.entries(buttons)) find(id).onclick = action;
  find("slider").oninput = () => goTo(Number(find("slider").value));
  find("where").onkeydown = (event) => event.key === "Enter" && chooseTyped();
  find("where").oninput = () => find("where").setCustomValidity("");
  find("what").onchange = () => {
    state.what = find("what").value;
    legend();
    goTo(state.step);
  };
  const keys = { Home: steps.start, End: steps.end, ArrowLeft: steps.back, ArrowRight: steps.on, " ": play, Escape: back,
    n: () => nextDifference(1), N: () => nextDifference(-1) };
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
