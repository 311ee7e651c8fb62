// Shape-table explorer: every tensor of every module, and who has the parameters and the work.

import { sum } from "./geometry.js";
import { field, legend } from "./legend.js";
import { between, choice, element, hint, keys, layOut, plural, slider, stage, table, thousands } from "./page.js";

const BARS = 9;

// Modules with their full names, in the order of the model, the model first.
export function unpackModules({ kinds, rows }) {
  const path = [];
  return rows.map(([depth, last, kind, outputs, parameters, macs]) => {
    path.length = Math.max(0, depth - 1);
    if (depth) path.push(last);
    return { depth, name: path.join("."), kind: kinds[kind], outputs, parameters, macs };
  });
}

// A module and what is in it, so many steps into it at most.
export function inside(modules, part, depth) {
  const top = modules.find((one) => one.name === part);
  return modules.filter(({ name, depth: own }) => own - top.depth <= depth &&
    (!part || name === part || name.startsWith(`${part}.`)));
}

export const parentOf = (name) => name.split(".").slice(0, -1).join(".");

// What can be chosen: modules with something in them, and those of the first level.
export function parts(modules) {
  const parents = new Set(["", ...modules.filter((one) => one.name).map((one) => parentOf(one.name))]);
  return modules.filter((one) => parents.has(one.name) || one.depth === 1);
}

// Millions with one digit; halves as Python's format has them.
export function mega(count) {
  const million = count / 1e6, whole = Math.floor(million);
  const text = (million - whole === 0.25 ? million - 0.05 : million).toFixed(1).split(".");
  return `${thousands(text[0])}.${text[1]} M`;
}

// A tuple as Python writes it.
export const shapeOf = (sides) => `(${sides.join(", ")}${sides.length === 1 ? "," : ""})`;

// Cells of the table: a module's first tensor stands beside its name, the others below.
export function cellsOf(one) {
  const outputs = one.outputs.length ? one.outputs : [["none"]];
  return outputs.map(([way, ...sides], k) => {
    const shape = sides.length ? shapeOf(sides) : "";
    return k ? ["", "", way, shape, "", ""]
      : [one.name || "(model)", one.kind, way, shape, thousands(one.parameters), mega(one.macs)];
  });
}

// The parts of a part with a share in it: the largest by name, in their order, the rest together.
export function shares(modules, part, most = BARS) {
  const [top, ...below] = inside(modules, part, 1);
  const bar = (one) => ({ name: one.name, parameters: one.parameters, macs: one.macs });
  const costly = below.filter((one) => one.parameters || one.macs).map(bar);
  if (!costly.length) return [bar(top)];
  const weight = (one) => Math.max(one.parameters / (top.parameters || 1), one.macs / (top.macs || 1));
  if (costly.length <= most) return costly;
  const named = [...costly].sort((a, b) => weight(b) - weight(a)).slice(0, most - 1);
  const rest = costly.filter((one) => !named.includes(one)), add = (key) => sum(rest.map((one) => one[key]));
  return [...costly.filter((one) => named.includes(one)),
    { name: null, parameters: add("parameters"), macs: add("macs"), count: rest.length }];
}

const LISTING = ".listing { order: 1; grid-column: 1 / -1; height: 270px; overflow: auto; }\n" +
  ".listing th { position: sticky; top: 0; background: var(--paper); }\n" +
  ".listing :is(th, td):nth-child(-n+4) { text-align: left; padding-right: 12px; }";

export function mount(app, options) {
  const models = options.models.map((one) => ({ ...one, modules: unpackModules(one) }));
  const state = { model: 0, part: options.part, depth: options.depth, pick: 0 };
  let bars = [];

  const [left, right] = layOut(app, () => update());
  element(document.head, "style", {}, LISTING);
  const picture = stage(left, { id: "picture", keys: true, label: "", height: () => 252, draw });
  legend(left, [["parameters", field("accent", 1, "accent")],
    ["multiply-adds (MACs)", field("warm", 1, "warm")], ["chosen bar", field("ink", 2)]]);
  const modelChoice = choice(right, "model", "model", models.map((one, i) => [i, one.name]),
    (value) => { go(Number(value), "", 0); });
  const partChoice = choice(right, "part", "part", [], (value) => { go(state.model, value, 0); });
  const depthSlider = slider(right, "depth", "depth", { max: options.deepest },
    (value) => { state.depth = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(app, "", ["module", "~kind", "~output", "shape", "parameters", "MACs"]);
  const area = list.node.parentElement;
  area.classList.add("listing");
  for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", "all shapes"]]) {
    area.setAttribute(name, value);
  }
  hint(app, "With the bars focused: [↓] and [↑] choose one, [→] goes into it, [←] out again, [m] shows " +
    "the next model, [+] and [-] change the depth. Press on a bar or a row to go there.");

  // To a part of a model, or to a module that has none: then to what it belongs to.
  function go(model, part, pick) {
    if (model !== state.model || part !== state.part) area.scrollTop = 0;
    Object.assign(state, { model, part, pick });
    update();
  }
  const modules = () => models[state.model].modules;
  const enter = (name) => {
    if (parts(modules()).some((one) => one.name === name) && name !== state.part) {
      go(state.model, name, 0);
    }
  };
  function leave() {
    if (!state.part) return;
    const from = state.part, above = parentOf(from);
    const at = shares(modules(), above).findIndex((one) => one.name === from);
    go(state.model, above, Math.max(0, at));
  }
  const step = (by) => () => {
    state.pick = between(state.pick + by, 0, bars.length - 1);
    update();
  };
  const deepen = (by) => () => {
    state.depth = between(state.depth + by, 0, options.deepest);
    update();
  };
  keys(picture.canvas, {
    ArrowDown: step(1), ArrowUp: step(-1), ArrowRight: () => enter(bars[state.pick].name),
    Enter: () => enter(bars[state.pick].name), ArrowLeft: leave, "+": deepen(1), "-": deepen(-1),
    m: () => go((state.model + 1) % models.length, "", 0),
  });
  picture.canvas.addEventListener("click", (event) => {
    const at = Math.floor((event.offsetY - TOP) / high());
    if (at < 0 || at >= bars.length) return;
    if (at !== state.pick) { state.pick = at; update(); } else enter(bars[at].name);
  });

  function update() {
    const { title } = models[state.model], all = modules(), shown = inside(all, state.part, state.depth);
    const top = shown[0];
    bars = shares(all, state.part);
    modelChoice.input.value = state.model;
    partChoice.input.replaceChildren();
    for (const one of parts(all)) {
      element(partChoice.input, "option", { value: one.name }, one.name || "(the whole model)");
    }
    partChoice.input.value = state.part;
    depthSlider.show(state.depth, plural(state.depth, "step"));
    const of = (key) => `${percent(top[key] / all[0][key])} of the model's`;
    facts.innerHTML = `${title}: ${plural(all.length, "module")}. ` + (state.part
      ? `<b>${state.part}</b> (${top.kind}) has ${thousands(top.parameters)} parameters, ` +
        `${of("parameters")}, and ${mega(top.macs)} multiply-adds, ${of("macs")}.`
      : `It has ${thousands(top.parameters)} parameters and ${mega(top.macs)} multiply-adds.`);
    list.title.textContent = `${state.part || "The whole model"}, ${plural(state.depth, "step")} deep: ` +
      `${plural(shown.length, "module")}`;
    list.fill(shown.flatMap((one) => cellsOf(one).map((cells, k) => ({
      cells, picked: k === 0 && one.name === bars[state.pick].name, pick: () => enter(one.name),
    }))));
    const one = bars[state.pick];
    picture.say(`Shares of ${state.part || "the whole model"}. Chosen: ${wordsOf(one)}, ` +
      `${percent(one.parameters / (top.parameters || 1))} of its parameters, ` +
      `${percent(one.macs / (top.macs || 1))} of its multiply-adds. Arrow right goes into it.`);
    picture.paint();
  }

  const TOP = 6, high = () => Math.min(40, (picture.tall - TOP) / bars.length);
  const percent = (share) => `${(100 * (share || 0)).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
  const wordsOf = (one) => (one.name === null ? `${one.count} others`
    : one.name.slice(state.part ? state.part.length + 1 : 0) || one.name || "(model)");

  function draw(g, wide, tall, colours) {
    const [top] = inside(modules(), state.part, 0), each = high();
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    const start = between(Math.max(...bars.map((one) => g.measureText(wordsOf(one)).width)) + 14, 60,
      0.45 * wide), long = wide - start - 52;
    bars.forEach((one, i) => {
      const y = TOP + each * i, thick = Math.min(11, each / 2 - 3);
      if (i === state.pick) {
        g.fillStyle = colours.field;
        g.fillRect(0, y, wide, each - 2);
        g.lineWidth = 2;
        g.strokeStyle = colours.ink;
        g.strokeRect(1, y, wide - 2, each - 2);
      }
      g.fillStyle = colours.ink;
      g.textAlign = "left";
      g.fillText(wordsOf(one), 7, y + each / 2 - 1, start - 12);
      ["parameters", "macs"].forEach((key, k) => {
        const share = one[key] / (top[key] || 1), middle = y + each / 2 - 1 + (k ? 0.5 : -0.5) * (thick + 2);
        g.fillStyle = k ? colours.warm : colours.accent;
        g.fillRect(start, middle - thick / 2, Math.max(1, long * Math.min(1, share)), thick);
        g.fillStyle = colours.muted;
        g.font = "11px system-ui, sans-serif";
        g.fillText(percent(share), start + long * Math.min(1, share) + 5, middle + 0.5);
        g.font = "12px system-ui, sans-serif";
      });
    });
  }
}
