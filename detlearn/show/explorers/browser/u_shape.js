// Explorer of the U of a TUM: step by step through the U, with what each step reads, makes and costs.

import { sum } from "./geometry.js";
import { ARROW, field, glyph, legend } from "./legend.js";
import { arrow, backdrop, between, element, hint, keys, layOut, loadImage, slider, stage, table, thousands } from "./page.js";
import { paintShades, tints, unpackShades, veils } from "./shades.js";

const COLUMNS = ["down", "side", "up", "smooth"];

// For each TUM and step the cells of its map.
export function mapsOf(text, shapes) {
  const all = unpackShades(text, shapes.flat().map(([, h, w]) => [h, w]));
  return shapes.map((walk) => all.splice(0, walk.length));
}

export const sizeOf = ([channels, h, w]) => `${channels} × ${h} × ${w}`;

export function mount(app, options) {
  const { steps, shapes, parameters } = options, last = steps.length - 1;
  const maps = mapsOf(options.maps, shapes);
  const state = { level: 0, step: options.step, opacity: 0.6 };
  const columns = COLUMNS.map((_, k) => k).filter((k) => steps.some((one) => one.column === k));

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, label: "", height: (wide) => Math.min(wide, 540), draw,
  });
  picture.canvas.className = "picture";
  legend(left, [["this step", field("ink", 3)],
    ["what it reads", field("warm", 3)], ["and where to", glyph(ARROW, "warm")],
    ["mean of the channels", field("accent", 1, "accent")], ["still to come", field("rule", 2)]]);
  const levelSlider = slider(right, "level", "level", { max: shapes.length - 1 },
    (value) => { state.level = value; update(); });
  const stepSlider = slider(right, "step", "step", { max: last },
    (value) => { state.step = value; update(); });
  const opacitySlider = slider(right, "opacity", "map over it", { max: 1, step: 0.05 },
    (value) => { state.opacity = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "This step", ["", "value"], "list");
  const scene = stage(right, { id: "scene", label: "", height: (wide) => Math.min(wide, 230), draw: lay });
  hint(app, "With the U focused: [→] next step, [←] back, [↑] next TUM, [↓] the one before. " +
    "Press on a square to go there.");

  const go = (by) => () => { state.step = between(state.step + by, 0, last); update(); };
  const rise = (by) => () => {
    state.level = between(state.level + by, 0, shapes.length - 1);
    update();
  };
  keys(picture.canvas, {
    ArrowRight: go(1), ArrowLeft: go(-1), Home: go(-last), End: go(last),
    ArrowUp: rise(1), ArrowDown: rise(-1),
  });
  function point(x, y) {
    const at = places().findIndex(([px, py, side]) =>
      x >= px && x <= px + side && y >= py && y <= py + side);
    if (at >= 0) { state.step = at; update(); }
  }
  picture.canvas.addEventListener("click", (event) => point(event.offsetX, event.offsetY));
  const holder = loadImage(options.image, () => update());

  // Left, top and side of every step's square: large maps are drawn larger, not in proportion.
  function places() {
    const rows = Math.max(...steps.map((one) => one.row)) + 1, sizes = shapes[state.level];
    const most = Math.max(...sizes.map(([, h]) => h)), wide = picture.width / columns.length;
    const own = Array.from({ length: rows }, (_, row) => {
      const [, h] = sizes[steps.findIndex((one) => one.row === row)];
      return Math.max(26, Math.min(0.78 * wide, 110) * Math.sqrt(h / most));
    });
    const space = (picture.tall - 34 - sum(own)) / rows;
    const tops = own.map((_, row) => 30 + sum(own.slice(0, row)) + space * row);
    return steps.map((one) => [
      wide * (columns.indexOf(one.column) + 0.5) - own[one.row] / 2, tops[one.row], own[one.row],
    ]);
  }

  function update() {
    const { level, step } = state, one = steps[step], sizes = shapes[level];
    const reads = one.reads.map((k) => sizeOf(sizes[k])).join(" and ");
    const price = parameters[level];
    levelSlider.show(level, `TUM ${level}`);
    stepSlider.show(step, `${step} of ${last}`);
    opacitySlider.show(state.opacity, state.opacity.toFixed(2));
    facts.innerHTML = `Step ${step}, <b>${one.name}</b>: ${one.words}.`;
    list.fill([
      ["reads", reads || "–"], ["makes", sizeOf(sizes[step])],
      ["parameters", thousands(price[step])],
      ["parameters so far", thousands(sum(price.slice(0, step + 1)))],
    ].map((cells) => ({ cells })));
    picture.say(`The U of TUM ${level}. ${facts.textContent} ` +
      `${reads ? `${reads} becomes ` : ""}${sizeOf(sizes[step])}. Arrow right: the next step.`);
    scene.say(`The scene under the map of step ${step}.`);
    picture.paint();
    scene.paint();
  }

  function cells(g, at, x, y, side, colours) {
    const [, h, w] = shapes[state.level][at];
    paintShades(g, maps[state.level][at], [h, w], [x, y, side, side], colours);
  }

  function draw(g, wide, tall, colours) {
    const all = places(), { reads } = steps[state.step], shades = tints();
    g.textAlign = "center";
    g.textBaseline = "middle";
    columns.forEach((column, k) => {
      g.fillStyle = colours.ink;
      g.fillText(COLUMNS[column], (wide / columns.length) * (k + 0.5), 12);
    });
    all.forEach(([x, y, side], at) => {
      if (at > state.step) {
        g.strokeStyle = colours.rule;
        g.lineWidth = 2;
        g.strokeRect(x, y, side, side);
        return;
      }
      cells(g, at, x, y, side, shades);
      g.strokeStyle = colours.muted;
      g.lineWidth = 1;
      g.strokeRect(x, y, side, side);
    });
    const [x, y, side] = all[state.step];
    for (const k of reads) {
      const [rx, ry, own] = all[k];
      g.strokeStyle = colours.warm;
      g.lineWidth = 3;
      g.strokeRect(rx, ry, own, own);
      if (Math.abs(rx + own / 2 - x - side / 2) < 1) {
        const down = ry < y;
        const beside = x + side / 2 + 0.38 * Math.min(own, side); // not through the words below
        arrow(g, beside, down ? ry + own : ry, beside, down ? y : y + side, colours.warm);
      } else arrow(g, rx + own, ry + own / 2, x, y + side / 2, colours.warm);
    }
    g.strokeStyle = colours.ink;
    g.lineWidth = 5;
    g.strokeRect(x, y, side, side);
    all.forEach(([left, top, own], at) => {
      const [channels, h] = shapes[state.level][at];
      g.fillStyle = at > state.step ? colours.muted : colours.ink;
      g.font = "12px system-ui, sans-serif";
      g.fillText(`${channels} × ${h}²`, left + own / 2, top + own + 9);
    });
  }

  function lay(g, wide, tall) {
    g.save();
    g.translate((wide - tall) / 2, 0);
    backdrop(g, tall, holder, "rgba(0,0,0,0)");
    cells(g, state.step, 0, 0, tall, veils(state.opacity));
    g.restore();
  }
}
