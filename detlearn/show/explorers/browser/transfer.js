// TCB explorer: every map of the TCBs with all its links, with one link cut, and the difference.

import { sum } from "./geometry.js";
import { HATCH, field, glyph, legend } from "./legend.js";
import { backdrop, choice, element, hint, keys, layOut, loadImage, numberPlate, outline, radios, signed, slider, stage, table, theme } from "./page.js";

const RAMP = {
  light: [[240, 243, 246], [88, 174, 240], [0, 40, 90]],
  dark: [[32, 38, 45], [40, 120, 190], [200, 232, 255]],
};
const LESS = [213, 94, 0], MORE = [0, 114, 178];

// One byte a cell: for each map usual first, then every cut that reaches it, coarsest link last.
export function unpackMaps(text, sides, channels) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  let at = 0;
  return sides.map((side, level) => {
    const versions = {};
    for (const cut of [0, ...sides.keys()].filter((k, i) => i === 0 || k > level)) {
      versions[cut] = channels.map(() => bytes.subarray(at, (at += side * side)));
    }
    return versions;
  });
}

// Without a link nothing changes at its coarser end, or coarser still.
export const version = (maps, level, cut) => maps[level][cut] || maps[level][0];

// Mean absolute difference in the cells inside and outside the objects, in bytes.
export function gain(usual, other, side, boxes) {
  const parts = [[], []];
  usual.forEach((value, i) => {
    const x = ((i % side) + 0.5) / side, y = (Math.floor(i / side) + 0.5) / side;
    const inside = boxes.some(([x1, y1, x2, y2]) => x > x1 && x < x2 && y > y1 && y < y2);
    parts[inside ? 0 : 1].push(Math.abs(value - other[i]));
  });
  return parts.map((part) => (part.length ? sum(part) / part.length : 0));
}

export function mount(app, options) {
  const { sides, channels, boxes, names, found } = options, last = sides.length - 1;
  const maps = unpackMaps(options.maps, sides, channels);
  const state = { level: 0, cut: 1, channel: 0 };
  let panels = [];

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, label: "", height: (width) => width + 36, draw,
  });
  picture.canvas.className = "picture";
  legend(left, [["object", field("ink", 1.6)], ["value of a cell", field("none", 0, "accent")],
    ["gain: the link adds", field("none", 0, "#0072b2", 0.7)],
    ["the link takes away", field("none", 0, "#d55e00", 0.7) + glyph(HATCH, "ink", 1)]]);
  const levelSlider = slider(right, "level", "Map", { max: last },
    (value) => { state.level = value; update(); });
  radios(right, "cut", "Link that is cut", sides.slice(1).map((_, k) =>
    [String(k + 1), `cut ${k + 1} → ${k}`]), "1", (key) => { state.cut = Number(key); update(); });
  const channelChoice = choice(right, "channel", "Channel", channels.map((name, i) => [i, name]),
    (value) => { state.channel = Number(value); update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "Best score of each object's class, on its box",
    ["object", "all links", "one cut", "gain"]);
  hint(app, "With the picture focused: [→] a coarser map, [←] a finer one, [1] to " +
    `[${last}] cut the link from that map to the next finer one. A cut link carries zeros.`);
  const go = (by) => () => {
    state.level = Math.min(last, Math.max(0, state.level + by));
    update();
  };
  const cuts = Object.fromEntries(sides.slice(1).map((_, k) => [String(k + 1), () => {
    state.cut = k + 1;
    document.getElementById(`cut-${k + 1}`).checked = true;
    update();
  }]));
  keys(picture.canvas, { ArrowRight: go(1), ArrowLeft: go(-1), ...cuts });
  const holder = loadImage(options.image, () => update());

  function update() {
    const { level, cut, channel } = state, side = sides[level];
    const usual = version(maps, level, 0)[channel], other = version(maps, level, cut)[channel];
    panels = [usual, other];
    levelSlider.show(level, `${level}: ${side} × ${side}`);
    channelChoice.input.value = channel;
    const changed = sides.map((_, k) => k).filter((k) => maps[k][cut]);
    const [inside, outside] = gain(usual, other, side, boxes);
    facts.innerHTML = `Cut from map ${cut} to map ${cut - 1}: ` +
      `<b>${changed.length}</b> of ${sides.length} maps change (${changed.join(", ")}). ` +
      (level >= cut ? `Map ${level} stays as it is: help flows from coarse to fine.`
        : `Map ${level} changes by ${((100 * inside) / 255).toFixed(1)} % of its range in cells ` +
          `on objects, by ${((100 * outside) / 255).toFixed(1)} % elsewhere.`);
    list.fill(found.map((scores, g) => ({
      cells: [`${g + 1}: ${names[g]}`, scores[0].toFixed(2), scores[cut].toFixed(2),
        signed(scores[0] - scores[cut])],
    })));
    picture.say(`Map ${level} with all links, with one cut, and the difference. ` +
      `${facts.textContent} Arrow right: a coarser map.`);
    picture.paint();
  }

  function draw(g, width, tall, colours) {
    const half = (width - 10) / 2, dark = theme().paper !== "#ffffff", side = sides[state.level];
    const ramp = dark ? RAMP.dark : RAMP.light;
    const tint = (v) => mix(v < 128 ? [ramp[0], ramp[1]] : [ramp[1], ramp[2]], (v % 128) / 127);
    const [usual, other] = panels;
    const most = Math.max(1, ...usual.map((v, i) => Math.abs(v - other[i])));
    const shift = (d) => mix([ramp[0], d > 0 ? MORE : LESS], Math.abs(d) / most);
    g.save();
    g.translate(0, 20);
    backdrop(g, half, holder, "rgba(0,0,0,0)");
    frame(g, half, colours, true);
    g.restore();
    label(g, "the scene", 0, colours);
    cells(half + 10, 20, half, (i) => tint(usual[i]));
    label(g, "all links", half + 10, colours);
    const low = half + 46;
    cells(0, low, half, (i) => tint(other[i]));
    label(g, `link ${state.cut} → ${state.cut - 1} cut`, 0, colours, half + 26);
    cells(half + 10, low, half, (i) => shift(usual[i] - other[i]));
    label(g, "gain (− is hatched)", half + 10, colours, half + 26);

    function cells(x, y, wide, colour) {
      const each = wide / side, isGain = x > 0 && y > 20;
      g.save();
      g.translate(x, y);
      for (let i = 0; i < side * side; i++) {
        const [cx, cy] = [(i % side) * each, Math.floor(i / side) * each];
        g.fillStyle = colour(i);
        g.fillRect(cx, cy, each + 0.5, each + 0.5);
        const less = isGain && other[i] - usual[i] > most / 4;
        if (!less) continue; // no meaning by colour alone
        g.strokeStyle = colours.ink;
        g.lineWidth = 1;
        g.beginPath();
        g.moveTo(cx, cy + each);
        g.lineTo(cx + each, cy);
        g.stroke();
      }
      frame(g, wide, colours);
      g.restore();
    }
  }

  function frame(g, wide, colours, numbered = false) {
    boxes.forEach((box, n) => {
      const corners = box.map((v) => v * wide);
      outline(g, corners, { colour: colours.ink, width: 1.6, halo: colours.halo });
      if (numbered) numberPlate(g, n + 1, corners, wide, colours);
    });
    g.strokeStyle = colours.ink;
    g.lineWidth = 1.2;
    g.strokeRect(0.6, 0.6, wide - 1.2, wide - 1.2);
  }

  function label(g, text, x, colours, y = 0) {
    g.fillStyle = colours.ink;
    g.textBaseline = "middle";
    g.textAlign = "left";
    g.fillText(text, x, y + 10);
  }
}

const mix = ([from, to], share) =>
  `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * share)).join(",")})`;
