// From the network's raw numbers to a detector's answer: what `scores_and_boxes` and `postprocess`
// do, with the boxes and the overlap of geometry.js. A box is xyxy in fractions of the picture.

import { argsort, boxIou, decode, priorAt, suppress, toCenter, toCorners } from "./geometry.js";
import { placeIn } from "./prepare.js";

const SMALLEST_ANCHOR = 1e-6;

export function softmax(logits, classes) {
  const scores = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) {
    let top = -Infinity, total = 0;
    for (let k = at; k < at + classes; k++) top = Math.max(top, logits[k]);
    for (let k = at; k < at + classes; k++) total += scores[k] = Math.exp(logits[k] - top);
    for (let k = at; k < at + classes; k++) scores[k] /= total;
  }
  return scores;
}

// Sizes that are plain ratios instead of logarithms.
export function decodeLinear(deltas, prior, scales) {
  return toCorners([
    prior[0] + prior[2] * deltas[0] * scales[0],
    prior[1] + prior[3] * deltas[1] * scales[0],
    prior[2] * Math.max(0, deltas[2] * scales[1]),
    prior[3] * Math.max(0, deltas[3] * scales[1]),
  ]);
}

// outputs: name -> numbers. Returns scores (P K) and box(prior), which is computed when asked for.
export function readAnswers(config, priors, outputs) {
  const four = (name, i) => Array.from(outputs[name].subarray(4 * i, 4 * i + 4));
  const twoSteps = "odm_logits" in outputs;
  const scores = softmax(outputs[twoSteps ? "odm_logits" : "logits"], config.classes);
  if (twoSteps && config.negative_filter !== "off") {
    const objectness = softmax(outputs.arm_logits, 2);
    for (let i = 0; i < priors.length / 4; i++) {
      if (objectness[2 * i + 1] > config.objectness_threshold) continue;
      scores.fill(0, i * config.classes, (i + 1) * config.classes);
    }
  }
  const anchor = (i) => {
    const prior = priorAt(priors, i);
    if (!twoSteps || !config.two_step) return prior;
    const [cx, cy, w, h] = toCenter(decode(four("arm_deltas", i), prior, config.box_scales));
    return [cx, cy, Math.max(w, SMALLEST_ANCHOR), Math.max(h, SMALLEST_ANCHOR)];
  };
  const read = config.linear_sizes ? decodeLinear : decode;
  const box = (i) =>
    read(four(twoSteps ? "odm_deltas" : "deltas", i), anchor(i), config.box_scales);
  const points = (i) => {
    if (!outputs.points) return [];
    const [cx, cy, w, h] = priorAt(priors, i), count = 2 * config.points;
    return Array.from(outputs.points.subarray(count * i, count * (i + 1)), (value, j) =>
      j % 2 ? cy + value * h : cx + value * w);
  };
  return { scores, anchor, box, points };
}

// From fractions of the network's square to fractions of the picture that lies in it.
export function toPicture(numbers, config, width, height) {
  if (!config.letterbox) return numbers;
  const place = placeIn(width, height, config.side, true);
  return numbers.map((value, i) => i % 2
    ? (value * config.side - place.top) / place.height
    : (value * config.side - place.left) / place.width);
}

const clipped = (box) => box.map((value) => Math.min(1, Math.max(0, value)));

// Every class of every prior that scores above the threshold, the best first; of each class at most
// `max_candidates`.
export function candidatesOf(config, answers, width, height, threshold) {
  const { scores } = answers, found = [];
  for (let at = 0; at < scores.length; at++) {
    if (at % config.classes && scores[at] > threshold) found.push(at);
  }
  const seen = Array(config.classes).fill(0), most = config.max_candidates ?? Infinity;
  const boxes = new Map();
  return argsort(found.map((at) => scores[at]), true).map((i) => found[i])
    .filter((at) => ++seen[at % config.classes] <= most)
    .map((at) => {
      const prior = Math.floor(at / config.classes);
      if (!boxes.has(prior)) {
        const whole = toPicture(answers.box(prior), config, width, height);
        boxes.set(prior, config.suppression ? whole : clipped(whole));
      }
      return { prior, label: at % config.classes, score: scores[at], box: boxes.get(prior) };
    });
}

// The answer, best first. Each detection has its candidate's fields and `from`, the candidates that
// it stands for, each with its IoU.
export function selectFrom(config, answers, candidates, width, height, threshold) {
  const found = [];
  for (let label = 1; label < config.classes; label++) {
    const own = candidates.filter((one) => one.label === label);
    const kept = config.suppression && config.suppression !== "hard"
      ? soft(config, own, width, height, threshold)
      : greedy(own, measured(config, own, width, height), threshold);
    found.push(...kept.slice(0, config.max_per_class ?? Infinity));
  }
  const best = argsort(found.map((one) => one.score), true).slice(0, config.max_detections)
    .map((i) => found[i]);
  return best.map((one) => finished(config, answers, one, width, height));
}

// The boxes as overlaps are measured: M2Det's count whole pixels, x2 - x1 + 1.
function measured(config, own, width, height) {
  if (!config.suppression) return own.map((one) => one.box);
  return own.map(({ box: [x1, y1, x2, y2] }) =>
    [x1 * width, y1 * height, x2 * width + 1, y2 * height + 1]);
}

function greedy(own, boxes, threshold) {
  const kept = [], gone = new Uint8Array(own.length);
  for (let i = 0; i < own.length; i++) {
    if (gone[i]) continue;
    const from = [{ ...own[i], iou: 1 }];
    for (let j = i + 1; j < own.length; j++) {
      if (gone[j]) continue;
      const iou = boxIou(boxes[i], boxes[j]);
      if (iou <= threshold) continue;
      gone[j] = 1;
      from.push({ ...own[j], iou });
    }
    kept.push({ ...own[i], from });
  }
  return kept;
}

function soft(config, own, width, height, threshold) {
  const iouThreshold = config.suppression === "released" ? 0.3 : threshold;
  const { keep, scores } = suppress(measured(config, own, width, height),
    own.map((one) => one.score), { method: "linear", iouThreshold });
  return keep.map((i, rank) => ({ ...own[i], score: scores[rank], from: [{ ...own[i], iou: 1 }] }));
}

// The mean of a cluster, weighted by score, where the model says so; key points likewise.
function finished(config, answers, one, width, height) {
  const points = (prior) => toPicture(answers.points(prior), config, width, height);
  const whole = { ...one, box: clipped(one.box), points: points(one.prior) };
  if (!config.weighted_nms) return whole;
  const total = one.from.reduce((sum, { score }) => sum + score, 0);
  const mean = (numbers) => one.from.reduce((so, each) =>
    numbers(each).map((value, i) => (so[i] ?? 0) + (each.score / total) * value), []);
  return { ...whole, box: mean((each) => each.box), points: mean((each) => points(each.prior)) };
}
