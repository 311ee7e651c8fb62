// The arithmetic of the explorers: boxes, priors, matching, mining, suppression, average precision.
// It knows no page, and is tested against detlearn.boxes, detlearn.losses and detlearn.metrics.
// A box is [x1, y1, x2, y2]; a prior is [cx, cy, w, h] in fractions of the image. Many priors are
// one flat Float64Array, four numbers each, in the order level, row, column, prior.

// ---- priors -------------------------------------------------------------------------------

export function priorSizes(layout, level) {
  const side = layout.min_sizes[level];
  const sizes = [[side, side]];
  if (layout.max_sizes.length) {
    const between = Math.sqrt(side * layout.max_sizes[level]);
    sizes.push([between, between]);
  }
  for (const ratio of layout.aspect_ratios[level]) {
    const root = Math.sqrt(ratio);
    sizes.push([side * root, side / root], [side / root, side * root]);
  }
  return sizes.map((size) => size.map((value) => value / layout.image_size));
}

export function priorCenter(layout, level, row, column) {
  const { steps, image_size: size } = layout;
  return [column, row].map((cell) => ((cell + 0.5) * steps[level]) / size);
}

const unit = (value) => Math.min(1, Math.max(0, value));

export function clampPrior([cx, cy, w, h], clamp) {
  if (clamp === "all") return [unit(cx), unit(cy), unit(w), unit(h)];
  if (clamp === "sizes") return [cx, cy, unit(w), unit(h)];
  return [cx, cy, w, h];
}

export function cellPriors(layout, level, row, column, clamp = layout.clamp) {
  const [cx, cy] = priorCenter(layout, level, row, column);
  return priorSizes(layout, level).map(([w, h]) => clampPrior([cx, cy, w, h], clamp));
}

export function priorsPerCell(layout, level) {
  return (layout.max_sizes.length ? 2 : 1) + 2 * layout.aspect_ratios[level].length;
}

export function priorsPerLevel(layout) {
  return layout.map_sizes.map((side, level) => side * side * priorsPerCell(layout, level));
}

export const sum = (numbers) => numbers.reduce((total, value) => total + value, 0);

export function firstIndex(layout, level, row, column) {
  const before = sum(priorsPerLevel(layout).slice(0, level));
  return before + (row * layout.map_sizes[level] + column) * priorsPerCell(layout, level);
}

export function locate(layout, index) {
  const counts = priorsPerLevel(layout);
  let level = 0;
  while (index >= counts[level]) index -= counts[level++];
  const each = priorsPerCell(layout, level), side = layout.map_sizes[level];
  const cell = Math.floor(index / each);
  return { level, row: Math.floor(cell / side), column: cell % side, prior: index % each };
}

export function levelPriors(layout, level, clamp = layout.clamp) {
  const side = layout.map_sizes[level];
  const sizes = priorSizes(layout, level).map((size) => clampPrior([0, 0, ...size], clamp));
  const priors = new Float64Array(4 * side * side * sizes.length);
  let at = 0;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const center = clampPrior([...priorCenter(layout, level, row, column), 0, 0], clamp);
      for (const size of sizes) {
        priors[at++] = center[0];
        priors[at++] = center[1];
        priors[at++] = size[2];
        priors[at++] = size[3];
      }
    }
  }
  return priors;
}

export function makePriors(layout, clamp = layout.clamp) {
  const levels = layout.map_sizes.map((_, level) => levelPriors(layout, level, clamp));
  const priors = new Float64Array(sum(levels.map((level) => level.length)));
  let at = 0;
  for (const level of levels) {
    priors.set(level, at);
    at += level.length;
  }
  return priors;
}

export const priorAt = (priors, index) => Array.from(priors.subarray(4 * index, 4 * index + 4));

// ---- boxes --------------------------------------------------------------------------------

export function toCorners([cx, cy, w, h]) {
  return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
}

export function toCenter([x1, y1, x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1];
}

export function boxIou(a, b) {
  const w = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const h = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const common = Math.max(w, 0) * Math.max(h, 0);
  const union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common;
  return union > 0 ? common / union : 0;
}

// IoU of one box with all priors, without an object made per prior.
export function iouWithPriors(box, priors) {
  const [x1, y1, x2, y2] = box;
  const area = (x2 - x1) * (y2 - y1);
  const overlaps = new Float64Array(priors.length / 4);
  for (let i = 0, at = 0; i < overlaps.length; i++, at += 4) {
    const halfW = priors[at + 2] / 2, halfH = priors[at + 3] / 2;
    const left = priors[at] - halfW, right = priors[at] + halfW;
    const top = priors[at + 1] - halfH, bottom = priors[at + 1] + halfH;
    const w = Math.min(x2, right) - Math.max(x1, left);
    const h = Math.min(y2, bottom) - Math.max(y1, top);
    if (w <= 0 || h <= 0) continue;
    overlaps[i] = (w * h) / (area + (right - left) * (bottom - top) - w * h);
  }
  return overlaps;
}

export function encode(box, prior, scales = [0.1, 0.2]) {
  const g = toCenter(box);
  return [
    (g[0] - prior[0]) / prior[2] / scales[0],
    (g[1] - prior[1]) / prior[3] / scales[0],
    Math.log(g[2] / prior[2]) / scales[1],
    Math.log(g[3] / prior[3]) / scales[1],
  ];
}

export function decode(deltas, prior, scales = [0.1, 0.2], maxLog = Math.log(1000 / 16)) {
  const grow = (delta) => Math.exp(Math.min(delta * scales[1], maxLog));
  return toCorners([
    prior[0] + deltas[0] * scales[0] * prior[2],
    prior[1] + deltas[1] * scales[0] * prior[3],
    prior[2] * grow(deltas[2]),
    prior[3] * grow(deltas[3]),
  ]);
}

// ---- matching and mining ------------------------------------------------------------------

// gtIndex: the object of each prior, -1 for none; iou: with its best object; forced: it is the
// best prior of an object. best: the best prior of each object.
export function match(boxes, priors, threshold, { inclusive = true, force = true } = {}) {
  const P = priors.length / 4;
  const gtIndex = new Int32Array(P).fill(-1), iou = new Float64Array(P);
  const forced = new Uint8Array(P), own = new Int32Array(P), best = [];
  boxes.forEach((box, g) => {
    const overlaps = iouWithPriors(box, priors);
    let top = 0;
    for (let i = 0; i < P; i++) {
      if (overlaps[i] > overlaps[top]) top = i;
      if (overlaps[i] > iou[i]) {
        iou[i] = overlaps[i];
        own[i] = g;
      }
    }
    best.push(top);
  });
  if (!boxes.length) return { gtIndex, iou, forced, best };
  for (let i = 0; i < P; i++) {
    if (inclusive ? iou[i] >= threshold : iou[i] > threshold) gtIndex[i] = own[i];
  }
  if (force) best.forEach((i, g) => { gtIndex[i] = g; forced[i] = 1; });
  return { gtIndex, iou, forced, best };
}

// Best IoU of each object. Of all cells the one whose centre is nearest overlaps most, since all
// boxes of one shape are equal: one IoU per shape instead of one per prior.
export function coverage(boxes, layout, clamp = layout.clamp) {
  const shapes = layout.map_sizes.map((_, level) =>
    priorSizes(layout, level).map((size) => clampPrior([0, 0, ...size], clamp)));
  // Clamped, the next cell's centre may have moved nearer.
  const nearest = (at, side, step) => {
    const cell = Math.min(side - 1, Math.max(0, Math.floor(at / step)));
    let here = (cell + 0.5) * step, next = (Math.min(side - 1, cell + 1) + 0.5) * step;
    if (clamp === "all") [here, next] = [unit(here), unit(next)];
    return Math.abs(next - at) < Math.abs(here - at) ? next : here;
  };
  return boxes.map(([x1, y1, x2, y2]) => {
    const area = (x2 - x1) * (y2 - y1);
    let best = 0;
    layout.map_sizes.forEach((side, level) => {
      const step = layout.steps[level] / layout.image_size;
      const cx = nearest((x1 + x2) / 2, side, step), cy = nearest((y1 + y2) / 2, side, step);
      for (const [, , w, h] of shapes[level]) {
        const across = Math.min(x2, cx + w / 2) - Math.max(x1, cx - w / 2);
        const down = Math.min(y2, cy + h / 2) - Math.max(y1, cy - h / 2);
        if (across <= 0 || down <= 0) continue;
        best = Math.max(best, (across * down) / (area + w * h - across * down));
      }
    });
    return best;
  });
}

export function argsort(values, descending = false) {
  const sign = descending ? -1 : 1;
  return Array.from(values, (_, i) => i).sort((a, b) => sign * (values[a] - values[b]) || a - b);
}

// How many negatives are mined, and of whom the ranking is made: -Infinity is not in it.
// positivesRank: as M2Det, RefineDet and uvipen do it, positives take part with loss 0.
export function miningPlan(loss, labels, ratio, positivesRank = false) {
  const candidates = Array(labels.length).fill(-Infinity);
  let positives = 0, negatives = 0;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === 0) {
      negatives++;
      candidates[i] = loss[i];
    } else if (labels[i] > 0) {
      positives++;
      if (positivesRank) candidates[i] = 0;
    }
  }
  const wanted = Math.floor(Math.min(ratio, labels.length) * positives);
  return { candidates, mined: Math.min(wanted, positivesRank ? labels.length : negatives) };
}

export function hardNegativeMask(loss, labels, ratio) {
  const { candidates, mined } = miningPlan(loss, labels, ratio);
  const mask = Array(labels.length).fill(false);
  for (const i of argsort(candidates, true).slice(0, mined)) mask[i] = true;
  return mask;
}

// ---- suppression --------------------------------------------------------------------------

// Hard, linear or Gaussian NMS with a record of every step: the box chosen, and what it did to
// each box that was still waiting.
export function suppress(boxes, scores, options = {}) {
  const { method = "hard", iouThreshold = 0.5, sigma = 0.5, scoreThreshold = 0.001 } = options;
  const now = Array.from(scores), keep = [], steps = [];
  let waiting = now.map((_, i) => i);
  while (waiting.length) {
    const best = waiting.reduce((top, i) => (now[i] > now[top] ? i : top), waiting[0]);
    keep.push(best);
    const effects = [];
    for (const i of waiting) {
      if (i === best) continue;
      const iou = boxIou(boxes[best], boxes[i]), before = now[i];
      let dropped;
      if (method === "hard") {
        dropped = iou > iouThreshold;
      } else {
        if (method === "gaussian") now[i] *= Math.exp(-(iou ** 2) / sigma);
        else if (iou > iouThreshold) now[i] *= 1 - iou;
        dropped = iou !== 0 && now[i] < scoreThreshold;
      }
      effects.push({ i, iou, before, after: now[i], dropped });
    }
    steps.push({ best, score: now[best], effects });
    waiting = effects.filter((effect) => !effect.dropped).map((effect) => effect.i);
  }
  return { keep, scores: keep.map((i) => now[i]), steps };
}

// ---- average precision --------------------------------------------------------------------

export function precisionRecall(scores, hits, numGt) {
  let found = 0;
  const precision = [], recall = [];
  argsort(scores, true).forEach((i, rank) => {
    found += hits[i] ? 1 : 0;
    precision.push(found / (rank + 1));
    recall.push(found / numGt);
  });
  return { precision, recall };
}

// The best precision at this recall or a higher one.
export function envelope(precision) {
  const best = precision.slice();
  for (let i = best.length - 2; i >= 0; i--) best[i] = Math.max(best[i], best[i + 1]);
  return best;
}

// The recalls at which a benchmark reads the curve, and what it reads: 0 where none is reached.
export function readings(precision, recall, count) {
  const best = envelope(precision), step = 1 / (count - 1);
  return Array.from({ length: count }, (_, i) => {
    const at = i === count - 1 ? 1 : i * step;
    const first = recall.findIndex((value) => value >= at);
    return [at, first < 0 ? 0 : best[first]];
  });
}

export function averagePrecision(precision, recall, method = "area") {
  if (method === "area") {
    const best = envelope(precision);
    return sum(best.map((value, i) => value * (recall[i] - (i ? recall[i - 1] : 0))));
  }
  const count = method === "11-point" ? 11 : 101;
  return sum(readings(precision, recall, count).map(([, value]) => value)) / count;
}
