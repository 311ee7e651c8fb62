// Prior-box explorer. The reader's browser computes and draws every box from the few numbers of
// the layout: nothing is loaded, no kernel is needed. The arithmetic (first part) knows no page
// and is tested against detlearn/boxes/priors.py.

// ---- arithmetic: fractions of the image, order level, row, column, prior ------------------

export function priorSizes(layout, level) {
  const side = layout.min_sizes[level];
  const sizes = [[side, side]];
  if (layout.max_sizes.length) {
    const between = Math.sqrt(side * layout.max_sizes[level]);
    sizes.push([between, between]);
  }
  for (const ratio of layout.aspect_ratios[level]) {
    const root = Math.sqrt(ratio);
    sizes.push([side * root, side / root], [side / root, side * root]);
  }
  return sizes.map((size) => size.map((value) => value / layout.image_size));
}

export function priorCenter(layout, level, row, column) {
  const step = layout.steps[level] / layout.image_size;
  return [(column + 0.5) * step, (row + 0.5) * step];
}

const unit = (value) => Math.min(1, Math.max(0, value));

export function clampPrior([cx, cy, w, h], clamp) {
  if (clamp === "all") return [unit(cx), unit(cy), unit(w), unit(h)];
  if (clamp === "sizes") return [cx, cy, unit(w), unit(h)];
  return [cx, cy, w, h];
}

export function cellPriors(layout, level, row, column, clamp = layout.clamp) {
  const [cx, cy] = priorCenter(layout, level, row, column);
  return priorSizes(layout, level).map(([w, h]) => clampPrior([cx, cy, w, h], clamp));
}

export function levelPriors(layout, level, clamp = layout.clamp) {
  const side = layout.map_sizes[level];
  const priors = [];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      priors.push(...cellPriors(layout, level, row, column, clamp));
    }
  }
  return priors;
}

export function priorsPerCell(layout, level) {
  return (layout.max_sizes.length ? 2 : 1) + 2 * layout.aspect_ratios[level].length;
}

export function priorsPerLevel(layout) {
  return layout.map_sizes.map((side, level) => side * side * priorsPerCell(layout, level));
}

export function firstIndex(layout, level, row, column) {
  const before = priorsPerLevel(layout).slice(0, level).reduce((sum, count) => sum + count, 0);
  return before + (row * layout.map_sizes[level] + column) * priorsPerCell(layout, level);
}

export function toCorners([cx, cy, w, h]) {
  return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
}

// ---- page ---------------------------------------------------------------------------------

const DASHES = [[], [9, 4], [12, 3, 3, 3], [3, 3], [18, 5], [7, 3, 2, 3, 2, 3]];
const LIGHT = {
  paper: "#ffffff", ink: "#1b1f24", muted: "#57606a", rule: "#d0d7de", frame: "#1b1f24",
  grid: "rgba(60,70,80,.42)", cell: "rgba(240,228,66,.8)", veil: "rgba(255,255,255,.42)",
  field: "#f6f8fa", halo: "#ffffff",
  priors: ["#0072b2", "#d55e00", "#009e73", "#b8578f", "#c98a00", "#3b9bd0"],
};
const DARK = {
  paper: "#14181d", ink: "#e8ecf0", muted: "#a2adb8", rule: "#39424c", frame: "#c8d0d8",
  grid: "rgba(200,210,220,.34)", cell: "rgba(240,228,66,.6)", veil: "rgba(20,24,29,.56)",
  field: "#20262d", halo: "#0b0e11",
  priors: ["#58aef0", "#ff8a3d", "#2fd0a0", "#ee9fca", "#ffc247", "#9bd8ff"],
};
const OVERHANG = 0.16; // of the image side, drawn around the image

const STYLE = `
:root { color-scheme: light dark; --paper: ${LIGHT.paper}; --ink: ${LIGHT.ink};
  --muted: ${LIGHT.muted}; --rule: ${LIGHT.rule}; --field: ${LIGHT.field}; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: ${DARK.paper}; --ink: ${DARK.ink};
  --muted: ${DARK.muted}; --rule: ${DARK.rule}; --field: ${DARK.field}; --accent: #58aef0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
#app { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; padding: 12px;
  max-width: 1040px; margin: 0 auto; }
canvas { display: block; width: 100%; max-width: 560px; justify-self: center; aspect-ratio: 1; border-radius: 8px; cursor: crosshair;
  background: var(--field); touch-action: pan-y; }
.controls { display: grid; grid-template-columns: minmax(0, 1fr); gap: 9px; align-content: start; }
.row { display: grid; grid-template-columns: 64px minmax(0, 1fr) 96px; gap: 10px;
  align-items: center; }
.row output { text-align: right; color: var(--muted); font-variant-numeric: tabular-nums;
  white-space: nowrap; }
input[type=range] { width: 100%; height: 24px; margin: 0; accent-color: var(--accent); }
select { grid-column: 2 / 4; width: 100%; min-height: 34px; padding: 4px 8px; font: inherit;
  color: inherit; background: var(--field); border: 1px solid var(--rule); border-radius: 6px; }
.checks { display: flex; flex-wrap: wrap; gap: 4px 20px; }
.checks label { display: flex; gap: 7px; align-items: center; min-height: 30px; }
.checks input { width: 17px; height: 17px; margin: 0; accent-color: var(--accent); }
.facts { margin: 2px 0 0; padding-top: 9px; border-top: 1px solid var(--rule); }
.facts b { font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: 500; font-size: 13px; color: var(--muted); }
th, td { padding: 4px 0 4px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
tbody tr { border-top: 1px solid var(--rule); cursor: default; }
tbody tr:hover, tbody tr.picked { background: var(--field); }
td svg { vertical-align: -4px; margin-right: 5px; }
caption, .hint { text-align: left; font-size: 13px; color: var(--muted); }
.hint { margin: 0; }
kbd { font: inherit; padding: 0 4px; border: 1px solid var(--rule); border-radius: 4px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; }
@media (min-width: 700px) { #app { grid-template-columns: minmax(0, 1fr) 388px; gap: 20px; }
  table { font-size: 13px; } th, td { padding-left: 6px; } }
@media (min-width: 940px) { #app { grid-template-columns: minmax(0, 1fr) 460px; }
  table { font-size: inherit; } }
@media (max-width: 480px) { body { font-size: 14px; } table { font-size: 12.5px; }
  .row { grid-template-columns: 56px minmax(0, 1fr) 84px; gap: 8px; }
  th:last-child, td:last-child { display: none; } }
`;

const thousands = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

function px(value) {
  const rounded = Math.round(value * 10) / 10;
  return (rounded === 0 ? 0 : rounded).toFixed(Number.isInteger(rounded) ? 0 : 1);
}

function element(parent, tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

function slider(parent, name, onInput) {
  const row = element(parent, "div", { class: "row" });
  element(row, "label", { for: name }, name[0].toUpperCase() + name.slice(1));
  const input = element(row, "input", { type: "range", id: name, min: 0, step: 1 });
  const output = element(row, "output", { for: name });
  input.addEventListener("input", () => onInput(Number(input.value)));
  return {
    show(value, max, text) {
      input.max = max;
      input.value = value;
      input.disabled = max === 0;
      input.setAttribute("aria-valuetext", text);
      output.textContent = text;
    },
  };
}

// A picture-book scene with objects of many sizes, drawn when no image was given.
function drawScene(g, s) {
  const fill = (colour, path) => {
    g.fillStyle = colour;
    g.beginPath();
    path();
    g.fill();
  };
  const house = (x, y, w) => {
    fill("#e69f00", () => g.rect(x, y - 0.62 * w, w, 0.62 * w));
    fill("#d55e00", () => {
      g.moveTo(x - 0.1 * w, y - 0.62 * w);
      g.lineTo(x + 0.5 * w, y - 1.08 * w);
      g.lineTo(x + 1.1 * w, y - 0.62 * w);
    });
    fill("#fff8e6", () => g.rect(x + 0.36 * w, y - 0.34 * w, 0.26 * w, 0.34 * w));
  };
  const tree = (x, y, h) => {
    fill("#8a5a2b", () => g.rect(x - 0.05 * h, y - 0.45 * h, 0.1 * h, 0.45 * h));
    fill("#009e73", () => g.arc(x, y - 0.68 * h, 0.32 * h, 0, 7));
  };
  const person = (x, y, h) => {
    fill("#8c4f77", () => g.arc(x, y - 0.86 * h, 0.13 * h, 0, 7));
    fill("#0072b2", () => g.ellipse(x, y - 0.52 * h, 0.17 * h, 0.24 * h, 0, 0, 7));
    fill("#33414e", () => {
      g.rect(x - 0.13 * h, y - 0.36 * h, 0.1 * h, 0.36 * h);
      g.rect(x + 0.03 * h, y - 0.36 * h, 0.1 * h, 0.36 * h);
    });
  };
  g.save();
  g.scale(s, s);
  fill("#dcebf6", () => g.rect(0, 0, 1, 1));
  fill("#cfe0c6", () => g.rect(0, 0.58, 1, 0.42));
  fill("#f0e442", () => g.arc(0.86, 0.14, 0.065, 0, 7));
  house(0.12, 0.72, 0.4);
  tree(0.72, 0.78, 0.46);
  person(0.55, 0.93, 0.3);
  house(0.86, 0.6, 0.07);
  tree(0.06, 0.62, 0.1);
  tree(0.82, 0.6, 0.07);
  person(0.3, 0.84, 0.12);
  person(0.93, 0.68, 0.075);
  fill("#cc79a7", () => g.arc(0.2, 0.9, 0.035, 0, 7));
  g.restore();
}

export function mount(app, options) {
  const names = Object.keys(options.layouts);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const state = {
    name: names[0], level: options.level, row: options.row, column: options.column,
    all: false, clamp: true, picked: -1,
  };
  const layout = () => options.layouts[state.name];
  const side = () => layout().map_sizes[state.level];
  // A layout without a clamp of its own shows what the usual one would do.
  const clampRule = () => (layout().clamp === "none" ? "all" : layout().clamp);
  const clampNow = () => (state.clamp ? clampRule() : "none");
  const resetClamp = () => { state.clamp = layout().clamp !== "none"; };
  resetClamp();

  element(document.head, "style", {}, STYLE);
  const canvas = element(app, "canvas", {
    tabindex: 0, role: "application", "aria-describedby": "facts", id: "picture",
  });
  const panel = element(app, "div", { class: "controls" });
  const choose = element(element(panel, "div", { class: "row" }), "select", { id: "layout" });
  choose.before(element(choose.parentNode, "label", { for: "layout" }, "Layout"));
  for (const name of names) {
    const l = options.layouts[name];
    const count = priorsPerLevel(l).reduce((a, b) => a + b, 0);
    element(choose, "option", { value: name }, `${name}: ${thousands(count)} priors`);
  }
  const levelSlider = slider(panel, "level", (value) => toLevel(value));
  const rowSlider = slider(panel, "row", (value) => toCell(value, state.column));
  const columnSlider = slider(panel, "column", (value) => toCell(state.row, value));
  const checks = element(panel, "div", { class: "checks" });
  const check = (id, text, onChange) => {
    const label = element(checks, "label", { for: id });
    const input = element(label, "input", { type: "checkbox", id });
    const words = element(label, "span", {}, text);
    input.addEventListener("change", () => { onChange(input.checked); update(); });
    return { input, words };
  };
  const allBox = check("all", "all boxes of this level", (on) => { state.all = on; });
  const clampBox = check("clamp", "", (on) => { state.clamp = on; });
  const facts = element(panel, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const table = element(element(panel, "div", { class: "scroll" }), "table");
  element(table, "caption", {}, "The priors of this cell, in px of the network input");
  const head = element(element(table, "thead"), "tr");
  for (const text of ["prior", "w × h", "x1, y1", "x2, y2", "row of P"]) {
    element(head, "th", { scope: "col" }, text);
  }
  const body = element(table, "tbody");
  const hint = element(panel, "p", { class: "hint" });
  hint.innerHTML = "Click or drag on the picture; with the picture focused, <kbd>←</kbd> " +
    "<kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> move the cell, <kbd>Page Up</kbd> and " +
    "<kbd>Page Down</kbd> change the level.";

  // The cell stays where it is in the picture when the map gets coarser or finer.
  function toLevel(value, oldSide = side()) {
    state.level = Math.min(layout().map_sizes.length - 1, Math.max(0, value));
    const ratio = side() / oldSide;
    toCell(Math.floor((state.row + 0.5) * ratio), Math.floor((state.column + 0.5) * ratio));
  }

  function toCell(row, column) {
    state.row = Math.min(side() - 1, Math.max(0, row));
    state.column = Math.min(side() - 1, Math.max(0, column));
    state.picked = -1;
    update();
  }

  choose.addEventListener("change", () => {
    const oldSide = side();
    state.name = choose.value;
    resetClamp();
    toLevel(state.level, oldSide);
  });

  function pointed(event) {
    const area = canvas.getBoundingClientRect();
    const spread = 1 + 2 * OVERHANG;
    const step = layout().steps[state.level] / layout().image_size;
    const at = (offset, length) => Math.floor(((offset / length) * spread - OVERHANG) / step);
    toCell(at(event.clientY - area.top, area.height), at(event.clientX - area.left, area.width));
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointed(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) pointed(event); });
  canvas.addEventListener("keydown", (event) => {
    const moves = {
      ArrowUp: () => toCell(state.row - 1, state.column),
      ArrowDown: () => toCell(state.row + 1, state.column),
      ArrowLeft: () => toCell(state.row, state.column - 1),
      ArrowRight: () => toCell(state.row, state.column + 1),
      PageUp: () => toLevel(state.level + 1),
      PageDown: () => toLevel(state.level - 1),
      Home: () => toCell(state.row, 0),
      End: () => toCell(state.row, side() - 1),
    };
    if (moves[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      moves[event.key]();
    }
  });

  let picture = null;
  if (options.image) {
    const loading = new Image();
    loading.onload = () => { picture = loading; update(); };
    loading.src = options.image;
  }

  function update() {
    const l = layout(), k = state.level, s = side();
    const each = priorsPerCell(l, k), counts = priorsPerLevel(l);
    const priors = cellPriors(l, k, state.row, state.column, clampNow());
    const free = cellPriors(l, k, state.row, state.column, "none");
    const changed = priors.filter((p, i) => p.some((v, j) => v !== free[i][j])).length;
    const size = l.image_size;
    choose.value = state.name;
    levelSlider.show(k, l.map_sizes.length - 1, `${k}: ${s} × ${s}`);
    rowSlider.show(state.row, s - 1, `${state.row} of 0–${s - 1}`);
    columnSlider.show(state.column, s - 1, `${state.column} of 0–${s - 1}`);
    allBox.input.checked = state.all;
    clampBox.input.checked = state.clamp;
    clampBox.words.textContent =
      clampRule() === "all" ? "clamp cx, cy, w, h to 0–1" : "clamp w, h to 0–1";
    const [cx, cy] = priorCenter(l, k, state.row, state.column).map((v) => v * size);
    const total = counts.reduce((a, b) => a + b, 0);
    facts.innerHTML = `Level ${k}: ${s} × ${s} cells × ${each} priors = ` +
      `<b>${thousands(counts[k])}</b> of ${thousands(total)}. Cell row ${state.row}, column ` +
      `${state.column}: centre <b>(${px(cx)}, ${px(cy)})</b> = (cell + ½) × step ` +
      `${px(l.steps[k])}.` + (changed ? ` The clamp changes ${changed} of ${each} here.` : "");
    const first = firstIndex(l, k, state.row, state.column);
    const colours = (dark.matches ? DARK : LIGHT).priors;
    body.replaceChildren();
    priors.forEach((prior, i) => {
      const corners = toCorners(prior).map((v) => px(v * size));
      const line = element(body, "tr", i === state.picked ? { class: "picked" } : {});
      const cell = element(line, "td");
      cell.innerHTML = `<svg width="34" height="20" aria-hidden="true"><path d="M0 10H34" ` +
        `stroke="${colours[i % 6]}" stroke-width="3" stroke-dasharray="${DASHES[i % 6]}"/></svg>` +
        `${i + 1}`;
      element(line, "td", {}, `${px(prior[2] * size)} × ${px(prior[3] * size)}`);
      element(line, "td", {}, `${corners[0]}, ${corners[1]}`);
      element(line, "td", {}, `${corners[2]}, ${corners[3]}`);
      element(line, "td", {}, thousands(first + i));
      line.addEventListener("pointerenter", () => { state.picked = i; draw(priors); });
      line.addEventListener("pointerleave", () => { state.picked = -1; draw(priors); });
    });
    canvas.setAttribute("aria-label", `Image with the grid of level ${k} and the ${each} prior ` +
      `boxes of row ${state.row}, column ${state.column}. Arrow keys move the cell.`);
    draw(priors);
    fit();
  }

  // All boxes of a level are drawn once and kept until level, layout, clamp or size change.
  const mesh = { key: "", canvas: document.createElement("canvas") };
  function levelMesh(scale, colours) {
    const key = [state.name, state.level, clampNow(), canvas.width, dark.matches].join();
    if (key === mesh.key) return mesh.canvas;
    mesh.key = key;
    mesh.canvas.width = mesh.canvas.height = canvas.width;
    const g = mesh.canvas.getContext("2d");
    const each = priorsPerCell(layout(), state.level);
    const priors = levelPriors(layout(), state.level, clampNow());
    g.translate(OVERHANG * scale, OVERHANG * scale);
    g.lineWidth = Math.max(1, scale / 700);
    g.globalAlpha = Math.min(0.8, Math.max(0.1, 6 / Math.sqrt(priors.length)));
    for (let i = 0; i < each; i++) {
      g.strokeStyle = colours[i % 6];
      g.beginPath();
      for (let n = i; n < priors.length; n += each) {
        const [x1, y1, x2, y2] = toCorners(priors[n]).map((v) => v * scale);
        g.rect(x1, y1, x2 - x1, y2 - y1);
      }
      g.stroke();
    }
    return mesh.canvas;
  }

  function draw(priors) {
    const theme = dark.matches ? DARK : LIGHT;
    const l = layout(), k = state.level, n = side();
    const scale = canvas.width / (1 + 2 * OVERHANG);
    const line = canvas.width / (canvas.clientWidth || canvas.width);
    const step = (l.steps[k] / l.image_size) * scale;
    const g = canvas.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, canvas.width, canvas.height);
    g.translate(OVERHANG * scale, OVERHANG * scale);
    g.save();
    g.beginPath();
    g.rect(0, 0, scale, scale);
    g.clip();
    if (picture) g.drawImage(picture, 0, 0, scale, scale);
    else drawScene(g, scale);
    g.fillStyle = theme.veil;
    g.fillRect(0, 0, scale, scale);
    g.restore();

    g.strokeStyle = theme.grid;
    g.lineWidth = line * (n > 40 ? 0.5 : 1);
    g.beginPath();
    for (let i = 0; i <= n; i++) {
      g.moveTo(i * step, 0);
      g.lineTo(i * step, n * step);
      g.moveTo(0, i * step);
      g.lineTo(n * step, i * step);
    }
    g.stroke();
    g.strokeStyle = theme.frame;
    g.lineWidth = 1.6 * line;
    g.strokeRect(0, 0, scale, scale);
    g.fillStyle = theme.cell;
    g.fillRect(state.column * step, state.row * step, step, step);
    if (state.all) {
      g.save();
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.drawImage(levelMesh(scale, theme.priors), 0, 0);
      g.restore();
    }
    const order = priors.map((_, i) => i);
    if (state.picked >= 0) order.push(order.splice(state.picked, 1)[0]);
    for (const i of order) {
      const [x1, y1, x2, y2] = toCorners(priors[i]).map((v) => v * scale);
      const width = (i === state.picked ? 5 : 2.6) * line;
      g.globalAlpha = state.picked >= 0 && i !== state.picked ? 0.35 : 1;
      g.setLineDash([]);
      g.lineWidth = width + 2.4 * line;
      g.strokeStyle = theme.halo;
      g.strokeRect(x1, y1, x2 - x1, y2 - y1);
      g.setLineDash(DASHES[i % 6].map((d) => d * line));
      g.lineWidth = width;
      g.strokeStyle = theme.priors[i % 6];
      g.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    g.globalAlpha = 1;
    g.setLineDash([]);
    const [cx, cy] = priorCenter(l, k, state.row, state.column).map((v) => v * scale);
    const arm = 8 * line;
    for (const [colour, width] of [[theme.halo, 5], [theme.ink, 2.2]]) {
      g.strokeStyle = colour;
      g.lineWidth = width * line;
      g.beginPath();
      g.moveTo(cx - arm, cy);
      g.lineTo(cx + arm, cy);
      g.moveTo(cx, cy - arm);
      g.lineTo(cx, cy + arm);
      g.stroke();
    }
  }

  // Where the page around the frame allows it, the frame is as high as its content.
  function fit() {
    try {
      const frame = window.frameElement;
      if (frame) frame.style.height = `${Math.ceil(app.getBoundingClientRect().height)}px`;
    } catch { /* another origin: the frame scrolls instead */ }
  }

  new ResizeObserver(() => {
    const wanted = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (wanted && wanted !== canvas.width) {
      canvas.width = canvas.height = wanted;
      update();
    }
    fit();
  }).observe(canvas);
  dark.addEventListener("change", update);
  update();
}
