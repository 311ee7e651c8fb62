// Matching explorer: several objects, all priors of a layout; who is positive, forced, mined, and
// how many objects of a data set the layout can serve at all.

import { coverage, makePriors, match, miningPlan, priorAt, priorsPerLevel, sum, toCorners } from "./geometry.js";
import { field, legend, line } from "./legend.js";
import { DASHES, backdrop, between, boxKeys, boxSliders, button, check, choice, dragBoxes, drawObject, element, hint, layOut, loadImage, outline, plural, px, slider, stage, table, thousands } from "./page.js";

const EDGES = [0, 4, 6, 9, 13, 19, 27, 38, 54, 101]; // side of an object, % of the image's
const MOST = 6;

// No network answers here. In its place: a prior's loss grows with its IoU (near misses are what
// a network gets wrong), plus a noise that is the same every time.
const noise = [];
export function standInLoss(iou) {
  while (noise.length < iou.length) {
    const wild = Math.sin((noise.length + 1) * 12.9898) * 43758.5453;
    noise.push(0.5 * (wild - Math.floor(wild)));
  }
  const loss = new Float64Array(iou.length);
  for (let i = 0; i < loss.length; i++) loss[i] = 3 * iou[i] + noise[i];
  return loss;
}

export function scaled(layout, factor) {
  const times = (sizes) => sizes.map((size) => size * factor);
  return { ...layout, min_sizes: times(layout.min_sizes), max_sizes: times(layout.max_sizes) };
}

// Objects travel as 16-bit fractions: eight bytes each.
export function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), objects = [];
  for (let at = 0; at < bytes.length; at += 8) {
    objects.push([0, 2, 4, 6].map((byte) => view.getUint16(at + byte, true) / 65535));
  }
  return objects;
}

export function mount(app, options) {
  const names = Object.keys(options.layouts), objects = unpack(options.objects);
  const state = {
    name: names[0], boxes: options.boxes.slice(), chosen: 0, threshold: options.threshold,
    ratio: options.ratio, factor: 1, force: true, positives: true, mined: true,
  };
  const layout = () => scaled(options.layouts[state.name], state.factor);
  let key = "", priors = null, covered = null, found = null;

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (width) => width, draw,
  });
  picture.canvas.style.maxWidth = "400px";
  legend(left, [["object", field("ink", 3)], ["positive: the colour of its object", line("line0", 1.6)],
    ["only because forced", line("line0", 3.4)], ["mined negative", line("ink", 1, "2 3")]]);
  const serving = element(left, "div", { class: "late" });
  const recallWords = element(serving, "p", { class: "hint", id: "recall" });
  const chart = stage(serving, { id: "chart", label: "", height: () => 112, draw: drawRecall });
  serving.hidden = !objects.length;

  const layoutChoice = choice(right, "layout", "Layout", names.map((name) =>
    [name, `${name}: ${thousands(sum(priorsPerLevel(options.layouts[name])))} priors`]),
  (value) => { state.name = value; update(); });
  const factorSlider = slider(right, "factor", "Sizes", { min: 50, max: 200, step: 5 },
    (value) => { state.factor = value / 100; update(); });
  const thresholdSlider = slider(right, "threshold", "IoU ≥", { min: 5, max: 95, step: 5 },
    (value) => { state.threshold = value / 100; update(); });
  const ratioSlider = slider(right, "ratio", "Mined : 1", { min: 0, max: 10 },
    (value) => { state.ratio = value; update(); });
  const checks = element(right, "div", { class: "checks" });
  const forceBox = check(checks, "force", "force the best prior",
    (on) => { state.force = on; update(); });
  const positiveBox = check(checks, "positives", "positives",
    (on) => { state.positives = on; update(); });
  const minedBox = check(checks, "mined", "mined", (on) => { state.mined = on; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const levels = table(right, "Priors by level",
    ["level", "priors", "positive", "only forced", "mined", "~left out"]);
  const objectChoice = choice(right, "object", "Object", [],
    (value) => { state.chosen = Number(value); update(); });
  const sliders = element(right, "div", { class: "pairs" });
  const showBox = boxSliders(sliders, "px", () => layout().image_size,
    () => state.boxes[state.chosen], (box) => change(state.chosen, box));
  const buttons = element(right, "div", { class: "buttons" });
  const add = button(buttons, "add", "Add an object", () => {
    const n = state.boxes.length;
    const at = 0.06 + 0.13 * ((3 * n) % 5);
    state.boxes.push([at, 0.1, at + 0.2, 0.3]);
    state.chosen = n;
    update();
  });
  const remove = button(buttons, "remove", "Remove it", () => {
    state.boxes.splice(state.chosen, 1);
    state.chosen = Math.max(0, state.chosen - 1);
    update();
  });
  hint(app, "Drag an object, or a corner of the chosen one; with the picture focused, arrow " +
    "keys move it, with [Shift] they size it, [Page Down] and [Page Up] choose another. " +
    "Mined are the negatives with the largest loss; no network runs here: in its place, the loss " +
    "grows with the IoU, plus noise.");

  function change(index, box) {
    state.chosen = index;
    state.boxes[index] = box;
    update();
  }
  const place = () => [0, 0, picture.width];
  dragBoxes(picture.canvas, {
    boxes: () => state.boxes, current: () => state.chosen, place, change,
  });
  const another = (by) => () => {
    const n = state.boxes.length;
    if (n) state.chosen = (state.chosen + by + n) % n;
    update();
  };
  boxKeys(picture.canvas, () => state.boxes[state.chosen], (box) => change(state.chosen, box),
    { PageDown: another(1), PageUp: another(-1) });
  const holder = loadImage(options.image, () => update());

  function measure(l) {
    const now = `${state.name},${state.factor}`;
    if (now !== key) {
      key = now;
      priors = makePriors(l);
      covered = coverage(objects, l);
    }
    found = match(state.boxes, priors, state.threshold, { force: state.force });
    const labels = found.gtIndex.map((g) => (g >= 0 ? 1 : 0));
    const { candidates, mined } = miningPlan(standInLoss(found.iou), labels, state.ratio);
    const order = Float64Array.from(candidates).sort();
    const least = mined ? order[order.length - mined] : Infinity;
    found.mined = candidates.map((loss) => loss >= least);
    found.numMined = mined;
  }

  function update() {
    const l = layout(), counts = priorsPerLevel(l), size = l.image_size;
    measure(l);
    layoutChoice.input.value = state.name;
    factorSlider.show(Math.round(100 * state.factor), `× ${state.factor.toFixed(2)}`);
    thresholdSlider.show(Math.round(100 * state.threshold), state.threshold.toFixed(2));
    ratioSlider.show(state.ratio, `${state.ratio} : 1`);
    forceBox.input.checked = state.force;
    positiveBox.input.checked = state.positives;
    minedBox.input.checked = state.mined;

    const rows = counts.map((count) => ({ count, positive: 0, forced: 0, mined: 0 }));
    const each = state.boxes.map(() => 0), onlyForced = state.boxes.map(() => false);
    let level = 0, end = counts[0];
    found.gtIndex.forEach((g, i) => {
      while (i >= end) end += counts[++level];
      if (g >= 0) {
        const forced = found.forced[i] && found.iou[i] < state.threshold;
        rows[level].positive++;
        rows[level].forced += forced ? 1 : 0;
        each[g]++;
        onlyForced[g] ||= Boolean(forced);
      }
      if (found.mined[i]) rows[level].mined++;
    });
    const total = (name) => sum(rows.map((row) => row[name]));
    const line = (name, row) => ({
      cells: [name, ...[row.count, row.positive, row.forced, row.mined,
        row.count - row.positive - row.mined].map(thousands)],
    });
    const all = Object.fromEntries(["count", "positive", "forced", "mined"].map((name) =>
      [name, total(name)]));
    levels.fill([...rows.map((row, k) => line(`${k}: ${l.map_sizes[k]} × ${l.map_sizes[k]}`, row)),
      { ...line("all", all), picked: true }]);
    facts.innerHTML = `${plural(state.boxes.length, "object")}: <b>${all.positive}</b> of ` +
      `${thousands(all.count)} priors positive at IoU ≥ ${state.threshold.toFixed(2)}` +
      `${all.forced ? `, ${all.forced} of them only because forced` : ""}; ` +
      `<b>${all.mined}</b> mined; ${thousands(all.count - all.positive - all.mined)} left out. ` +
      `Positive for object ` + each.map((n, g) =>
      `${g + 1}: ${n}${onlyForced[g] ? " (forced)" : ""}`).join(", ") + ".";
    if (!state.boxes.length) {
      facts.textContent = "No objects: no positives, and so nothing is mined. Such an image " +
        "teaches nothing, and that is legal.";
    }

    objectChoice.input.replaceChildren();
    state.boxes.forEach((box, g) => element(objectChoice.input, "option", { value: g },
      `${g + 1}: ${px((box[2] - box[0]) * size)} × ${px((box[3] - box[1]) * size)} px`));
    objectChoice.input.value = state.chosen;
    objectChoice.row.hidden = sliders.hidden = !state.boxes.length;
    if (state.boxes.length) showBox();
    add.disabled = state.boxes.length >= MOST;
    remove.disabled = !state.boxes.length;

    if (objects.length) sayRecall();
    picture.say(`Image with ${plural(state.boxes.length, "object")} and their positive priors. ` +
      "Arrow keys move the chosen object.");
    picture.paint();
    chart.paint();
  }

  function sayRecall() {
    const bins = EDGES.slice(1).map((edge, i) => ({ from: EDGES[i], to: edge, n: 0, found: 0 }));
    objects.forEach((box, g) => {
      const side = 100 * Math.sqrt((box[2] - box[0]) * (box[3] - box[1]));
      const bin = bins.find((one) => side < one.to);
      bin.n++;
      bin.found += covered[g] >= state.threshold ? 1 : 0;
    });
    chart.bins = bins.filter((bin) => bin.n);
    const hits = sum(bins.map((bin) => bin.found));
    recallWords.textContent = `Recall of ${thousands(objects.length)} objects of the data set: ` +
      `${((100 * hits) / objects.length).toFixed(1)} % have a prior of IoU ≥ ` +
      `${state.threshold.toFixed(2)}. By side, in % of the image's, and how many they are:`;
    chart.say(recallWords.textContent + chart.bins.map((bin) =>
      ` ${bin.from}–${between(bin.to, 0, 100)}: ${Math.round((100 * bin.found) / bin.n)} %`));
  }

  function draw(g, width, tall, colours) {
    const scale = width;
    backdrop(g, scale, holder, colours.veil);
    const corners = (i) => toCorners(priorAt(priors, i)).map((v) => v * scale);
    if (state.mined) {
      g.strokeStyle = colours.ink;
      g.globalAlpha = 0.35;
      g.lineWidth = 1;
      g.setLineDash([2, 3]);
      g.beginPath();
      found.mined.forEach((mined, i) => {
        if (!mined) return;
        const [x1, y1, x2, y2] = corners(i);
        g.rect(x1, y1, x2 - x1, y2 - y1);
      });
      g.stroke();
      g.setLineDash([]);
      g.globalAlpha = 1;
    }
    state.boxes.forEach((box, n) => drawObject(g, box.map((v) => v * scale), colours,
      { chosen: n === state.chosen, name: String(n + 1) }));
    if (state.positives) {
      found.gtIndex.forEach((n, i) => {
        if (n < 0) return;
        const only = found.forced[i] && found.iou[i] < state.threshold;
        g.globalAlpha = only ? 1 : 0.75;
        outline(g, corners(i), {
          colour: colours.lines[n % 6], width: only ? 3.2 : 1.6, dash: DASHES[n % 6],
          ...(only ? { halo: colours.halo } : {}),
        });
      });
      g.globalAlpha = 1;
    }
    g.strokeStyle = colours.ink;
    g.lineWidth = 1.6;
    g.strokeRect(0.8, 0.8, scale - 1.6, scale - 1.6);
  }

  function drawRecall(g, width, tall, colours) {
    const bins = chart.bins || [];
    const start = 50, top = 9, floor = tall - 38, wide = (width - start) / bins.length;
    g.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      const y = floor - share * (floor - top);
      g.fillStyle = colours.rule;
      g.fillRect(start, y, width - start, 1);
      g.fillStyle = colours.muted;
      g.textAlign = "right";
      g.fillText(`${100 * share} %`, start - 6, y);
    }
    g.textAlign = "center";
    g.font = `${wide < 38 ? 10 : 12}px system-ui, sans-serif`;
    bins.forEach((bin, i) => {
      const x = start + i * wide, y = floor - (bin.found / bin.n) * (floor - top);
      g.fillStyle = colours.accent;
      g.fillRect(x + wide * 0.18, y, wide * 0.64, floor - y);
      g.fillStyle = colours.ink;
      g.fillText(bin.to > 100 ? `${bin.from}+` : `${bin.from}–${bin.to}`, x + wide / 2, floor + 12);
      g.fillStyle = colours.muted;
      g.fillText(thousands(bin.n), x + wide / 2, floor + 28);
    });
    g.textAlign = "left";
  }
}
