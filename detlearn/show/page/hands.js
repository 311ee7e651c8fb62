// The shapes of a drawn scene, and the hands that move them: pointer, keys, buttons. `self` is the page,
// see app.js.

import { between, drag, keys } from "./page.js";
import { handlesOf } from "./marks.js";
import { paint } from "./painting.js";
import { centredParts, extent, LARGEST, LEAST, shapeAt } from "./scene.js";

export function makeShape(scene, kind, place) {
  const parts = scene.shapes[kind];
  return { label: parts.label, parts: parts.parts, turn: 0, ...place };
}

export function freshScene(self) {
  const { state, scene } = self;
  state.paper = (state.paper + 1) % self.papers.length;
  const cells = shuffled([...Array(9).keys()]).slice(0, 5);
  state.shapes = cells.map((cell) => makeShape(scene, Math.floor(Math.random() * scene.shapes.length), {
    cx: ((cell % 3) + 0.35 + 0.3 * Math.random()) / 3,
    cy: (Math.floor(cell / 3) + 0.35 + 0.3 * Math.random()) / 3,
    size: 0.14 + 0.2 * Math.random(), turn: (Math.random() - 0.5) * 0.5,
  }));
  state.shape = 0;
  self.look();
}

export function addShape(self) {
  const { state, scene } = self;
  state.kind = ((state.kind ?? -1) + 1) % scene.shapes.length;
  state.shapes.push(makeShape(scene, state.kind, { cx: 0.5, cy: 0.5, size: 0.25 }));
  state.shape = state.shapes.length - 1;
  self.look();
}

export function removeShape(self) {
  const { state } = self;
  state.shapes.splice(state.shape, 1);
  state.shape = Math.max(0, Math.min(state.shape, state.shapes.length - 1));
  self.look();
}

export function togglePen(self) {
  self.state.pen = !self.state.pen;
  document.getElementById("draw").textContent = self.state.pen ? "Draw: one stroke in the picture" : "Draw one";
  paint(self);
}

function finishDrawing(self) {
  const { state, scene } = self;
  const points = state.drawing, box = extent(points), size = Math.max(box[2] - box[0], box[3] - box[1]);
  state.drawing = null;
  if (points.length < 6 || size < LEAST) return;
  const colour = scene.inks[state.shapes.length % scene.inks.length];
  state.shapes.push({ label: 0, parts: centredParts([[colour, points]]), cx: (box[0] + box[2]) / 2,
    cy: (box[1] + box[3]) / 2, size, turn: 0 });
  state.shape = state.shapes.length - 1;
  togglePen(self);
  self.look();
}

function change(self, edit) {
  const shape = self.state.shapes[self.state.shape];
  if (self.state.source !== "scene" || !shape) return;
  edit(shape);
  shape.cx = between(shape.cx, 0, 1);
  shape.cy = between(shape.cy, 0, 1);
  self.look();
}

export const sizeBy = (factor) => (self) => change(self, (s) => { s.size = between(s.size * factor, LEAST, LARGEST); });
export const turnBy = (angle) => (self) => change(self, (s) => { s.turn += angle; });
const moveBy = (dx, dy) => (self) => change(self, (s) => { s.cx += dx; s.cy += dy; });

const shuffled = (items) => items.map((item) => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item);

// ---- pointer and keys

export function listenToHands(self) {
  const { state, canvas } = self;
  let held = null;
  drag(canvas.canvas, {
    start(x, y, touch) {
      const [fx, fy] = [x / canvas.width, y / canvas.tall];
      held = state.source === "scene" ? grasp(self, fx, fy, touch) : null;
      const box = (self.answer?.found ?? []).findIndex(({ box: [x1, y1, x2, y2] }) => fx > x1 && fx < x2 && fy > y1 && fy < y2);
      if (box >= 0) state.pick = box;
      paint(self);
      return held !== null;
    },
    move: (x, y) => moveHeld(self, held, x / canvas.width, y / canvas.tall),
  });
  canvas.canvas.addEventListener("pointerup", () => { if (state.drawing) finishDrawing(self); });
  listenToKeys(self);
}

// What the pointer takes hold of in a scene: the pen, a handle of the chosen shape, a shape, or null.
function grasp(self, fx, fy, touch) {
  const { state } = self;
  if (state.pen) {
    state.drawing = [fx, fy];
    return { draw: true };
  }
  const reach = (touch ? 26 : 12) / self.canvas.width, chosen = state.shapes[state.shape];
  const grip = chosen && Object.entries(handlesOf(chosen))
    .find(([, [hx, hy]]) => Math.hypot(hx - fx, hy - fy) < reach);
  if (grip) return { grip: grip[0], start: { ...chosen }, fx, fy };
  const hit = shapeAt(state.shapes, fx, fy, touch ? 0.02 : 0.005);
  if (hit < 0) return null;
  state.shape = hit;
  return { start: { ...state.shapes[hit] }, fx, fy };
}

function moveHeld(self, held, fx, fy) {
  const { start } = held;
  if (held.draw) {
    self.state.drawing.push(between(fx, 0, 1), between(fy, 0, 1));
    paint(self);
  } else if (held.grip === "turn") {
    change(self, (s) => { s.turn = Math.atan2(fy - s.cy, fx - s.cx) + Math.PI / 2; });
  } else if (held.grip === "size") {
    const grown = Math.hypot(fx - start.cx, fy - start.cy) / Math.hypot(held.fx - start.cx, held.fy - start.cy);
    change(self, (s) => { s.size = between(start.size * grown, LEAST, LARGEST); });
  } else change(self, (s) => { s.cx = start.cx + fx - held.fx; s.cy = start.cy + fy - held.fy; });
}

function listenToKeys(self) {
  const { state } = self;
  const nextBox = () => { state.pick = (state.pick + 1) % Math.max(1, self.answer?.found.length ?? 1); paint(self); };
  const nextShape = () => { state.shape = (state.shape + 1) % Math.max(1, state.shapes.length); paint(self); };
  const does = (act) => () => act(self);
  const inScene = (act) => () => { if (state.source === "scene") act(self); };
  keys(self.canvas.canvas, {
    ArrowLeft: does(moveBy(-0.01, 0)), ArrowRight: does(moveBy(0.01, 0)),
    ArrowUp: does(moveBy(0, -0.01)), ArrowDown: does(moveBy(0, 0.01)),
    "+": does(sizeBy(1.1)), "=": does(sizeBy(1.1)), "-": does(sizeBy(1 / 1.1)), t: does(turnBy(Math.PI / 12)),
    n: inScene(nextShape), a: inScene(addShape), Delete: inScene(removeShape), b: nextBox,
  });
}
