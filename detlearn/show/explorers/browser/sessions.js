// Session explorer: a long training, cut into the sessions that a lent machine allows.

import { field, glyph, HATCH, legend } from "./legend.js";
import { between, element, hint, keys, layOut, plural, slider, stage, table, thousands } from "./page.js";

const HOUR = 60, MOST_DRAWN = 80;

// Minutes of the training and of a session, sessions, and what the last of them trains.
export function plan({ epochs, minutes, hours, setup }) {
  const total = epochs * minutes, usable = HOUR * hours - setup;
  const sessions = Math.ceil(total / usable);
  return { total, usable, sessions, last: total - (sessions - 1) * usable };
}

// A quotient with one digit, halves upwards.
export function tenths(part, whole) {
  const all = Math.floor((20 * part + whole) / (2 * whole));
  return `${thousands(Math.floor(all / 10))}.${all % 10}`;
}

export function inWords(given) {
  const { total, usable, sessions } = plan(given);
  return `${plural(given.epochs, "epoch")} of ${plural(given.minutes, "minute")} ` +
    `${given.epochs === 1 ? "is" : "are"} ${tenths(total, HOUR)} hours; ${thousands(usable)} of ` +
    `${thousands(HOUR * given.hours)} minutes train: ${tenths(total, usable)}, ` +
    `so ${plural(sessions, "session")}.`;
}

// Bars beside each other in a row: few are drawn wide.
export const barsInARow = (sessions) => (sessions <= 10 ? 10 : 20);

const START = 38, TOP = 10, FLOOR = 20, END = 4;

export function mount(app, options) {
  const { epochs, minutes, hours, setup, ranges } = options;
  const state = { epochs, minutes, hours, setup };

  const [left, right] = layOut(app, () => update());
  const picture = stage(left, {
    id: "picture", keys: true, label: "", height: (wide) => between(0.72 * wide, 250, 400), draw,
  });
  legend(left, [["set-up", field("muted", 1.4, "field") + glyph(HATCH, "muted", 1.4)],
    ["training", field("accent", 1.4, "accent")],
    ["left over at the end", field("muted", 1.4, "none", 1, "3 2")]]);
  const names = { epochs: "epochs", minutes: "an epoch", hours: "a session", setup: "set-up" };
  const sliders = Object.fromEntries(Object.entries(names).map(([key, label]) => {
    const [min, max] = ranges[key];
    return [key, slider(right, key, label, { min, max }, (value) => move(key, value))];
  }));
  const facts = element(right, "p", { class: "facts", id: "facts", "aria-live": "polite" });
  const list = table(right, "The sum behind the bars", ["", "minutes"], "list");
  hint(app, "A bar is a session. With the bars focused: [→] an hour more a session, [←] an hour " +
    "less, [↑] and [↓] the set-up by five minutes, [+] and [-] the epochs.");

  function move(key, value) {
    state[key] = between(value, ...ranges[key]);
    update();
  }
  const by = (key, step) => () => move(key, state[key] + step);
  keys(picture.canvas, {
    ArrowRight: by("hours", 1), ArrowLeft: by("hours", -1), ArrowUp: by("setup", 5),
    ArrowDown: by("setup", -5), "+": by("epochs", 1), "-": by("epochs", -1),
  });

  function update() {
    const { total, usable, sessions, last } = plan(state), whole = HOUR * state.hours;
    sliders.epochs.show(state.epochs, String(state.epochs));
    sliders.minutes.show(state.minutes, `${state.minutes} min`);
    sliders.hours.show(state.hours, plural(state.hours, "hour"));
    sliders.setup.show(state.setup, `${state.setup} min`);
    facts.innerHTML = inWords(state).replace(/so ([\d,]+)/, "so <b>$1</b>") +
      (sessions > MOST_DRAWN ? ` The first ${MOST_DRAWN} are drawn.` : "");
    list.fill([
      ["the training", `${state.epochs} · ${state.minutes} = ${thousands(total)}`],
      ["a session trains", `${thousands(whole)} − ${state.setup} = ${thousands(usable)}`],
      ["the last one trains", thousands(last)],
      ["all set-ups together",
        `${thousands(sessions)} · ${state.setup} = ${thousands(sessions * state.setup)}`],
    ].map((cells) => ({ cells })));
    picture.say(`A bar for each session. ${facts.textContent} Arrow right: an hour more a session.`);
    picture.paint();
  }

  function draw(g, wide, tall, colours) {
    const { usable, sessions, last } = plan(state), drawn = Math.min(sessions, MOST_DRAWN);
    const beside = barsInARow(sessions), rows = Math.ceil(drawn / beside);
    const high = tall / rows - TOP - FLOOR, each = (wide - START - END) / beside;
    const unit = high / (HOUR * state.hours), bar = 0.78 * each, waits = unit * state.setup;
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    for (let row = 0; row < rows; row++) axis(g, (tall / rows) * row + TOP, wide, high, colours);
    for (let k = 0; k < drawn; k++) {
      const x = START + each * (k % beside) + (each - bar) / 2;
      const floor = (tall / rows) * Math.floor(k / beside) + TOP + high;
      hatched(g, x, floor - waits, bar, waits, colours);
      const trains = unit * (k === sessions - 1 ? last : usable);
      g.fillStyle = colours.accent;
      g.fillRect(x, floor - waits - trains, bar, trains);
      if (high - waits - trains > 2) {
        g.setLineDash([3, 2]);
        g.strokeStyle = colours.muted;
        g.strokeRect(x + 0.5, floor - high, bar - 1, high - waits - trains);
        g.setLineDash([]);
      }
      if (each > 20 || k === 0 || (k + 1) % 5 === 0) {
        g.fillStyle = colours.ink;
        g.textAlign = "center";
        g.fillText(String(k + 1), x + bar / 2, floor + 11);
      }
    }
  }

  // Hours upwards, at most six lines of them.
  function axis(g, top, wide, high, colours) {
    const step = [1, 2, 4, 6, 12, 24].find((n) => (high * n) / state.hours >= 24) || state.hours;
    g.textAlign = "right";
    for (let hour = 0; hour <= state.hours; hour += step) {
      const y = top + high - (high * hour) / state.hours;
      g.fillStyle = colours.rule;
      g.fillRect(START, y, wide - START - END, 1);
      g.fillStyle = colours.muted;
      g.fillText(hour ? `${hour} h` : "0", START - 6, y);
    }
  }

  function hatched(g, x, y, bar, high, colours) {
    g.fillStyle = colours.field;
    g.fillRect(x, y, bar, high);
    g.save();
    g.beginPath();
    g.rect(x, y, bar, high);
    g.clip();
    g.strokeStyle = colours.muted;
    g.lineWidth = 1.4;
    g.beginPath();
    for (let at = -high; at < bar; at += 6) {
      g.moveTo(x + at, y + high);
      g.lineTo(x + at + high, y);
    }
    g.stroke();
    g.restore();
    g.lineWidth = 1;
    g.strokeStyle = colours.muted;
    g.strokeRect(x + 0.5, y + 0.5, bar - 1, Math.max(0, high - 1));
  }
}
