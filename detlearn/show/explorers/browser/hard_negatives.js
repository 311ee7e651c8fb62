// Hard-negative explorer: the losses of an image's priors as they lie and sorted, the ratio on a
// slider, and why topk chooses the same ones as sorting twice.

import { argsort, miningPlan } from "./geometry.js";
import { HATCH, field, glyph, legend, line } from "./legend.js";
import { button, check, drag, element, hint, keys, layOut, plural, slider, stage, table } from "./page.js";

export function mount(app, options) {
  const n = options.loss.length;
  const state = {
    labels: options.labels.slice(), ratio: options.ratio, prior: options.prior,
    positivesRank: false,
  };
  let plan = null;

  const [left, right] = layOut(app, () => update());
  const bars = stage(left, {
    id: "bars", keys: true, label: "", height: () => 372, draw,
  });
  legend(left, [["mined", field("accent", 1, "accent")], ["negative, not mined", field("muted", 1, "field")],
    ["positive: takes no part", field("muted", 1) + glyph(HATCH, "ink", 1.2)],
    ["the chosen prior, its way and its place", field("warm", 3)], ["the cut at n", line("ink", 2, "6 4")]]);
  const ratioSlider = slider(right, "ratio", "Ratio", { min: 0, max: 40 },
    (value) => { state.ratio = value / 4; update(); });
  const priorSlider = slider(right, "prior", "Prior", { max: n - 1 },
    (value) => { state.prior = value; update(); });
  const buttons = element(right, "div", { class: "buttons" });
  const flip = button(buttons, "flip", "", () => {
    state.labels[state.prior] = state.labels[state.prior] > 0 ? 0 : 1;
    update();
  });
  const checks = element(right, "div", { class: "checks" });
  const rankBox = check(checks, "rank", "positives are ranked too, with loss 0 (published code)",
    (on) => { state.positivesRank = on; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  facts.style.minHeight = "0";
  const words = element(right, "p", { id: "words" });
  words.style.margin = "0";
  const list = table(right, "",
    ["prior", "loss", "order", "rank", "rank < n", "in topk"]);
  hint(app, "Above: the losses as the priors lie; below: the same, sorted. Click a bar, or with the " +
    "picture focused: [←] [→] choose a prior, [Space] turns it from background to object and back, " +
    "[↑] [↓] change the ratio.");

  const toPrior = (i) => { state.prior = Math.min(n - 1, Math.max(0, i)); update(); };
  const toRatio = (ratio) => { state.ratio = Math.min(10, Math.max(0, ratio)); update(); };
  keys(bars.canvas, {
    ArrowLeft: () => toPrior(state.prior - 1), ArrowRight: () => toPrior(state.prior + 1),
    ArrowUp: () => toRatio(state.ratio + 0.25), ArrowDown: () => toRatio(state.ratio - 0.25),
    Home: () => toPrior(0), End: () => toPrior(n - 1), " ": () => flip.click(),
  });
  const pointed = (x, y) => {
    const place = Math.min(n - 1, Math.max(0, Math.floor((x / bars.width) * n)));
    toPrior(y < 190 ? place : plan.order[place]);
    return true;
  };
  drag(bars.canvas, { start: pointed, move: pointed });

  function measure() {
    plan = miningPlan(options.loss, state.labels, state.ratio, state.positivesRank);
    // Sorting once says who is on each place; sorting that says the place of each.
    plan.order = argsort(plan.candidates, true);
    plan.rank = argsort(plan.order);
    plan.double = plan.rank.map((rank) => rank < plan.mined);
    plan.topk = new Set(plan.order.slice(0, plan.mined));
  }

  function update() {
    measure();
    const i = state.prior, positives = state.labels.filter((label) => label > 0).length;
    const negatives = state.labels.filter((label) => label === 0).length;
    const positive = state.labels[i] > 0;
    ratioSlider.show(Math.round(4 * state.ratio), `${state.ratio} : 1`);
    priorSlider.show(i, `${i} of 0–${n - 1}`);
    flip.textContent = positive ? `Make prior ${i} background` : `Make prior ${i} an object`;
    rankBox.input.checked = state.positivesRank;
    const wrong = plan.double.filter((mined, k) => mined && state.labels[k] > 0).length;
    const limit = state.positivesRank ? n : negatives;
    facts.innerHTML = `${plural(positives, "positive")} × ${state.ratio} = ` +
      `${positives * state.ratio}` +
      (Math.floor(positives * state.ratio) > limit ? `, but there are only ${limit}` : "") +
      `: n = <b>${plan.mined}</b> mined of ${plural(negatives, "negative")}.` +
      (wrong ? ` <b>${plural(wrong, "positive")}</b> counted among them: the ranking has run ` +
        "out of negatives." : "") +
      (positives ? "" : " No positive, nothing mined: the image adds nothing to the loss.");
    const same = plan.double.every((mined, k) => mined === plan.topk.has(k));
    words.innerHTML = `order[<b>${plan.rank[i]}</b>] = <b>${i}</b>: place ${plan.rank[i]} is ` +
      `held by prior ${i}. rank[<b>${i}</b>] = <b>${plan.rank[i]}</b>: prior ${i} holds place ` +
      `${plan.rank[i]}. rank &lt; n asks of every prior what the first n of order (topk) list at ` +
      `once: the same priors, ${same ? "yes" : "no"}.`;
    const shown = 12, first = Math.min(Math.max(0, i - 5), Math.max(0, n - shown));
    list.title.textContent = n > shown ? `Priors ${first} to ${Math.min(n, first + shown) - 1} ` +
      `of 0–${n - 1}; n = ${plan.mined}` : `All priors; n = ${plan.mined}`;
    list.fill(options.loss.slice(first, first + shown).map((loss, row) => {
      const k = first + row;
      const label = state.labels[k];
      return {
        picked: k === i,
        cells: [`${k}${label > 0 ? " positive" : label < 0 ? " ignored" : ""}`, loss.toFixed(2),
          String(plan.order[k]), String(plan.rank[k]), plan.double[k] ? "yes" : "–",
          plan.topk.has(k) ? "yes" : "–"],
        pick: () => toPrior(k),
      };
    }));
    bars.say(`Losses of ${n} priors, as they lie and sorted. ${facts.textContent} ` +
      `Chosen is prior ${i}. Arrow keys choose, space turns background into object.`);
    bars.paint();
  }

  function draw(g, width, tall, colours) {
    const wide = width / n, top = 26, floor = 142, low = 226, lowFloor = 342;
    const most = Math.max(...options.loss, 1e-9), tallest = floor - top;
    const gap = Math.min(4, wide * 0.16), last = Math.ceil(26 / wide);
    const centre = (place) => (place + 0.5) * wide;
    // Where each prior goes; the chosen one's way on top.
    const way = (k, colour, line) => {
      g.strokeStyle = colour;
      g.lineWidth = line;
      g.beginPath();
      g.moveTo(centre(k), floor + 20);
      g.bezierCurveTo(centre(k), floor + 42, centre(plan.rank[k]), low - 36,
        centre(plan.rank[k]), low - 12);
      g.stroke();
    };
    for (let k = 0; k < n; k++) way(k, plan.double[k] ? colours.accent : colours.rule, 1.3);
    way(state.prior, colours.warm, 3.4);

    const bar = (k, place, base) => {
      const height = Math.max(2, (options.loss[k] / most) * tallest);
      const x = place * wide + gap, w = wide - 2 * gap, y = base - height;
      if (plan.double[k]) {
        g.fillStyle = colours.accent;
        g.fillRect(x, y, w, height);
      } else {
        g.fillStyle = colours.field;
        g.fillRect(x, y, w, height);
        g.strokeStyle = colours.muted;
        g.lineWidth = 1;
        g.strokeRect(x + 0.5, y + 0.5, Math.max(0, w - 1), height - 1);
      }
      if (state.labels[k] !== 0) hatch(g, x, y, w, height, plan.double[k] ? colours.halo : colours.ink);
      if (k === state.prior) {
        g.strokeStyle = colours.warm;
        g.lineWidth = 3.4;
        g.strokeRect(x - 1, y - 1, w + 2, height + 2);
      }
    };
    g.textAlign = "center";
    g.textBaseline = "middle";
    const number = (value, place, y, strong) => {
      if (wide < 19 && !strong && value % last) return;
      g.fillStyle = strong ? colours.warm : colours.muted;
      g.font = `${strong ? "bold " : ""}12px system-ui, sans-serif`;
      g.fillText(String(value), centre(place), y);
    };
    for (let k = 0; k < n; k++) {
      bar(k, k, floor);
      number(k, k, floor + 11, k === state.prior);
    }
    plan.order.forEach((k, place) => {
      bar(k, place, lowFloor);
      number(place, place, lowFloor + 11, k === state.prior);
    });
    // The cut.
    const x = Math.min(width - 1.5, Math.max(1.5, plan.mined * wide));
    g.strokeStyle = colours.ink;
    g.lineWidth = 2;
    g.setLineDash([6, 4]);
    g.beginPath();
    g.moveTo(x, low - 8);
    g.lineTo(x, lowFloor + 4);
    g.stroke();
    g.setLineDash([]);
    g.font = "13px system-ui, sans-serif";
    g.fillStyle = colours.ink;
    g.textAlign = x > width * 0.8 ? "right" : "left";
    g.fillText(`n = ${plan.mined}`, x + (x > width * 0.8 ? -6 : 6), low + 4);
    g.textAlign = "left";
    g.fillStyle = colours.muted;
    g.fillText("loss of prior 0, 1, 2, …", 0, 9);
    g.textAlign = "right";
    g.fillText("place in order", width, lowFloor + 26);
    g.textAlign = "left";
  }
}

function hatch(g, x, y, w, h, colour) {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
  g.strokeStyle = colour;
  g.lineWidth = 1.2;
  g.beginPath();
  for (let at = -h; at < w; at += 6) {
    g.moveTo(x + at, y + h);
    g.lineTo(x + at + h, y);
  }
  g.stroke();
  g.restore();
}
