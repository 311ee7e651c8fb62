// Face-off: what four detectors answered to the same scenes, beside the truth.

import { field, legend } from "./legend.js";
import { choice, element, hint, keys, layOut, loadImage, outline, plate, plural, slider, stage,
  table } from "./page.js";

export const SIZES = { "any": [0, Infinity], "under 16 px": [0, 16], "16 to 24 px": [16, 24],
  "over 24 px": [24, 1e9] };
export const CROWDS = { "any": [0, 99], "1 or 2": [1, 2], "3 or 4": [3, 4], "5 or more": [5, 99] };

// Side of a square as large as the smallest object's box, px; without objects it is infinite.
export function smallest(scene) {
  return Math.min(...scene.truth.map(([x1, y1, x2, y2]) => Math.sqrt((x2 - x1) * (y2 - y1))));
}

// Numbers of the scenes that a filter leaves; label 0 stands for any class.
export function left(scenes, { size = "any", crowd = "any", label = 0 }) {
  const [low, high] = SIZES[size], [few, many] = CROWDS[crowd];
  return scenes.map((_, i) => i).filter((i) => {
    const { truth } = scenes[i], side = smallest(scenes[i]);
    return side >= low && (side < high || high === Infinity) && truth.length >= few && truth.length <= many &&
      (label === 0 || truth.some((one) => one[4] === label));
  });
}

// An answer is [x1, y1, x2, y2, label, score, object]; object is -1 where it is wrong.
export function counted(scene, answers) {
  const right = answers.filter((one) => one[6] >= 0).length;
  return { right, wrong: answers.length - right, missed: scene.truth.length - right };
}

export function totals(scenes, places, network) {
  const sum = { right: 0, wrong: 0, missed: 0, perfect: 0 };
  for (const i of places) {
    const one = counted(scenes[i], scenes[i].answers[network]);
    sum.right += one.right;
    sum.wrong += one.wrong;
    sum.missed += one.missed;
    sum.perfect += one.wrong + one.missed === 0;
  }
  return sum;
}

// ---- the page --------------------------------------------------------------------------------

const HEAD = 20, GAP = 6, SIDE = 128;

export function mount(app, options) {
  const { scenes, networks, classes } = options;
  const filter = { size: "any", crowd: "any", label: 0 };
  let places = left(scenes, filter), at = 0;
  const holders = new Map();

  const [one, two] = layOut(app, () => update());
  const grid = (wide) => (wide - 2 * GAP) / 3;
  const picture = stage(one, {
    id: "picture", keys: true, label: "", height: (w) => 2 * (grid(w) + HEAD) + GAP, draw,
  });
  legend(one, [["object", field("ink", 2)], ["✓ right", field("good", 2)],
    ["✗ wrong", field("warm", 2, "none", 1, "6 3")], ["○ missed", field("ink", 1.6, "none", 1, "2 3")]]);
  const entries = (names) => Object.keys(names).map((name) => [name, name]);
  const scene = slider(two, "scene", "Scene", { max: places.length - 1 }, (value) => {
    at = value;
    update();
  });
  const sift = (key, value) => {
    filter[key] = value;
    places = left(scenes, filter);
    at = 0;
    update();
  };
  choice(two, "size", "Smallest", entries(SIZES), (value) => sift("size", value));
  choice(two, "crowd", "Objects", entries(CROWDS), (value) => sift("crowd", value));
  const kinds = choice(two, "class", "Class", [[0, "any"], ...classes.slice(1).map((name, i) =>
    [i + 1, name])], (value) => sift("label", Number(value)));
  const list = table(two, "Over the scenes that the filters leave", ["network", "right", "wrong",
    "missed", "no fault"]);
  const facts = element(two, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  hint(app, "With the pictures focused: [←] [→] another scene, [c] another class.");

  const step = (by) => () => {
    if (places.length) at = (at + by + places.length) % places.length;
    update();
  };
  keys(picture.canvas, {
    ArrowLeft: step(-1), ArrowRight: step(1), Home: () => { at = 0; update(); },
    End: () => { at = Math.max(0, places.length - 1); update(); },
    c: () => {
      filter.label = (filter.label + 1) % classes.length;
      kinds.input.value = filter.label;
      sift("label", filter.label);
    },
  });

  function update() {
    list.fill(networks.map((name, n) => {
      const sum = totals(scenes, places, n);
      return { cells: [name, sum.right, sum.wrong, sum.missed, sum.perfect].map(String) };
    }));
    const none = places.length === 0;
    scene.show(at, none ? "none" : `${at + 1} of ${places.length}`, Math.max(0, places.length - 1));
    if (none) {
      facts.textContent = "No scene is left: choose a wider filter.";
    } else {
      const now = scenes[places[at]];
      const perfect = networks.filter((_, n) => {
        const { wrong, missed } = counted(now, now.answers[n]);
        return wrong + missed === 0;
      });
      const size = now.truth.length ? `, the smallest ${smallest(now).toFixed(0)} px` : "";
      facts.textContent = `Scene ${now.id}: ${plural(now.truth.length, "object")}${size}. ` +
        `Without a fault: ${perfect.join(", ") || "nobody"}.`;
    }
    picture.say(`The truth and four answers. ${facts.textContent}`);
    picture.paint();
  }

  function image(place) {
    if (!holders.has(place)) {
      holders.set(place, loadImage(scenes[place].image, () => picture.paint()));
    }
    return holders.get(place).image;
  }

  function draw(g, wide, tall, colours) {
    if (!places.length) return;
    const side = grid(wide), now = scenes[places[at]], scale = side / SIDE;
    const shown = image(places[at]);
    for (let panel = 0; panel < 1 + networks.length; panel++) {
      const x = (panel % 3) * (side + GAP);
      const y = Math.floor(panel / 3) * (side + HEAD + GAP) + HEAD;
      const big = (box) => [x + box[0] * scale, y + box[1] * scale, x + box[2] * scale,
        y + box[3] * scale];
      if (shown) g.drawImage(shown, x, y, side, side);
      const answers = panel ? now.answers[panel - 1] : [];
      title(g, panel, x, y, side, colours, counted(now, answers));
      g.save();
      g.beginPath();
      g.rect(x, y, side, side);
      g.clip();
      const area = [x, y, side];
      if (panel) answered(g, now, answers, big, colours, area);
      else now.truth.forEach((one) => mark(g, big(one), classes[one[4]], "ink", [], colours, area));
      g.restore();
    }
  }

  function title(g, panel, x, y, side, colours, { right, wrong, missed }) {
    g.fillStyle = colours.ink;
    g.textAlign = "left";
    g.textBaseline = "middle";
    const small = side < 150, name = panel ? networks[panel - 1] : "truth";
    g.font = `${small ? 10.5 : 13}px system-ui, sans-serif`;
    const short = small ? name.replace("_tiny", "") : name;
    g.fillText(panel ? `${short}  ${right}✓ ${wrong}✗ ${missed}○` : short, x, y - HEAD / 2, side);
    g.font = `${small ? 10.5 : 12}px system-ui, sans-serif`;
  }

  function answered(g, now, answers, big, colours, area) {
    const found = new Set(answers.map((one) => one[6]));
    now.truth.forEach((one, i) => {
      if (!found.has(i)) outline(g, big(one), { colour: colours.ink, width: 1.6, dash: [2, 3],
        halo: colours.halo });
    });
    for (const one of answers) {
      const right = one[6] >= 0;
      const name = right && area[2] < 150 ? "" : ` ${classes[one[4]]}`; // little room on a phone
      mark(g, big(one), `${right ? "✓" : "✗"}${name}`, right ? "good" : "warm",
        right ? [] : [6, 3], colours, area);
    }
  }

  // The words stay inside of the panel, whose corner and side are `area`.
  function mark(g, box, words, colour, dash, colours, [x, y, side]) {
    outline(g, box, { colour: colours[colour], width: 2, dash, halo: colours.halo });
    const most = x + side - g.measureText(words).width - 10;
    plate(g, words, Math.max(x, Math.min(box[0], most)), Math.max(box[1], y + 9), {
      colour: colours[colour], paper: colours.paper });
  }

  update();
}
