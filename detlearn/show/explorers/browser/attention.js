// SFAM explorer: a weight for each channel, level by level, for a scene and a scale.

import { sum } from "./geometry.js";
import { field, legend, line } from "./legend.js";
import { between, element, hint, keys, layOut, loadImage, scenery, slider, stage, table, theme } from "./page.js";

const LEFT = 34, TOP = 26, BELOW = 26;

// Weights 0 to 1 of 16 bits each, [scene][scale][channel].
export function unpackWeights(text, [scenes, scales, channels]) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: scenes }, (_, scene) => Array.from({ length: scales }, (_, scale) =>
    Array.from({ length: channels }, (_, channel) =>
      view.getUint16(2 * ((scene * scales + scale) * channels + channel), true) / 65535)));
}

// Mean weight of each level.
export function meansOf(weights, levels) {
  const each = weights.length / levels;
  return Array.from({ length: levels }, (_, k) => sum(weights.slice(k * each, (k + 1) * each)) / each);
}

// Mean weight of each channel over all scenes, at a scale.
export const usualOf = (all, scale) => all[0][scale].map((_, channel) =>
  sum(all.map((scene) => scene[scale][channel])) / all.length);

export function mount(app, options) {
  const { levels, sides } = options, [scenes, scales, channels] = options.shape;
  const all = unpackWeights(options.weights, options.shape), each = channels / levels;
  const state = { scene: options.scene, scale: options.scale, channel: 0 };

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, { id: "picture", keys: true, label: "", draw,
    height: (wide) => (wide < 420 ? 300 : 420) });
  picture.canvas.className = "picture";
  legend(left, [["weight of a channel, in its level's colour", field("line0", 0, "line0")],
    ["its mean over the scenes", line("ink", 3)], ["mean of a level", line("ink", 1.6)],
    ["chosen weight", field("ink", 1.6)]]);
  const sceneSlider = slider(right, "scene", "scene", { max: scenes - 1 },
    (value) => { state.scene = value; update(); });
  const scaleSlider = slider(right, "scale", "scale", { max: scales - 1 },
    (value) => { state.scale = value; update(); });
  const channelSlider = slider(right, "channel", "weight", { max: channels - 1 },
    (value) => { state.channel = value; update(); });
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "Mean weight of each level", ["level", "channels", "this scene", "all scenes"]);
  const shown = stage(right, { id: "shown", label: "", draw: lay, height: () => 190 });
  hint(app, "With the bars focused: [→] next weight, [←] the one before, [↓] next (coarser) scale, " +
    "[↑] the one before, [Page Down] next scene, [Page Up] the one before. Press on a bar to choose it.");

  const move = (name, by, last) => () => {
    state[name] = between(state[name] + by, 0, last);
    update();
  };
  keys(picture.canvas, {
    ArrowRight: move("channel", 1, channels - 1), ArrowLeft: move("channel", -1, channels - 1),
    Home: move("channel", -channels, channels - 1), End: move("channel", channels, channels - 1),
    ArrowDown: move("scale", 1, scales - 1), ArrowUp: move("scale", -1, scales - 1),
    PageDown: move("scene", 1, scenes - 1), PageUp: move("scene", -1, scenes - 1),
  });
  picture.canvas.addEventListener("click", (event) => {
    const share = (event.offsetX - LEFT) / (picture.width - LEFT - 4);
    state.channel = between(Math.floor(share * channels), 0, channels - 1);
    update();
  });
  const holders = options.images.map((image) => loadImage(image, () => update()));

  function update() {
    const { scene, scale, channel } = state, weights = all[scene][scale];
    const usual = usualOf(all, scale), means = meansOf(weights, levels), two = (v) => v.toFixed(2);
    const common = meansOf(usual, levels), owner = Math.floor(channel / each);
    sceneSlider.show(scene, `scene ${scene}`);
    scaleSlider.show(scale, `scale ${scale}`);
    channelSlider.show(channel, `weight ${channel}`);
    const open = weights.filter((weight) => weight > 0.5).length;
    facts.innerHTML = `<b>${channels}</b> weights for scale ${scale} (maps of ${sides[scale]} × ` +
      `${sides[scale]} cells), <b>${open}</b> of them over one half. Weight <b>${channel}</b> is of ` +
      `level <b>${owner}</b>: ${two(weights[channel])}` +
      (scenes > 1 ? `, over the scenes ${two(usual[channel])}. Spread over the scenes: ` +
        `${options.change[scale].toFixed(3)}.` : ".");
    list.fill(means.map((mean, k) => ({
      cells: [k, `${k * each} to ${(k + 1) * each - 1}`, two(mean), two(common[k])], picked: k === owner,
      pick: () => { state.channel = k * each; update(); },
    })));
    picture.say(`Weights of scene ${scene} at scale ${scale}. ${facts.textContent} Arrow right: the next weight.`);
    shown.say(`Scene ${scene}.`);
    picture.paint();
    shown.paint();
  }

  function draw(g, wide, tall, colours) {
    const weights = all[state.scene][state.scale], usual = usualOf(all, state.scale);
    const low = tall - BELOW, high = low - TOP, column = (wide - LEFT - 4) / channels;
    const y = (weight) => low - weight * high, bar = Math.max(column - (column > 3 ? 1 : 0), 1);
    g.textBaseline = "middle";
    for (const value of [0, 0.5, 1]) {
      g.strokeStyle = colours.rule;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(LEFT, y(value));
      g.lineTo(wide - 4, y(value));
      g.stroke();
      g.textAlign = "right";
      g.fillStyle = colours.muted;
      g.fillText(value, LEFT - 6, y(value));
    }
    weights.forEach((weight, channel) => {
      const x = LEFT + channel * column;
      g.fillStyle = theme().lines[Math.floor(channel / each) % 6];
      g.fillRect(x, y(weight), bar, low - y(weight));
      g.fillStyle = colours.ink;
      g.fillRect(x, y(usual[channel]) - 1, bar, 2.4);
    });
    g.strokeStyle = colours.ink;
    g.lineWidth = 1.6;
    g.strokeRect(LEFT + state.channel * column - 1.5, TOP - 2, bar + 3, high + 4);
    meansOf(weights, levels).forEach((mean, k) => {
      const [x1, x2] = [LEFT + k * each * column, LEFT + (k + 1) * each * column];
      g.strokeStyle = colours.ink;
      g.lineWidth = 1.6;
      g.beginPath();
      g.moveTo(x1 + 1, y(mean));
      g.lineTo(x2 - 3, y(mean));
      g.stroke();
      g.textAlign = "center";
      g.fillStyle = colours.ink;
      g.fillText(x2 - x1 < 52 ? k : `level ${k}`, (x1 + x2) / 2, low + 14);
      g.fillText(mean.toFixed(2), (x1 + x2) / 2, 12);
    });
  }

  function lay(g, wide, tall, colours) {
    const [h, w] = options.sizes[state.scene], own = Math.min(wide, (tall * w) / h);
    g.save();
    g.translate((wide - own) / 2, 0);
    scenery(g, [own, (own * h) / w], holders[state.scene], colours);
    g.restore();
  }
}
