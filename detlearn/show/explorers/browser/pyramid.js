// Explorer of a network's maps: a channel over the image, a cell, and what the cell sees.

import { field, legend, line } from "./legend.js";
import { between, choice, element, hint, keys, layOut, loadImage, outline, plate, scenery, slider, stage, table } from "./page.js";
import { paintShades, tints, unpackShades, veils } from "./shades.js";

const ACROSS = 6, DOWN = 4, GAP = 6, PAGE = ACROSS * DOWN;

// For each map its channels by rank: their cells.
export function mapsOf(text, levels) {
  const all = unpackShades(text, levels.flatMap(({ shape, order }) => order.map(() => shape.slice(1))));
  return levels.map(({ order }) => all.splice(0, order.length));
}

// The cell of another map that lies where `cell` of `count` cells lies.
export const sameplace = (cell, count, other) =>
  Math.min(other - 1, Math.floor(((cell + 0.5) / count) * other));

export function mount(app, options) {
  const { levels, size, input } = options, maps = mapsOf(options.maps, levels);
  const shape = size[0] / size[1], [, H, W] = levels[0].shape;
  const state = { level: 0, rank: 0, row: H >> 1, column: W >> 1, opacity: 0.6 };

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, { id: "picture", keys: true, picture: true, label: "", draw,
    height: (wide) => Math.min(wide, 540) * Math.min(1, shape) });
  legend(left, [["low", field("rule", 1, "#ffffff")], ["high in its own channel", field("rule", 1, "#00285a")],
    ["cell", field("ink", 2.4)], ["what the cell sees", line("warm", 3, "7 5")]]);
  const levelChoice = choice(right, "level", "map", levels.map(({ name, shape: own }, k) =>
    [k, `${name}: ${own.join(" × ")}`]), (value) => choose(Number(value)));
  const rankSlider = slider(right, "rank", "channel", { max: 1 },
    (value) => { state.rank = value; update(); });
  const rowSlider = slider(right, "row", "row", { max: 1 },
    (value) => { state.row = value; update(); });
  const columnSlider = slider(right, "column", "column", { max: 1 },
    (value) => { state.column = value; update(); });
  const opacitySlider = slider(right, "opacity", "opacity", { max: 1, step: 0.05 },
    (value) => { state.opacity = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "What a cell of this map sees", ["receptive field", "in the picture", "stride"]);
  const tiles = stage(right, { id: "tiles", label: "", draw: tile,
    height: (wide) => DOWN * (sideOf(wide) + GAP) });
  hint(app, "With the picture focused: [→] [←] [↓] [↑] another cell, [Page Down] next channel by rank, " +
    "[Page Up] the one before, [n] next map, [p] the one before. Press on a cell or a channel to choose it.");

  const sideOf = (wide) => Math.floor((wide - (ACROSS - 1) * GAP) / ACROSS);
  function choose(level) {
    const [, h, w] = levels[state.level].shape, [, rows, columns] = levels[level].shape;
    state.row = sameplace(state.row, h, rows);
    state.column = sameplace(state.column, w, columns);
    state.rank = 0;
    state.level = level;
    update();
  }
  const go = (down, across) => () => {
    const [, h, w] = levels[state.level].shape;
    state.row = between(state.row + down, 0, h - 1);
    state.column = between(state.column + across, 0, w - 1);
    update();
  };
  const rank = (by) => () => {
    state.rank = between(state.rank + by, 0, levels[state.level].order.length - 1);
    update();
  };
  const next = (by) => () => {
    const level = between(state.level + by, 0, levels.length - 1);
    if (level !== state.level) choose(level);
  };
  keys(picture.canvas, {
    ArrowRight: go(0, 1), ArrowLeft: go(0, -1), ArrowDown: go(1, 0), ArrowUp: go(-1, 0),
    PageDown: rank(1), PageUp: rank(-1), n: next(1), p: next(-1),
  });
  picture.canvas.addEventListener("click", (event) => {
    const [, h, w] = levels[state.level].shape, [own, begin] = placed(picture.width, picture.tall);
    state.row = between(Math.floor((event.offsetY / picture.tall) * h), 0, h - 1);
    state.column = between(Math.floor(((event.offsetX - begin) / own) * w), 0, w - 1);
    update();
  });
  tiles.canvas.addEventListener("click", (event) => {
    const each = sideOf(tiles.width) + GAP, across = Math.floor(event.offsetX / each);
    const at = first() + ACROSS * Math.floor(event.offsetY / each) + Math.min(across, ACROSS - 1);
    if (at < levels[state.level].order.length) { state.rank = at; update(); }
  });
  const holder = loadImage(options.image, () => update());

  const first = () => Math.floor(state.rank / PAGE) * PAGE;

  // Width of the image in its canvas, and where it begins.
  function placed(wide, tall) {
    const own = Math.min(wide, tall / shape);
    return [own, (wide - own) / 2];
  }

  // x1, y1, x2, y2 of what the chosen cell sees, px of the network's input.
  function seen() {
    const { rows, columns } = levels[state.level];
    const [y1, y2] = rows[state.row], [x1, x2] = columns[state.column];
    return [x1, y1, x2, y2];
  }

  function update() {
    const { name, shape: [count, h, w], order, spans, field: [fh, fw], stride, exact } = levels[state.level];
    const [x1, y1, x2, y2] = seen(), most = exact ? "" : "at most ";
    levelChoice.input.value = state.level;
    rankSlider.show(state.rank, `rank ${state.rank}`, count - 1);
    rowSlider.show(state.row, `row ${state.row}`, h - 1);
    columnSlider.show(state.column, `column ${state.column}`, w - 1);
    opacitySlider.show(state.opacity, state.opacity.toFixed(2));
    facts.innerHTML = `<b>${name}</b>, channel <b>${order[state.rank]}</b> of ${count}: from ` +
      `${spans[state.rank][0]} to ${spans[state.rank][1]}. Cell (${state.row}, ${state.column}) sees ` +
      `${most}<b>${x2 - x1} × ${y2 - y1} px</b> of its field of ${fw} × ${fh}.`;
    list.fill([{ cells: [`${most}${fw} × ${fh} px`, `${x2 - x1} × ${y2 - y1} px`,
      stride[0] === stride[1] ? `${stride[0]} px` : `${stride[1]} × ${stride[0]} px`] }]);
    picture.say(`${facts.textContent} Arrow right: the next cell.`);
    tiles.say(`Channels of ${name}, strongest first, from rank ${first()}.`);
    picture.paint();
    tiles.paint();
  }

  function draw(g, wide, tall, colours) {
    const [, h, w] = levels[state.level].shape, [own, begin] = placed(wide, tall);
    g.save();
    g.translate(begin, 0);
    scenery(g, [own, tall], holder, colours);
    paintShades(g, maps[state.level][state.rank], [h, w], [0, 0, own, tall], veils(state.opacity));
    const sx = own / input[1], sy = tall / input[0], [x1, y1, x2, y2] = seen();
    const inset = ([a, b, c, d]) => [Math.max(a, 2), Math.max(b, 2), Math.min(c, own - 2), Math.min(d, tall - 2)];
    outline(g, inset([x1 * sx, y1 * sy, x2 * sx, y2 * sy]),
      { colour: colours.warm, width: 3, dash: [7, 5], halo: colours.halo });
    const [x, y] = [(state.column * own) / w, (state.row * tall) / h];
    outline(g, [x, y, x + own / w, y + tall / h], { colour: colours.ink, width: 2.4, halo: colours.halo });
    g.restore();
  }

  function tile(g, wide, tall, colours) {
    const side = sideOf(wide), { shape: [, h, w], order } = levels[state.level], shades = tints();
    g.font = "11px system-ui, sans-serif";
    order.slice(first(), first() + PAGE).forEach((channel, i) => {
      const x = (i % ACROSS) * (side + GAP), y = Math.floor(i / ACROSS) * (side + GAP);
      paintShades(g, maps[state.level][first() + i], [h, w], [x, y, side, side], shades);
      plate(g, String(channel), x, y + 9, { colour: colours.ink, paper: colours.paper });
      const chosen = first() + i === state.rank;
      outline(g, chosen ? [x + 2, y + 2, x + side - 2, y + side - 2] : [x, y, x + side, y + side],
        chosen ? { colour: colours.warm, width: 4 } : { colour: colours.rule, width: 1 });
    });
  }
}
