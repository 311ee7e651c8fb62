// The page itself: a picture on the left, what the detector says about it on the right. One object,
// `self`, holds what the parts of the page share: the state, the controls, the last answer.

import { button, check, element, hint, layOut, radios, slider, stage, table } from "./page.js";
import { loadDetector } from "./detector.js";
import { addShape, freshScene, listenToHands, makeShape, removeShape, sizeBy, togglePen, turnBy } from "./hands.js";
import { drawMaps } from "./marks.js";
import { currentImage, drawView, paint, sizeOfView } from "./painting.js";
import { pictureSource } from "./shots.js";

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
  const { config, scene } = options;
  const self = {
    app, options, config, scene, names: config.class_names,
    state: {
      source: scene ? "scene" : "picture", score: options.score, iou: config.iou_threshold,
      candidates: false, seen: false, truth: true, pick: 0, shape: 0, drawing: null, pen: false,
      shapes: [], paper: 0, failed: "",
    },
    ready: false, // the first layout comes before there is anything to paint
    papers: [], detector: null, view: null, answer: null, frames: [],
    look: (tell) => look(self, tell),
  };
  const [left, right] = layOut(app, () => { if (self.ready) paint(self); });
  element(document.head, "style", {}, PAGE_STYLE);
  self.scratch = Object.assign(document.createElement("canvas"), { width: config.side, height: config.side });
  self.ink = self.scratch.getContext("2d", { willReadFrequently: true });
  if (scene) self.papers = await Promise.all(scene.papers.map((one) => loaded(one.image)));
  buildLeft(self, left);
  buildRight(self, right);
  listenToHands(self);
  listenToFiles(self);
  joinNeighbours(self);
  await start(self, tf, engine, weights);
  return { detector: self.detector, state: self.state, look: self.look, answer: () => self.answer };
}

// The picture and what is done with it.
function buildLeft(self, left) {
  const { state, scene, config } = self;
  const film = element(left, "video", { hidden: "", muted: "", playsinline: "" });
  self.picture = pictureSource(film, (text) => say(self, text), () => look(self));
  const sources = [["scene", "Scene"], ["picture", "Picture"], ["camera", "Camera"]]
    .filter(([key]) => scene || key !== "scene");
  radios(left, "source", "Source", sources, state.source, (key) => toSource(self, key));
  self.error = element(left, "p", { class: "error", role: "alert", id: "error", hidden: "" });
  self.canvas = stage(left, {
    id: "view", keys: true, picture: true, label: "",
    draw: (g, wide, tall, colours) => drawView(self, g, wide, tall, colours),
    height: (wide) => {
      const shot = sizeOfView(self);
      return Math.min(wide * 1.4, (wide * shot[1]) / shot[0]);
    },
  });
  self.tools = element(left, "div", { class: "buttons", id: "tools" });
  const tool = (id, text, act) => button(self.tools, id, text, () => act(self));
  self.shapeTools = [ // of a chosen shape
    tool("smaller", "Smaller", sizeBy(1 / 1.1)), tool("larger", "Larger", sizeBy(1.1)),
    tool("turn", "Turn", turnBy(Math.PI / 12)), tool("delete", "Remove", removeShape),
  ];
  tool("add", "Add a shape", addShape);
  tool("draw", "Draw one", togglePen);
  tool("fresh", "New scene", freshScene);
  self.files = element(left, "div", { class: "files", id: "files" });
  element(self.files, "label", { for: "file" }, "Picture file:");
  const file = element(self.files, "input", { type: "file", id: "file", accept: "image/*" });
  file.addEventListener("change", () => { if (file.files[0]) openFile(self, file.files[0]); });
  const shows = element(left, "div", { class: "checks" });
  const show = (id, text) => check(shows, id, text, (on) => { state[id] = on; paint(self); });
  show("candidates", "Candidates before NMS");
  show("seen", `The ${config.side} × ${config.side} px that the network sees`);
  self.truthBox = scene ? show("truth", "The truth") : null;
  if (self.truthBox) self.truthBox.input.checked = true;
  self.help = element(left, "div");
}

// Thresholds, the answer, one box, the time.
function buildRight(self, right) {
  const { state, config } = self;
  self.scoreSlider = slider(right, "score", "Score >", { max: 99 }, (v) => { state.score = v / 100; update(self); });
  self.iouSlider = slider(right, "iou", "NMS IoU", { max: 100 }, (v) => { state.iou = v / 100; update(self); });
  if (config.suppression === "released") self.iouSlider.row.hidden = true; // it knows 0.3 and nothing else
  self.facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" }, "The network is being loaded …");
  self.list = table(right, "What was found", ["class", "score", "IoU with truth", "~stands for"], "found");
  self.origin = element(right, "p", { class: "facts", id: "origin" });
  self.maps = stage(right, {
    id: "maps", label: "", height: () => 96,
    draw: (g, wide, tall, colours) =>
      drawMaps(g, wide, tall, colours, config.layout, self.answer?.found[state.pick]),
  });
  self.clockTable = table(right, "Milliseconds of the last frame",
    ["prepare", "network", "read", "candidates", "NMS", "frames/s"], "times");
  hint(right, "Everything is computed here, in your browser. No picture leaves this page.");
}

// ---- a picture to look at

async function openFile(self, one) {
  if (await self.picture.openFile(one)) toSource(self, "picture");
}

function listenToFiles(self) {
  const over = (on) => self.app.classList.toggle("drop", on);
  for (const [name, act] of [["dragover", () => over(true)], ["dragleave", () => over(false)],
    ["drop", (event) => { over(false); const one = event.dataTransfer.files[0]; if (one) openFile(self, one); }]]) {
    document.addEventListener(name, (event) => { event.preventDefault(); act(event); });
  }
}

function toSource(self, key) {
  const { picture, scene } = self;
  if (key === "camera" && picture.live) return;
  self.state.source = key;
  document.getElementById(`source-${key}`).checked = true;
  picture.close();
  self.frames = [];
  if (key === "camera") picture.openCamera();
  for (const one of [self.tools, self.truthBox?.input.parentElement]) if (one) one.hidden = key !== "scene";
  self.files.hidden = key !== "picture";
  self.help.replaceChildren();
  hint(self.help, {
    scene: "Drag a shape; its square handle sizes it and its round handle turns it. Keys: [arrows] " +
      "move, [+] [−] size, [t] turns, [n] next shape, [a] adds, [Delete] removes, [b] next box.",
    picture: (scene ? "" : "The page can draw nothing that this network has learned, so no shape can be dragged: " +
      "show it a picture of your own, or open the camera. ") +
      "Drop a picture here, or choose a file. [b] goes to the next box.",
    camera: "Show it something that it was trained on. [b] goes to the next box.",
  }[key]);
  look(self);
}

function say(self, text) {
  self.error.textContent = text;
  self.error.hidden = !text;
}

// In a frame beside others: all of them look at one scene.
function joinNeighbours(self) {
  const { state } = self;
  self.inside = window.parent !== window && window.name !== "alone"; // in a notebook it is alone
  document.body.classList.toggle("inside", self.inside);
  addEventListener("message", ({ data, source }) => {
    if (source !== window.parent || !self.inside || !self.scene || !data?.scene) return;
    Object.assign(state, { shapes: data.scene.shapes, paper: data.scene.paper, shape: data.scene.shape });
    if (state.source === "scene") look(self, false);
  });
}

// ---- looking and choosing

function look(self, tell = true) {
  if (!self.detector) return;
  if (tell && self.inside && self.state.source === "scene") {
    const { shapes, paper, shape } = self.state;
    window.parent.postMessage({ scene: { shapes, paper, shape } }, "*");
  }
  const image = currentImage(self), now = performance.now();
  self.view = image && self.detector.look(image);
  if (image) self.frames = [...self.frames.filter((at) => now - at < 2000), now];
  update(self);
}

function update(self) {
  const { state } = self;
  self.answer = self.view && self.detector.choose(self.view, state.score, state.iou);
  if (self.answer) state.pick = Math.min(state.pick, Math.max(0, self.answer.found.length - 1));
  paint(self);
}

async function start(self, tf, engine, weights) {
  const { state, scene, options } = self;
  self.ready = true;
  if (scene) {
    state.shapes = scene.start.map(([kind, cx, cy, size, turn]) => makeShape(scene, kind, { cx, cy, size, turn }));
  } else if (options.picture) {
    const shown = await loaded(options.picture.image);
    self.picture.keep(shown, shown.width, shown.height, options.picture.what);
  }
  toSource(self, state.source);
  try {
    self.detector = await loadDetector(tf, options, engine, weights);
    look(self, false);
    self.frames = []; // the first frame compiles; the next one's times are what further ones take
    look(self, false);
  } catch (problem) {
    say(self, `The network could not be started: ${problem.message}`);
    self.facts.textContent = "";
  }
}

function loaded(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("a picture of the page is damaged"));
    image.src = source;
  });
}
