// A scene of the picture book that the reader arranges: shapes made of polygons, and where they are.
// A shape is {label, parts, cx, cy, size, turn}: size is its longer side, unturned, and all lengths
// are fractions of the scene. Parts are [colour, [x, y, x, y, ...]] around the origin.

export const LARGEST = 0.9, LEAST = 0.05;

export function pointsOf(shape) {
  return shape.parts.flatMap(([, points]) => points);
}

export function extent(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    box[0] = Math.min(box[0], points[i]);
    box[1] = Math.min(box[1], points[i + 1]);
    box[2] = Math.max(box[2], points[i]);
    box[3] = Math.max(box[3], points[i + 1]);
  }
  return box;
}

// Points around the origin, the longer side of their box 1.
export function centredParts(parts) {
  const [x1, y1, x2, y2] = extent(parts.flatMap(([, points]) => points));
  const scale = 1 / Math.max(x2 - x1, y2 - y1), middle = [(x1 + x2) / 2, (y1 + y2) / 2];
  return parts.map(([colour, points]) =>
    [colour, points.map((value, i) => (value - middle[i % 2]) * scale)]);
}

// Where the points of a part lie in the scene.
export function placedPoints(shape, points) {
  const cos = Math.cos(shape.turn) * shape.size, sin = Math.sin(shape.turn) * shape.size;
  const out = new Array(points.length);
  for (let i = 0; i < points.length; i += 2) {
    out[i] = shape.cx + cos * points[i] - sin * points[i + 1];
    out[i + 1] = shape.cy + sin * points[i] + cos * points[i + 1];
  }
  return out;
}

// The box that a person would draw around it: the truth.
export function truthOf(shape) {
  return extent(placedPoints(shape, pointsOf(shape))).map((value) => Math.min(1, Math.max(0, value)));
}

// The shape on top at a place, or -1: inside its outline, or near it if it is small.
export function shapeAt(shapes, x, y, reach) {
  for (let i = shapes.length - 1; i >= 0; i--) {
    const [x1, y1, x2, y2] = truthOf(shapes[i]);
    if (x > x1 - reach && x < x2 + reach && y > y1 - reach && y < y2 + reach) return i;
  }
  return -1;
}

// Adds a polygon to the path, all of them turning the same way: where they overlap there is no hole.
function trace(g, points, side) {
  let area = 0;
  const count = points.length / 2, at = (i) => [points[2 * (i % count)], points[2 * (i % count) + 1]];
  for (let i = 0; i < count; i++) {
    const [[x, y], [nextX, nextY]] = [at(i), at(i + 1)];
    area += x * nextY - nextX * y;
  }
  for (let i = 0; i < count; i++) {
    const [x, y] = at(area < 0 ? count - 1 - i : i);
    if (i) g.lineTo(x * side, y * side);
    else g.moveTo(x * side, y * side);
  }
  g.closePath();
}

// Draws the scene on a square of `side` px; the shadow is that of the training pictures.
export function paintShapes(g, { shapes, paper, shadow }, side) {
  if (paper) g.drawImage(paper, 0, 0, side, side);
  else g.clearRect(0, 0, side, side);
  for (const shape of shapes) {
    const depth = (1 + (shape.size > 0.3 ? 1 : 0)) / 128;
    const fallen = { ...shape, cx: shape.cx + depth, cy: shape.cy + depth };
    g.globalAlpha = 71 / 255;
    g.fillStyle = shadow;
    g.beginPath();
    for (const [, points] of shape.parts) trace(g, placedPoints(fallen, points), side);
    g.fill();
    g.globalAlpha = 1;
    for (const [colour, points] of shape.parts) {
      g.fillStyle = colour;
      g.beginPath();
      trace(g, placedPoints(shape, points), side);
      g.fill();
    }
  }
}
