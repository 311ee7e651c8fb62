// What is drawn over a picture: found boxes, a shape's handles, the maps and the cell that answered.

import { locate } from "./geometry.js";
import { between, outline, plate } from "./page.js";

// prior: the box that the detection came from, or null if it is not to be seen.
export function drawFound(g, one, name, { chosen, prior, wide, tall }) {
  const big = ([x1, y1, x2, y2]) => [x1 * wide, y1 * tall, x2 * wide, y2 * tall];
  const colour = chosen ? "#f0e442" : "#56b4e9";
  if (prior) {
    outline(g, big(prior), { colour: "#d55e00", width: 2, dash: [4, 4] });
  }
  outline(g, big(one.box), { colour, width: chosen ? 3.2 : 2.4, halo: "#1b1f24" });
  for (let j = 0; j < one.points.length; j += 2) {
    g.beginPath();
    g.arc(one.points[j] * wide, one.points[j + 1] * tall, 3.5, 0, 7);
    g.fillStyle = colour;
    g.fill();
  }
  const [x1, y1] = big(one.box), text = `${name} ${one.score.toFixed(2)}`;
  plate(g, text, between(x1, 0, wide - g.measureText(text).width - 8), between(y1 - 10, 9, tall - 9),
    { colour: "#14181d", paper: colour });
}

// Where a shape's two handles are, in fractions of the picture: one sizes it, one turns it.
export function handlesOf(shape) {
  const reach = shape.size / 2 + 0.02, at = (angle) => [
    between(shape.cx + Math.cos(shape.turn + angle) * reach * 1.2, 0.02, 0.98),
    between(shape.cy + Math.sin(shape.turn + angle) * reach * 1.2, 0.02, 0.98)];
  return { size: at(Math.PI / 4), turn: at(-Math.PI / 2) };
}

export function drawHandles(g, { size, turn }, wide, tall, colours) {
  g.lineWidth = 2;
  for (const [[x, y], round] of [[size, false], [turn, true]]) {
    g.beginPath();
    if (round) g.arc(x * wide, y * tall, 7, 0, 7);
    else g.rect(x * wide - 6, y * tall - 6, 12, 12);
    g.fillStyle = colours.halo;
    g.fill();
    g.strokeStyle = colours.ink;
    g.stroke();
  }
}

// The maps side by side, the cell of the chosen box filled.
export function drawMaps(g, wide, tall, colours, layout, one) {
  const { map_sizes: sides } = layout, gap = 12;
  const each = Math.min(tall - 22, (wide - gap * (sides.length - 1)) / sides.length);
  const at = one && locate(layout, one.prior);
  sides.forEach((side, level) => {
    const x = level * (each + gap), cell = each / side;
    g.fillStyle = colours.field;
    g.fillRect(x, 0, each, each);
    g.strokeStyle = colours.grid;
    g.lineWidth = 0.5;
    g.beginPath();
    for (let i = 0; i <= side; i++) {
      g.moveTo(x + i * cell, 0);
      g.lineTo(x + i * cell, each);
      g.moveTo(x, i * cell);
      g.lineTo(x + each, i * cell);
    }
    g.stroke();
    if (at?.level === level) {
      const grown = Math.max(cell, 5), shift = (grown - cell) / 2;
      g.fillStyle = colours.warm;
      g.fillRect(x + at.column * cell - shift, at.row * cell - shift, grown, grown);
    }
    g.fillStyle = at?.level === level ? colours.ink : colours.muted;
    g.textAlign = "center";
    g.fillText(`${side} × ${side}`, x + each / 2, each + 15);
  });
  g.textAlign = "left";
}
