// Maps in 8 shades, three bits a cell: how they come into the page, and how they are painted.

import { theme } from "./page.js";

const RAMP = {
  light: [[240, 243, 246], [88, 174, 240], [0, 40, 90]],
  dark: [[32, 38, 45], [40, 120, 190], [200, 232, 255]],
};

// The shades (0 to 7) of every map, row by row; `sizes` holds [height, width] of each.
export function unpackShades(text, sizes) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const bit = (k) => (bytes[k >> 3] >> (7 - (k % 8))) & 1;
  const shades = Uint8Array.from({ length: Math.floor((8 * bytes.length) / 3) }, (_, i) =>
    4 * bit(3 * i) + 2 * bit(3 * i + 1) + bit(3 * i + 2));
  let at = 0;
  return sizes.map(([h, w]) => shades.subarray(at, (at += h * w)));
}

// Colours of the shades, [red, green, blue, opacity of 255]: low is near to the paper.
export function tints() {
  const [low, middle, high] = RAMP[theme().paper === "#ffffff" ? "light" : "dark"];
  return Array.from({ length: 8 }, (_, shade) => {
    const [from, to, part] = shade < 3.5 ? [low, middle, shade / 3.5] : [middle, high, shade / 3.5 - 1];
    return [...from.map((v, i) => Math.round(v + (to[i] - v) * part)), 255];
  });
}

// Colours over a picture: low shades are a white veil, high ones a dark one.
export const veils = (opacity) => Array.from({ length: 8 }, (_, shade) =>
  (shade < 4 ? [255, 255, 255, (255 * opacity * (4 - shade)) / 4]
    : [0, 40, 90, (255 * opacity * (shade - 3)) / 4]));

// A map as sharp cells in the place [left, top, width, height].
export function paintShades(g, shades, [h, w], place, colours) {
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [w, h];
  const brush = sheet.getContext("2d"), cells = brush.createImageData(w, h);
  shades.forEach((shade, i) => cells.data.set(colours[shade], 4 * i));
  brush.putImageData(cells, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(sheet, ...place);
  g.imageSmoothingEnabled = true;
}
