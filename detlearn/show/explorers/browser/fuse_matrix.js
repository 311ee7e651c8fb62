// Fuse-matrix explorer: what branch i hears of branch j, step by step, and what an exchange that
// is switched off takes away.

import { sum } from "./geometry.js";
import { field, glyph, legend } from "./legend.js";
import { button, check, choice, element, hint, keys, layOut, plural, radios, signed, slider, stage, table, thousands } from "./page.js";

// ---- the arithmetic: maps of one channel, tested against detlearn.models.hrnet --------------
// A map is {side, values}, row by row. The filter of every step down is 1 2 1, 2 4 2, 1 2 1 by 16.

const SIDE = 16;
const FILTER = [1, 2, 1, 2, 4, 2, 1, 2, 1];

const makeMap = (side, at) => ({
  side, values: Array.from({ length: side * side }, (_, k) => at(Math.floor(k / side), k % side)),
});

export const scaled = (map, weight) => makeMap(map.side, (y, x) => weight * map.values[y * map.side + x]);

export function halved({ side, values }) {
  const inside = (k) => k >= 0 && k < side;
  return makeMap(side / 2, (row, column) => {
    let total = 0;
    FILTER.forEach((weight, k) => {
      const y = 2 * row + Math.floor(k / 3) - 1, x = 2 * column + (k % 3) - 1;
      if (inside(y) && inside(x)) total += weight * values[y * side + x];
    });
    return total / 16;
  });
}

export const enlarged = ({ side, values }, times) => makeMap(side * times, (y, x) =>
  values[Math.floor(y / times) * side + Math.floor(x / times)]);

export const positive = (map) => makeMap(map.side, (y, x) => Math.max(0, map.values[y * map.side + x]));

// The giver's map and what every step of the cell i <- j makes of it; the last one enters the sum.
export function way(receiver, giver, map, weight = 1) {
  const maps = [map];
  if (receiver < giver) maps.push(scaled(map, weight), enlarged(scaled(map, weight), 2 ** (giver - receiver)));
  for (let step = giver + 1; step <= receiver; step++) {
    const last = step === receiver, next = halved(maps[maps.length - 1]);
    maps.push(last ? scaled(next, weight) : positive(next));
  }
  return maps;
}

// weights[i][j]: of the exchange i <- j, null where it is off.
export function fuse(inputs, weights) {
  const cells = inputs.map((_, i) => inputs.map((map, j) =>
    (weights[i][j] === null ? null : way(i, j, map, weights[i][j]).pop())));
  const outputs = inputs.map((map, i) => positive(makeMap(map.side, (y, x) =>
    sum(cells[i].map((cell) => (cell ? cell.values[y * map.side + x] : 0))))));
  return { cells, outputs };
}

// What the steps of i <- j are in a network of these widths; size is that of branch 0.
export function steps(receiver, giver, widths, [height, width]) {
  const made = [], from = widths[giver], to = widths[receiver];
  const add = (words, channels, branch, kernel) => {
    const h = height / 2 ** branch, w = width / 2 ** branch, weights = kernel * kernel * from * channels;
    made.push({
      words, channels, height: h, width: w, macs: weights * h * w,
      parameters: kernel ? weights + 2 * channels : 0,
    });
  };
  if (receiver === giver) add("as it is", to, receiver, 0);
  if (receiver < giver) {
    add("1×1, BN", to, giver, 1);
    add(`nearest ×${2 ** (giver - receiver)}`, to, receiver, 0);
  }
  for (let branch = giver + 1; branch <= receiver; branch++) {
    const last = branch === receiver;
    add(`3×3, stride 2, BN${last ? "" : ", ReLU"}`, last ? to : from, branch, 3);
  }
  return made;
}

// What lies on the branches: outlines of two objects on the fine map, blobs on the coarse ones (the
// small object only where cells are small); or a single pixel.
const OBJECTS = [[2, 5], [8, 15]];

export function lit(light, branches, row, column) {
  return Array.from({ length: branches }, (_, k) => makeMap(SIDE / 2 ** k, (y, x) => {
    if (light !== "scene") return Number(light) === k && row === y && column === x ? 1 : 0;
    const inside = OBJECTS.slice(k > 1 ? 1 : 0).some(([low, high]) => {
      const [first, last] = [low / 2 ** k, (high + 1) / 2 ** k - 1];
      const within = Math.min(x, y) >= first && Math.max(x, y) <= last;
      return within && (k > 0 || Math.min(x, y) === first || Math.max(x, y) === last);
    });
    return inside ? 1 / 2 ** k : 0;
  }));
}

// ---- the page --------------------------------------------------------------------------------

export function mount(app, options) {
  const { widths, size } = options, most = widths.length;
  const square = (value) => widths.map(() => widths.map(() => value));
  const state = {
    branches: most, receiver: options.receiver, giver: options.giver, light: "scene", row: 7,
    column: 7, on: square(true), weight: square(1),
  };
  let inputs = [], fused = null, trail = [], place = null;

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (width) => lay(width).tall, draw,
  });
  picture.canvas.style.cursor = "pointer";
  picture.canvas.style.maxWidth = "420px";
  legend(left, [["value of a cell", field("none", 0, "accent", 0.6)],
    ["below 0", field("none", 0, "warm", 0.6) + glyph("M12 7h6", "ink")],
    ["the chosen i ← j", field("warm", 3)], ["its giver, its output, or i = j", field("ink", 2)],
    ["off", field("muted", 1, "field") + glyph("M11 4l8 6M19 4l-8 6", "muted", 1.6)]]);
  const strip = stage(left, {
    id: "strip", label: "", height: (width) => stripSide(width) + 50, draw: drawStrip,
  });
  strip.canvas.style.maxWidth = "420px";
  if (most > 2) {
    radios(right, "branches", "Branches", widths.slice(1).map((_, k) =>
      [String(k + 2), `${k + 2} branches`]), String(most), (value) => {
      state.branches = Number(value);
      go(state.receiver, state.giver);
    });
  }
  const receiverSlider = slider(right, "receiver", "Receiver i", {}, (i) => go(i, state.giver));
  const giverSlider = slider(right, "giver", "Giver j", {}, (j) => go(state.receiver, j));
  const checks = element(right, "div", { class: "checks" });
  const onBox = check(checks, "on", "", (on) => turn(on));
  const weightSlider = slider(right, "weight", "Weight", { min: -4, max: 4 }, (value) => {
    state.weight[state.receiver][state.giver] = value / 4;
    update();
  });
  const buttons = element(right, "div", { class: "buttons" });
  const set = (rule) => () => {
    state.on = state.on.map((row, i) => row.map((_, j) => rule(i, j)));
    update();
  };
  button(buttons, "all", "All on", () => {
    state.weight = square(1);
    set(() => true)();
  });
  button(buttons, "own", "No exchange", set((i, j) => i === j));
  button(buttons, "only", "Only this cell", set((i, j) => i === state.receiver && j === state.giver));
  const lightChoice = choice(right, "light", "Maps", [["scene", "a scene"],
    ...widths.map((_, k) => [String(k), `one pixel of branch ${k}`])], (value) => shine(value));
  const rowSlider = slider(right, "row", "Row", {}, (value) => { state.row = value; update(); });
  const columnSlider = slider(right, "column", "Column", {},
    (value) => { state.column = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "", ["step", "channels × cells", "parameters", "MACs"], "steps");
  const results = table(right, "After sum and ReLU", ["output", "cells", "not 0", "largest"],
    "outputs");
  hint(app, "Click a cell of the matrix, twice to switch it off or on; click a giver's map to " +
    "light one pixel. With the picture focused: [↑] [↓] receiver, [←] [→] giver, [Space] off and " +
    "on. The maps have one channel and chosen filters; step, shape and price are the network's.");

  const sideOf = (k) => SIDE / 2 ** k;
  const top = () => state.branches - 1;
  function go(i, j) {
    state.receiver = Math.min(top(), Math.max(0, i));
    state.giver = Math.min(top(), Math.max(0, j));
    if (state.light !== "scene" && Number(state.light) > top()) shine(String(top()));
    else update();
  }
  function turn(on) {
    state.on[state.receiver][state.giver] = on;
    update();
  }
  function shine(light, row, column) {
    if (light !== "scene") {
      state.branches = Math.max(state.branches, Number(light) + 1);
      const middle = Math.max(0, sideOf(Number(light)) / 2 - 1);
      state.row = row ?? middle;
      state.column = column ?? middle;
      const radio = document.getElementById(`branches-${state.branches}`);
      if (radio) radio.checked = true;
    }
    state.light = light;
    update();
  }
  keys(picture.canvas, {
    ArrowUp: () => go(state.receiver - 1, state.giver),
    ArrowDown: () => go(state.receiver + 1, state.giver),
    ArrowLeft: () => go(state.receiver, state.giver - 1),
    ArrowRight: () => go(state.receiver, state.giver + 1),
    " ": () => turn(!state.on[state.receiver][state.giver]),
  });
  picture.canvas.addEventListener("click", (event) => {
    const area = picture.canvas.getBoundingClientRect();
    const x = event.clientX - area.left, y = event.clientY - area.top, n = state.branches;
    const hit = (k, start) => k >= start && k < start + place.side;
    const find = (at, starts) => starts.findIndex((start) => hit(at, start));
    const j = find(x, place.columns), i = find(y, place.rows);
    if (j >= 0 && j < n && hit(y, place.inputs)) {
      const cell = place.side / sideOf(j);
      state.giver = j;
      shine(String(j), Math.floor((y - place.inputs) / cell),
        Math.floor((x - place.columns[j]) / cell));
    } else if (i >= 0 && j >= 0) {
      if (i === state.receiver && j === state.giver) turn(!state.on[i][j]);
      else go(i, j);
    } else if (i >= 0 && hit(x, place.outputs)) go(i, state.giver);
  });

  function update() {
    const { receiver: i, giver: j, branches: n } = state, own = i === j;
    inputs = lit(state.light, n, state.row, state.column);
    fused = fuse(inputs, inputs.map((_, a) => inputs.map((__, b) =>
      (state.on[a][b] ? state.weight[a][b] : null))));
    trail = way(i, j, inputs[j], state.weight[i][j]);
    const made = steps(i, j, widths, size), direction = own ? "itself" : i < j ? "up" : "down";
    receiverSlider.show(i, `branch ${i}`, top());
    giverSlider.show(j, `branch ${j}`, top());
    onBox.input.checked = state.on[i][j];
    onBox.words.textContent = `${i} ← ${j} is on`;
    weightSlider.row.hidden = own;
    weightSlider.show(4 * state.weight[i][j], signed(state.weight[i][j]));
    lightChoice.input.value = state.light;
    const pixel = state.light !== "scene", side = pixel ? sideOf(Number(state.light)) : 1;
    rowSlider.row.hidden = columnSlider.row.hidden = !pixel;
    rowSlider.show(state.row, `${state.row} of 0–${side - 1}`, side - 1);
    columnSlider.show(state.column, `${state.column} of 0–${side - 1}`, side - 1);

    const price = (name) => sum(made.map((step) => step[name]));
    let all = 0, off = 0;
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        all += sum(steps(a, b, widths, size).map((step) => step.parameters));
        off += state.on[a][b] ? 0 : 1;
      }
    }
    facts.innerHTML = `Branch ${i} hears <b>${own ? "itself" : `branch ${j}`}</b>` +
      (own ? ": its own map, as it is." : `: <b>${direction}</b>, the side ${i < j ? "doubled" : "halved"} ` +
      `${plural(Math.abs(i - j), "time")}, ${widths[j]} → ${widths[i]} channels, ` +
      `${thousands(price("parameters"))} of the matrix's ${thousands(all)} parameters.`) +
      (state.on[i][j] ? "" : " It is <b>off</b>.") +
      (off ? ` ${plural(off, "cell")} of ${n * n} off.` : "");
    list.title.textContent = `${i} ← ${j} where branch 0 has ${size[0]} × ${size[1]} cells`;
    list.fill(made.map((step) => ({
      cells: [step.words, `${step.channels} × ${step.height} × ${step.width}`,
        thousands(step.parameters), step.macs ? `${(step.macs / 1e6).toFixed(1)} M` : "0"],
    })));
    results.fill(fused.outputs.map((map, k) => ({
      picked: k === i,
      cells: [String(k), `${map.side} × ${map.side}`,
        `${map.values.filter((value) => value !== 0).length} of ${map.values.length}`,
        Number(Math.max(...map.values).toFixed(4)).toString()],
      pick: () => go(k, state.giver),
    })));
    const heard = fused.outputs.map((map, k) => `output ${k}: ` +
      `${map.values.filter((value) => value !== 0).length} of ${map.values.length} cells not 0`);
    picture.say(`Matrix of ${n} by ${n} exchanges, givers in columns, receivers in rows; ` +
      `${heard.join(", ")}. ${facts.textContent} Arrow keys choose a cell, space switches it.`);
    strip.say(`The way of ${i} ← ${j}: ${[`giver ${j}`, ...made.map((step) => step.words)]
      .join(", then ")}.`);
    picture.paint();
    strip.paint();
  }

  // Where everything stands: givers on top, the matrix below them, outputs at the right.
  function lay(width) {
    const n = state.branches, gutter = 24, gap = width < 420 ? 5 : 9, last = width < 420 ? 16 : 30;
    const side = Math.floor(Math.min(118, (width - gutter - last - (n + 1) * gap) / (n + 1)));
    const columns = Array.from({ length: n }, (_, k) => gutter + k * (side + gap));
    const first = 22 + side + 24;
    const rows = columns.map((_, k) => first + k * (side + gap));
    place = {
      side, columns, rows, inputs: 22, outputs: gutter + n * (side + gap) + last - gap,
      tall: first + n * (side + gap) + 2,
    };
    return place;
  }

  function peak() {
    const shown = [...inputs, ...fused.outputs, ...fused.cells.flat(), ...trail].filter(Boolean);
    return Math.max(1e-9, ...shown.map((map) => Math.max(...map.values.map(Math.abs))));
  }

  function paintMap(g, map, x, y, side, colours, most) {
    const cell = side / map.side;
    g.fillStyle = colours.paper;
    g.fillRect(x, y, side, side);
    map.values.forEach((value, k) => {
      if (!value) return;
      const cx = x + (k % map.side) * cell, cy = y + Math.floor(k / map.side) * cell;
      const alpha = g.globalAlpha;
      g.globalAlpha = alpha * (0.2 + (0.8 * Math.abs(value)) / most);
      g.fillStyle = value > 0 ? colours.accent : colours.warm;
      g.fillRect(cx, cy, cell, cell);
      g.globalAlpha = alpha;
      if (value < 0 && cell >= 5 && cell < 24) {
        g.fillStyle = colours.ink;
        g.fillRect(cx + 0.25 * cell, cy + 0.45 * cell, 0.5 * cell, Math.max(1, 0.1 * cell));
      }
    });
    g.strokeStyle = colours.rule;
    g.lineWidth = cell < 9 ? 0.5 : 1;
    g.beginPath();
    for (let k = 0; k <= map.side; k++) {
      g.moveTo(x + k * cell, y);
      g.lineTo(x + k * cell, y + side);
      g.moveTo(x, y + k * cell);
      g.lineTo(x + side, y + k * cell);
    }
    g.stroke();
    if (cell < 24) return;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.font = `${cell < 34 ? 9 : 12}px system-ui, sans-serif`;
    map.values.forEach((value, k) => {
      const strong = Math.abs(value) / most > 0.55;
      g.fillStyle = strong ? colours.paper : colours.ink;
      g.fillText(Math.abs(value) < 0.005 && value ? "~0" : signed(Number(value.toFixed(2)),
        Number.isInteger(value) ? 0 : 2), x + (k % map.side + 0.5) * cell,
      y + (Math.floor(k / map.side) + 0.5) * cell);
    });
  }

  function frame(g, x, y, side, colour, width) {
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.strokeRect(x - width / 2, y - width / 2, side + width, side + width);
  }

  function draw(g, width, tall, colours) {
    if (!fused) return;
    const { side, columns, rows, inputs: high, outputs } = lay(width), limit = peak();
    const words = (text, x, y, align, colour = colours.muted, bold = "") => {
      g.font = `${bold}${width < 420 ? 11 : 13}px system-ui, sans-serif`;
      g.textAlign = align;
      g.textBaseline = "middle";
      g.fillStyle = colour;
      g.fillText(text, x, y);
    };
    inputs.forEach((map, j) => {
      const chosen = j === state.giver;
      words(width < 420 ? `j = ${j}` : `giver ${j}`, columns[j] + side / 2, 10, "center",
        chosen ? colours.ink : colours.muted, chosen ? "bold " : "");
      paintMap(g, map, columns[j], high, side, colours, limit);
      frame(g, columns[j], high, side, chosen ? colours.ink : colours.muted, chosen ? 2.4 : 1);
    });
    words("output", outputs + side / 2, rows[0] - 12, "center");
    words("what receiver i hears of giver j", columns[0], rows[0] - 12, "left");
    fused.cells.forEach((row, i) => {
      const mine = i === state.receiver;
      words(String(i), 10, rows[i] + side / 2, "center", mine ? colours.ink : colours.muted,
        mine ? "bold " : "");
      row.forEach((cell, j) => {
        const x = columns[j], y = rows[i], picked = mine && j === state.giver;
        if (cell) paintMap(g, cell, x, y, side, colours, limit);
        else {
          g.fillStyle = colours.field;
          g.fillRect(x, y, side, side);
          g.strokeStyle = colours.muted;
          g.lineWidth = 1.6;
          g.beginPath();
          for (const [a, b] of [[0.2, 0.8], [0.8, 0.2]]) {
            g.moveTo(x + a * side, y + 0.2 * side);
            g.lineTo(x + b * side, y + 0.8 * side);
          }
          g.stroke();
        }
        frame(g, x, y, side, picked ? colours.warm : i === j ? colours.ink : colours.muted,
          picked ? 4 : i === j ? 1.6 : 1);
      });
      words("Σ", (columns[row.length - 1] + side + outputs) / 2, rows[i] + side / 2, "center",
        colours.ink);
      paintMap(g, fused.outputs[i], outputs, rows[i], side, colours, limit);
      frame(g, outputs, rows[i], side, mine ? colours.ink : colours.muted, mine ? 2.4 : 1);
    });
    g.textAlign = "left";
  }

  function stripSide(width) {
    return Math.min(112, Math.floor((width - 24 * (trail.length - 1) - 4) / Math.max(3, trail.length)));
  }

  function drawStrip(g, width, tall, colours) {
    if (!fused) return;
    const side = stripSide(width), limit = peak();
    const made = steps(state.receiver, state.giver, widths, size);
    trail.forEach((map, k) => {
      const x = 2 + k * (side + 24);
      paintMap(g, map, x, 2, side, colours, limit);
      frame(g, x, 2, side, k + 1 === trail.length ? colours.warm : colours.muted,
        k + 1 === trail.length ? 3 : 1);
      const text = k ? made[k - 1].words : `giver ${state.giver}`;
      const [head, ...rest] = text.split(", ");
      g.font = `${side < 90 ? 10.5 : 12}px system-ui, sans-serif`;
      g.textAlign = "center";
      g.textBaseline = "middle";
      g.fillStyle = colours.ink;
      g.fillText(head, x + side / 2, side + 16);
      g.fillText(rest.join(", "), x + side / 2, side + 30);
      g.fillStyle = colours.muted;
      g.fillText(`${map.side} × ${map.side}`, x + side / 2, side + 44);
      if (k) {
        g.font = "15px system-ui, sans-serif";
        g.fillText("→", x - 12, 2 + side / 2);
      }
    });
    g.textAlign = "left";
  }
}
