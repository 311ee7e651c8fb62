// Average-precision explorer: walk down the detections by score; precision, recall and three ways
// to read the curve.

import { argsort, averagePrecision, envelope, precisionRecall, readings } from "./geometry.js";
import { DOT, field, glyph, legend, line } from "./legend.js";
import { button, drag, element, hint, keys, layOut, radios, slider, stage, table } from "./page.js";

const METHODS = [["11-point", "11-point"], ["area", "area"], ["101-point", "101-point (COCO)"]];
const ABOUT = { "11-point": "VOC 2007", area: "VOC since 2010", "101-point": "COCO" };

export function mount(app, options) {
  const order = argsort(options.scores, true);
  const scores = order.map((i) => options.scores[i]), D = scores.length;
  const state = {
    hits: order.map((i) => options.hits[i]), admitted: D, method: "area", objects: options.num_gt,
  };
  let curve = null;

  const [left, right] = layOut(app, () => update());
  const strip = stage(left, { id: "strip", label: "", height: () => 54, draw: drawStrip });
  const plot = stage(left, {
    id: "plot", keys: true, label: "", height: (width) => Math.min(440, width * 0.86), draw,
  });
  legend(left, [["right", glyph(DOT, "ink", 1.6, "ink")], ["wrong", glyph(DOT, "ink", 1.6)],
    ["the last admitted", glyph(DOT, "warm", 3, "ink")],
    ["envelope: the best precision at this recall or a higher one", line("accent", 3)],
    ["area below it", field("none", 0, "accent", 0.22)], ["where 11 or 101 points read", line("warm", 2)],
    ["below the score", line("rule", 3)]]);
  const scoreSlider = slider(right, "score", "Score ≥", { max: D },
    (value) => toRank(value));
  radios(right, "interpolation", "Interpolation", METHODS, state.method,
    (value) => { state.method = value; update(); });
  const objectsSlider = slider(right, "objects", "Objects", { min: 1, max: Math.max(2 * D, 4) },
    (value) => {
      state.objects = Math.max(value, state.hits.filter(Boolean).length);
      update();
    });
  const buttons = element(right, "div", { class: "buttons" });
  const back = button(buttons, "back", "One fewer", () => toRank(state.admitted - 1));
  const next = button(buttons, "next", "One more", () => toRank(state.admitted + 1));
  const flip = button(buttons, "flip", "", () => {
    state.hits[state.admitted - 1] = !state.hits[state.admitted - 1];
    update();
  });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const results = table(right, "AP, read in three ways",
    ["interpolation", "admitted", "all", "~used by"], "results");
  const list = table(right, "", ["rank", "score", "right", "precision", "recall", "~envelope"]);
  hint(app, "Click a dot or a square; with the curve focused, [→] admits one more, [←] one " +
    "fewer, [Space] turns the last one from right to wrong and back.");

  function toRank(count) {
    state.admitted = Math.min(D, Math.max(0, count));
    update();
  }
  keys(plot.canvas, {
    ArrowRight: () => toRank(state.admitted + 1), ArrowLeft: () => toRank(state.admitted - 1),
    Home: () => toRank(0), End: () => toRank(D),
    " ": () => { if (!flip.disabled) flip.click(); },
  });
  const atStrip = (x) => { toRank(1 + Math.floor((x / strip.width) * D)); return true; };
  drag(strip.canvas, { start: atStrip, move: atStrip });
  drag(plot.canvas, {
    start(x, y) {
      const near = curve.all.recall.map((recall, i) =>
        Math.hypot(atX(recall) - x, atY(curve.all.precision[i]) - y));
      const best = argsort(near)[0];
      if (best !== undefined && near[best] < 24) toRank(best + 1);
      return false;
    },
    move() {},
  });

  function update() {
    const hitCount = state.hits.filter(Boolean).length, k = state.admitted;
    const all = precisionRecall(scores, state.hits, state.objects);
    const now = {
      precision: all.precision.slice(0, k), recall: all.recall.slice(0, k),
    };
    curve = { all, now };
    scoreSlider.show(k, k ? scores[k - 1].toFixed(2) : "none");
    objectsSlider.show(state.objects, String(state.objects));
    back.disabled = k === 0;
    next.disabled = k === D;
    const right_ = k > 0 && state.hits[k - 1];
    flip.textContent = right_ ? "Make the last one wrong" : "Make the last one right";
    flip.disabled = k === 0 || (!right_ && hitCount >= state.objects);
    const found = state.hits.slice(0, k).filter(Boolean).length;
    facts.innerHTML = k === 0 ? `No detection admitted, ${state.objects} objects: recall 0, and ` +
      "precision is not defined. AP is 0." :
      `Score ≥ ${scores[k - 1].toFixed(2)}: ${k} of ${D} detections, <b>${found}</b> right, ` +
      `${k - found} wrong. Precision ${found}/${k} = <b>${now.precision[k - 1].toFixed(3)}</b>, ` +
      `recall ${found}/${state.objects} = <b>${now.recall[k - 1].toFixed(3)}</b>.`;
    results.fill(METHODS.map(([method]) => ({
      picked: method === state.method,
      cells: [method, averagePrecision(now.precision, now.recall, method).toFixed(4),
        averagePrecision(all.precision, all.recall, method).toFixed(4), ABOUT[method]],
    })));
    const shown = 10, first = Math.min(Math.max(0, k - 6), Math.max(0, D - shown));
    const best = envelope(now.precision);
    list.title.textContent = D > shown ?
      `Detections ${first + 1} to ${Math.min(D, first + shown)} of ${D}` : "The detections";
    list.fill(scores.slice(first, first + shown).map((score, row) => {
      const i = first + row;
      return {
        picked: i === k - 1,
        cells: [String(i + 1), score.toFixed(2), state.hits[i] ? "right" : "wrong",
          all.precision[i].toFixed(3), all.recall[i].toFixed(3),
          i < k ? best[i].toFixed(3) : "–"],
        pick: () => toRank(i + 1),
      };
    }));
    strip.say(`The ${D} detections by falling score, ${k} of them admitted.`);
    plot.say(`Precision over recall. ${facts.textContent} AP, ${state.method}: ` +
      `${averagePrecision(now.precision, now.recall, state.method).toFixed(4)}. ` +
      "Arrow right admits one more detection.");
    strip.paint();
    plot.paint();
  }

  function drawStrip(g, width, tall, colours) {
    const wide = width / D, gap = Math.min(2, wide * 0.1);
    state.hits.forEach((hit, i) => {
      const admitted = i < state.admitted, x = i * wide + gap, w = wide - 2 * gap;
      g.globalAlpha = admitted ? 1 : 0.35;
      g.fillStyle = hit ? colours.accent : colours.field;
      g.fillRect(x, 2, w, 28);
      g.strokeStyle = hit ? colours.accent : colours.warm;
      g.lineWidth = 1.6;
      g.strokeRect(x + 1, 3, w - 2, 26);
      g.textAlign = "center";
      g.textBaseline = "middle";
      g.fillStyle = hit ? colours.halo : colours.warm;
      g.font = "bold 14px system-ui, sans-serif";
      if (wide > 12) g.fillText(hit ? "✓" : "✗", x + w / 2, 17);
      g.globalAlpha = 1;
      g.font = "11px system-ui, sans-serif";
      const every = Math.ceil(30 / wide);
      if (i % every === 0) {
        g.fillStyle = colours.muted;
        g.fillText(scores[i].toFixed(2), Math.max(13, x + w / 2), 40);
      }
    });
    const x = Math.min(width - 1.5, Math.max(1.5, state.admitted * wide));
    g.fillStyle = colours.ink;
    g.fillRect(x - 1.5, 0, 3, 48);
    g.textAlign = "left";
  }

  const START = 44, TOP = 12, END = 12, FLOOR = 40;
  const atX = (recall) => START + recall * (plot.width - START - END);
  const atY = (precision) => TOP + (1 - precision) * (plot.tall - TOP - FLOOR);

  function draw(g, width, tall, colours) {
    const { all, now } = curve;
    g.textBaseline = "middle";
    for (const value of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      g.fillStyle = colours.rule;
      g.fillRect(START, atY(value), width - START - END, 1);
      g.fillRect(atX(value), TOP, 1, tall - TOP - FLOOR);
      g.fillStyle = colours.muted;
      g.textAlign = "right";
      g.fillText(value.toFixed(1), START - 8, atY(value));
      g.textAlign = "center";
      g.fillText(value.toFixed(1), atX(value), tall - FLOOR + 14);
    }
    g.fillText("recall", atX(0.5), tall - 9);
    g.save();
    g.translate(9, atY(0.5));
    g.rotate(-Math.PI / 2);
    g.fillText("precision", 0, 0);
    g.restore();

    const best = envelope(now.precision);
    const steps = () => { // the envelope: flat to the left of every recall reached
      let before = 0;
      best.forEach((value, i) => {
        if (now.recall[i] === before) return;
        g.lineTo(atX(before), atY(value));
        g.lineTo(atX(now.recall[i]), atY(value));
        before = now.recall[i];
      });
      return before;
    };
    if (state.method === "area" && best.length) {
      g.fillStyle = colours.accent;
      g.globalAlpha = 0.22;
      g.beginPath();
      g.moveTo(atX(0), atY(0));
      g.lineTo(atX(steps()), atY(0));
      g.fill();
      g.globalAlpha = 1;
    }
    const saw = (from, to, colour) => {
      g.strokeStyle = colour;
      g.lineWidth = 1.4;
      g.beginPath();
      for (let i = from; i < to; i++) g.lineTo(atX(all.recall[i]), atY(all.precision[i]));
      g.stroke();
    };
    saw(Math.max(0, state.admitted - 1), D, colours.rule);
    saw(0, state.admitted, colours.muted);
    if (best.length) {
      g.strokeStyle = colours.accent;
      g.lineWidth = 3;
      g.beginPath();
      steps();
      g.stroke();
    }
    if (state.method !== "area") {
      const count = state.method === "11-point" ? 11 : 101;
      g.strokeStyle = g.fillStyle = colours.warm;
      g.lineWidth = count === 11 ? 2 : 1;
      for (const [recall, value] of readings(now.precision, now.recall, count)) {
        g.globalAlpha = count === 11 ? 1 : 0.6;
        g.beginPath();
        g.moveTo(atX(recall), atY(0));
        g.lineTo(atX(recall), atY(value));
        g.stroke();
        g.globalAlpha = 1;
        if (count === 11) g.fillRect(atX(recall) - 4, atY(value) - 4, 8, 8);
      }
    }
    all.recall.forEach((recall, i) => {
      const admitted = i < state.admitted, last = i === state.admitted - 1;
      g.beginPath();
      g.arc(atX(recall), atY(all.precision[i]), last ? 8 : 4.5, 0, 7);
      g.fillStyle = state.hits[i] ? (admitted ? colours.ink : colours.rule) : colours.paper;
      g.fill();
      g.strokeStyle = last ? colours.warm : admitted ? colours.ink : colours.rule;
      g.lineWidth = last ? 3.4 : 1.8;
      g.stroke();
    });
    g.textAlign = "left";
  }
}
