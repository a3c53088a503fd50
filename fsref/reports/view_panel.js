// The panel of the neuron chosen: its facts, its membrane, its steps, its synapses or candidates.

const SPACE = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const rect = (x, y, width, height, fill, more = {}) => drawn("rect", { x, y, width, height, fill, ...more });

const said = (value) => (value instanceof Node || typeof value === "string" ? value : told(value));
const headed = (text) => make("h3", { textContent: text });

function linkTo(source, n) {
  const [c, y, x] = placeOf(source, n);
  const textContent = `${source.name} ${n} (${c}, ${y}, ${x})`;
  return make("button", { className: "link", textContent, onclick: () => choose(source, n) });
}

function tableOf(head, rows, marked = () => "") {
  const cells = (values, tag) => values.map((v) => make(tag, {}, v === null ? "" : said(v)));
  const body = rows.map((row) => make("tr", { className: marked(row) }, ...cells(row.cells, "td")));
  return make("div", { className: "wide" }, make("table", {},
    make("thead", {}, make("tr", {}, ...cells(head, "th"))), make("tbody", {}, ...body)));
}

function beside(p, part, n, t, right) {
  const yours = part ? yoursOf(p, part, n, t) : null;
  if (yours === null) return "-";
  return yours === "=" ? right : make("span", { className: "wrong", textContent: said(yours) });
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

function stepsSaid(p) {
  const rule = "It spikes where the membrane is the threshold or more: reset is taken off, and ";
  return make("p", { className: "quiet", textContent: `${p.T ? rule : ""}d is what a spike in that step counts.` });
}

// The membranes that a dump has otherwise, with how many steps came before each.
function otherMembranes(p, n) {
  const [opening, after] = [partOf(p, "opening"), partOf(p, "membranes")];
  const found = [[0, opening && yoursOf(p, opening, n)]];
  for (let t = 0; after && t < p.steps; t++) found.push([t + 1, yoursOf(p, after, n, t)]);
  return found.filter(([, value]) => typeof value === "number" || typeof value === "bigint");
}

function plotOf(steps, others) {
  const [width, height, left, top] = [440, 200, 70, 8];
  const all = [...steps.flatMap((s) => [s.before, s.after, s.threshold]), ...others.map(([, v]) => v)].map(Number);
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
  const x = (k) => left + ((width - left - 6) * k) / steps.length;
  const y = (v) => top + ((height - top - 34) * (high - Number(v))) / (high - low);
  const line = (x1, y1, x2, y2, stroke, more) =>
    svg.append(drawn("line", { x1, y1, x2, y2, stroke, "stroke-width": 2, ...more }));
  const dot = (k, v, r, fill) => svg.append(drawn("circle", { cx: x(k), cy: y(v), r, fill }));
  const text = (value, at, down, anchor) => drawn("text", { x: at, y: down, "text-anchor": anchor }, value);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, id: "plot", role: "img" });
  svg.append(drawn("title", {}, "The membrane over its steps, its thresholds and spikes"));
  const apart = (v) => v === 0 || Math.abs(y(v) - y(0)) > 14;
  for (const v of new Set([low, 0, high].filter(apart))) {
    line(left, y(v), width - 6, y(v), "var(--line)", { "stroke-width": 1 });
    svg.append(text(told(v), left - 5, y(v) + 4, "end"));
  }
  let path = "";
  steps.forEach((s, t) => {
    path += `${t ? "L" : "M"}${x(t)} ${y(s.before)}H${x(t + 0.5)}V${y(s.after)}H${x(t + 1)}`;
    if (s.step === state.step) svg.prepend(rect(x(t), top, x(1) - x(0), height - top - 34, "var(--zero)"));
    line(x(t + 0.08), y(s.threshold), x(t + 0.92), y(s.threshold), "var(--minus)", { "stroke-dasharray": "4 2" });
    if (steps.length <= 12 || t % 2 === 0) svg.append(text(String(s.step), x(t + 0.5), height - 20, "middle"));
  });
  svg.append(drawn("path", { d: path, fill: "none", stroke: "var(--one)", "stroke-width": 2 }));
  steps.forEach((s, t) => {
    if (s.fired) dot(t + 0.5, s.before, 4.5, "var(--one)");
  });
  for (const [k, v] of others) dot(k, v, 4, "var(--wrong)");
  const yours = others.length ? ", orange yours" : "";
  const legend = `step; line membrane, dashes threshold, dot spike${yours}`;
  svg.append(text(legend, (left + width) / 2, height - 4, "middle"));
  return svg;
}

function factsOf(p, n, i, delivered) {
  const rows = [];
  const add = (name, right, observable, of = "") => {
    const part = (p.parts || []).find((one) => one.observable === observable && one.of === of);
    const off = observable === "opening" ? offBy(p, n) : 0n;
    const by = off ? make("span", { className: "wrong", textContent: ` (${off > 0n ? "+" : ""}${told(off)})` }) : "";
    const yours = part ? make("span", {}, said(beside(p, part, n, null, right ?? "")), by) : observable && "-";
    rows.push({ cells: [name, right ?? "", yours] });
  };
  if (p.opening) {
    add("bias", biasOf(p, i), "");
    for (const [name, sum] of delivered.sums) add(name, sum, "sums", name);
    add("opening membrane", p.opening[i], "opening");
  }
  if (p.trains) add("code", codeOf(p, i), "codes");
  if (page.compared) return make("div", {}, tableOf(["", "right", "yours"], rows), yoursSaid());
  return tableOf(["", ""], rows.map(({ cells }) => ({ cells: cells.slice(0, 2) })));
}

function yoursSaid() {
  const textContent = 'yours: "-" was not observed, "x" has no value, "?" differs and is not told on this page';
  return make("p", { className: "quiet", textContent });
}

// By how much the opening membrane that was observed is off, 0 where that is not known.
function offBy(p, n) {
  const part = partOf(p, "opening");
  const yours = part ? yoursOf(p, part, n) : null;
  return yours === null || typeof yours === "string" ? 0n : BigInt(yours) - BigInt(p.opening[indexOf(p, n)]);
}

// What of one synapse would make the opening membrane as it was observed.
function explaining(value, off) {
  if (!off) return null;
  if (off === -value) return "missing?";
  if (off === -2n * value) return "other sign?";
  return off === value ? "twice?" : null;
}

// Which single synapse would make a wrong opening membrane so, where there is one: it may stand far below.
function oneSynapse(p, n, found) {
  const off = offBy(p, n);
  const [one, ...more] = found.filter((each) => explaining(each.value, off));
  if (!one) return [];
  const others = more.length ? ` (or ${told(more.length)} more, below)` : "";
  const why = make("span", { className: "wrong", textContent: explaining(one.value, off) });
  const link = linkTo(one.source, one.from);
  return [make("p", { className: "one" }, "One synapse would do that: ", link, " ", why, others)];
}

function synapsesTable(p, n, { found, sums }) {
  if (!p.opening) return [];
  if (!p.synapses) return [make("p", { className: "quiet", textContent: "Its synapses are not on this page." })];
  const largestOne = found.length ? Math.abs(Number(found[0].value)) : 1;
  const gated = found.some((one) => one.factor !== null);
  const off = offBy(p, n);
  const listed = found.filter((one, k) => k < SHOWN || explaining(one.value, off)).slice(0, 2 * SHOWN);
  const rows = listed.map((one) => {
    const bar = make("span", { className: `bar ${one.value < 0n ? "minus" : ""}` });
    bar.style.width = `${(4 * Math.abs(Number(one.value))) / largestOne}rem`;
    const factor = gated ? [one.factor] : [];
    const why = explaining(one.value, off);
    const last = why ? make("span", {}, bar, " ", make("span", { className: "wrong", textContent: why })) : bar;
    return { cells: [linkTo(one.source, one.from), one.weight, one.code, ...factor, one.value, last] };
  });
  const rest = found.filter((one) => !listed.includes(one));
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
  const found = rows.length ? tableOf(["from", "train", "code", ""], rows) : "nothing";
  return [headed(view ? "It shows" : "Candidates"), found];
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
    make("p", { className: "quiet", textContent: `${p.kind}, neuron ${n}: c ${c}, y ${y}, x ${x}` })];
  const differs = p.wrongly && p.wrongly[i];
  if (differs) parts.push(make("p", { className: "wrong", textContent: "differs from what is right" }));
  parts.push(factsOf(p, n, i, delivered), ...oneSynapse(p, n, delivered.found));
  if (p.T) parts.push(headed("Membrane"), plotOf(steps, otherMembranes(p, n)));
  if (steps.length) parts.push(headed("Steps"), stepsTable(p, n, steps), stepsSaid(p));
  parts.push(...synapsesTable(p, n, delivered), ...candidatesTable(p, n));
  const focused = find("neuron").contains(document.activeElement);
  find("neuron").replaceChildren(...parts);
  if (focused) find("neuron").focus({ preventScroll: true }); // keys go on from here
  const from = p.source ? candidatesOf(p, n) : delivered.found.slice(0, SHOWN);
  for (const one of from) markOn(one.source, indexOf(one.source, one.from), "");
  markOn(p, i, "self");
  find("which").value = p.name;
  find("where").value = String(n);
}

