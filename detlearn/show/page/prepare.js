// From a picture of any size to the numbers that the network takes: what `Detector.prepare` does.

// Where the picture lies in the square input, px of the square.
export function placeIn(width, height, side, letterbox) {
  if (!letterbox) return { left: 0, top: 0, width: side, height: side };
  const scale = side / Math.max(width, height);
  const [w, h] = [width, height].map((length) =>
    Math.min(side, Math.max(1, halfToEven(length * scale))));
  return { left: Math.floor((side - w) / 2), top: Math.floor((side - h) / 2), width: w, height: h };
}

// Python rounds a half to the even neighbour.
function halfToEven(value) {
  const whole = Math.round(value);
  return value % 1 === 0.5 && whole % 2 ? whole - 1 : whole;
}

// For each pixel of a side of `to`: the first pixel of the side of `from` that it reads, and how
// much of it and the next ones. antialias: all pixels under it, by a triangle; else the nearest two.
export function taps(from, to, antialias) {
  const scale = from / to, reach = antialias ? Math.max(scale, 1) : 1;
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    if (!antialias) {
      const at = Math.max(0, center - 0.5), first = Math.min(from - 1, Math.floor(at));
      const share = first + 1 < from ? at - first : 0;
      return { first, weights: share ? [1 - share, share] : [1] };
    }
    const first = Math.max(0, Math.floor(center - reach + 0.5));
    const end = Math.min(from, Math.floor(center + reach + 0.5));
    const weights = [];
    for (let j = first; j < end; j++) {
      weights.push(Math.max(0, 1 - Math.abs((j + 0.5 - center) / reach)));
    }
    const total = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

// image: {data: RGBA bytes, width, height}. Returns 3 S S numbers: row, column, colour.
export function prepareInput(image, { side, mean, std, antialias, letterbox, bgr }) {
  const { left, top, width, height } = placeIn(image.width, image.height, side, letterbox);
  const order = bgr ? [2, 1, 0] : [0, 1, 2];
  const out = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    const from = order[c], black = -mean[from] / std[from];
    if (letterbox) for (let i = c; i < out.length; i += 3) out[i] = black;
  }
  const across = taps(image.width, width, antialias), down = taps(image.height, height, antialias);
  const same = image.width === width && image.height === height;
  const rows = same ? null : narrowed(image, across, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 3 * ((top + y) * side + left + x);
      for (let c = 0; c < 3; c++) {
        const from = order[c];
        let value = 0;
        if (same) value = image.data[4 * (y * width + x) + from];
        else {
          const { first, weights } = down[y];
          for (let j = 0; j < weights.length; j++) {
            value += weights[j] * rows[3 * ((first + j) * width + x) + from];
          }
        }
        out[at + c] = (value / 255 - mean[from]) / std[from];
      }
    }
  }
  return out;
}

// The rows first: fewer columns, the same rows.
function narrowed(image, across, width) {
  const rows = new Float32Array(3 * image.height * width);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = across[x], to = 3 * (y * width + x);
      for (let j = 0; j < weights.length; j++) {
        const at = 4 * (y * image.width + first + j);
        rows[to] += weights[j] * image.data[at];
        rows[to + 1] += weights[j] * image.data[at + 1];
        rows[to + 2] += weights[j] * image.data[at + 2];
      }
    }
  }
  return rows;
}
