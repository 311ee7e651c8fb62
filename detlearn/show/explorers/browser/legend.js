// What the lines, fields and marks of a picture mean, as words beside it.

import { element } from "./page.js";

const colourOf = (colour) => (/^(#|none)/.test(colour) ? colour : `var(--${colour})`);

// A line of this theme's colour (or "#rrggbb") and width; "9 4" dashes it.
export const line = (colour, width = 2.4, dash = "") => `<path d="M1 7H29" stroke="${colourOf(colour)}" ` +
  `stroke-width="${width}" stroke-dasharray="${dash}"/>`;

// A field with an edge, filled with so much of a colour; "none" leaves it empty.
export const field = (edge, width, fill = "none", share = 1, dash = "") => `<rect x="8" y="1.5" ` +
  `width="14" height="11" fill="${colourOf(fill)}" fill-opacity="${share}" stroke="${colourOf(edge)}" ` +
  `stroke-width="${width}" stroke-dasharray="${dash}"/>`;

// The outline of a mark, in a field of 30 by 14.
export const glyph = (path, colour, width = 2, fill = "none") => `<path d="${path}" ` +
  `fill="${colourOf(fill)}" stroke="${colourOf(colour)}" stroke-width="${width}"/>`;

export const ARROW = "M3 7H24M19 3L25 7L19 11";
export const CROSS = "M9 7H21M15 1V13";
export const DOT = "M11 7a4 4 0 1 0 8 0a4 4 0 1 0-8 0";
export const HATCH = "M9 12L19 2M13 12L21 4M9 8L15 2";

// `entries`: [words, drawing], the drawing by one or more of the above.
export function legend(parent, entries) {
  const list = element(parent, "ul", { class: "legend", "aria-label": "legend" });
  for (const [words, drawing] of entries) {
    const item = element(list, "li");
    item.innerHTML = `<svg width="30" height="14" fill="none" aria-hidden="true">${drawing}</svg>`;
    element(item, "span", {}, words);
  }
  return list;
}
