"use strict";
// Shows what fsref recorded of one image. Every integer stands in the page: this script unpacks, adds up and draws.
// What may be large is BigInt, so that it is exact whatever its size; numbers alone are drawn.

const TYPES = { u1: Uint8Array, u2: Uint16Array, i1: Int8Array, i2: Int16Array, i4: Int32Array, i8: BigInt64Array };
const SHOWN = 12; // synapses, candidates and logits that are listed
const LEVELS = 31; // of a colour
const ROW = 18; // pixels of a population in the schedule
const PAUSE = 350; // milliseconds between steps
const find = (id) => document.getElementById(id);
const page = JSON.parse(find("told").textContent);
const memory = decoded(find("integers").textContent);
const populations = page.populations;
const named = new Map(populations.map((p) => [p.name, p]));
const state = { step: 0, what: "spikes", population: null, neuron: 0, trail: [], playing: 0, wrong: -1 };

function decoded(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

const ints = ([type, start, count]) => new TYPES[type](memory, start, count);
const told = (value) => value.toLocaleString("en-US");

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Neurons: by number n as the law counts them, and by index i among those on the page.

function unpacked(p) {
  p.plane = p.shape[1] * p.shape[2];
  p.slots = p.channels ? p.channels.length : p.shape[0];
  p.slot = p.channels && new Map(p.channels.map((c, k) => [c, k]));
  p.count = p.slots * p.plane;
  for (const key of ["trains", "opening", "bias", "T", "h", "d", "rows", "columns", "wrong"])
    if (p[key]) p[key] = ints(p[key]);
  p.into = page.projections.filter((q) => q.target === p.name);
  p.order = new Map(Array.from(p.wrong || [], (n, row) => [n, row]));
  p.wrongly = p.wrong && new Uint8Array(p.count); // whether a neuron differs,
  p.wrongSteps = p.wrong && new Uint16Array(p.count); // and in which of its steps
  for (const part of p.parts || []) {
    for (const key of ["wrong", "unknown", "observed", "right"]) part[key] = ints(part[key]);
    if (typeof part.seen !== "number") part.seen = ints(part.seen);
    const stepped = part.observable === "spikes" || part.observable === "membranes";
    p.wrong.forEach((n, row) => {
      p.wrongly[indexOf(p, n)] = 1;
      if (stepped) p.wrongSteps[indexOf(p, n)] |= part.wrong[row];
    });
  }
}

const placeOf = (p, n) => [Math.floor(n / p.plane), Math.floor((n % p.plane) / p.shape[2]), n % p.shape[2]];
const numberOf = (p, c, y, x) => (c * p.shape[1] + y) * p.shape[2] + x;
const fired = (p, i, t) => (p.trains[i] >> (p.steps - 1 - t)) & 1;

function indexOf(p, n) {
  const c = Math.floor(n / p.plane);
  const slot = p.channels ? p.slot.get(c) : c;
  return slot === undefined ? -1 : slot * p.plane + (n % p.plane);
}

function neuronAt(p, i) {
  const slot = Math.floor(i / p.plane);
  return (p.channels ? p.channels[slot] : slot) * p.plane + (i % p.plane);
}

// Where the row of a neuron begins in a table that has one for all channels, or one each.
const rowOf = (p, array, i) => (array.length > p.steps ? Math.floor(i / p.plane) * p.steps : 0);

function codeOf(p, i, steps = p.steps) {
  const row = rowOf(p, p.d, i);
  let code = 0;
  for (let t = 0; t < steps; t++) if (fired(p, i, t)) code += Number(p.d[row + t]);
  return code;
}

function membraneOf(p, i, steps) {
  let v = Number(p.opening[i]);
  const row = p.h ? rowOf(p, p.h, i) : 0;
  for (let t = 0; t < steps; t++) if (fired(p, i, t)) v -= Number(p.h[row + t]);
  return v;
}

// One neuron: its steps, and where its membrane comes from.

function stepsOf(p, n) {
  if (!p.steps) return [];
  const i = indexOf(p, n);
  let v = p.opening && BigInt(p.opening[i]);
  return Array.from({ length: p.steps }, (_, t) => {
    const z = fired(p, i, t);
    const step = { t, step: p.start + t, fired: z, d: p.d[rowOf(p, p.d, i) + t] };
    if (p.T) {
      step.before = v;
      step.threshold = BigInt(p.T[rowOf(p, p.T, i) + t]);
      step.reset = z ? BigInt(p.h[rowOf(p, p.h, i) + t]) : 0n;
      step.after = v -= step.reset;
    }
    return step;
  });
}

function* synapsesOf(q, c, y, x) {
  const source = named.get(q.source);
  const weights = (q.values ??= ints(q.weights));
  if (q.kind === "gate") {
    yield [numberOf(source, c, y, x), weights[c]];
  } else if (q.kind === "dense") {
    const count = source.shape[0] * source.plane;
    for (let n = 0; n < count; n++)
      yield [n, weights[c * q.shape[1] + (q.pooled ? Math.floor(n / source.plane) : n)]];
  } else {
    const [outputs, inputs, kh, kw] = q.shape;
    const first = Math.floor(c / (outputs / q.groups)) * inputs;
    for (let k = 0; k < inputs; k++)
      for (let r = 0; r < kh; r++)
        for (let s = 0; s < kw; s++) {
          const row = y * q.stride[0] - q.padding[0] + r * q.dilation[0];
          const column = x * q.stride[1] - q.padding[1] + s * q.dilation[1];
          if (row >= 0 && row < source.shape[1] && column >= 0 && column < source.shape[2])
            yield [numberOf(source, first + k, row, column), weights[((c * inputs + k) * kh + r) * kw + s]];
        }
  }
}

function factorOf(q, c, y, x) {
  const by = named.get(q.by);
  const n = by.plane === 1 ? c : numberOf(by, c, y, x);
  return BigInt(codeOf(by, n));
}

function deliveredTo(p, n) {
  const [c, y, x] = placeOf(p, n);
  const found = [];
  const sums = new Map();
  for (const q of p.synapses ? p.into : []) {
    const source = named.get(q.source);
    const factor = q.kind === "gate" ? factorOf(q, c, y, x) : 1n;
    let sum = 0n;
    for (const [from, weight] of synapsesOf(q, c, y, x)) {
      const code = weight ? codeOf(source, from) : 0;
      const value = code ? BigInt(weight) * BigInt(code) * factor : 0n;
      sum += value;
      if (value) found.push({ source, from, weight, code, value, factor: q.kind === "gate" ? factor : null });
    }
    sums.set(q.name, sum);
  }
  const size = (one) => (one.value < 0n ? -one.value : one.value);
  found.sort((a, b) => (size(a) < size(b) ? 1 : size(a) > size(b) ? -1 : 0));
  return { found, sums };
}

const biasOf = (p, i) => BigInt(p.bias[p.bias.length > p.slots ? i : Math.floor(i / p.plane)]);

function candidatesOf(p, n) {
  const [c, y, x] = placeOf(p, n);
  const source = named.get(p.source);
  const found = [];
  if (!source) return found;
  if (p.kind === "view") {
    if (p.rows[y] >= 0 && p.columns[x] >= 0) found.push(numberOf(source, c, p.rows[y], p.columns[x]));
  } else if (p.kind === "max_pool") {
    for (let r = 0; r < p.kernel[0]; r++)
      for (let s = 0; s < p.kernel[1]; s++) {
        const [row, column] = [y * p.stride[0] - p.padding[0] + r, x * p.stride[1] - p.padding[1] + s];
        if (row >= 0 && row < source.shape[1] && column >= 0 && column < source.shape[2])
          found.push(numberOf(source, c, row, column));
      }
  }
  return withDropped(p, source, found.filter((from) => indexOf(source, from) >= 0));
}

// Who is silent while another candidate that is still in spikes drops out in that step (POOL-1).
function withDropped(p, source, numbers) {
  const found = numbers.map((from) => ({ source, from, i: indexOf(source, from), out: null }));
  for (let t = 0; t < p.steps; t++)
    if (found.some((one) => one.out === null && fired(source, one.i, t)))
      for (const one of found) if (one.out === null && !fired(source, one.i, t)) one.out = p.start + t;
  return found;
}

// What a dump said of a neuron: null where it was not observed, "x" of an x or z, "?" where it is not told here.
function yoursOf(p, part, n, t = null) {
  const bit = t === null ? 1 : 1 << (p.steps - 1 - t);
  const seen = typeof part.seen === "number" ? part.seen : part.seen[indexOf(p, n)];
  if (!(seen & bit)) return null;
  const row = p.order.get(n);
  if (row === undefined || !(part.wrong[row] & bit)) return "=";
  if (part.unknown[row] & bit) return "x";
  if (row >= page.listed) return "?";
  if (part.observable === "spikes") return (part.observed[row] >> (p.steps - 1 - t)) & 1;
  return part.observed[part.observable === "membranes" ? row * p.steps + t : row];
}

const partOf = (p, observable) => (p.parts || []).find((part) => part.observable === observable);
