// Boxes of the reader's own, from a file that the browser reads and nobody else sees: a COCO JSON,
// or a CSV table with the size of each picture. Nothing is sent anywhere: no request is made.

import { button, element } from "./page.js";

const MOST = 3000; // more boxes change the shares little and the sliders' speed much
const COLUMNS = [["x1", "xmin"], ["y1", "ymin"], ["x2", "xmax"], ["y2", "ymax"], ["width"], ["height"]];

// COCO's annotations as corners in fractions of their images; crowds are left out.
function boxesOfCoco({ images, annotations }) {
  if (!images || !annotations) throw new Error("expected COCO's images and annotations");
  const sizes = new Map(images.map((one) => [one.id, one]));
  return annotations.filter((one) => !one.iscrowd).map(({ bbox: [x, y, w, h], image_id }) => {
    const image = sizes.get(image_id);
    if (!image) throw new Error(`no image ${image_id}`);
    return [x / image.width, y / image.height, (x + w) / image.width, (y + h) / image.height];
  });
}

// A table: x1, y1, x2, y2 (or xmin, ...) in px and width, height of the picture.
function boxesOfCsv(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const rows = lines.map((line) => line.split(/[;,\t]/).map((cell) => cell.trim()));
  const heads = rows[0].map((name) => name.toLowerCase());
  const places = COLUMNS.map((known) => {
    const place = heads.findIndex((head) => known.includes(head));
    if (place < 0) throw new Error(`expected a column ${known[0]}, got ${heads}`);
    return place;
  });
  return rows.slice(1).filter((row) => row[places[0]]).map((row) => {
    const [x1, y1, x2, y2, width, height] = places.map((place) => Number(row[place]));
    return [x1 / width, y1 / height, x2 / width, y2 / height];
  });
}

// Clipped to the image; what has no area then, or is no number, is left out.
export function readBoxes(text) {
  const found = /^\s*[{[]/.test(text) ? boxesOfCoco(JSON.parse(text)) : boxesOfCsv(text);
  const all = found.map((box) => box.map((v) => Math.min(1, Math.max(0, v))))
    .filter(([x1, y1, x2, y2]) => x2 > x1 && y2 > y1);
  if (!all.length) throw new Error("no boxes in it");
  const step = Math.max(1, all.length / MOST), boxes = [];
  for (let i = 0; i < all.length; i += step) boxes.push(all[Math.floor(i)]);
  return { boxes, total: all.length, dropped: found.length - all.length };
}

// Each box with the side, of some, that is nearest by factor.
export function groupsOf(boxes, sides) {
  const groups = sides.map(() => []);
  for (const [x1, y1, x2, y2] of boxes) {
    const side = Math.sqrt((x2 - x1) * (y2 - y1));
    const far = sides.map((one) => Math.abs(Math.log(side / one)));
    groups[far.indexOf(Math.min(...far))].push([x1, y1, x2, y2]);
  }
  return groups;
}

// A place to drop a file on, which is also a button to choose one.
export function ownBoxes(parent, change) {
  const place = element(parent, "details", { id: "own-boxes" });
  element(place, "summary", {}, "Your boxes: drop a file here; it stays here");
  const label = element(place, "label", { class: "hint" },
    "COCO JSON, or CSV of x1, y1, x2, y2, width, height: ");
  const input = element(label, "input", { type: "file", id: "own-file" });
  const words = element(place, "p", { class: "hint", id: "own-words", "aria-live": "polite" });
  const back = button(place, "own-back", "sample objects again", () => show("", null));
  const show = (text, boxes) => {
    words.textContent = text;
    place.open = true;
    back.hidden = !boxes;
    if (!boxes) input.value = "";
    change(boxes);
  };
  back.hidden = true;
  async function take(file) {
    if (!file) return;
    try {
      const { boxes, total, dropped } = readBoxes(await file.text());
      show(`${file.name}: ${boxes.length} of ${total} boxes measured, ${dropped} bad`, boxes);
    } catch (error) {
      show(`${file.name}: ${error.message}`, null);
    }
  }
  input.addEventListener("change", () => take(input.files[0]));
  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
