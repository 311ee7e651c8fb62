// Refinement explorer: a prior, the anchor that the ARM makes of it, the box that the ODM makes of
// that; and which priors the ARM lets pass.

import { boxIou, decode, locate, makePriors, priorAt, priorsPerLevel, sum, toCenter, toCorners } from "./geometry.js";
import { field, glyph, legend, line } from "./legend.js";
import { backdrop, between, check, drag, element, hint, keys, layOut, loadImage, numberPlate, outline, plate, px, slider, signed, stage, table, thousands } from "./page.js";

export const THETAS = [0, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9, 1];
const SMALLEST_ANCHOR = 1e-6;

const viewOf = (text) =>
  new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

// Object logit minus background logit of every prior, in 1024ths.
export function unpackGaps(text) {
  const view = viewOf(text);
  return Float64Array.from({ length: view.byteLength / 2 }, (_, i) => view.getInt16(2 * i, true) / 1024);
}

// The priors that the ARM likes best: index, both deltas in 1024ths, what the ODM says.
export function unpackPicks(text) {
  const view = viewOf(text), picks = [];
  for (let at = 0; at < view.byteLength; at += 20) {
    const deltas = Array.from({ length: 8 }, (_, i) => view.getInt16(at + 2 + 2 * i, true) / 1024);
    picks.push({
      index: view.getUint16(at, true), arm: deltas.slice(0, 4), odm: deltas.slice(4),
      label: view.getUint8(at + 18), score: view.getUint8(at + 19) / 255,
    });
  }
  return picks;
}

export const objectness = (gap) => 1 / (1 + Math.exp(-gap));

// How many priors of each level have an objectness above theta.
export function survivors(gaps, layout, theta) {
  let start = 0;
  return priorsPerLevel(layout).map((count) => {
    let alive = 0;
    for (let i = start; i < start + count; i++) alive += objectness(gaps[i]) > theta ? 1 : 0;
    start += count;
    return alive;
  });
}

// Corners of the prior, the anchor, the box. Without the first step the anchor is the prior.
export function twoSteps(prior, arm, odm, first = true) {
  const anchor = first ? decode(arm, prior) : toCorners(prior);
  const [cx, cy, w, h] = toCenter(anchor);
  const start = [cx, cy, Math.max(w, SMALLEST_ANCHOR), Math.max(h, SMALLEST_ANCHOR)];
  return [toCorners(prior), anchor, decode(odm, start)];
}

// The object that a box overlaps most, and how much; -1 if it touches none.
export function nearest(box, objects) {
  const found = objects.map((object) => boxIou(box, object)), most = Math.max(0, ...found);
  return [most > 0 ? found.indexOf(most) : -1, most];
}

export function mount(app, options) {
  const { layout, boxes, names } = options, size = layout.image_size;
  const gaps = unpackGaps(options.gaps), picks = unpackPicks(options.picks);
  const priors = makePriors(layout), counts = priorsPerLevel(layout);
  const state = {
    theta: THETAS.indexOf(options.threshold), pick: 0, first: true, dots: true, dx: 0, dw: 0,
  };
  let alive = [], shown = null;

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (width) => width, draw,
  });
  picture.canvas.style.maxWidth = "440px";
  legend(left, [["object", field("ink", 2)], ["prior", line("line3", 3, "3 3")],
    ["anchor (ARM)", line("line1", 3, "9 4")], ["box (ODM)", line("line0", 3)],
    ["centre of a survivor", glyph("M13 5h4v4h-4z", "warm", 0, "warm")]]);
  const late = element(left, "div", { class: "late" });
  const chartWords = element(late, "p", { class: "hint", id: "levels-words" });
  const chart = stage(late, { id: "chart", label: "", height: () => 26 * counts.length + 6, draw: bars });

  const thetaSlider = slider(right, "theta", "θ", { max: THETAS.length - 1 },
    (value) => { state.theta = value; update(); });
  const pickSlider = slider(right, "prior", "Prior", { max: Math.max(0, picks.length - 1) },
    (value) => { state.pick = value; update(); });
  const dxSlider = slider(right, "dx", "ARM dx +", { min: -10, max: 10, step: 0.5 },
    (value) => { state.dx = value; update(); });
  const dwSlider = slider(right, "dw", "ARM dw +", { min: -10, max: 10, step: 0.5 },
    (value) => { state.dw = value; update(); });
  const checks = element(right, "div", { class: "checks" });
  const firstBox = check(checks, "first", "first step (ARM)",
    (on) => { state.first = on; update(); });
  const dotsBox = check(checks, "dots", "show survivors", (on) => { state.dots = on; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "The chosen prior, step by step", ["px", "cx", "cy", "w", "h", "IoU"]);
  hint(app, `Priors stand in the order of their objectness: the ${picks.length} of which the ARM ` +
    "is surest are here. Press on the picture for the one whose centre is nearest; with the " +
    "picture focused, [→] next, [←] before, [Page Down] and [Page Up] move θ.");

  const go = (by) => () => {
    state.pick = between(state.pick + by, 0, Math.max(0, picks.length - 1));
    update();
  };
  const filter = (by) => () => {
    state.theta = between(state.theta + by, 0, THETAS.length - 1);
    update();
  };
  keys(picture.canvas, {
    ArrowRight: go(1), ArrowLeft: go(-1), Home: go(-picks.length), End: go(picks.length),
    PageDown: filter(-1), PageUp: filter(1),
  });
  function point(x, y) {
    const far = (one) => {
      const [cx, cy] = priorAt(priors, one.index);
      return Math.hypot(cx - x / picture.width, cy - y / picture.width);
    };
    const distances = picks.map(far), least = Math.min(...distances);
    if (picks.length) state.pick = distances.indexOf(least);
    update();
    return false;
  }
  drag(picture.canvas, { start: (x, y, touch) => (touch ? false : point(x, y)), move() {} });
  picture.canvas.addEventListener("touchend", (event) => {
    const area = picture.canvas.getBoundingClientRect(), touch = event.changedTouches[0];
    point(touch.clientX - area.left, touch.clientY - area.top);
  });
  const holder = loadImage(options.image, () => update());

  function update() {
    const theta = THETAS[state.theta];
    alive = survivors(gaps, layout, theta);
    thetaSlider.show(state.theta, String(theta));
    dxSlider.show(state.dx, signed(state.dx, 1));
    dwSlider.show(state.dw, signed(state.dw, 1));
    firstBox.input.checked = state.first;
    dotsBox.input.checked = state.dots;
    const total = sum(alive), priorCount = sum(counts);
    const tally = `θ = ${theta}: <b>${thousands(total)}</b> of ${thousands(priorCount)} priors ` +
      "survive. ";
    shown = null;
    if (!picks.length) {
      pickSlider.show(0, "none");
      facts.innerHTML = tally;
      list.fill([]);
    } else {
      const pick = picks[state.pick], prior = priorAt(priors, pick.index);
      const arm = pick.arm.map((v, i) => v + (i === 0 ? state.dx : i === 2 ? state.dw : 0));
      const steps = twoSteps(prior, arm, pick.odm, state.first);
      const plain = twoSteps(prior, pick.arm, pick.odm, state.first);
      const [object] = nearest(plain[2], boxes), sure = objectness(gaps[pick.index]);
      const passes = sure > theta, { level, row, column } = locate(layout, pick.index);
      shown = { steps, object, passes };
      pickSlider.show(state.pick, `${state.pick + 1} of ${picks.length}`);
      const moved = (toCenter(steps[2])[0] - toCenter(plain[2])[0]) / prior[2];
      const wider = (steps[2][2] - steps[2][0]) / (plain[2][2] - plain[2][0]);
      facts.innerHTML = tally + `Prior ${thousands(pick.index)} (level ${level}, row ${row}, ` +
        `column ${column}) has objectness ${sure.toFixed(3)} and <b>` +
        `${passes ? "survives" : "is dropped"}</b>. ` +
        (passes ? `The ODM says ${names[pick.label] || `class ${pick.label}`}, ` +
          `${pick.score.toFixed(2)}. ` : "Its scores become 0. ") +
        (object < 0 ? "Its box touches no object." : `Nearest: object ${object + 1}.`) +
        (state.dx || state.dw ? ` Your change moves the final box by ${signed(moved, 2)} of the ` +
          `prior's width and makes it ${wider.toFixed(2)} times as wide.` : "");
      list.fill(["prior", state.first ? "anchor" : "anchor (= prior)", "box"].map((name, i) => ({
        swatch: [3, 1, 0][i],
        cells: [name, ...toCenter(steps[i]).map((v) => px(v * size)),
          object < 0 ? "–" : boxIou(steps[i], boxes[object]).toFixed(2)],
      })));
    }
    chartWords.textContent = `Survivors by level, and of how many, at θ = ${theta}:`;
    chart.say(chartWords.textContent + alive.map((n, k) =>
      ` ${layout.map_sizes[k]} × ${layout.map_sizes[k]}: ${n} of ${counts[k]}`).join(",") + ".");
    picture.say(`Image with ${boxes.length} objects. ${facts.textContent} Arrow right: next prior.`);
    picture.paint();
    chart.paint();
  }

  function draw(g, width, tall, colours) {
    backdrop(g, width, holder, colours.veil);
    if (state.dots) {
      g.fillStyle = colours.warm;
      const theta = THETAS[state.theta];
      for (let i = 0; i < gaps.length; i++) {
        if (objectness(gaps[i]) <= theta) continue;
        g.fillRect(priors[4 * i] * width - 1.25, priors[4 * i + 1] * width - 1.25, 2.5, 2.5);
      }
    }
    boxes.forEach((box, n) => {
      const corners = box.map((v) => v * width);
      outline(g, corners, { colour: colours.ink, width: 2, halo: colours.halo });
    });
    const plates = () => boxes.forEach((box, n) =>
      numberPlate(g, n + 1, box.map((v) => v * width), width, colours));
    if (!shown) return plates();
    const looks = [[3, [3, 3]], [1, [9, 4]], [0, []]];
    shown.steps.forEach((box, i) => {
      const [line, dash] = looks[i];
      g.globalAlpha = shown.passes || i === 0 ? 1 : 0.45;
      outline(g, box.map((v) => v * width),
        { colour: colours.lines[line], width: 3, dash, halo: colours.halo });
    });
    g.globalAlpha = 1;
    const top = Math.min(...shown.steps.map((box) => box[1])) * width;
    const [cx] = toCenter(shown.steps[0]);
    plate(g, shown.passes ? "survives" : "dropped", between(cx * width, 34, width - 34),
      between(top - 12, 11, width - 11),
      { colour: colours.ink, paper: colours.paper, align: "center" });
    return plates();
  }

  // Whole bar: all priors of the level; filled: those that survive.
  function bars(g, width, tall, colours) {
    const start = 62, end = 96, wide = width - start - end;
    g.textBaseline = "middle";
    counts.forEach((count, k) => {
      const y = 26 * k + 3, share = alive[k] / count;
      g.fillStyle = colours.ink;
      g.fillText(`${layout.map_sizes[k]} × ${layout.map_sizes[k]}`, 0, y + 10);
      g.fillStyle = colours.field;
      g.fillRect(start, y, wide, 20);
      g.fillStyle = colours.accent;
      g.fillRect(start, y, wide * share, 20);
      g.strokeStyle = colours.muted;
      g.lineWidth = 1;
      g.strokeRect(start + 0.5, y + 0.5, wide - 1, 19);
      g.fillStyle = colours.ink;
      g.fillText(`${thousands(alive[k])} of ${thousands(count)}`, start + wide + 8, y + 10);
    });
  }
}
