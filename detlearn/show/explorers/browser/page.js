// What all explorers share: colours, controls, a canvas that is sharp on every screen, a frame as
// high as its content. Every control has a label; every picture says in words what it shows.

import { toCenter, toCorners } from "./geometry.js";

export const LIGHT = {
  paper: "#ffffff", ink: "#1b1f24", muted: "#57606a", rule: "#d0d7de", field: "#f6f8fa",
  accent: "#0072b2", warm: "#b34700", good: "#00775a", halo: "#ffffff",
  grid: "rgba(60,70,80,.42)", cell: "rgba(240,228,66,.8)", veil: "rgba(255,255,255,.42)",
  lines: ["#0072b2", "#c24e00", "#007f5f", "#a4407d", "#946400", "#2f7fae"],
};
export const DARK = {
  paper: "#14181d", ink: "#e8ecf0", muted: "#a2adb8", rule: "#39424c", field: "#20262d",
  accent: "#58aef0", warm: "#ff8a3d", good: "#2fd0a0", halo: "#0b0e11",
  grid: "rgba(200,210,220,.34)", cell: "rgba(240,228,66,.6)", veil: "rgba(20,24,29,.56)",
  lines: ["#58aef0", "#ff8a3d", "#2fd0a0", "#ee9fca", "#ffc247", "#9bd8ff"],
};
export const DASHES = [[], [9, 4], [12, 3, 3, 3], [3, 3], [18, 5], [7, 3, 2, 3, 2, 3]];

const variables = (theme) => Object.entries(theme).map(([name, value]) =>
  (name === "lines" ? value.map((line, i) => `--line${i}: ${line};`).join(" ")
    : `--${name}: ${value};`)).join(" ");

const STYLE = `
:root { color-scheme: light; ${variables(LIGHT)} }
:root.dark { color-scheme: dark; ${variables(DARK)} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
#app { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; padding: 12px;
  max-width: 1040px; margin: 0 auto; }
#app div:not([class]), .late, .framed { display: grid; grid-template-columns: minmax(0, 1fr);
  gap: 9px; align-content: start; }
.late { order: 1; gap: 4px; }
.foot { order: 2; grid-column: 1 / -1; }
.framed { padding: 6px 10px; border: 1px solid var(--rule); border-radius: 8px; }
canvas { display: block; width: 100%; border-radius: 8px; }
canvas.picture { max-width: 560px; background: var(--field); cursor: crosshair; }
.row { display: grid; grid-template-columns: 90px minmax(0, 1fr) 92px; gap: 8px;
  align-items: center; }
.row output { text-align: right; color: var(--muted); font-variant-numeric: tabular-nums;
  white-space: nowrap; }
input[type=range] { width: 100%; height: 24px; margin: 0; accent-color: var(--accent); }
select { grid-column: 2 / 4; width: 100%; }
select, button { min-height: 34px; padding: 4px 10px; font: inherit; color: inherit;
  background: var(--field); border: 1px solid var(--rule); border-radius: 6px; }
button:hover:enabled { border-color: var(--accent); }
button:disabled { color: var(--muted); opacity: .6; }
fieldset { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0; padding: 0; border: 0; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.buttons, .checks { display: flex; flex-wrap: wrap; gap: 6px 18px; }
.buttons { gap: 8px; }
.checks label, fieldset label { display: flex; gap: 7px; align-items: center; min-height: 30px; }
.checks input, fieldset input { width: 17px; height: 17px; margin: 0;
  accent-color: var(--accent); }
.facts { min-height: 3.6em; margin: 2px 0 0; padding-top: 7px; border-top: 1px solid var(--rule); }
b, td { font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; }
th { font-weight: 500; font-size: 13px; color: var(--muted); }
th, td { padding: 4px 0 4px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
tbody tr { border-top: 1px solid var(--rule); cursor: default; }
tbody tr:hover, tbody tr.picked { background: var(--field); }
tbody tr.picked td:first-child { box-shadow: inset 3px 0 var(--accent); padding-left: 7px; }
td svg { vertical-align: -4px; margin-right: 5px; }
caption, .hint { text-align: left; font-size: 13px; color: var(--muted); }
.hint { margin: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 1px 14px; margin: 0; padding: 0; list-style: none;
  font-size: 13px; color: var(--muted); }
.legend li { display: flex; gap: 6px; align-items: center; }
.legend svg { flex: none; }
kbd { font: inherit; padding: 0 4px; border: 1px solid var(--rule); border-radius: 4px; }
summary { cursor: pointer; min-height: 30px; font-size: 13px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.scroll { overflow-x: auto; }
[hidden] { display: none !important; }
@media (max-width: 699px) { #app > div:not([class]) { display: contents; } }
.pairs { display: grid; grid-template-columns: minmax(0, 1fr); gap: 9px; }
@media (min-width: 700px) { #app { grid-template-columns: minmax(0, 1fr) 388px; gap: 10px 20px; }
  body { font-size: 14px; } #app div:not([class]), .pairs { gap: 6px; }
  .pairs { grid-template-columns: repeat(2, minmax(0, 1fr)); column-gap: 16px; }
  .pairs .row { grid-template-columns: 58px minmax(0, 1fr) 56px; }
  input[type=range] { height: 20px; } select, button { min-height: 30px; padding: 2px 10px; }
  .checks label, fieldset label, summary { min-height: 24px; } .checks { gap: 2px 16px; }
  table { font-size: 13px; } th, td { padding: 1px 0 1px 6px; } }
@media (min-width: 940px) { #app { grid-template-columns: minmax(0, 1fr) 460px; }
  .pairs .row { grid-template-columns: 64px minmax(0, 1fr) 60px; } }
@media (max-width: 480px) { body { font-size: 14px; } table { font-size: 12.5px; }
  .row { grid-template-columns: 74px minmax(0, 1fr) 80px; gap: 8px; }
  th, td { padding-left: 5px; } .wide { display: none; } }
`;

// ---- words --------------------------------------------------------------------------------

export const thousands = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

export function px(value) {
  const rounded = Math.round(value * 10) / 10;
  return (rounded === 0 ? 0 : rounded).toFixed(Number.isInteger(rounded) ? 0 : 1);
}

export const plural = (count, word) => `${thousands(count)} ${word}${count === 1 ? "" : "s"}`;

// With a real minus sign, and never "-0.00".
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

// ---- controls -----------------------------------------------------------------------------

export function element(parent, tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== "") node.textContent = text;
  parent.append(node);
  return node;
}

export function slider(parent, id, label, { min = 0, max = 1, step = 1 }, onInput) {
  const row = element(parent, "div", { class: "row" });
  element(row, "label", { for: id }, label);
  const input = element(row, "input", { type: "range", id, min, max, step });
  const output = element(row, "output", { for: id });
  input.addEventListener("input", () => onInput(Number(input.value)));
  return {
    input,
    row,
    show(value, text, top = max) {
      input.max = top;
      input.value = value;
      input.disabled = Number(input.max) <= Number(input.min);
      input.setAttribute("aria-valuetext", text);
      output.textContent = text;
    },
  };
}

export function choice(parent, id, label, entries, onChange) {
  const row = element(parent, "div", { class: "row" });
  element(row, "label", { for: id }, label);
  const input = element(row, "select", { id });
  for (const [value, text] of entries) element(input, "option", { value }, text);
  input.addEventListener("change", () => onChange(input.value));
  return { input, row };
}

export function radios(parent, name, legend, entries, value, onChange) {
  const group = element(parent, "fieldset");
  element(group, "legend", {}, legend);
  for (const [key, text] of entries) {
    const label = element(group, "label", { for: `${name}-${key}` });
    const input = element(label, "input", { type: "radio", name, id: `${name}-${key}` });
    input.checked = key === value;
    element(label, "span", {}, text);
    input.addEventListener("change", () => onChange(key));
  }
  return group;
}

export function check(parent, id, text, onChange) {
  const label = element(parent, "label", { for: id });
  const input = element(label, "input", { type: "checkbox", id });
  const words = element(label, "span", {}, text);
  input.addEventListener("change", () => onChange(input.checked));
  return { input, words };
}

export function button(parent, id, text, onClick) {
  const node = element(parent, "button", { type: "button", id }, text);
  node.addEventListener("click", onClick);
  return node;
}

export function table(parent, caption, heads, id = "list") {
  const node = element(element(parent, "div", { class: "scroll" }), "table", { id });
  const title = element(node, "caption", {}, caption);
  const head = element(element(node, "thead"), "tr");
  for (const text of heads) {
    element(head, "th", { scope: "col", class: text.startsWith("~") ? "wide" : "" },
      text.replace("~", ""));
  }
  const body = element(node, "tbody");
  return {
    node,
    title,
    // rows: {cells, picked, swatch, pick}; a cell is text.
    fill(rows) {
      body.replaceChildren();
      for (const row of rows) {
        const line = element(body, "tr", row.picked ? { class: "picked" } : {});
        row.cells.forEach((text, i) => {
          const cell = element(line, "td", { class: heads[i].startsWith("~") ? "wide" : "" }, text);
          if (i === 0 && row.swatch !== undefined) cell.prepend(swatch(row.swatch));
        });
        if (row.pick) line.addEventListener("click", row.pick);
        if (row.point) {
          line.addEventListener("pointerenter", () => row.point(true));
          line.addEventListener("pointerleave", () => row.point(false));
        }
      }
    },
  };
}

function swatch(i) {
  const holder = document.createElement("span");
  holder.innerHTML = `<svg width="34" height="20" aria-hidden="true"><path d="M0 10H34" ` +
    `stroke="${theme().lines[i % 6]}" stroke-width="3" stroke-dasharray="${DASHES[i % 6]}"/></svg>`;
  return holder.firstChild;
}

// ---- pictures -----------------------------------------------------------------------------

// What the page around the frame says of itself, in the words of the course's site and Colab,
// JupyterLab, VS Code; null where it says nothing. The reader may have chosen other than the system.
export function shownDark(root, body) {
  const said = root.dataset.theme ?? root.getAttribute("theme") ??
    { true: "light", false: "dark" }[body?.dataset.jpThemeLight] ??
    body?.className.match(/vscode-(light|dark)/)?.[1];
  return said === "dark" ? true : said === "light" ? false : null;
}

export const theme = () =>
  (document.documentElement.classList.contains("dark") ? DARK : LIGHT);
const stages = [];

// Light or dark as that page is, or else as the system prefers; `change` is called after a change.
function followTheme(change) {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let outside = null; // stays so where a frame may not look outside
  try { outside = window.parent === window ? null : window.parent.document; } catch { /* alone */ }
  const wear = () => {
    const said = outside && shownDark(outside.documentElement, outside.body);
    document.documentElement.classList.toggle("dark", said ?? system.matches);
  };
  const again = () => { const worn = theme(); wear(); if (theme() !== worn) change(); };
  wear();
  system.addEventListener("change", again);
  if (!outside) return;
  const told = { attributeFilter: ["data-theme", "theme", "data-jp-theme-light", "class"] };
  const watch = new MutationObserver(again);
  watch.observe(outside.documentElement, told);
  watch.observe(outside.body, told);
}

// A canvas of `height(width)` CSS px; `draw(g, width, height, theme)` works in CSS px.
export function stage(parent, { id, label, keys = false, picture = false, height, draw }) {
  const canvas = element(parent, "canvas", {
    id, role: keys ? "application" : "img", "aria-label": label, ...(keys ? { tabindex: 0 } : {}),
    ...(picture ? { class: "picture" } : {}),
  });
  const g = canvas.getContext("2d");
  const self = {
    canvas,
    width: 0,
    tall: 0,
    say(text) {
      canvas.setAttribute("aria-label", text);
    },
    paint() {
      if (!self.width) return;
      const tall = Math.round(height(self.width)), ratio = window.devicePixelRatio || 1;
      const size = [Math.round(self.width * ratio), Math.round(tall * ratio)];
      if (canvas.width !== size[0] || canvas.height !== size[1]) {
        [canvas.width, canvas.height] = size;
        canvas.style.height = `${tall}px`;
      }
      self.tall = tall;
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.clearRect(0, 0, canvas.width, canvas.height);
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      g.globalAlpha = 1;
      g.setLineDash([]);
      g.font = "13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
      draw(g, self.width, tall, theme());
    },
  };
  stages.push(self);
  return self;
}

// The two columns of an explorer; `update` paints everything anew.
export function layOut(app, update) {
  element(document.head, "style", {}, STYLE);
  const left = element(app, "div"), right = element(app, "div");
  let wide = 0, tallest = 0;
  const fit = () => {
    // Where the page around the frame allows it, the frame is as high as its content has been at
    // this width: what stands below does not jump while a control moves.
    try {
      const frame = window.frameElement, { width, height } = app.getBoundingClientRect();
      tallest = Math.max(width === wide ? tallest : 0, Math.ceil(height));
      wide = width;
      if (frame) frame.style.height = `${tallest}px`;
    } catch { /* another origin: the frame scrolls instead */ }
  };
  new ResizeObserver(() => {
    let changed = false;
    for (const one of stages) {
      const width = one.canvas.clientWidth;
      changed ||= width !== one.width;
      one.width = width;
    }
    if (changed) update();
    fit();
  }).observe(app);
  followTheme(update);
  return [left, right];
}

// Dragging by mouse, pen or finger. `start(x, y, touch)` in CSS px says whether it takes hold;
// where it does not, a finger scrolls the page.
export function drag(canvas, { start, move }) {
  let held = false;
  const at = (event) => {
    const area = canvas.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  };
  canvas.addEventListener("touchstart", (event) => {
    if (start(...at(event.touches[0]), true)) event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    held = start(...at(event), event.pointerType === "touch") && event.button === 0;
    if (held) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => { if (held) move(...at(event)); });
  const drop = () => { held = false; };
  canvas.addEventListener("pointerup", drop);
  canvas.addEventListener("pointercancel", drop);
}

// `moves`: key -> action(event); other keys are left to the browser.
export function keys(node, moves) {
  node.addEventListener("keydown", (event) => {
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key](event);
  });
}

// How to use it; `parent` is the whole explorer, so that the line runs below both columns.
export function hint(parent, html) {
  const words = element(parent, "p", { class: "hint foot" });
  words.innerHTML = html.replace(/\[(.*?)\]/g, "<kbd>$1</kbd>");
  return words;
}

export function outline(g, [x1, y1, x2, y2], { colour, width = 2.4, dash = [], halo }) {
  if (halo) {
    g.setLineDash([]);
    g.lineWidth = width + 2.4;
    g.strokeStyle = halo;
    g.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  g.setLineDash(dash);
  g.lineWidth = width;
  g.strokeStyle = colour;
  g.strokeRect(x1, y1, x2 - x1, y2 - y1);
  g.setLineDash([]);
}

export function arrow(g, x1, y1, x2, y2, colour, width = 2.4) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length < 3) return;
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length], tip = Math.min(9, length);
  g.strokeStyle = g.fillStyle = colour;
  g.lineWidth = width;
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2 - ux * tip * 0.8, y2 - uy * tip * 0.8);
  g.stroke();
  g.beginPath();
  g.moveTo(x2, y2);
  g.lineTo(x2 - ux * tip - uy * tip * 0.5, y2 - uy * tip + ux * tip * 0.5);
  g.lineTo(x2 - ux * tip + uy * tip * 0.5, y2 - uy * tip - ux * tip * 0.5);
  g.fill();
}

// Words on a plate, so that they can be read on any picture.
export function plate(g, text, x, y, { colour, paper, align = "left" }) {
  g.textAlign = "left";
  g.textBaseline = "middle";
  const width = g.measureText(text).width + 8;
  const left = align === "center" ? x - width / 2 : align === "right" ? x - width : x;
  g.fillStyle = paper;
  g.fillRect(left, y - 9, width, 18);
  g.fillStyle = colour;
  g.fillText(text, left + 4, y + 0.5);
}

// The number of an object: in its lower left corner, beside it if it is small.
export function numberPlate(g, number, [x1, , x2, y2], side, colours) {
  const small = x2 - x1 < 30, right = x2 + 18 < side ? x2 + 2 : x1 - 18;
  plate(g, String(number), small ? right : Math.max(0, x1), between(y2 - 9, 9, side - 9),
    { colour: colours.halo, paper: colours.ink });
}

export function loadImage(source, update) {
  const holder = { image: null };
  if (source) {
    const loading = new Image();
    loading.onload = () => { holder.image = loading; update(); };
    loading.src = source;
  }
  return holder;
}

// ---- objects that are moved by their inside and sized by their corners; fractions ------------

const SMALLEST = 0.02;
export const between = (value, low, high) => Math.min(high, Math.max(low, value));

export function moveBox([x1, y1, x2, y2], dx, dy) {
  const right = between(dx, -x1, 1 - x2), down = between(dy, -y1, 1 - y2);
  return [x1 + right, y1 + down, x2 + right, y2 + down];
}

export function sizeBox(box, corner, x, y) {
  const sized = box.slice(), [right, low] = [corner & 1, corner >> 1];
  sized[right ? 2 : 0] = right ? between(x, box[0] + SMALLEST, 1) : between(x, 0, box[2] - SMALLEST);
  sized[low ? 3 : 1] = low ? between(y, box[1] + SMALLEST, 1) : between(y, 0, box[3] - SMALLEST);
  return sized;
}

// boxes(): all objects; current(): which one is chosen; place(): [left, top, side] of the image in
// the canvas; change(index, box); other(x, y): what a press beside all objects does.
export function dragBoxes(canvas, { boxes, current, place, change, other = () => false }) {
  let held = null;
  const fraction = (x, y) => {
    const [left, top, side] = place();
    return [(x - left) / side, (y - top) / side, side];
  };
  drag(canvas, {
    start(cx, cy, touch) {
      const [x, y, side] = fraction(cx, cy), reach = (touch ? 26 : 12) / side;
      const order = boxes().map((_, i) => i).reverse().sort((a, b) =>
        (b === current()) - (a === current()));
      held = null;
      for (const i of order) {
        const b = boxes()[i];
        const corner = [0, 1, 2, 3].find((c) =>
          Math.hypot(x - b[c & 1 ? 2 : 0], y - b[c >> 1 ? 3 : 1]) < reach);
        if (corner !== undefined && i === current()) held = { i, corner };
        else if (x > b[0] && x < b[2] && y > b[1] && y < b[3]) held = { i, x, y, box: b };
        if (held) {
          change(i, b);
          return true;
        }
      }
      return other(cx, cy);
    },
    move(cx, cy) {
      const [x, y] = fraction(cx, cy);
      if (!held) other(cx, cy);
      else if (held.corner !== undefined) {
        change(held.i, sizeBox(boxes()[held.i], held.corner, x, y));
      } else change(held.i, moveBox(held.box, x - held.x, y - held.y));
    },
  });
}

// Arrow keys move the chosen object, with Shift its lower right corner.
export function boxKeys(canvas, box, change, more = {}) {
  const by = (dx, dy) => (event) => {
    const b = box();
    if (!b) return;
    change(event.shiftKey ? sizeBox(b, 3, b[2] + dx, b[3] + dy) : moveBox(b, dx, dy));
  };
  keys(canvas, {
    ArrowLeft: by(-0.01, 0), ArrowRight: by(0.01, 0), ArrowUp: by(0, -0.01),
    ArrowDown: by(0, 0.01), ...more,
  });
}

export function drawObject(g, box, theme, { chosen = true, name = "" } = {}) {
  outline(g, box, { colour: theme.ink, width: chosen ? 3.4 : 2.2, halo: theme.halo });
  if (chosen) {
    for (const [x, y] of [[0, 1], [2, 1], [0, 3], [2, 3]]) {
      g.fillStyle = theme.halo;
      g.fillRect(box[x] - 6, box[y] - 6, 12, 12);
      g.fillStyle = theme.ink;
      g.fillRect(box[x] - 4, box[y] - 4, 8, 8);
    }
  }
  if (name) plate(g, name, box[0] + 8, box[1] + 14, { colour: theme.halo, paper: theme.ink });
}

// The words of the chosen object: a slider each for centre and size.
export function boxSliders(parent, unitName, size, box, change) {
  const parts = [["cx", "centre x"], ["cy", "centre y"], ["w", "width"], ["h", "height"]];
  const sliders = parts.map(([id, label], i) =>
    slider(parent, id, label, { min: i < 2 ? 0 : 2, max: 100 }, (value) => {
      const [cx, cy, w, h] = toCenter(box()), at = value / 100;
      if (i < 2) change(moveBox(box(), i ? 0 : at - cx, i ? at - cy : 0));
      else if (i === 2) change(centred(cx, cy, at, h));
      else change(centred(cx, cy, w, at));
    }));
  return () => toCenter(box()).forEach((value, i) => {
    sliders[i].show(Math.round(100 * value), `${px(value * size())} ${unitName}`);
  });
}

function centred(cx, cy, w, h) {
  return moveBox(toCorners([between(cx, w / 2, 1 - w / 2), between(cy, h / 2, 1 - h / 2), w, h]),
    0, 0);
}

// ---- the image -----------------------------------------------------------------------------

// The image, or a picture-book scene with objects of many sizes, under a veil.
export function backdrop(g, side, holder, veil) {
  g.save();
  g.beginPath();
  g.rect(0, 0, side, side);
  g.clip();
  if (holder.image) g.drawImage(holder.image, 0, 0, side, side);
  else drawScene(g, side);
  g.fillStyle = veil;
  g.fillRect(0, 0, side, side);
  g.restore();
}

// The image of any shape, [width, height]; an empty field when none was given.
export function scenery(g, [wide, tall], holder, colours) {
  g.fillStyle = colours.field;
  g.fillRect(0, 0, wide, tall);
  if (holder.image) g.drawImage(holder.image, 0, 0, wide, tall);
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
