// Heat-map explorer: a joint between the pixels, the bump that is painted for it, and what three
// ways of decoding make of the bump. Pixel 0 of the map has its middle at 0.

import { CROSS, field, glyph, legend, line } from "./legend.js";
import { between, button, check, drag, element, hint, keys, layOut, plate, signed, slider, stage, table } from "./page.js";

export const METHODS = ["argmax", "quarter", "dark"];

// A bump of height 1, cut off at three sigma; flat, row by row.
export function makeHeatmap([x, y], sigma, [height, width], rounded) {
  const [cx, cy] = rounded ? [Math.trunc(x + 0.5), Math.trunc(y + 0.5)] : [x, y];
  const along = (count, centre) => Array.from({ length: count }, (_, i) =>
    Math.abs(i - centre) <= 3 * sigma ? Math.exp(-((i - centre) ** 2) / (2 * sigma ** 2)) : 0);
  const columns = along(width, cx), rows = along(height, cy);
  return rows.flatMap((row) => columns.map((column) => row * column));
}

// The same numbers between -1 and 1 for the same seed, on every machine.
export function makeNoise(count, seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return 2 * (((t ^ (t >>> 14)) >>> 0) / 4294967296) - 1;
  });
}

export function best(map, width) {
  let at = 0;
  for (let i = 1; i < map.length; i++) if (map[i] > map[at]) at = i;
  return map[at] > 0 ? [at % width, Math.floor(at / width)] : [0, 0];
}

export function blur(map, [height, width], sigma) {
  const reach = Math.ceil(2.5 * sigma), bump = [];
  for (let d = -reach; d <= reach; d++) bump.push(Math.exp(-(d * d) / (2 * sigma ** 2)));
  const total = bump.reduce((a, b) => a + b, 0);
  const pass = (from, step, place, length) => from.map((_, i) => {
    let value = 0;
    for (let d = -reach; d <= reach; d++) {
      const at = place(i) + d;
      if (at >= 0 && at < length) value += bump[d + reach] * from[i + d * step];
    }
    return value / total;
  });
  const once = pass(map, 1, (i) => i % width, width);
  return pass(once, width, (i) => Math.floor(i / width), height);
}

// From a pixel to the top of the parabola through its neighbours' logarithms.
export function newtonStep(at) {
  const dx = (at(1, 0) - at(-1, 0)) / 2, dy = (at(0, 1) - at(0, -1)) / 2;
  const dxx = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4;
  const dyy = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4;
  const dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4;
  const determinant = dxx * dyy - dxy ** 2;
  if (!(determinant > 1e-12 && dxx < 0)) return [0, 0];
  return [(dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant]
    .map((step) => between(step, -1, 1));
}

export function decodeMap(map, [height, width], method, sigma) {
  const [x, y] = best(map, width), dark = method === "dark" ? 1 : 0;
  const inside = x > 1 && y > 1 && x < width - 1 - dark && y < height - 1 - dark;
  if (method === "argmax" || !inside) return [x, y];
  const values = dark ? blur(map, [height, width], sigma).map((v) => Math.log(Math.max(v, 1e-10))) : map;
  const at = (right, down) => values[(y + down) * width + x + right];
  const step = dark ? newtonStep(at)
    : [Math.sign(at(1, 0) - at(-1, 0)) / 4, Math.sign(at(0, 1) - at(0, -1)) / 4];
  return [x + step[0], y + step[1]];
}

// ---- the page --------------------------------------------------------------------------------

const NAMES = { argmax: "arg-max", quarter: "quarter shift", dark: "DARK" };

export function mount(app, options) {
  const { size: [height, width], stride } = options, STEP = 0.05;
  const state = {
    x: options.joint[0], y: options.joint[1], sigma: options.sigma, noise: 0, seed: 1,
    rounded: options.rounded,
  };
  let map = [], found = {};

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (w) => (w * height) / width, draw,
  });
  picture.canvas.style.maxWidth = "440px";
  legend(left, [["joint", glyph(CROSS, "ink", 2.4)], ["arg-max", glyph("M10 2h10v10h-10z", "line0")],
    ["quarter shift", glyph("M15 1l6 6l-6 6l-6-6z", "line1")], ["DARK", glyph("M15 1l6 11h-12z", "line2")],
    ["height of the bump", field("none", 0, "accent")], ["middles of pixels", line("muted", 1, "1 4")]]);
  const late = element(left, "div", { class: "late" });
  const words = element(late, "p", { class: "hint", id: "row-words" });
  const curve = stage(late, { id: "curve", label: "", height: () => 180, draw: drawRow });

  const set = (change) => (value) => { change(value); update(); };
  const xSlider = slider(right, "x", "Joint x", { max: width - 1, step: STEP },
    set((value) => { state.x = value; }));
  const ySlider = slider(right, "y", "Joint y", { max: height - 1, step: STEP },
    set((value) => { state.y = value; }));
  const sigmaSlider = slider(right, "sigma", "Sigma", { min: 0.5, max: 3, step: 0.25 },
    set((value) => { state.sigma = value; }));
  const noiseSlider = slider(right, "noise", "Noise", { max: 0.3, step: 0.01 },
    set((value) => { state.noise = value; }));
  const checks = element(right, "div", { class: "checks" });
  const roundedBox = check(checks, "rounded", "bump on a whole pixel (as published)",
    set((on) => { state.rounded = on; }));
  const buttons = element(right, "div", { class: "buttons" });
  button(buttons, "seed", "Other noise", () => { state.seed += 1; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, `Decoded, in heat-map px; 1 of them is ${stride} px of the crop`,
    ["way", "x", "y", "error", "in the crop"]);
  hint(app, "Drag the cross, or press where the joint shall be. With the picture focused: arrow " +
    "keys move it by a twentieth of a pixel, with [Shift] by a whole one; [Page Up] and [Page Down] " +
    "change sigma.");

  const tidy = (value) => Math.round(value / STEP) * STEP;
  function go(x, y) {
    state.x = Number(between(tidy(x), 0, width - 1).toFixed(2));
    state.y = Number(between(tidy(y), 0, height - 1).toFixed(2));
    update();
  }
  const by = (dx, dy) => (event) => {
    const step = event.shiftKey ? 1 : STEP;
    go(state.x + dx * step, state.y + dy * step);
  };
  const widen = (step) => () => {
    state.sigma = between(state.sigma + step, 0.5, 3);
    update();
  };
  keys(picture.canvas, {
    ArrowLeft: by(-1, 0), ArrowRight: by(1, 0), ArrowUp: by(0, -1), ArrowDown: by(0, 1),
    PageUp: widen(0.25), PageDown: widen(-0.25),
  });
  const place = (x, y) => go((x / picture.width) * width - 0.5, (y / picture.width) * width - 0.5);
  drag(picture.canvas, {
    start(x, y, touch) {
      const side = picture.width / width;
      const away = Math.hypot(x - (state.x + 0.5) * side, y - (state.y + 0.5) * side);
      if (touch && away > 30) return false; // a finger elsewhere scrolls; a tap comes below
      place(x, y);
      return true;
    },
    move: place,
  });
  picture.canvas.addEventListener("click", (event) => {
    const area = picture.canvas.getBoundingClientRect();
    place(event.clientX - area.left, event.clientY - area.top);
  });

  function update() {
    const { x, y, sigma, noise } = state, random = makeNoise(width * height, state.seed);
    map = makeHeatmap([x, y], sigma, [height, width], state.rounded)
      .map((value, i) => value + noise * random[i]);
    xSlider.show(x, x.toFixed(2));
    ySlider.show(y, y.toFixed(2));
    sigmaSlider.show(sigma, `${sigma.toFixed(2)} px`);
    noiseSlider.show(noise, noise.toFixed(2));
    roundedBox.input.checked = state.rounded;
    found = Object.fromEntries(METHODS.map((method) =>
      [method, decodeMap(map, [height, width], method, sigma)]));
    const errors = METHODS.map((m) => Math.hypot(found[m][0] - x, found[m][1] - y));
    list.fill(METHODS.map((method, i) => ({
      swatch: i,
      cells: [NAMES[method], signed(found[method][0]), signed(found[method][1]),
        errors[i].toFixed(2), `${(stride * errors[i]).toFixed(1)} px`],
    })));
    facts.textContent = `The joint is at (${x.toFixed(2)}, ${y.toFixed(2)}), its bump ` +
      (state.rounded ? `at (${Math.trunc(x + 0.5)}, ${Math.trunc(y + 0.5)})` : "as well") +
      `, ${sigma.toFixed(2)} px wide. Error of ` + METHODS.map((method, i) =>
        `${NAMES[method]} ${errors[i].toFixed(2)}`).join(", ") + " px of the heat map.";
    picture.say(`Heat map of ${height} rows and ${width} columns. ${facts.textContent}`);
    const row = found.argmax[1];
    words.textContent = `Row ${row} of the map, the one of the best pixel:`;
    curve.say(`${words.textContent} ` + Array.from({ length: width }, (_, i) =>
      signed(map[row * width + i])).join(", "));
    picture.paint();
    curve.paint();
  }

  function shade(value, colours) {
    const share = between(value, 0, 1), parse = (hex, i) => parseInt(hex.slice(2 * i + 1, 2 * i + 3), 16);
    const mix = [0, 1, 2].map((i) =>
      Math.round(parse(colours.field, i) + share * (parse(colours.accent, i) - parse(colours.field, i))));
    return `rgb(${mix.join(",")})`;
  }

  function cross(g, x, y, reach, colour, wide) {
    g.strokeStyle = colour;
    g.lineWidth = wide;
    g.beginPath();
    g.moveTo(x - reach, y);
    g.lineTo(x + reach, y);
    g.moveTo(x, y - reach);
    g.lineTo(x, y + reach);
    g.stroke();
  }

  // Square, diamond, triangle: no meaning by colour alone.
  function mark(g, method, x, y, colours) {
    const r = 7, i = METHODS.indexOf(method);
    const corners = [[[-1, -1], [1, -1], [1, 1], [-1, 1]], [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
      [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]]][i];
    g.beginPath();
    corners.forEach(([cx, cy], n) => g[n ? "lineTo" : "moveTo"](x + r * cx, y + r * cy));
    g.closePath();
    for (const [colour, wide] of [[colours.halo, 5], [colours.lines[i], 2.4]]) {
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.stroke();
    }
  }

  function draw(g, wide, tall, colours) {
    const side = wide / width, at = (value) => (value + 0.5) * side;
    for (let i = 0; i < map.length; i++) {
      g.fillStyle = shade(map[i], colours);
      g.fillRect((i % width) * side, Math.floor(i / width) * side, side + 0.5, side + 0.5);
    }
    g.strokeStyle = colours.grid;
    g.lineWidth = 1;
    g.setLineDash([1, 4]);
    g.beginPath();
    for (let i = 0; i < width; i++) { g.moveTo(at(i), 0); g.lineTo(at(i), tall); }
    for (let i = 0; i < height; i++) { g.moveTo(0, at(i)); g.lineTo(wide, at(i)); }
    g.stroke();
    g.setLineDash([]);
    METHODS.forEach((method) => mark(g, method, at(found[method][0]), at(found[method][1]), colours));
    cross(g, at(state.x), at(state.y), 13, colours.halo, 6);
    cross(g, at(state.x), at(state.y), 12, colours.ink, 2.6);
    const high = state.y < 2.5;
    plate(g, "joint", between(at(state.x), 24, wide - 24), at(state.y) + (high ? 30 : -26),
      { colour: colours.ink, paper: colours.paper, align: "center" });
  }

  // The row as bars with the true x; below it a line for each way, its mark where it decoded.
  function drawRow(g, wide, tall, colours) {
    const side = wide / width, at = (value) => (value + 0.5) * side, low = 100, row = found.argmax[1];
    g.fillStyle = colours.accent;
    for (let i = 0; i < width; i++) {
      const value = Math.max(0, map[row * width + i]) * 84;
      g.fillRect(i * side + 1, low - value, side - 2, value);
    }
    g.strokeStyle = colours.muted;
    g.lineWidth = 1;
    g.strokeRect(0.5, 0.5, wide - 1, low - 0.5);
    const truth = at(state.x), words = state.x < width / 2 ? wide - 4 : 4;
    METHODS.forEach((method, i) => {
      const y = low + 16 + 24 * i, x = at(found[method][0]);
      g.fillStyle = colours.ink;
      g.textBaseline = "middle";
      g.textAlign = words === 4 ? "left" : "right";
      g.fillText(NAMES[method], words, y);
      g.strokeStyle = colours.lines[i];
      g.lineWidth = 3;
      g.beginPath();
      g.moveTo(truth, y);
      g.lineTo(x, y);
      g.stroke();
      mark(g, method, x, y, colours);
    });
    g.textAlign = "left";
    g.strokeStyle = colours.ink;
    g.lineWidth = 2;
    g.beginPath();
    g.moveTo(truth, 0);
    g.lineTo(truth, tall);
    g.stroke();
  }
}
