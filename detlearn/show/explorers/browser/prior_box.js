// Prior-box explorer. The reader's browser computes and draws every box from the few numbers of
// the layout: nothing is loaded, no kernel is needed.

import { boxIou, cellPriors, coverage, decode, encode, firstIndex, iouWithPriors, levelPriors, locate, makePriors, match, priorAt, priorCenter, priorsPerCell, priorsPerLevel, sum, toCenter, toCorners } from "./geometry.js";
import { ARROW, CROSS, DOT, field, glyph, legend, line } from "./legend.js";
import { groupsOf, ownBoxes } from "./own_boxes.js";
import { DASHES, arrow, backdrop, boxKeys, boxSliders, check, choice, dragBoxes, drawObject, element, hint, layOut, loadImage, outline, plate, plural, px, radios, signed, slider, stage, table, theme, thousands } from "./page.js";

const OVERHANG = 0.16; // of the image side, drawn around the image
const OWN = "your own";

// Where coverage is sampled: three shapes of each side, each at 7 x 7 places in the image.
const SIDES = [0.05, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95];

export function sampleObjects(side, places = 7) {
  const objects = [];
  for (const ratio of [1, 2, 0.5]) {
    const w = Math.min(1, side * Math.sqrt(ratio)), h = Math.min(1, side / Math.sqrt(ratio));
    for (let n = 0; n < places * places; n++) {
      const x = ((n % places) + 0.37) / places, y = (Math.floor(n / places) + 0.71) / places;
      objects.push([x * (1 - w), y * (1 - h), x * (1 - w) + w, y * (1 - h) + h]);
    }
  }
  return objects;
}

export function mount(app, options) {
  const layouts = { ...options.layouts }, names = Object.keys(layouts);
  const state = {
    name: names[0], level: options.level, row: options.row, column: options.column,
    all: false, clamp: true, picked: -1, mode: options.box ? "object" : "cell",
    box: options.box || [0.57, 0.32, 0.87, 0.78], threshold: 0.5, rank: 0,
  };
  const layout = () => layouts[state.name];
  const side = () => layout().map_sizes[state.level];
  // A layout without a clamp of its own shows what the usual one would do.
  const clampRule = () => (layout().clamp === "none" ? "all" : layout().clamp);
  const clampNow = () => (state.clamp ? clampRule() : "none");
  const resetClamp = () => { state.clamp = layout().clamp !== "none"; };
  resetClamp();

  // What costs time is computed once for each layout.
  const samples = SIDES.map((one) => sampleObjects(one));
  let edits = 0, samplesOf = samples; // or the reader's own boxes
  const kept = new Map();
  function once(what, compute) {
    const key = [state.name, edits, clampNow()].join();
    const entry = kept.get(what);
    if (entry && entry.key === key) return entry.value;
    const value = compute();
    kept.set(what, { key, value });
    return value;
  }
  const allPriors = () => once("priors", () => makePriors(layout(), clampNow()));
  const covered = () => once("coverage", () =>
    samplesOf.map((objects) => coverage(objects, layout(), clampNow())));

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (width) => width, draw,
  });
  picture.canvas.style.maxWidth = "330px";
  const cellLegend = legend(left, [["image", field("ink", 1.6)], ["the cell", field("none", 0, "cell")],
    ["its centre", glyph(CROSS, "ink", 2.2)], ["its priors, as in the list", line("line0", 2.6)]]);
  const objectLegend = legend(left, [["object", field("ink", 3)],
    ["IoU with a prior, pale to full", field("none", 0, "accent", 0.7)],
    ["positive prior", glyph(DOT, "warm", 1.6)], ["the prior chosen", line("warm", 3, "9 4")],
    ["to the object: centre, width, height", glyph(ARROW, "warm")]]);
  const heat = element(left, "div", { class: "late" });
  element(heat, "p", { class: "hint" }, "IoU with every prior, a map for each prior of a cell:");
  const tiles = stage(heat, {
    id: "tiles", label: "", height: (width) => tileGrid(width).tall, draw: drawTiles,
  });
  const covering = element(left, "div", { class: "late" });
  const coverageWords = element(covering, "p", { class: "hint", id: "coverage" });
  const chart = stage(covering, { id: "chart", label: "", height: () => 96, draw: drawCoverage });

  ownBoxes(covering, (boxes) => {
    state.mine = boxes;
    samplesOf = boxes ? groupsOf(boxes, SIDES) : samples;
    edits++;
    update();
  });
  const choose = choice(right, "layout", "Layout", [], (value) => {
    const oldSide = side();
    if (value === OWN) copyLayout();
    state.name = value;
    resetClamp();
    toLevel(state.level, oldSide);
  });
  for (const name of [...names, OWN]) element(choose.input, "option", { value: name });
  const own = element(right, "div", { id: "own", class: "framed pairs", hidden: "" });
  radios(right, "mode", "What is shown", [["cell", "boxes of a cell"],
    ["object", "IoU with an object"]], state.mode, (value) => {
      state.mode = value;
      if (value === "object") toLevel(measure());
      else update();
    });
  const levelSlider = slider(right, "level", "Level", {}, (value) => toLevel(value));
  const cellControls = element(right, "div");
  const objectControls = element(right, "div", { class: "pairs" });
  const rowSlider = slider(cellControls, "row", "Row", {}, (value) => toCell(value, state.column));
  const columnSlider = slider(cellControls, "column", "Column", {},
    (value) => toCell(state.row, value));
  const showBox = boxSliders(objectControls, "px", () => layout().image_size, () => state.box,
    (box) => toBox(box));
  const thresholdSlider = slider(right, "threshold", "IoU ≥", { min: 5, max: 95, step: 5 },
    (value) => { state.threshold = value / 100; state.rank = 0; update(); });
  const checks = element(right, "div", { class: "checks" });
  const allBox = check(checks, "all", "all of this level",
    (on) => { state.all = on; update(); });
  const clampBox = check(checks, "clamp", "", (on) => { state.clamp = on; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const cellPanel = element(right, "div"), objectPanel = element(right, "div");
  const list = table(cellPanel, "The priors of this cell, in px of the network input",
    ["prior", "w × h", "x1, y1", "x2, y2", "~index"]);
  const best = slider(objectPanel, "rank", "Prior", {},
    (value) => { state.rank = value; update(); });
  const coded = table(objectPanel, "", ["px", "cx", "cy", "w", "h"], "coded");
  const responsible = table(objectPanel, "", ["prior", "IoU", "row", "column", "w × h"],
    "responsible");
  const cellHint = hint(app, "Click or drag on the picture; with the picture focused, [←] [→] [↑] [↓] move " +
    "the cell, [Page Up] and [Page Down] change the level.");
  const objectHint = hint(app, "Drag the object, or its corners; with the picture focused, arrow keys move " +
    "it, with [Shift] they size it, [Page Up] and [Page Down] change the level. Click a small " +
    "map to go to its level.");

  // ---- a layout of the reader's own: a copy of the one shown, changed level by level

  function copyLayout() {
    if (state.name === OWN) return;
    layouts[OWN] = JSON.parse(JSON.stringify(layout()));
    edits++;
  }
  const edit = (change) => (value) => {
    const oldSide = side();
    change(layout(), state.level, value);
    edits++;
    toLevel(state.level, oldSide);
  };
  const ownSliders = {
    step: slider(own, "own-step", "step", { min: 4, max: 300 }, edit((l, k, value) => {
      l.steps[k] = value;
      l.map_sizes[k] = Math.ceil(l.image_size / value);
    })),
    min: slider(own, "own-min", "small side", { min: 4, max: 300 }, edit((l, k, value) => {
      l.min_sizes[k] = value;
      if (l.max_sizes.length) l.max_sizes[k] = Math.max(value, l.max_sizes[k]);
    })),
    max: slider(own, "own-max", "large side", { min: 4, max: 300 }, edit((l, k, value) => {
      l.max_sizes[k] = value;
      l.min_sizes[k] = Math.min(value, l.min_sizes[k]);
    })),
  };
  const ratioSliders = [0, 1, 2].map((i) =>
    slider(own, `own-ratio-${i}`, `ratio ${i + 1}`, { min: 10, max: 60, step: 1 },
      edit((l, k, value) => {
        const ratios = l.aspect_ratios[k].slice();
        ratios[i] = value / 10;
        l.aspect_ratios[k] = ratios.filter((ratio) => ratio > 1);
      })));

  function showOwn() {
    if (state.name !== OWN) return;
    const l = layout(), k = state.level, size = l.image_size;
    ownSliders.step.show(l.steps[k], `${px(l.steps[k])} px`, size);
    ownSliders.min.show(l.min_sizes[k], `${px(l.min_sizes[k])} px`, Math.ceil(1.1 * size));
    const none = !l.max_sizes.length;
    ownSliders.max.show(none ? 4 : l.max_sizes[k], none ? "none" : `${px(l.max_sizes[k])} px`,
      none ? 4 : Math.ceil(1.1 * size));
    ratioSliders.forEach((one, i) => {
      const ratio = l.aspect_ratios[k][i];
      one.row.hidden = i > l.aspect_ratios[k].length;
      one.show(ratio ? 10 * ratio : 10, ratio ? `${px(ratio)} : 1` : "none");
    });
  }

  // ---- moving

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
    state.rank = 0;
    update();
  }

  function toBox(box) {
    state.box = box;
    state.rank = 0;
    update();
  }

  const place = () => {
    const scale = picture.width / (1 + 2 * OVERHANG);
    return [OVERHANG * scale, OVERHANG * scale, scale];
  };
  dragBoxes(picture.canvas, {
    boxes: () => (state.mode === "object" ? [state.box] : []),
    current: () => 0,
    place,
    change: (_, box) => toBox(box),
    other(x, y) {
      if (state.mode === "object") return false;
      const [start, , scale] = place();
      const step = (layout().steps[state.level] / layout().image_size) * scale;
      toCell(Math.floor((y - start) / step), Math.floor((x - start) / step));
      return true;
    },
  });
  const cellKey = (down, across) => () => toCell(state.row + down, state.column + across);
  const cellMoves = {
    ArrowUp: cellKey(-1, 0), ArrowDown: cellKey(1, 0), ArrowLeft: cellKey(0, -1),
    ArrowRight: cellKey(0, 1), Home: () => toCell(state.row, 0),
    End: () => toCell(state.row, side() - 1),
  };
  picture.canvas.addEventListener("keydown", (event) => {
    if (state.mode !== "cell" || !cellMoves[event.key]) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    cellMoves[event.key]();
  });
  boxKeys(picture.canvas, () => state.box, toBox, {
    PageUp: () => toLevel(state.level + 1), PageDown: () => toLevel(state.level - 1),
  });
  tiles.canvas.addEventListener("click", (event) => {
    const { tile, left: start } = tileGrid(tiles.width);
    const area = tiles.canvas.getBoundingClientRect();
    const level = Math.floor((event.clientY - area.top) / (tile + 4));
    if (event.clientX - area.left > start && level >= 0) toLevel(level);
  });
  const holder = loadImage(options.image, () => update());

  // ---- what is shown

  let found = null; // IoU of the object with all priors, and who is positive

  function measure() {
    const priors = allPriors();
    const matched = match([state.box], priors, state.threshold);
    const positive = [];
    matched.gtIndex.forEach((g, i) => { if (g >= 0) positive.push(i); });
    positive.sort((a, b) => matched.iou[b] - matched.iou[a] || a - b);
    // The forced one first: of equal IoUs it is the one that was taken.
    positive.splice(positive.indexOf(matched.best[0]), 1);
    positive.unshift(matched.best[0]);
    found = { priors, positive, iou: matched.iou, best: matched.best[0] };
    state.rank = Math.min(state.rank, positive.length - 1);
    return locate(layout(), found.best).level;
  }

  function update() {
    const l = layout(), k = state.level, s = side(), size = l.image_size;
    const counts = priorsPerLevel(l);
    for (const option of choose.input.options) {
      const name = option.value;
      const total = name === OWN && state.name !== OWN ? 0 : sum(priorsPerLevel(layouts[name]));
      option.textContent = total ? `${name}: ${thousands(total)} priors` :
        "your own: start from this one";
    }
    choose.input.value = state.name;
    showOwn();
    levelSlider.show(k, `${k}: ${s} × ${s}`, l.map_sizes.length - 1);
    thresholdSlider.show(Math.round(100 * state.threshold), state.threshold.toFixed(2));
    allBox.input.checked = state.all;
    clampBox.input.checked = state.clamp;
    clampBox.words.textContent =
      clampRule() === "all" ? "clamp cx, cy, w, h to 0–1" : "clamp w, h to 0–1";
    const inCell = state.mode === "cell";
    for (const part of [cellPanel, cellControls, cellLegend, cellHint, covering, allBox.input.parentElement]) {
      part.hidden = !inCell;
    }
    own.hidden = !inCell || state.name !== OWN;
    for (const part of [objectPanel, objectControls, objectLegend, objectHint, heat]) {
      part.hidden = inCell;
    }
    if (inCell) updateCell(l, k, s, size, counts);
    else updateObject(l, k, size, counts);
    const ious = covered(), reach = (one) => one.filter((iou) => iou >= state.threshold).length;
    const shares = ious.map((one) => (one.length ? reach(one) / one.length : NaN));
    const percent = (share) => (Number.isNaN(share) ? "none" : `${Math.round(100 * share)} %`);
    const all = sum(ious.map(reach)) / sum(ious.map((one) => one.length));
    const whose = state.mine ? `${thousands(state.mine.length)} boxes of your own` :
      "sample objects (11 sizes, 3 shapes, 49 places)";
    coverageWords.textContent = `Coverage: ${percent(all)} of ${whose} have a prior of IoU ≥ ` +
      `${state.threshold.toFixed(2)}. By side of the object, in % of the image's:`;
    chart.say(coverageWords.textContent + shares.map((share, i) =>
      ` ${Math.round(100 * SIDES[i])}: ${percent(share)}`).join(","));
    picture.paint();
    if (!inCell) tiles.paint();
    chart.shares = shares;
    chart.paint();
  }

  function updateCell(l, k, s, size, counts) {
    const each = priorsPerCell(l, k);
    const priors = cellPriors(l, k, state.row, state.column, clampNow());
    const free = cellPriors(l, k, state.row, state.column, "none");
    const changed = priors.filter((p, i) => p.some((v, j) => v !== free[i][j])).length;
    rowSlider.show(state.row, `${state.row} of 0–${s - 1}`, s - 1);
    columnSlider.show(state.column, `${state.column} of 0–${s - 1}`, s - 1);
    const [cx, cy] = priorCenter(l, k, state.row, state.column).map((v) => v * size);
    facts.innerHTML = `Level ${k}: ${s} × ${s} cells × ${each} priors = ` +
      `<b>${thousands(counts[k])}</b> of ${thousands(sum(counts))}. Cell row ${state.row}, column ` +
      `${state.column}: centre <b>(${px(cx)}, ${px(cy)})</b> = ` +
      `(column + ½, row + ½) × step ${px(l.steps[k])}.` +
      (changed ? ` The clamp changes ${changed} of ${each} here.` : "");
    const first = firstIndex(l, k, state.row, state.column);
    list.fill(priors.map((prior, i) => {
      const corners = toCorners(prior).map((v) => px(v * size));
      return {
        swatch: i,
        cells: [String(i), `${px(prior[2] * size)} × ${px(prior[3] * size)}`,
          `${corners[0]}, ${corners[1]}`, `${corners[2]}, ${corners[3]}`, thousands(first + i)],
        point: (on) => { state.picked = on ? i : -1; picture.paint(); },
      };
    }));
    picture.say(`Image with the grid of level ${k} and the ${each} prior boxes of row ` +
      `${state.row}, column ${state.column}. Arrow keys move the cell.`);
  }

  function updateObject(l, k, size, counts) {
    measure();
    const { positive, iou, priors } = found, at = state.threshold.toFixed(2);
    const reached = positive.filter((i) => iou[i] >= state.threshold).length;
    const homes = positive.map((i) => locate(l, i));
    const perLevel = l.map_sizes.map((_, level) =>
      homes.filter((home, n) => home.level === level && iou[positive[n]] >= state.threshold).length);
    const where = perLevel.map((n, level) => (n ? `level ${level}: ${n}` : "")).filter(Boolean);
    const top = homes[0], bestIou = iou[positive[0]];
    facts.innerHTML = `<b>${plural(reached, "prior")}</b> of ${thousands(sum(counts))} reach IoU ` +
      `${at}${where.length ? ` (${where.join(", ")})` : ""}. Best: <b>${bestIou.toFixed(3)}</b>, ` +
      `level ${top.level}, row ${top.row}, column ${top.column}, prior ${top.prior}; ` +
      (bestIou < state.threshold
        ? "below the threshold, so it is <b>forced</b>: without that rule nobody would learn " +
          "this object."
        : "it would be forced, but is positive anyway.");
    showBox();
    const chosen = positive[state.rank], home = homes[state.rank];
    best.show(state.rank, `${state.rank + 1} of ${positive.length}`, positive.length - 1);
    const prior = priorAt(priors, chosen), deltas = encode(state.box, prior);
    const pixels = (values) => values.map((v) => px(v * size));
    coded.title.textContent = `Encode: prior ${home.prior} of level ${home.level}, row ` +
      `${home.row}, column ${home.column} (index ${thousands(chosen)})`;
    coded.fill([
      { cells: ["prior", ...pixels(prior)] },
      { cells: ["object", ...pixels(toCenter(state.box))] },
      { cells: ["offset", ...deltas.map((d, i) => signed(d * (i < 2 ? 0.1 : 0.2), 3))] },
      { cells: ["÷ scale", "0.1", "0.1", "0.2", "0.2"] },
      { cells: ["deltas", ...deltas.map((d) => signed(d, 3))], picked: true },
      { cells: ["decoded", ...pixels(toCenter(decode(deltas, prior)))] },
    ]);
    const shown = positive.slice(0, 4);
    responsible.title.textContent = positive.length > 4 ?
      `The best 4 of ${positive.length} responsible priors` : "The responsible priors";
    responsible.fill(shown.map((i, n) => ({
      picked: n === state.rank,
      cells: [`${homes[n].level}.${homes[n].prior}` +
        (iou[i] < state.threshold ? " forced" : ""), iou[i].toFixed(3), homes[n].row,
      homes[n].column, `${px(priors[4 * i + 2] * size)} × ${px(priors[4 * i + 3] * size)}`],
      pick: () => { state.rank = n; update(); },
    })));
    picture.say(`Image with an object and the IoU of level ${k}'s cells with it. ` +
      "Arrow keys move the object, with Shift they size it.");
    tiles.say(`Small maps, one for each level and prior of a cell: where the IoU with the object ` +
      `is high. ${facts.textContent}`);
  }

  // All boxes of a level are drawn once and kept until level, layout, clamp or size change.
  const mesh = { key: "", canvas: document.createElement("canvas") };
  function levelMesh(scale, colours) {
    const ratio = picture.canvas.width / picture.width;
    const key = [state.name, edits, state.level, clampNow(), picture.canvas.width,
      colours[0]].join();
    if (key === mesh.key) return mesh.canvas;
    mesh.key = key;
    mesh.canvas.width = mesh.canvas.height = picture.canvas.width;
    const g = mesh.canvas.getContext("2d");
    const each = priorsPerCell(layout(), state.level);
    const priors = levelPriors(layout(), state.level, clampNow());
    g.scale(ratio, ratio);
    g.translate(OVERHANG * scale, OVERHANG * scale);
    g.lineWidth = Math.max(1 / ratio, scale / 700);
    g.globalAlpha = Math.min(0.8, Math.max(0.1, 12 / Math.sqrt(priors.length)));
    for (let i = 0; i < each; i++) {
      g.strokeStyle = colours[i % 6];
      g.beginPath();
      for (let n = 4 * i; n < priors.length; n += 4 * each) {
        const [w, h] = [priors[n + 2] * scale, priors[n + 3] * scale];
        g.rect(priors[n] * scale - w / 2, priors[n + 1] * scale - h / 2, w, h);
      }
      g.stroke();
    }
    return mesh.canvas;
  }

  // One small picture of a map: a pixel per cell, the stronger the larger the IoU.
  const scratch = document.createElement("canvas");
  function heatMap(values, n, colour) {
    scratch.width = scratch.height = n;
    const g = scratch.getContext("2d"), image = g.createImageData(n, n);
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    for (let i = 0, at = 0; i < n * n; i++) {
      image.data[at++] = red;
      image.data[at++] = green;
      image.data[at++] = blue;
      image.data[at++] = 255 * values[i];
    }
    g.putImageData(image, 0, 0);
    return scratch;
  }

  function draw(g, width, tall, colours) {
    const [start, , scale] = place();
    const l = layout(), k = state.level, n = side();
    const step = (l.steps[k] / l.image_size) * scale;
    g.translate(start, start);
    backdrop(g, scale, holder, colours.veil);
    if (state.mode === "object") {
      const each = priorsPerCell(l, k), first = firstIndex(l, k, 0, 0);
      const best = new Float64Array(n * n);
      for (let i = 0; i < n * n * each; i++) {
        const cell = Math.floor(i / each);
        best[cell] = Math.max(best[cell], found.iou[first + i] / found.iou[found.best] || 0);
      }
      g.imageSmoothingEnabled = false;
      g.globalAlpha = 0.85;
      g.drawImage(heatMap(best, n, colours.accent), 0, 0, n * step, n * step);
      g.globalAlpha = 1;
    }
    g.strokeStyle = colours.grid;
    g.lineWidth = n > 40 ? 0.5 : 1;
    g.beginPath();
    for (let i = 0; i <= n; i++) {
      g.moveTo(i * step, 0);
      g.lineTo(i * step, n * step);
      g.moveTo(0, i * step);
      g.lineTo(n * step, i * step);
    }
    g.stroke();
    g.strokeStyle = colours.ink;
    g.lineWidth = 1.6;
    g.strokeRect(0, 0, scale, scale);
    if (state.mode === "cell") {
      g.fillStyle = colours.cell;
      g.fillRect(state.column * step, state.row * step, step, step);
    }
    if (state.all) {
      const ratio = picture.canvas.width / picture.width;
      g.save();
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.drawImage(levelMesh(scale, colours.lines), 0, 0);
      g.restore();
      g.setTransform(ratio, 0, 0, ratio, start * ratio, start * ratio);
    }
    if (state.mode === "cell") drawCell(g, scale, colours);
    else drawMatch(g, scale, colours);
  }

  function drawCell(g, scale, colours) {
    const l = layout(), k = state.level;
    const priors = cellPriors(l, k, state.row, state.column, clampNow());
    const order = priors.map((_, i) => i);
    if (state.picked >= 0) order.push(order.splice(state.picked, 1)[0]);
    for (const i of order) {
      g.globalAlpha = state.picked >= 0 && i !== state.picked ? 0.35 : 1;
      outline(g, toCorners(priors[i]).map((v) => v * scale), {
        colour: colours.lines[i % 6], width: i === state.picked ? 5 : 2.6, dash: DASHES[i % 6],
        halo: colours.halo,
      });
    }
    g.globalAlpha = 1;
    const [cx, cy] = priorCenter(l, k, state.row, state.column).map((v) => v * scale);
    for (const [colour, width] of [[colours.halo, 5], [colours.ink, 2.2]]) {
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.beginPath();
      g.moveTo(cx - 8, cy);
      g.lineTo(cx + 8, cy);
      g.moveTo(cx, cy - 8);
      g.lineTo(cx, cy + 8);
      g.stroke();
    }
  }

  function drawMatch(g, scale, colours) {
    const { positive, priors } = found;
    const corners = (i) => toCorners(priorAt(priors, i)).map((v) => v * scale);
    g.globalAlpha = 0.5;
    for (const i of positive.slice(0, 400)) {
      outline(g, corners(i), { colour: colours.warm, width: 1.3 });
    }
    g.globalAlpha = 1;
    const chosen = positive[state.rank], box = state.box.map((v) => v * scale);
    drawObject(g, box, colours, { name: "" });
    const prior = corners(chosen);
    outline(g, prior, { colour: colours.warm, width: 3, dash: [9, 4], halo: colours.halo });
    const [px1, py1] = toCenter(prior), [gx, gy] = toCenter(box);
    for (const [colour, width] of [[colours.halo, 6], [colours.warm, 2.6]]) {
      arrow(g, px1, py1, gx, gy, colour, width);
      arrow(g, prior[2], py1, box[2], py1, colour, width);
      arrow(g, px1, prior[3], px1, box[3], colour, width);
    }
    const text = `IoU ${found.iou[chosen].toFixed(2)}`;
    const above = Math.min(prior[1], box[1]) - 14;
    plate(g, text, gx, Math.max(-30, above), { colour: colours.ink, paper: colours.halo, align: "center" });
  }

  function tileGrid(width) {
    const l = layout(), start = 58;
    const columns = Math.max(...l.map_sizes.map((_, level) => priorsPerCell(l, level)));
    const room = Math.min((width - start) / columns, 192 / l.map_sizes.length);
    const tile = Math.floor(room) - 4;
    return { tile, left: start, tall: l.map_sizes.length * (tile + 4) };
  }

  function drawTiles(g, width, tall, colours) {
    const l = layout(), { tile, left: start } = tileGrid(width);
    const strongest = found.iou[found.best] || 1;
    g.imageSmoothingEnabled = false;
    l.map_sizes.forEach((n, level) => {
      const each = priorsPerCell(l, level), first = firstIndex(l, level, 0, 0);
      const top = 1 + level * (tile + 4);
      g.fillStyle = level === state.level ? colours.ink : colours.muted;
      g.textBaseline = "middle";
      g.fillText(`level ${level}`, 0, top + tile / 2);
      for (let p = 0; p < each; p++) {
        const x = start + p * (tile + 4);
        const values = new Float64Array(n * n);
        for (let c = 0; c < n * n; c++) values[c] = found.iou[first + c * each + p] / strongest;
        g.fillStyle = colours.field;
        g.fillRect(x, top, tile, tile);
        g.drawImage(heatMap(values, n, colours.accent), x, top, tile, tile);
        g.strokeStyle = level === state.level ? colours.ink : colours.rule;
        g.lineWidth = level === state.level ? 1.6 : 1;
        g.strokeRect(x, top, tile, tile);
      }
    });
    // Positive priors: a ring on their cell.
    g.strokeStyle = colours.warm;
    g.lineWidth = 1.6;
    g.beginPath();
    for (const i of found.positive.slice(0, 400)) {
      const home = locate(l, i), n = l.map_sizes[home.level];
      const x = start + home.prior * (tile + 4) + ((home.column + 0.5) / n) * tile;
      const y = 1 + home.level * (tile + 4) + ((home.row + 0.5) / n) * tile;
      const radius = Math.max(2.2, Math.min(7, (0.4 * tile) / n));
      g.moveTo(x + radius, y);
      g.arc(x, y, radius, 0, 7);
    }
    g.stroke();
  }

  function drawCoverage(g, width, tall, colours) {
    const start = 50, top = 9, floor = tall - 22, wide = (width - start) / SIDES.length;
    g.fillStyle = colours.muted;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      const y = floor - share * (floor - top);
      g.fillText(`${100 * share} %`, start - 6, y);
      g.fillStyle = colours.rule;
      g.fillRect(start, y, width - start, 1);
      g.fillStyle = colours.muted;
    }
    g.textAlign = "center";
    (chart.shares || []).forEach((share, i) => {
      if (Number.isNaN(share)) share = 0;
      const x = start + i * wide, y = floor - share * (floor - top);
      g.fillStyle = colours.accent;
      g.fillRect(x + wide * 0.18, y, wide * 0.64, floor - y);
      g.fillStyle = colours.muted;
      g.fillText(String(Math.round(100 * SIDES[i])), x + wide / 2, floor + 12);
    });
    g.textAlign = "left";
  }
}
