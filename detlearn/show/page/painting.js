// What the page shows: the picture with its boxes, the numbers, the sentences. `self` is the page, see
// app.js.

import { boxIou, locate, priorAt, toCorners } from "./geometry.js";
import { outline, plural, px, thousands } from "./page.js";
import { toPicture } from "./answers.js";
import { drawFound, drawHandles, handlesOf } from "./marks.js";
import { placeIn } from "./prepare.js";
import { paintShapes, truthOf } from "./scene.js";

const percent = (value) => value.toFixed(2);

export function sizeOfView({ state, config, picture }) {
  return state.source === "scene" || !picture.there ? [config.side, config.side]
    : [picture.canvas.width, picture.canvas.height];
}

function sceneOf({ state, scene, papers }) {
  return { shapes: state.shapes, paper: papers[state.paper], shadow: scene.papers[state.paper].shadow };
}

export function currentImage(self) {
  const { state, config, picture, ink } = self;
  if (state.source === "scene") {
    paintShapes(ink, sceneOf(self), config.side);
    return ink.getImageData(0, 0, config.side, config.side);
  }
  if (!picture.there) return null;
  return picture.canvas.getContext("2d", { willReadFrequently: true })
    .getImageData(0, 0, picture.canvas.width, picture.canvas.height);
}

const truths = ({ state }) => state.source !== "scene" ? [] : state.shapes.filter((s) => s.label)
  .map((shape) => ({ label: shape.label, box: truthOf(shape) }));

// ---- numbers and sentences

export function paint(self) {
  const { state, names, answer } = self;
  self.scoreSlider.show(Math.round(state.score * 100), percent(state.score));
  self.iouSlider.show(Math.round(state.iou * 100), percent(state.iou));
  for (const one of self.shapeTools) one.disabled = !state.shapes.length;
  const found = answer?.found ?? [], objects = truths(self);
  const withTruth = found.map((one) => {
    const same = objects.filter((object) => object.label === one.label).map((object) => boxIou(object.box, one.box));
    return { ...one, iou: same.length ? Math.max(...same) : 0 };
  });
  self.list.fill(withTruth.map((one, i) => ({
    picked: i === state.pick,
    cells: [names[one.label], percent(one.score), objects.length ? percent(one.iou) : "–",
      plural(one.from.length, "candidate")],
    pick: () => { state.pick = i; paint(self); },
  })));
  self.facts.textContent = factsOf(self, found, objects);
  self.origin.textContent = found[state.pick] ? originOf(self, found[state.pick]) : "No box is chosen.";
  self.canvas.say(`${whatIsSeen(self)}. ${self.facts.textContent} ` +
    withTruth.slice(0, 8).map((one) => `${names[one.label]} ${percent(one.score)}`).join(", "));
  if (self.view) showTimes(self);
  self.maps.say(`The ${self.config.layout.map_sizes.length} maps that the heads read. ${self.origin.textContent}`);
  self.canvas.paint();
  self.maps.paint();
}

function factsOf({ state, names, detector, view, answer }, found, objects) {
  if (!detector) return "The network is being loaded …";
  if (!view) {
    return state.source === "camera" ? "Waiting for the camera." : "No picture yet: drop one here, or choose a file.";
  }
  const missed = objects.filter((object) => !found.some((one) =>
    one.label === object.label && boxIou(object.box, one.box) >= 0.5));
  return `${plural(found.length, "object")} found. ${plural(answer.candidates.length, "candidate")} ` +
    `of ${thousands(detector.priors.length / 4)} priors score above ${percent(state.score)}; NMS leaves ${found.length}.` +
    (missed.length ? ` Missed: ${missed.map((object) => names[object.label]).join(", ")}.` : "");
}

function whatIsSeen({ state, names, picture }) {
  if (state.source !== "scene") return picture.there ? picture.what : "No picture";
  const chosen = state.shapes[state.shape];
  return `A scene of ${plural(state.shapes.length, "shape")}` +
    (chosen ? `; chosen: ${names[chosen.label] ?? "a drawing"}` : "");
}

function originOf({ config, detector, view, names }, one) {
  const at = locate(config.layout, one.prior), prior = priorAt(detector.priors, one.prior), S = config.side;
  const side = config.layout.map_sizes[at.level];
  const moved = view.answers.anchor(one.prior).some((value, i) => Math.abs(value - prior[i]) > 1e-9);
  return `The chosen box: ${names[one.label]}, ${percent(one.score)}. Prior ${thousands(one.prior)}: map ${at.level} of ` +
    `${side} × ${side} cells, row ${at.row}, column ${at.column}, number ${at.prior}; ${px(prior[2] * S)} × ` +
    `${px(prior[3] * S)} px around (${px(prior[0] * S)}, ${px(prior[1] * S)}).` +
    (moved ? " The ARM had moved it before the ODM looked." : "") +
    (one.from.length > 1 ? ` It stands for ${one.from.length} candidates.` : "");
}

function showTimes({ view, answer, frames, clockTable }) {
  const { prepare, network, read } = view.times, { candidates, nms } = answer.times;
  const seconds = frames.length > 1 ? (frames.at(-1) - frames[0]) / 1000 : 0;
  clockTable.fill([{ cells: [...[prepare, network, read, candidates, nms].map((ms) => ms.toFixed(1)),
    seconds ? ((frames.length - 1) / seconds).toFixed(0) : "–"] }]);
}

// ---- the picture

export function drawView(self, g, wide, tall, colours) {
  const { state, answer } = self;
  drawGround(self, g, wide, tall);
  const big = ([x1, y1, x2, y2]) => [x1 * wide, y1 * tall, x2 * wide, y2 * tall];
  if (state.candidates) {
    for (const one of (answer?.candidates ?? []).slice(0, 400)) {
      outline(g, big(one.box), { colour: colours.warm, width: 1 });
    }
  }
  if (state.truth) for (const { box } of truths(self)) outline(g, big(box), { colour: "#ffffff", width: 1.4, dash: [5, 4], halo: "rgba(27,31,36,.55)" });
  (answer?.found ?? []).forEach((one, i) => drawFound(g, one, self.names[one.label], {
    chosen: i === state.pick, wide, tall,
    prior: i === state.pick &&
      toPicture(toCorners(priorAt(self.detector.priors, one.prior)), self.config, self.view.width, self.view.height),
  }));
  if (state.drawing) drawStroke(g, state.drawing, wide, tall, colours);
  const chosen = state.source === "scene" && !state.pen && state.shapes[state.shape];
  if (chosen) drawHandles(g, handlesOf(chosen), wide, tall, colours);
}

// The scene or the picture itself, or the pixels that the network sees of it.
function drawGround(self, g, wide, tall) {
  const { state, config, view, picture, ink } = self;
  if (state.source === "scene" && !state.seen) paintShapes(g, sceneOf(self), wide);
  else if (state.seen && view) {
    g.imageSmoothingEnabled = false;
    const at = placeIn(view.width, view.height, config.side, config.letterbox);
    if (state.source === "scene") currentImage(self);
    else ink.drawImage(picture.canvas, at.left, at.top, at.width, at.height);
    g.drawImage(self.scratch, at.left, at.top, at.width, at.height, 0, 0, wide, tall);
    g.imageSmoothingEnabled = true;
  } else if (state.source !== "scene" && picture.there) g.drawImage(picture.canvas, 0, 0, wide, tall);
}

function drawStroke(g, points, wide, tall, colours) {
  g.strokeStyle = colours.ink;
  g.lineWidth = 3;
  g.beginPath();
  for (let i = 0; i < points.length; i += 2) g.lineTo(points[i] * wide, points[i + 1] * tall);
  g.stroke();
}
