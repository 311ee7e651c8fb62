// Face explorer: a photograph is moved, turned, scaled and blurred; what the network answered in
// each place of the grid was computed beforehand and is looked up here.

import { field, legend, line } from "./legend.js";
import { between, element, hint, keys, layOut, loadImage, outline, plate, slider, stage } from "./page.js";

export const SIDE = 128, BYTES = 6, THRESHOLD = 0.5;

// Where an answer stands: places on the axes, the last one fastest.
export function rank(axes, place) {
  return Object.keys(axes).reduce((at, name) => at * axes[name].length + place[name], 0);
}

export function readAnswer(bytes, at) {
  const [sure, high, low, x, y, side] = bytes.slice(BYTES * at, BYTES * (at + 1));
  return { score: sure / 255, prior: 256 * high + low, box: [x / 2 - side / 2, y / 2 - side / 2,
    x / 2 + side / 2, y / 2 + side / 2], side };
}

// Row, column and slot of a prior, and the side of its cell in px: 16 x 16 x 2, then 8 x 8 x 6.
export function cellOf(prior) {
  const [count, map, from] = prior < 512 ? [2, 16, 0] : [6, 8, 512];
  const cell = Math.floor((prior - from) / count);
  return { map, slot: (prior - from) % count, row: Math.floor(cell / map), column: cell % map,
    side: SIDE / map };
}

export function overlap(a, b) {
  const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const tall = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(0, wide) * Math.max(0, tall);
  const area = (c) => (c[2] - c[0]) * (c[3] - c[1]);
  return shared / (area(a) + area(b) - shared);
}

// A Gaussian along rows and columns of RGBA pixels; the edge repeats.
export function blurred(pixels, side, sigma) {
  if (!sigma) return pixels;
  const reach = Math.ceil(3 * sigma), bump = [];
  for (let d = -reach; d <= reach; d++) bump.push(Math.exp(-(d * d) / (2 * sigma * sigma)));
  const total = bump.reduce((a, b) => a + b, 0);
  const pass = (from, step, jump) => {
    const out = new Float32Array(from.length);
    for (let line = 0; line < side; line++) {
      for (let i = 0; i < side; i++) {
        for (let c = 0; c < 4; c++) {
          let sum = 0;
          for (let d = -reach; d <= reach; d++) {
            sum += bump[d + reach] * from[line * jump + between(i + d, 0, side - 1) * step + c];
          }
          out[line * jump + i * step + c] = sum / total;
        }
      }
    }
    return out;
  };
  return pass(pass(pixels, 4, 4 * side), 4 * side, 4);
}

// ---- the page --------------------------------------------------------------------------------

const LABELS = { size: "Face", angle: "Turn", blur: "Blur", right: "Right", down: "Down" };
const UNITS = { size: " px", angle: "°", blur: " px", right: " px", down: " px" };

export function mount(app, options) {
  const { axes, face } = options, names = Object.keys(axes);
  const bytes = Array.from(atob(options.answers), (letter) => letter.charCodeAt(0));
  const place = { size: 4, angle: 0, blur: 0, right: 1, down: 1 };
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  let answer = readAnswer(bytes, 0);

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, picture: true, label: "", height: (w) => w, draw,
  });
  picture.canvas.style.maxWidth = "470px";
  legend(left, [["the surest box", line("#56b4e9", 3)], ["below 0.5", line("#e69f00", 3)],
    ["where the face is", line("muted", 1.6, "6 4")],
    ["cell of the prior that answered", field("#b09500", 2)]]);
  const holder = loadImage(options.photo, () => update());
  const sliders = Object.fromEntries(names.map((name) =>
    [name, slider(right, name, LABELS[name], { max: axes[name].length - 1 }, (value) => {
      place[name] = value;
      update();
    })]));
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  hint(app, "With the picture focused: arrow keys move the face, [+] and [−] scale it, " +
    "[t] turns it, [b] blurs it. The network answered beforehand; only the picture is drawn here.");

  const by = (name, step, round = false) => () => {
    const count = axes[name].length, next = place[name] + step;
    place[name] = round ? (next + count) % count : between(next, 0, count - 1);
    update();
  };
  keys(picture.canvas, {
    ArrowLeft: by("right", -1), ArrowRight: by("right", 1), ArrowUp: by("down", -1),
    ArrowDown: by("down", 1), "+": by("size", 1), "=": by("size", 1), "-": by("size", -1),
    t: by("angle", 1, true), b: by("blur", 1, true),
  });

  const at = (name) => axes[name][place[name]];
  const truth = () => {
    const [x, y, half] = [SIDE / 2 + at("right"), SIDE / 2 + at("down"), at("size") / 2];
    return [x - half, y - half, x + half, y + half];
  };

  function update() {
    answer = readAnswer(bytes, rank(axes, place));
    for (const name of names) sliders[name].show(place[name], `${at(name)}${UNITS[name]}`);
    const { map, slot, row, column } = cellOf(answer.prior);
    const iou = overlap(answer.box, truth());
    const verdict = answer.score <= THRESHOLD ? "Missed: the threshold is 0.5."
      : iou > 0.3 ? "Found." : "A false alarm: the box is not on the face.";
    facts.textContent = `${verdict} Score ${answer.score.toFixed(2)}; the box is ${answer.side} px ` +
      `wide, its IoU with the face ${iou.toFixed(2)}. Prior ${answer.prior}: the ${map} × ${map} ` +
      `map, row ${row}, column ${column}, slot ${slot}.`;
    picture.say(`The astronaut's face of ${at("size")} px, turned by ${at("angle")} degrees, ` +
      `blur ${at("blur")} px. ${facts.textContent}`);
    render();
    picture.paint();
  }

  function render() {
    const g = small.getContext("2d", { willReadFrequently: true });
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.fillStyle = "#000";
    g.fillRect(0, 0, SIDE, SIDE);
    if (!holder.image) return;
    const scale = at("size") / face.side;
    g.imageSmoothingQuality = "high";
    g.translate(SIDE / 2 + at("right"), SIDE / 2 + at("down"));
    g.rotate((at("angle") * Math.PI) / 180);
    g.scale(scale, scale);
    g.drawImage(holder.image, -face.center[0], -face.center[1], face.photo, face.photo);
    const pixels = g.getImageData(0, 0, SIDE, SIDE);
    pixels.data.set(blurred(pixels.data, SIDE, at("blur")));
    g.putImageData(pixels, 0, 0);
  }

  function draw(g, wide, tall, colours) {
    const scale = wide / SIDE, big = (box) => box.map((value) => value * scale);
    g.drawImage(small, 0, 0, wide, tall);
    outline(g, big(truth()), { colour: "#ffffff", width: 1.6, dash: [6, 4], halo: "#000000" });
    const { row, column, side } = cellOf(answer.prior);
    outline(g, big([column * side, row * side, (column + 1) * side, (row + 1) * side]),
      { colour: "#f0e442", width: 2, halo: "#000000" });
    const sure = answer.score > THRESHOLD;
    outline(g, big(answer.box), { colour: sure ? "#56b4e9" : "#e69f00", width: 3,
      halo: "#000000" });
    plate(g, `${sure ? "face" : "below 0.5"} ${answer.score.toFixed(2)}`,
      between(answer.box[0] * scale, 0, wide - 110), between(answer.box[1] * scale - 11, 10, tall - 10),
      { colour: colours.ink, paper: colours.paper });
  }
}
