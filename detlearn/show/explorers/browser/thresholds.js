// Explorer of thresholds: which of a detector's candidates stay, and the prior behind each box.

import { boxIou, locate, priorAt, makePriors, toCorners } from "./geometry.js";
import { legend, line } from "./legend.js";
import { backdrop, between, element, hint, keys, layOut, loadImage, outline, plate, slider, stage, table, thousands } from "./page.js";

const NAMED = 12, FOUND_IOU = 0.5;

// Corners (fractions), score, prior and label of every candidate, best score first.
export function unpackCandidates(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), all = [];
  for (let at = 0; at < view.byteLength; at += 15) {
    const [x1, y1, x2, y2, score] = [0, 2, 4, 6, 8].map((k) => view.getUint16(at + k, true) / 65535);
    all.push({ box: [x1, y1, x2, y2], score, prior: view.getUint32(at + 10, true),
      label: view.getUint8(at + 14) });
  }
  return all;
}

// Score over a threshold, suppression in each class, the best of all.
export function select(candidates, [height, width], { score, iou, most }) {
  const px = ([x1, y1, x2, y2]) => [x1 * width, y1 * height, x2 * width, y2 * height], kept = [];
  for (const one of candidates) {
    if (one.score <= score || kept.length === most) break;
    const near = (other) => other.label === one.label && boxIou(px(other.box), px(one.box)) > iou;
    if (!kept.some(near)) kept.push(one);
  }
  return kept;
}

// Objects with a box of their class and an IoU of at least a half.
export const foundObjects = (kept, boxes, labels) => boxes.filter((object, g) => kept.some(
  (one) => one.label === labels[g] && boxIou(one.box, object) >= FOUND_IOU)).length;

// The object that a box overlaps most, whatever its class: `{ object, iou }`; object -1 for none.
export function nearest(box, boxes) {
  const ious = boxes.map((object) => boxIou(box, object)), iou = Math.max(0, ...ious);
  return { object: iou > 0 ? ious.indexOf(iou) : -1, iou };
}

// Places for plates `[width, [x, y], ...]`: the first that overlaps none before it, else the first.
export function placed(plates, height = 18) {
  const taken = [];
  for (const [width, ...places] of plates) {
    const free = places.find(([x, y]) => taken.every(([tx, ty, tw]) =>
      x + width <= tx || tx + tw <= x || Math.abs(y - ty) >= height));
    taken.push([...(free || places[0]), width]);
  }
  return taken.map(([x, y]) => [x, y]);
}

const LISTING = ".listing { height: 250px; overflow: auto; position: relative; }\n" +
  ".listing th { position: sticky; top: 0; background: var(--paper); }\n" +
  ".chosen { min-height: 2.8em; }\n@media (max-width: 480px) { .chosen { min-height: 4.2em; } }";

export function mount(app, options) {
  const { layout, boxes, labels, names, size } = options;
  const [height, width] = size, candidates = unpackCandidates(options.candidates);
  const priors = makePriors(layout), shape = height / width;
  const state = { score: options.score, iou: options.iou, most: options.most, pick: 0 };
  const nameOf = (label) => names[label] || `class ${label}`;
  const sides = ([x1, y1, x2, y2]) => `${Math.round((x2 - x1) * width)} × ` +
    `${Math.round((y2 - y1) * height)}`;
  let kept = [];

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (wide) => wide * shape, draw,
  });
  element(document.head, "style", {}, LISTING);
  legend(left, [["box", line("accent")], ["chosen box", line("accent", 4.4)],
    ["its prior", line("warm", 2.4, "7 5")],
    ...(boxes.length ? [["object (truth)", line("ink", 1.6, "4 4")]] : [])]);

  const scoreSlider = slider(right, "score", "score over", { min: 0.01, max: 0.99, step: 0.01 },
    (value) => { state.score = value; update(); });
  const iouSlider = slider(right, "iou", "IoU at most", { min: 0, max: 1, step: 0.05 },
    (value) => { state.iou = value; update(); });
  const mostSlider = slider(right, "most", "at most", { min: 1, max: options.most },
    (value) => { state.most = value; update(); });
  const pickSlider = slider(right, "box", "look at", { max: 1 },
    (value) => { state.pick = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const chosen = element(right, "p", { class: "hint chosen", id: "chosen" });
  const truth = boxes.length > 0;
  const list = table(right, truth ? "Every box, its prior, and its IoU with the nearest object" :
    "Every box, and the prior that it was made from", ["box", "class", "score", "level", "row, col", "px", "~prior, px", ...(truth ? ["IoU"] : [])]);
  list.node.parentElement.classList.add("listing");
  list.node.parentElement.setAttribute("tabindex", "0");
  hint(app, "With the picture focused: [→] next box, [←] the one before, [Page Up] and " +
    "[Page Down] move the score. Press on a box or a row to choose it.");

  const go = (by) => () => {
    state.pick = between(state.pick + by, 0, Math.max(0, kept.length - 1));
    update();
  };
  const raise = (by) => () => {
    state.score = between(Math.round(100 * state.score + by) / 100, 0.01, 0.99);
    update();
  };
  keys(picture.canvas, {
    ArrowRight: go(1), ArrowLeft: go(-1), Home: go(-1e6), End: go(1e6),
    PageUp: raise(5), PageDown: raise(-5),
  });
  function point(x, y) {
    const at = [x / picture.width, y / (picture.width * shape)];
    const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
    const under = kept.map((_, i) => i).filter((i) => {
      const [x1, y1, x2, y2] = kept[i].box;
      return at[0] >= x1 && at[0] <= x2 && at[1] >= y1 && at[1] <= y2;
    }).sort((a, b) => area(kept[a].box) - area(kept[b].box));
    if (under.length) {
      state.pick = under[(under.indexOf(state.pick) + 1) % under.length];
      update();
    }
  }
  picture.canvas.addEventListener("click", (event) => point(event.offsetX, event.offsetY));
  const holder = loadImage(options.image, () => update());

  function update() {
    kept = select(candidates, size, state);
    const last = Math.max(0, kept.length - 1);
    state.pick = between(state.pick, 0, last);
    const two = (value) => value.toFixed(2);
    scoreSlider.show(state.score, two(state.score));
    iouSlider.show(state.iou, two(state.iou));
    mostSlider.show(state.most, `${state.most} boxes`);
    pickSlider.show(state.pick, kept.length ? `box ${state.pick}` : "none", last);
    const counts = layout.map_sizes.map(() => 0);
    for (const one of kept) counts[locate(layout, one.prior).level]++;
    const over = candidates.filter((one) => one.score > state.score).length;
    const found = foundObjects(kept, boxes, labels);
    facts.innerHTML = `<b>${thousands(over)}</b> candidate${over === 1 ? "" : "s"} over ` +
      `${two(state.score)}, <b>${kept.length}</b> box${kept.length === 1 ? "" : "es"} kept; by ` +
      `level, fine to coarse: ${counts.join(", ")}.` +
      (boxes.length ? ` <b>${found}</b> of ${boxes.length} objects found.` : "") +
      (kept.length ? "" : " Lower the score to see boxes.");
    list.fill(kept.slice(0, 200).map((one, i) => {
      const { level, row, column } = locate(layout, one.prior), n = layout.map_sizes[level];
      return {
        cells: [i, nameOf(one.label), two(one.score), `${level} (${n} × ${n})`,
          `${row}, ${column}`, sides(one.box), sides(toCorners(priorAt(priors, one.prior))),
          ...(truth ? [two(nearest(one.box, boxes).iou)] : [])],
        picked: i === state.pick, pick: () => { state.pick = i; update(); },
      };
    }));
    show(list.node.querySelector(".picked"));
    chosen.textContent = chosenWords();
    picture.say(`${facts.textContent} ${chosen.textContent} Arrow right: the next box.`);
    picture.paint();
  }

  // Scrolls the list, and never the page.
  function show(row) {
    const area = list.node.parentElement;
    if (!row) return;
    const top = row.offsetTop, end = top + row.offsetHeight;
    if (top < area.scrollTop + 26) area.scrollTop = top - 26;
    else if (end > area.scrollTop + area.clientHeight) area.scrollTop = end - area.clientHeight;
  }

  function chosenWords() {
    const one = kept[state.pick];
    if (!one) return "";
    const { level, row, column, prior } = locate(layout, one.prior);
    const own = boxIou(one.box, toCorners(priorAt(priors, one.prior)));
    const { object, iou } = nearest(one.box, boxes);
    return `Box ${state.pick} (${nameOf(one.label)}) is from level ${level}, row ${row}, ` +
      `column ${column}, prior ${prior}. IoU of prior and box: ${own.toFixed(2)}` +
      (object < 0 ? "." : `; of box and object: ${iou.toFixed(2)} (${nameOf(labels[object])}).`);
  }

  function draw(g, wide, tall, colours) {
    backdrop(g, wide, holder, "rgba(0,0,0,0)");
    const scaled = (box) => box.map((v, i) => v * (i % 2 ? tall : wide));
    for (const object of boxes) {
      outline(g, scaled(object), { colour: colours.ink, width: 1.6, dash: [4, 4], halo: colours.halo });
    }
    const order = kept.map((_, i) => i).filter((i) => i !== state.pick).reverse();
    const crowd = kept.length > 3 * NAMED;
    for (const i of order) {
      outline(g, scaled(kept[i].box), { colour: colours.accent, width: crowd ? 1.4 : 2.4,
        halo: crowd ? undefined : colours.halo });
    }
    const one = kept[state.pick];
    if (!one) return;
    outline(g, scaled(toCorners(priorAt(priors, one.prior))),
      { colour: colours.warm, width: 2.4, dash: [7, 5], halo: colours.halo });
    outline(g, scaled(one.box), { colour: colours.accent, width: 4.4, halo: colours.halo });
    const named = [state.pick, ...order.reverse().filter((i) => i < NAMED)];
    const words = named.map((i) =>
      `${i} ${nameOf(kept[i].label)}${i === state.pick ? ` ${kept[i].score.toFixed(2)}` : ""}`);
    const places = placed(named.map((i, k) => {
      const [x1, y1, x2, y2] = scaled(kept[i].box), w = g.measureText(words[k]).width + 8;
      const inside = ([x, y]) => [between(x, 0, wide - w), between(y, 9, tall - 9)];
      return [w, ...[[x1, y1 - 12], [x1, y2 + 12], [x2 + 4, (y1 + y2) / 2], [x1 - w - 4,
        (y1 + y2) / 2], [x1, y1 - 31], [x1, y2 + 31]].map(inside)];
    }));
    named.forEach((i, k) => plate(g, words[k], ...places[k], i === state.pick
      ? { colour: colours.halo, paper: colours.ink } : { colour: colours.ink, paper: colours.paper }));
  }
}
