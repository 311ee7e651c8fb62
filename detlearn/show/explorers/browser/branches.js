// Branches explorer: one channel of every resolution of an HRNet, before and after an exchange.

import { field, legend } from "./legend.js";
import { between, choice, element, hint, keys, layOut, loadImage, outline, radios, scenery, slider, stage, table } from "./page.js";
import { paintShades, tints, unpackShades, veils } from "./shades.js";

const WORDS = 40, GAP = 12, MOMENTS = ["before", "after"];

// For each module and moment, each branch and rank: its cells.
export function mapsOf(text, facts) {
  const sizes = facts.flat().flatMap(({ shape, channels }) => channels.map(() => shape.slice(1)));
  const all = unpackShades(text, sizes);
  return facts.map((branches) => branches.map(({ channels }) => all.splice(0, channels.length)));
}

// Width and height of a map of two in a row, and of at most 490 px two below each other.
export function panelOf(wide, shape, rows = 2) {
  const tall = 490 / rows, own = Math.min((wide - GAP) / 2, tall / shape);
  return [own, own * shape];
}

export function mount(app, options) {
  const { modules, facts: all, size } = options, shape = size[0] / size[1];
  const maps = mapsOf(options.maps, all), ranks = all[0][0].channels.length;
  const state = { module: options.module, moment: options.moment, rank: options.rank,
    branch: 0, opacity: 0.6 };
  const here = () => 2 * state.module + state.moment;

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, { id: "picture", keys: true, label: "", draw,
    height: (wide) => 2 * (panelOf(wide, shape)[1] + WORDS) + 6 });
  picture.canvas.className = "picture";
  legend(left, [["low", field("rule", 1, "paper")], ["high in its own map", field("accent", 1, "accent")],
    ["branch that lies over the image", field("warm", 4)]]);
  const moduleChoice = choice(right, "module", "module", modules.map((name, k) => [k, name]),
    (value) => { state.module = Number(value); update(); });
  radios(right, "moment", "Before or after the exchange", [["before", "before its exchange"],
    ["after", "after its exchange"]], MOMENTS[state.moment],
  (key) => { state.moment = MOMENTS.indexOf(key); update(); });
  const rankSlider = slider(right, "rank", "channel", { max: ranks - 1 },
    (value) => { state.rank = value; update(); });
  const branchSlider = slider(right, "branch", "branch", { max: 1 },
    (value) => { state.branch = value; update(); });
  const opacitySlider = slider(right, "opacity", "opacity", { max: 1, step: 0.05 },
    (value) => { state.opacity = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "Channels by rank, the largest mean first",
    ["branch", "cells", "a cell, px", "channel", "highest"]);
  const scene = stage(right, { id: "scene", label: "", draw: lay,
    height: (wide) => Math.min(wide, 214) * Math.min(1, shape) });
  hint(app, "With the branches focused: [→] next module, [←] the one before, [space] before or after, " +
    "[↓] next channel by rank, [↑] the one before. Press on a branch to lay it over the image.");

  const go = (by) => () => {
    state.module = between(state.module + by, 0, modules.length - 1);
    update();
  };
  const rank = (by) => () => { state.rank = between(state.rank + by, 0, ranks - 1); update(); };
  keys(picture.canvas, {
    ArrowRight: go(1), ArrowLeft: go(-1), ArrowDown: rank(1), ArrowUp: rank(-1),
    " ": () => document.getElementById(`moment-${MOMENTS[1 - state.moment]}`).click(),
  });
  picture.canvas.addEventListener("click", (event) => {
    const at = places().findIndex(([x, y, w, h]) => event.offsetX >= x && event.offsetX <= x + w &&
      event.offsetY >= y && event.offsetY <= y + h);
    if (at >= 0) { state.branch = at; update(); }
  });
  const holder = loadImage(options.image, () => update());

  // Left, top, width and height of every branch's map.
  function places() {
    const [own, tall] = panelOf(picture.width, shape), begin = (picture.width - GAP - 2 * own) / 2;
    return all[here()].map((_, k) =>
      [begin + (k % 2) * (own + GAP), WORDS + Math.floor(k / 2) * (tall + WORDS), own, tall]);
  }

  function update() {
    const branches = all[here()], moment = MOMENTS[state.moment];
    state.branch = Math.min(state.branch, branches.length - 1);
    moduleChoice.input.value = state.module;
    rankSlider.show(state.rank, `rank ${state.rank}`);
    branchSlider.show(state.branch, `branch ${state.branch}`, branches.length - 1);
    opacitySlider.show(state.opacity, state.opacity.toFixed(2));
    facts.innerHTML = `<b>${modules[state.module]}</b>, <b>${moment}</b> its exchange: ` +
      `${branches.length} branch${branches.length === 1 ? "" : "es"}. Rank ${state.rank} of the ` +
      `${ranks} ranks that are shown.`;
    list.fill(branches.map(({ shape: [count, h, w], channels, peaks }, k) => ({
      cells: [k, `${h} × ${w}`, Math.round((100 * size[0]) / h) / 100, `${channels[state.rank]} of ${count}`,
        peaks[state.rank] || "0: silent"],
      picked: k === state.branch, pick: () => { state.branch = k; update(); },
    })));
    picture.say(`${facts.textContent} Arrow right: the next module.`);
    scene.say(`The image under branch ${state.branch}.`);
    picture.paint();
    scene.paint();
  }

  function draw(g, wide, tall, colours) {
    const branches = all[here()], shades = tints();
    g.textBaseline = "middle";
    g.textAlign = "left";
    places().forEach(([x, y, w, h], k) => {
      const { shape: [, rows, columns], channels } = branches[k];
      g.fillStyle = colours.ink;
      g.font = "600 13px system-ui, sans-serif";
      g.fillText(`branch ${k}`, x + 2, y - 29);
      g.font = "12px system-ui, sans-serif";
      g.fillStyle = colours.muted;
      g.fillText(`${rows} × ${columns}, channel ${channels[state.rank]}`, x + 2, y - 12);
      paintShades(g, maps[here()][k][state.rank], [rows, columns], [x, y, w, h], shades);
      outline(g, [x, y, x + w, y + h], k === state.branch ? { colour: colours.warm, width: 4 }
        : { colour: colours.rule, width: 1 });
    });
  }

  function lay(g, wide, tall, colours) {
    const own = Math.min(wide, tall / shape), branch = all[here()][state.branch];
    g.save();
    g.translate((wide - own) / 2, 0);
    scenery(g, [own, tall], holder, colours);
    paintShades(g, maps[here()][state.branch][state.rank], branch.shape.slice(1), [0, 0, own, tall],
      veils(state.opacity));
    g.restore();
  }
}
