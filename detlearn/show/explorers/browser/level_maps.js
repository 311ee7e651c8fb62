// Explorer of an M2Det's maps: a column for each level, a row for each scale, one of them on the scene.

import { field, legend, line } from "./legend.js";
import { between, element, hint, keys, layOut, loadImage, outline, radios, scenery, slider, stage, table } from "./page.js";
import { paintShades, tints, unpackShades, veils } from "./shades.js";

const LEFT = 44, TOP = 22, GAP = 6;

// Side of a tile in a grid of `levels` columns and `scales` rows, and where the grid begins.
export function gridOf(wide, levels, scales, tall = 540) {
  const most = Math.min((wide - LEFT) / levels, (tall - TOP) / scales) - GAP;
  const side = Math.max(8, Math.floor(most));
  return [side, LEFT + Math.max(0, Math.floor((wide - 2 * LEFT - levels * (side + GAP)) / 2))];
}

export function mount(app, options) {
  const { sizes, levels, boxes, size } = options, scales = sizes.length, [channels] = sizes[0];
  const count = levels * scales, shape = size[0] / size[1];
  const all = [0, 1].flatMap(() => Array.from({ length: count }, (_, i) => sizes[i % scales].slice(1)));
  const maps = unpackShades(options.maps, all);
  const state = { level: options.level, scale: options.scale, way: 0, opacity: 0.6 };

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, label: "", draw,
    height: (wide) => TOP + scales * (gridOf(wide, levels, scales)[0] + GAP),
  });
  picture.canvas.className = "picture";
  legend(left, [["low", field("rule", 1, "paper")], ["high in its own map", field("accent", 1, "accent")],
    ["chosen map", field("warm", 4)],
    ...(boxes.length ? [["object (truth)", line("ink", 1.6, "4 4")]] : [])]);
  const levelSlider = slider(right, "level", "level", { max: levels - 1 },
    (value) => { state.level = value; update(); });
  const scaleSlider = slider(right, "scale", "scale", { max: scales - 1 },
    (value) => { state.scale = value; update(); });
  radios(right, "way", "What is shown of a map", [["mean", "mean of its channels"],
    ["strongest", "its strongest channel"]], "mean",
  (key) => { state.way = key === "mean" ? 0 : 1; update(); });
  const opacitySlider = slider(right, "opacity", "opacity", { max: 1, step: 0.05 },
    (value) => { state.opacity = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "This map", ["", "value"]);
  const scene = stage(right, { id: "scene", label: "", draw: lay,
    height: (wide) => Math.min(wide, 252) * Math.min(1, shape) });
  hint(app, "With the grid focused: [→] next level, [←] the one before, [↓] next (coarser) scale, " +
    "[↑] the one before, [c] mean or strongest channel. Press on a map to choose it.");

  const choose = (level, scale) => {
    state.level = between(level, 0, levels - 1);
    state.scale = between(scale, 0, scales - 1);
    update();
  };
  const go = (right_, down) => () => choose(state.level + right_, state.scale + down);
  keys(picture.canvas, {
    ArrowRight: go(1, 0), ArrowLeft: go(-1, 0), ArrowDown: go(0, 1), ArrowUp: go(0, -1),
    c: () => document.getElementById(state.way ? "way-mean" : "way-strongest").click(),
  });
  picture.canvas.addEventListener("click", (event) => {
    const [side, begin] = gridOf(picture.width, levels, scales), each = side + GAP;
    choose(Math.floor((event.offsetX - begin) / each), Math.floor((event.offsetY - TOP) / each));
  });
  const holder = loadImage(options.image, () => update());

  const at = (level, scale) => level * scales + scale;

  function update() {
    const { level, scale, way } = state, [, h, w] = sizes[scale], here = at(level, scale);
    const { brightest, span, contrast } = options.facts[way][here], first = level * channels;
    levelSlider.show(level, `level ${level}`);
    scaleSlider.show(scale, `scale ${scale}`);
    opacitySlider.show(state.opacity, state.opacity.toFixed(2));
    facts.innerHTML = `Level ${level}, scale ${scale}: <b>${channels} × ${h} × ${w}</b>, channels ` +
      `<b>${first}</b> to <b>${first + channels - 1}</b> of ${channels * levels}; a cell is ` +
      `<b>${options.cells[scale]}</b> px wide.`;
    list.fill([
      ["brightest cell", `row ${brightest[0]}, column ${brightest[1]}`],
      ["lowest, mean, highest", span.join(", ")],
      ["channels that are 0 here", options.silent[here]],
      ...(boxes.length ? [["objects against the rest",
        contrast === null ? "no cell's centre lies in one" : `${contrast.toFixed(2)} times`]] : []),
    ].map((cells) => ({ cells })));
    picture.say(`All maps: ${levels} levels, ${scales} scales. ${facts.textContent} Arrow right: the next level.`);
    scene.say(`The scene under the map of level ${level}, scale ${scale}.`);
    picture.paint();
    scene.paint();
  }

  function draw(g, wide, tall, colours) {
    const [side, begin] = gridOf(wide, levels, scales), shades = tints();
    g.textBaseline = "middle";
    for (let level = 0; level < levels; level++) {
      const x = begin + level * (side + GAP);
      g.textAlign = "center";
      g.fillStyle = colours.ink;
      g.fillText(side < 50 ? level : `level ${level}`, x + side / 2, 11);
      for (let scale = 0; scale < scales; scale++) {
        const y = TOP + scale * (side + GAP), [, h, w] = sizes[scale], here = at(level, scale);
        paintShades(g, maps[state.way * count + here], [h, w], [x, y, side, side], shades);
        const chosen = level === state.level && scale === state.scale;
        outline(g, [x, y, x + side, y + side], chosen ? { colour: colours.warm, width: 4 }
          : { colour: colours.rule, width: 1 });
        if (level) continue;
        g.textAlign = "right";
        g.fillStyle = colours.ink;
        g.fillText(`${h}²`, begin - 8, y + side / 2);
      }
    }
  }

  function lay(g, wide, tall, colours) {
    const own = Math.min(wide, tall / shape);
    g.save();
    g.translate((wide - own) / 2, 0);
    scenery(g, [own, tall], holder, colours);
    paintShades(g, maps[state.way * count + at(state.level, state.scale)],
      sizes[state.scale].slice(1), [0, 0, own, tall], veils(state.opacity));
    for (const box of boxes) {
      outline(g, box.map((v, i) => v * (i % 2 ? tall : own)),
        { colour: colours.ink, width: 1.6, dash: [4, 4], halo: colours.halo });
    }
    g.restore();
  }
}
