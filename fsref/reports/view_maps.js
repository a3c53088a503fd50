// The maps: a canvas for each population, a pixel for each neuron, channels side by side.

const WIDE = 288; // pixels of a card
let palette;

function readPalette() {
  const styles = getComputedStyle(document.documentElement);
  const colour = (name) => styles.getPropertyValue(name).trim().match(/[0-9a-f]/gi).map((c) => parseInt(c, 16));
  const channels = (name) => {
    const c = colour(name);
    return c.length === 3 ? c.map((v) => 17 * v) : [0, 2, 4].map((k) => 16 * c[k] + c[k + 1]);
  };
  const pixel = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const zero = channels("--zero");
  const shades = (name) =>
    Array.from({ length: LEVELS + 1 }, (_, k) =>
      pixel(channels(name).map((v, a) => Math.round(zero[a] + (k ? 0.2 + (0.8 * k) / LEVELS : 0) * (v - zero[a])))));
  const [wrong, pale, ground] = ["--wrong", "--pale", "--ground"].map((name) => pixel(channels(name)));
  palette = { plus: shades("--one"), minus: shades("--minus"), zero: pixel(zero), wrong, pale, ground };
}

// How a population lies on its canvas: planes that are long and thin are folded, single neurons stand close together.
function laidOut(p) {
  let [, h, w] = p.shape;
  const longest = Math.max(h, w);
  if (longest > 64 && longest > 8 * Math.min(h, w)) {
    w = Math.ceil(Math.sqrt(p.plane));
    h = Math.ceil(p.plane / w);
  }
  const gap = p.plane === 1 ? 0 : 1;
  const across = Math.max(1, Math.min(p.slots, Math.ceil(Math.sqrt((p.slots * h * 2) / w))));
  const width = across * (w + gap) - gap;
  const height = Math.ceil(p.slots / across) * (h + gap) - gap;
  const cells = new Int32Array(p.count);
  const neurons = new Int32Array(width * height).fill(-1);
  for (let i = 0; i < p.count; i++) {
    const slot = Math.floor(i / p.plane);
    const rest = i % p.plane;
    const x = (slot % across) * (w + gap) + (rest % w);
    const y = Math.floor(slot / across) * (h + gap) + Math.floor(rest / w);
    cells[i] = y * width + x;
    neurons[cells[i]] = i;
  }
  return { width, height, cells, neurons };
}

function largest(p) {
  const rows = p.d ? p.d.length / p.steps : 0;
  let code = 1;
  for (let r = 0; r < rows; r++) {
    const d = Array.from(p.d.subarray(r * p.steps, (r + 1) * p.steps), Number);
    const ends = [1, -1].map((side) => d.reduce((sum, v) => sum + Math.max(0, side * v), 0));
    code = Math.max(code, ...ends);
  }
  let membrane = 1;
  for (const v of p.opening || []) membrane = Math.max(membrane, Math.abs(Number(v)));
  return { codes: code, membranes: membrane, spikes: 1 };
}

function card(p) {
  p.map = laidOut(p);
  p.largest = largest(p);
  const canvas = make("canvas", { width: p.map.width, height: p.map.height });
  canvas.setAttribute("role", "img");
  canvas.onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * p.map.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * p.map.height);
    const i = p.map.neurons[y * p.map.width + x];
    if (i >= 0) choose(p, neuronAt(p, i), "map");
  };
  p.map.context = canvas.getContext("2d");
  p.map.image = p.map.context.createImageData(p.map.width, p.map.height);
  p.map.pixels = new Uint32Array(p.map.image.data.buffer);
  p.map.said = make("p", { className: "quiet" });
  p.map.ground = make("div", { className: "ground" }, canvas);
  if (p.map.width > WIDE) canvas.style.imageRendering = "auto"; // a pixel is less than one of the screen
  p.map.ground.style.maxWidth = `${p.map.width * Math.max(2, Math.min(24, Math.floor(WIDE / p.map.width)))}px`;
  p.map.canvas = canvas;
  const shape = `${p.kind} ${p.shape.join(" x ")}${p.channels ? `, ${p.slots} of ${p.shape[0]} channels` : ""}`;
  p.map.card = make("article", { className: "map" }, make("h3", { textContent: p.name }),
    make("p", { className: "quiet", textContent: shape }), p.map.ground, p.map.said);
  return p.map.card;
}

// The value of a neuron in the step shown, null while it has none.
function valueOf(p, i) {
  const t = state.step - p.start;
  if (state.what === "spikes") return t >= 0 && t < p.steps ? fired(p, i, t) : null;
  if (t < 0) return null;
  if (state.what === "codes") return p.trains ? codeOf(p, i, Math.min(t + 1, p.steps)) : null;
  return p.opening ? membraneOf(p, i, Math.min(t, p.steps)) : null;
}

function painted(p, i, t) {
  if (p.wrongly && p.wrongly[i])
    return t >= 0 && t < p.steps && (p.wrongSteps[i] >> (p.steps - 1 - t)) & 1 ? palette.wrong : palette.pale;
  const value = valueOf(p, i);
  if (!value) return palette.zero;
  const level = Math.max(1, Math.min(LEVELS, Math.round((LEVELS * Math.abs(value)) / p.largest[state.what])));
  return value > 0 ? palette.plus[level] : palette.minus[level];
}

function draw(p) {
  const { pixels, cells, context, image, canvas, said, card: own } = p.map;
  const t = state.step - p.start;
  pixels.fill(palette.ground);
  for (let i = 0; i < p.count; i++) pixels[cells[i]] = painted(p, i, t);
  context.putImageData(image, 0, 0);
  said.textContent = stateOf(p, t);
  canvas.setAttribute("aria-label", `${p.name}: ${state.what}, step ${state.step}, ${said.textContent}`);
  own.classList.toggle("firing", t >= 0 && t < p.steps);
}

function stateOf(p, t) {
  const wrong = p.wrong && p.wrong.length ? `; ${told(p.wrong.length)} differ` : "";
  if (t >= 0 && t < p.steps)
    return `fires, t = ${t} of 0..${p.steps - 1}: ${told(p.fired[t])} of ${told(p.count)} spike${wrong}`;
  if (t >= 0) return p.steps ? `done since step ${p.start + p.steps}${wrong}` : `stands since step ${p.start}${wrong}`;
  return (state.step >= p.receives[0] && p.opening ? "receives" : "waits") + `, begins in step ${p.start}${wrong}`;
}

function markOn(p, i, kind) {
  const [x, y] = [p.map.cells[i] % p.map.width, Math.floor(p.map.cells[i] / p.map.width)];
  const mark = make("div", { className: `mark ${kind}` });
  const share = (part, whole) => `${(100 * part) / whole}%`;
  const [width, height] = [p.map.width, p.map.height].map((whole) => `max(5px, ${share(1, whole)})`);
  Object.assign(mark.style, { left: share(x, p.map.width), top: share(y, p.map.height), width, height });
  p.map.ground.append(mark);
}
