// An excerpt below every search result, cut from texts.js (tools/search_texts.py).
const wanted = (new URLSearchParams(location.search).get("q") ?? "").toLowerCase();
const terms = wanted.split(/[^\p{L}\p{N}_.]+/u).filter((term) => term.length > 1);
const root = new URL(document.documentElement.dataset.content_root ?? "./", location.href);

const place = (text) => {
  const low = text.toLowerCase();
  for (const length of [Infinity, 5]) { // the index knows "matching" by its stem
    for (const term of [wanted.trim(), ...terms]) {
      const short = term.slice(0, length);
      const at = low.indexOf(short);
      if (at >= 0) return [at, short.length];
    }
  }
  return null;
};

const excerpt = (text) => {
  if (!text) return null;
  const [at, length] = place(text) ?? [0, 0]; // found by its title, say
  const from = at < 80 ? 0 : text.indexOf(" ", at - 80) + 1;
  const to = at + length + 120 >= text.length ? text.length : text.lastIndexOf(" ", at + length + 120);
  const mark = document.createElement(length ? "mark" : "span");
  mark.textContent = text.slice(at, at + length);
  const line = document.createElement("p");
  line.className = "context";
  line.append(from ? "… " : "", text.slice(from, at), mark, text.slice(at + length, to), to < text.length ? " …" : "");
  return line;
};

const complete = () => {
  for (const entry of document.querySelectorAll("ul.search > li:not(:has(p.context))")) {
    const link = entry.querySelector("a");
    const path = decodeURI(new URL(link.href).pathname).slice(decodeURI(root.pathname).length);
    const line = excerpt(window.PAGE_TEXTS?.[path.replace(/\.html$/, "")] ?? "");
    if (line) entry.append(line);
  }
};
const results = document.getElementById("search-results");
if (results) new MutationObserver(complete).observe(results, { childList: true, subtree: true });
