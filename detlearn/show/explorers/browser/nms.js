// NMS explorer: score and IoU thresholds, hard, linear or Gaussian, step by step; who suppressed
// whom.

import { suppress, toCenter } from "./geometry.js";
import { ARROW, glyph, legend, line } from "./legend.js";
import { arrow, backdrop, button, drag, element, hint, keys, layOut, loadImage, outline, plate, plural, radios, slider, stage, table } from "./page.js";

export function mount(app, options) {
  const { boxes, scores } = options;
  const state = {
    method: "hard", score: options.score_threshold, iou: options.iou_threshold, sigma: 0.5,
    step: 0, pointed: -1, playing: 0,
  };
  let run = null;

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (width) => width, draw,
  });
  legend(left, [["waiting", line("ink", 1.8)], ["this step's best", line("warm", 4.4)],
    ["kept", line("accent", 3.2)], ["out", line("muted", 1.3, "4 4")],
    ["score too low", line("muted", 1, "1 4")], ["takes score from", glyph(ARROW, "warm", 2.4)]]);
  radios(right, "method", "Method", [["hard", "hard"], ["linear", "linear"],
    ["gaussian", "Gaussian"]], state.method, (value) => restart({ method: value }));
  const scoreSlider = slider(right, "score", "Score >", { min: 0, max: 95, step: 1 },
    (value) => restart({ score: value / 100 }));
  const iouSlider = slider(right, "iou", "IoU >", { min: 0, max: 95, step: 5 },
    (value) => restart({ iou: value / 100 }));
  const sigmaSlider = slider(right, "sigma", "Sigma", { min: 1, max: 20 },
    (value) => restart({ sigma: value / 20 }));
  const stepSlider = slider(right, "step", "Step", {}, (value) => toStep(value));
  const buttons = element(right, "div", { class: "buttons" });
  const back = button(buttons, "back", "Back", () => toStep(state.step - 1));
  const next = button(buttons, "next", "Next step", () => toStep(state.step + 1));
  const play = button(buttons, "play", "Play", () => {
    if (state.playing) return stop();
    if (state.step >= run.steps.length) state.step = 0;
    state.playing = setInterval(() => {
      toStep(state.step + 1, true);
      if (state.step >= run.steps.length) stop();
    }, 1100);
    return update();
  });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "All boxes by score", ["box", "score", "now", "fate"]);
  hint(app, "With the picture focused: [→] next step, [←] back, [Home] first, [End] last. " +
    "Point at a box or a line of the list to see it alone.");

  function stop() {
    clearInterval(state.playing);
    state.playing = 0;
    update();
  }
  // A changed setting shows its result at once, if the end was on show.
  function restart(settings) {
    const ended = run && state.step >= run.steps.length && state.step > 0;
    Object.assign(state, settings);
    measure();
    state.step = ended ? run.steps.length : Math.min(state.step, run.steps.length);
    update();
  }
  function toStep(step, playing = false) {
    if (!playing && state.playing) stop();
    state.step = Math.min(run.steps.length, Math.max(0, step));
    update();
  }
  keys(picture.canvas, {
    ArrowRight: () => toStep(state.step + 1), ArrowLeft: () => toStep(state.step - 1),
    Home: () => toStep(0), End: () => toStep(run.steps.length),
  });
  // The smallest box under the pointer.
  const pointedAt = (x, y) => {
    const [fx, fy] = [x / picture.width, y / picture.width];
    const under = boxes.map((_, i) => i).filter((i) => {
      const [x1, y1, x2, y2] = boxes[i];
      return fx > x1 && fx < x2 && fy > y1 && fy < y2;
    });
    const area = (i) => (boxes[i][2] - boxes[i][0]) * (boxes[i][3] - boxes[i][1]);
    const i = under.sort((a, b) => area(a) - area(b))[0];
    state.pointed = i === undefined || state.pointed === i ? -1 : i;
    update();
    return false;
  };
  drag(picture.canvas, { start: (x, y, touch) => (touch ? false : pointedAt(x, y)), move() {} });
  picture.canvas.addEventListener("touchend", (event) => {
    const area = picture.canvas.getBoundingClientRect(), touch = event.changedTouches[0];
    pointedAt(touch.clientX - area.left, touch.clientY - area.top);
  });
  const holder = loadImage(options.image, () => update());

  function measure() {
    const chosen = scores.map((_, i) => i).filter((i) => scores[i] > state.score);
    run = suppress(chosen.map((i) => boxes[i]), chosen.map((i) => scores[i]), {
      method: state.method, iouThreshold: state.iou, sigma: state.sigma,
      scoreThreshold: state.score,
    });
    for (const step of run.steps) {
      step.best = chosen[step.best];
      for (const effect of step.effects) effect.i = chosen[effect.i];
    }
  }

  // What has become of every box after the steps shown.
  function fates() {
    const all = scores.map((score) => ({
      now: score, state: score > state.score ? "waiting" : "below", words:
        score > state.score ? "waiting" : "score too low",
    }));
    run.steps.slice(0, state.step).forEach((step, s) => {
      Object.assign(all[step.best], {
        state: s === state.step - 1 ? "best" : "kept", words: `kept, number ${s + 1}`,
      });
      for (const { i, iou, before, after, dropped } of step.effects) {
        const fate = all[i];
        fate.now = after;
        if (dropped || after < before) {
          fate.by = step.best;
          fate.iou = iou;
        }
        if (dropped) {
          fate.state = "out";
          fate.words = (state.method === "hard" ? "out" : "faded out") +
            ` by ${step.best}, IoU ${iou.toFixed(2)}`;
        } else if (after < before) {
          fate.words = `× ${(after / before).toFixed(2)} by ${step.best}, IoU ${iou.toFixed(2)}`;
        }
      }
    });
    run.steps.slice(0, state.step).forEach((step, s) => {
      all[step.best].words = `kept, number ${s + 1}`;
    });
    return all;
  }

  function update() {
    if (!run) measure();
    const all = fates(), last = run.steps.length, hard = state.method === "hard";
    scoreSlider.show(Math.round(100 * state.score), state.score.toFixed(2));
    iouSlider.show(Math.round(100 * state.iou), state.iou.toFixed(2));
    iouSlider.row.hidden = state.method === "gaussian";
    sigmaSlider.row.hidden = state.method !== "gaussian";
    sigmaSlider.show(Math.round(20 * state.sigma), state.sigma.toFixed(2));
    stepSlider.show(state.step, `${state.step} of ${last}`, last);
    back.disabled = state.step === 0;
    next.disabled = state.step >= last;
    play.textContent = state.playing ? "Pause" : "Play";
    play.disabled = last === 0;
    const count = (...names) => all.filter((fate) => names.includes(fate.state)).length;
    const step = run.steps[state.step - 1];
    if (!last) {
      facts.textContent = `No box has a score above ${state.score.toFixed(2)}: nothing to do.`;
    } else if (!step) {
      facts.innerHTML = `<b>${count("waiting")}</b> of ${boxes.length} boxes have a score above ` +
        `${state.score.toFixed(2)} and wait, best first. Step 1 takes the best.`;
    } else {
      const touched = step.effects.filter((effect) => effect.dropped || effect.after < effect.before);
      const names = touched.map((effect) => effect.i).join(", ");
      facts.innerHTML = `Step ${state.step}: box <b>${step.best}</b> has the best score that ` +
        `waits, ${step.score.toFixed(2)}, and stays. ` +
        (!touched.length ? "It overlaps no waiting box enough to matter. "
          : hard ? `It suppresses <b>${names}</b> (IoU above ${state.iou.toFixed(2)}). `
            : `It takes score from <b>${names}</b>. `) +
        `Kept: <b>${count("kept", "best")}</b>, out: ${count("out", "below")}, ` +
        `waiting: ${count("waiting")}.` + (state.step === last ? " Done." : "");
    }
    const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b);
    list.fill(order.map((i) => ({
      picked: all[i].state === "best",
      cells: [String(i), scores[i].toFixed(2), all[i].now.toFixed(2), all[i].words],
      point: (on) => { state.pointed = on ? i : -1; picture.paint(); },
    })));
    picture.all = all;
    picture.say(`Image with ${boxes.length} detected boxes. ${facts.textContent} ` +
      "Arrow right: next step.");
    picture.paint();
  }

  function draw(g, width, tall, colours) {
    const all = picture.all;
    backdrop(g, width, holder, colours.veil);
    const place = (i) => boxes[i].map((v) => v * width);
    const styles = {
      below: { colour: colours.muted, width: 1, dash: [1, 4], alpha: 0.5 },
      out: { colour: colours.muted, width: 1.3, dash: [4, 4], alpha: 0.75 },
      waiting: { colour: colours.ink, width: 1.8, alpha: 0.9 },
      kept: { colour: colours.accent, width: 3.2, halo: colours.halo, alpha: 1 },
      best: { colour: colours.warm, width: 4.4, halo: colours.halo, alpha: 1 },
    };
    const layer = Object.keys(styles), order = boxes.map((_, i) => i)
      .sort((a, b) => layer.indexOf(all[a].state) - layer.indexOf(all[b].state));
    for (const i of order) {
      const style = styles[all[i].state];
      g.globalAlpha = state.pointed >= 0 && state.pointed !== i ? 0.2 : style.alpha;
      outline(g, place(i), style);
      if (i === state.pointed) outline(g, place(i), { ...style, width: 4.4, halo: colours.halo });
    }
    g.globalAlpha = 1;
    // Who did it: an arrow from the box that stays to the one that pays.
    const step = run.steps[state.step - 1];
    boxes.forEach((_, i) => {
      const { by, state: fate } = all[i];
      const mine = state.pointed >= 0 ? i === state.pointed || by === state.pointed
        : step && by === step.best;
      if (by === undefined || !mine || fate === "below") return;
      const [fx, fy] = toCenter(place(by)), [tx, ty] = toCenter(place(i));
      arrow(g, fx, fy, tx, ty, colours.halo, 5.5);
      arrow(g, fx, fy, tx, ty, colours.warm, 2.4);
    });
    // Numbers on the upper left corners; where several meet, they step aside.
    const taken = [];
    for (const i of order.slice().reverse()) {
      if (state.pointed >= 0 ? i !== state.pointed : all[i].state === "below") continue;
      const [x1, y1] = place(i);
      const strong = all[i].state === "best" || all[i].state === "kept";
      let [x, y] = [Math.max(2, Math.min(width - 70, x1 - 6)), Math.max(11, y1)];
      while (taken.some(([a, b]) => Math.abs(a - x) < 56 && Math.abs(b - y) < 19)) y += 19.5;
      taken.push([x, y]);
      g.globalAlpha = all[i].state === "out" ? 0.8 : 1;
      plate(g, `${i}: ${all[i].now.toFixed(2)}`, x, y, {
        colour: strong ? colours.halo : colours.ink,
        paper: all[i].state === "best" ? colours.warm : strong ? colours.accent : colours.paper,
      });
    }
    g.globalAlpha = 1;
  }
}
