// The page itself: a picture on the left, what the detector says about it on the right.

import { boxIou, locate, priorAt, toCorners } from "./geometry.js";
import { between, button, check, drag, element, hint, keys, layOut, outline, plural, px, radios, slider, stage, table, thousands } from "./page.js";
import { toPicture } from "./answers.js";
import { loadDetector } from "./detector.js";
import { placeIn } from "./prepare.js";
import { centredParts, extent, LARGEST, LEAST, paintShapes, shapeAt, truthOf } from "./scene.js";
import { pictureSource } from "./shots.js";
import { drawFound, drawHandles, drawMaps } from "./marks.js";

const PAGE_STYLE = `
#top { max-width: 1040px; margin: 0 auto; padding: 14px 12px 0; }
#top h1 { margin: 0 0 2px; font-size: 20px; }
#top p { margin: 0; color: var(--muted); }
.inside .hint, .inside #top p { display: none; }
.error { margin: 0; padding: 8px 12px; border: 2px solid var(--warm); border-radius: 8px; }
.files { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
input[type=file] { font: inherit; max-width: 100%; }
.drop canvas { outline: 3px dashed var(--accent); outline-offset: -6px; }
tbody tr.pickable { cursor: pointer; }
@media (min-width: 1500px) { #app, #top { max-width: 1320px; }
  #app { grid-template-columns: minmax(0, 1fr) 520px; } canvas.picture { max-width: 760px; } }
`;

// ---- the page -------------------------------------------------------------------------------

export async function mount(app, options, tf, engine, weights) {
  const { config, scene } = options, names = config.class_names;
  const state = {
    source: scene ? "scene" : "picture", score: options.score, iou: config.iou_threshold,
    candidates: false, seen: false, truth: true, pick: 0, shape: 0, drawing: null, pen: false,
    shapes: [], paper: 0, failed: "",
  };
  let ready = false; // the first layout comes before there is anything to paint
  const [left, right] = layOut(app, () => { if (ready) paint(); });
  element(document.head, "style", {}, PAGE_STYLE);
  let detector = null, view = null, answer = null, frames = [];
  const scratch = Object.assign(document.createElement("canvas"), { width: config.side, height: config.side });
  const ink = scratch.getContext("2d", { willReadFrequently: true });
  const papers = scene ? await Promise.all(scene.papers.map((one) => loaded(one.image))) : [];
  const film = element(left, "video", { hidden: "", muted: "", playsinline: "" });
  const picture = pictureSource(film, (text) => say(text), () => look());

  // -- left: the picture and what is done with it
  const sources = [["scene", "Scene"], ["picture", "Picture"], ["camera", "Camera"]]
    .filter(([key]) => scene || key !== "scene");
  radios(left, "source", "Source", sources, state.source, (key) => toSource(key));
  const error = element(left, "p", { class: "error", role: "alert", id: "error", hidden: "" });
  const canvas = stage(left, {
    id: "view", keys: true, picture: true, label: "", draw,
    height: (wide) => {
      const shot = picturesSize();
      return Math.min(wide * 1.4, (wide * shot[1]) / shot[0]);
    },
  });
  const tools = element(left, "div", { class: "buttons", id: "tools" });
  const bySize = (factor) => () => change((s) => { s.size = between(s.size * factor, LEAST, LARGEST); });
  const byTurn = (angle) => () => change((s) => { s.turn += angle; });
  const sceneTools = [
    button(tools, "smaller", "Smaller", bySize(1 / 1.1)), button(tools, "larger", "Larger", bySize(1.1)),
    button(tools, "turn", "Turn", byTurn(Math.PI / 12)), button(tools, "delete", "Remove", removeShape),
    button(tools, "add", "Add a shape", addShape), button(tools, "draw", "Draw one", togglePen),
    button(tools, "fresh", "New scene", freshScene),
  ];
  const files = element(left, "div", { class: "files", id: "files" });
  element(files, "label", { for: "file" }, "Picture file:");
  const file = element(files, "input", { type: "file", id: "file", accept: "image/*" });
  file.addEventListener("change", () => { if (file.files[0]) open(file.files[0]); });
  const shows = element(left, "div", { class: "checks" });
  check(shows, "candidates", "Candidates before NMS", (on) => { state.candidates = on; paint(); });
  check(shows, "seen", `The ${config.side} × ${config.side} px that the network sees`,
    (on) => { state.seen = on; paint(); });
  const truthBox = scene ? check(shows, "truth", "The truth", (on) => { state.truth = on; paint(); }) : null;
  if (truthBox) truthBox.input.checked = true;
  const help = element(left, "div");

  // -- right: thresholds, the answer, one box, the time
  const scoreSlider = slider(right, "score", "Score >", { max: 99 }, (v) => { state.score = v / 100; update(); });
  const iouSlider = slider(right, "iou", "NMS IoU", { max: 100 }, (v) => { state.iou = v / 100; update(); });
  if (config.suppression === "released") iouSlider.row.hidden = true; // it knows 0.3 and nothing else
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" }, "The network is being loaded …");
  const list = table(right, "What was found", ["class", "score", "IoU with truth", "~stands for"], "found");
  const origin = element(right, "p", { class: "facts", id: "origin" });
  const maps = stage(right, {
    id: "maps", label: "", height: () => 96,
    draw: (g, wide, tall, colours) =>
      drawMaps(g, wide, tall, colours, config.layout, answer?.found[state.pick]),
  });
  const clockTable = table(right, "Milliseconds of the last frame",
    ["prepare", "network", "read", "candidates", "NMS", "frames/s"], "times");
  hint(right, "Everything is computed here, in your browser. No picture leaves this page.");

  // -- a picture to look at
  const picturesSize = () => state.source === "scene" || !picture.there ? [config.side, config.side]
    : [picture.canvas.width, picture.canvas.height];

  function currentImage() {
    if (state.source === "scene") {
      paintShapes(ink, { shapes: state.shapes, paper: papers[state.paper], shadow: scene.papers[state.paper].shadow }, config.side);
      return ink.getImageData(0, 0, config.side, config.side);
    }
    if (!picture.there) return null;
    return picture.canvas.getContext("2d", { willReadFrequently: true })
      .getImageData(0, 0, picture.canvas.width, picture.canvas.height);
  }

  const open = async (one) => { if (await picture.openFile(one)) toSource("picture"); };

  function toSource(key) {
    if (key === "camera" && picture.live) return;
    state.source = key;
    document.getElementById(`source-${key}`).checked = true;
    picture.close();
    frames = [];
    if (key === "camera") picture.openCamera();
    for (const one of [tools, truthBox?.input.parentElement]) if (one) one.hidden = key !== "scene";
    files.hidden = key !== "picture";
    help.replaceChildren();
    hint(help, {
      scene: "Drag a shape; its square handle sizes it and its round handle turns it. Keys: [arrows] " +
        "move, [+] [−] size, [t] turns, [n] next shape, [a] adds, [Delete] removes, [b] next box.",
      picture: (scene ? "" : "The page can draw nothing that this network has learned, so no shape can be dragged: " +
        "show it a picture of your own, or open the camera. ") +
        "Drop a picture here, or choose a file. [b] goes to the next box.",
      camera: "Show it something that it was trained on. [b] goes to the next box.",
    }[key]);
    look();
  }

  function say(text) {
    error.textContent = text;
    error.hidden = !text;
  }

  // -- shapes
  function make(kind, place) {
    const parts = scene.shapes[kind];
    return { label: parts.label, parts: parts.parts, turn: 0, ...place };
  }
  function freshScene() {
    state.paper = (state.paper + 1) % papers.length;
    const cells = shuffled([...Array(9).keys()]).slice(0, 5);
    state.shapes = cells.map((cell) => make(Math.floor(Math.random() * scene.shapes.length), {
      cx: ((cell % 3) + 0.35 + 0.3 * Math.random()) / 3,
      cy: (Math.floor(cell / 3) + 0.35 + 0.3 * Math.random()) / 3,
      size: 0.14 + 0.2 * Math.random(), turn: (Math.random() - 0.5) * 0.5,
    }));
    state.shape = 0;
    look();
  }
  function addShape() {
    state.kind = ((state.kind ?? -1) + 1) % scene.shapes.length;
    state.shapes.push(make(state.kind, { cx: 0.5, cy: 0.5, size: 0.25 }));
    state.shape = state.shapes.length - 1;
    look();
  }
  function removeShape() {
    state.shapes.splice(state.shape, 1);
    state.shape = Math.max(0, Math.min(state.shape, state.shapes.length - 1));
    look();
  }
  function togglePen() {
    state.pen = !state.pen;
    document.getElementById("draw").textContent = state.pen ? "Draw: one stroke in the picture" : "Draw one";
    paint();
  }
  function finishDrawing() {
    const points = state.drawing, box = extent(points), size = Math.max(box[2] - box[0], box[3] - box[1]);
    state.drawing = null;
    if (points.length < 6 || size < LEAST) return;
    const colour = scene.inks[state.shapes.length % scene.inks.length];
    state.shapes.push({ label: 0, parts: centredParts([[colour, points]]), cx: (box[0] + box[2]) / 2,
      cy: (box[1] + box[3]) / 2, size, turn: 0 });
    state.shape = state.shapes.length - 1;
    togglePen();
    look();
  }
  function change(edit) {
    const shape = state.shapes[state.shape];
    if (state.source !== "scene" || !shape) return;
    edit(shape);
    shape.cx = between(shape.cx, 0, 1);
    shape.cy = between(shape.cy, 0, 1);
    look();
  }

  // -- hands
  const handles = (shape) => {
    const reach = shape.size / 2 + 0.02, at = (angle) => [
      between(shape.cx + Math.cos(shape.turn + angle) * reach * 1.2, 0.02, 0.98),
      between(shape.cy + Math.sin(shape.turn + angle) * reach * 1.2, 0.02, 0.98)];
    return { size: at(Math.PI / 4), turn: at(-Math.PI / 2) };
  };
  let held = null;
  drag(canvas.canvas, {
    start(x, y, touch) {
      const [fx, fy] = [x / canvas.width, y / canvas.tall], reach = (touch ? 26 : 12) / canvas.width;
      held = null;
      if (state.source === "scene" && state.pen) {
        state.drawing = [fx, fy];
        held = { draw: true };
      } else if (state.source === "scene") {
        const chosen = state.shapes[state.shape];
        const grip = chosen && Object.entries(handles(chosen))
          .find(([, [hx, hy]]) => Math.hypot(hx - fx, hy - fy) < reach);
        const hit = shapeAt(state.shapes, fx, fy, touch ? 0.02 : 0.005);
        if (grip) held = { grip: grip[0], start: { ...chosen }, fx, fy };
        else if (hit >= 0) {
          state.shape = hit;
          held = { start: { ...state.shapes[hit] }, fx, fy };
        }
      }
      const box = (answer?.found ?? []).findIndex(({ box: [x1, y1, x2, y2] }) => fx > x1 && fx < x2 && fy > y1 && fy < y2);
      if (box >= 0) state.pick = box;
      paint();
      return held !== null;
    },
    move(x, y) {
      const [fx, fy] = [x / canvas.width, y / canvas.tall], { start } = held;
      if (held.draw) {
        state.drawing.push(between(fx, 0, 1), between(fy, 0, 1));
        paint();
      } else if (held.grip === "turn") {
        change((s) => { s.turn = Math.atan2(fy - s.cy, fx - s.cx) + Math.PI / 2; });
      } else if (held.grip === "size") {
        const grown = Math.hypot(fx - start.cx, fy - start.cy) / Math.hypot(held.fx - start.cx, held.fy - start.cy);
        change((s) => { s.size = between(start.size * grown, LEAST, LARGEST); });
      } else change((s) => { s.cx = start.cx + fx - held.fx; s.cy = start.cy + fy - held.fy; });
    },
  });
  canvas.canvas.addEventListener("pointerup", () => { if (state.drawing) finishDrawing(); });
  const by = (dx, dy) => () => change((s) => { s.cx += dx; s.cy += dy; });
  const nextBox = () => { state.pick = (state.pick + 1) % Math.max(1, answer?.found.length ?? 1); paint(); };
  const nextShape = () => { state.shape = (state.shape + 1) % Math.max(1, state.shapes.length); paint(); };
  const inScene = (act) => () => { if (state.source === "scene") act(); };
  keys(canvas.canvas, {
    ArrowLeft: by(-0.01, 0), ArrowRight: by(0.01, 0), ArrowUp: by(0, -0.01), ArrowDown: by(0, 0.01),
    "+": bySize(1.1), "=": bySize(1.1), "-": bySize(1 / 1.1), t: byTurn(Math.PI / 12),
    n: inScene(nextShape), a: inScene(addShape), Delete: inScene(removeShape), b: nextBox,
  });
  for (const [name, act] of [["dragover", () => app.classList.add("drop")], ["dragleave", () => app.classList.remove("drop")],
    ["drop", (event) => { app.classList.remove("drop"); const one = event.dataTransfer.files[0]; if (one) open(one); }]]) {
    document.addEventListener(name, (event) => { event.preventDefault(); act(event); });
  }

  // -- in a frame beside others: all of them look at one scene
  const inside = window.parent !== window && window.name !== "alone"; // in a notebook it is alone
  document.body.classList.toggle("inside", inside);
  addEventListener("message", ({ data, source }) => {
    if (source !== window.parent || !inside || !scene || !data?.scene) return;
    Object.assign(state, { shapes: data.scene.shapes, paper: data.scene.paper, shape: data.scene.shape });
    if (state.source === "scene") look(false);
  });

  // -- looking and choosing
  function look(tell = true) {
    if (!detector) return;
    if (tell && inside && state.source === "scene") {
      const { shapes, paper, shape } = state;
      window.parent.postMessage({ scene: { shapes, paper, shape } }, "*");
    }
    const image = currentImage(), now = performance.now();
    view = image && detector.look(image);
    if (image) frames = [...frames.filter((at) => now - at < 2000), now];
    update();
  }
  function update() {
    answer = view && detector.choose(view, state.score, state.iou);
    if (answer) state.pick = Math.min(state.pick, Math.max(0, answer.found.length - 1));
    paint();
  }
  const percent = (value) => value.toFixed(2);
  const truths = () => state.source !== "scene" ? [] : state.shapes.filter((s) => s.label)
    .map((shape) => ({ label: shape.label, box: truthOf(shape) }));

  function paint() {
    scoreSlider.show(Math.round(state.score * 100), percent(state.score));
    iouSlider.show(Math.round(state.iou * 100), percent(state.iou));
    for (const one of sceneTools.slice(0, 4)) one.disabled = !state.shapes.length;
    const found = answer?.found ?? [], objects = truths();
    const withTruth = found.map((one) => {
      const same = objects.filter((object) => object.label === one.label).map((object) => boxIou(object.box, one.box));
      return { ...one, iou: same.length ? Math.max(...same) : 0 };
    });
    const missed = objects.filter((object) => !found.some((one) =>
      one.label === object.label && boxIou(object.box, one.box) >= 0.5));
    list.fill(withTruth.map((one, i) => ({
      picked: i === state.pick,
      cells: [names[one.label], percent(one.score), objects.length ? percent(one.iou) : "–",
        plural(one.from.length, "candidate")],
      pick: () => { state.pick = i; paint(); },
    })));
    const now = view ? `${plural(found.length, "object")} found. ${plural(answer.candidates.length, "candidate")} ` +
      `of ${thousands(detector.priors.length / 4)} priors score above ${percent(state.score)}; NMS leaves ${found.length}.` : "";
    facts.textContent = !detector ? "The network is being loaded …" : !view ? (state.source === "camera"
      ? "Waiting for the camera." : "No picture yet: drop one here, or choose a file.") : now +
      (missed.length ? ` Missed: ${missed.map((object) => names[object.label]).join(", ")}.` : "");
    origin.textContent = found[state.pick] ? words(found[state.pick]) : "No box is chosen.";
    canvas.say(`${state.source === "scene" ? `A scene of ${plural(state.shapes.length, "shape")}` +
      (state.shapes[state.shape] ? `; chosen: ${names[state.shapes[state.shape].label] ?? "a drawing"}` : "")
      : picture.there ? picture.what : "No picture"}. ${facts.textContent} ` +
      withTruth.slice(0, 8).map((one) => `${names[one.label]} ${percent(one.score)}`).join(", "));
    if (view) {
      const { prepare, network, read } = view.times, { candidates, nms } = answer.times;
      const seconds = frames.length > 1 ? (frames.at(-1) - frames[0]) / 1000 : 0;
      clockTable.fill([{ cells: [...[prepare, network, read, candidates, nms].map((ms) => ms.toFixed(1)),
        seconds ? ((frames.length - 1) / seconds).toFixed(0) : "–"] }]);
    }
    maps.say(`The ${config.layout.map_sizes.length} maps that the heads read. ${origin.textContent}`);
    canvas.paint();
    maps.paint();
  }

  function words(one) {
    const at = locate(config.layout, one.prior), prior = priorAt(detector.priors, one.prior), S = config.side;
    const side = config.layout.map_sizes[at.level];
    const moved = view.answers.anchor(one.prior).some((value, i) => Math.abs(value - prior[i]) > 1e-9);
    return `The chosen box: ${names[one.label]}, ${percent(one.score)}. Prior ${thousands(one.prior)}: map ${at.level} of ` +
      `${side} × ${side} cells, row ${at.row}, column ${at.column}, number ${at.prior}; ${px(prior[2] * S)} × ` +
      `${px(prior[3] * S)} px around (${px(prior[0] * S)}, ${px(prior[1] * S)}).` +
      (moved ? " The ARM had moved it before the ODM looked." : "") +
      (one.from.length > 1 ? ` It stands for ${one.from.length} candidates.` : "");
  }

  // -- drawing
  function draw(g, wide, tall, colours) {
    if (state.source === "scene" && !state.seen) {
      paintShapes(g, { shapes: state.shapes, paper: papers[state.paper], shadow: scene.papers[state.paper].shadow }, wide);
    } else if (state.seen && view) {
      g.imageSmoothingEnabled = false;
      const at = placeIn(view.width, view.height, config.side, config.letterbox);
      if (state.source === "scene") currentImage();
      else ink.drawImage(picture.canvas, at.left, at.top, at.width, at.height);
      g.drawImage(scratch, at.left, at.top, at.width, at.height, 0, 0, wide, tall);
      g.imageSmoothingEnabled = true;
    } else if (state.source !== "scene" && picture.there) g.drawImage(picture.canvas, 0, 0, wide, tall);
    const big = ([x1, y1, x2, y2]) => [x1 * wide, y1 * tall, x2 * wide, y2 * tall];
    if (state.candidates) {
      for (const one of (answer?.candidates ?? []).slice(0, 400)) {
        outline(g, big(one.box), { colour: colours.warm, width: 1 });
      }
    }
    if (state.truth) for (const { box } of truths()) outline(g, big(box), { colour: "#ffffff", width: 1.4, dash: [5, 4], halo: "rgba(27,31,36,.55)" });
    (answer?.found ?? []).forEach((one, i) => drawFound(g, one, names[one.label], {
      chosen: i === state.pick, wide, tall,
      prior: i === state.pick &&
        toPicture(toCorners(priorAt(detector.priors, one.prior)), config, view.width, view.height),
    }));
    if (state.drawing) {
      g.strokeStyle = colours.ink;
      g.lineWidth = 3;
      g.beginPath();
      for (let i = 0; i < state.drawing.length; i += 2) g.lineTo(state.drawing[i] * wide, state.drawing[i + 1] * tall);
      g.stroke();
    }
    const chosen = state.source === "scene" && !state.pen && state.shapes[state.shape];
    if (chosen) drawHandles(g, handles(chosen), wide, tall, colours);
  }

  // -- start
  ready = true;
  if (scene) {
    state.shapes = scene.start.map(([kind, cx, cy, size, turn]) => make(kind, { cx, cy, size, turn }));
  } else if (options.picture) {
    const shown = await loaded(options.picture.image);
    picture.keep(shown, shown.width, shown.height, options.picture.what);
  }
  toSource(state.source);
  try {
    detector = await loadDetector(tf, options, engine, weights);
    look(false);
    frames = []; // the first frame compiles; the next one's times are what further ones take
    look(false);
  } catch (problem) {
    say(`The network could not be started: ${problem.message}`);
    facts.textContent = "";
  }
  return { detector, state, look, answer: () => answer };
}

const shuffled = (items) => items.map((item) => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item);

function loaded(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("a picture of the page is damaged"));
    image.src = source;
  });
}
