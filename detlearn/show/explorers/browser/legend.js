// A legend below a picture, and what explorers of a model's answer need beside page.js.

import { element } from "./page.js";

const LEGEND_STYLE = `
.row { grid-template-columns: 90px minmax(0, 1fr) 92px; gap: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0; padding: 0; list-style: none;
  font-size: 13px; color: var(--muted); }
.legend li { display: flex; gap: 6px; align-items: center; }
.facts { min-height: 3.6em; }
.listing { height: 250px; overflow: auto; position: relative; }
.listing th { position: sticky; top: 0; background: var(--paper); }
`;
const strip = (colour, width, dash = "") => `<path d="M1 7H29" stroke="var(--${colour})" ` +
  `stroke-width="${width}" stroke-dasharray="${dash}"/>`;
const patch = (fill, edge, width) => `<rect x="9" y="2" width="12" height="10" fill="${fill}" ` +
  `stroke="var(--${edge})" stroke-width="${width}"/>`;
const MARKS = {
  line: strip("accent", 2.4), thick: strip("accent", 5), dashed: strip("ink", 2, "4 3"),
  warm: strip("warm", 2.4, "6 3"), frame: patch("none", "ink", 3), source: patch("none", "warm", 3),
  empty: patch("none", "rule", 2), ramp: patch("var(--accent)", "accent", 1),
};

// What the lines and fields of a picture mean. `entries`: [words, kind], one of MARKS.
export function legend(parent, entries) {
  element(document.head, "style", {}, LEGEND_STYLE);
  const list = element(parent, "ul", { class: "legend", "aria-label": "legend" });
  for (const [words, kind] of entries) {
    const item = element(list, "li");
    item.innerHTML = `<svg width="30" height="14" aria-hidden="true">${MARKS[kind]}</svg>`;
    element(item, "span", {}, words);
  }
}
