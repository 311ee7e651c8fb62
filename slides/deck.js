// Lays out each slide when the deck opens, then starts reveal.js.
//
// A slide of a notebook is a list of blocks: prose, code, what it printed, figures. For each slide
// this finds the arrangement (one column; code beside its output; prose beside the rest; everything
// beside the figure) in which the type can be largest. What would still be smaller than COMFORT
// goes on, on a second slide; a block is never cut.
(() => {
  "use strict";

  const SIZES = [1.18, 1.1, 1.04, 1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];
  const COMFORT = 0.88;
  const FIGURE = { least: 230, most: 600, enlarged: 1.45, area: 170_000 };
  const root = document.documentElement;

  // ---- one arrangement ----------------------------------------------------------------------

  const kind = (unit) => unit.dataset.kind;
  const isSeen = (unit) => kind(unit) === "figure" || kind(unit) === "table";
  const isOutput = (unit) => isSeen(unit) || kind(unit) === "text" || kind(unit) === "error";

  // Rows of columns of units.
  function plansOf(units) {
    const stack = { rows: [[units]], of: [""] };
    const plans = [stack];
    const pairs = { rows: [], of: [] };
    for (let i = 0; i < units.length;) {
      let end = i + 1;
      if (kind(units[i]) === "code") {
        while (end < units.length && isOutput(units[end])) end += 1;
      }
      if (end > i + 1) {
        pairs.rows.push([[units[i]], units.slice(i + 1, end)]);
        pairs.of.push("pair");
      } else if (pairs.of.at(-1) === "") {
        pairs.rows.at(-1)[0].push(units[i]);
      } else {
        pairs.rows.push([[units[i]]]);
        pairs.of.push("");
      }
      i = end;
    }
    if (pairs.of.includes("pair")) plans.push(pairs);
    const first = units.findIndex((unit) => kind(unit) !== "prose");
    if (first > 0) {
      plans.push({ rows: [[units.slice(0, first), units.slice(first)]], of: ["side"] });
    }
    const seen = units.filter(isSeen);
    if (seen.length && seen.length < units.length) {
      const rest = units.filter((unit) => !isSeen(unit));
      plans.push({ rows: [[rest, seen]], of: ["seen"] });
    }
    return plans;
  }

  function arrange(body, plan) {
    body.replaceChildren(...plan.rows.map((columns, i) => {
      const row = document.createElement("div");
      row.className = columns.length > 1 ? `row two ${plan.of[i]}` : "row";
      if (plan.rows.length === 1 && plan.of[i] === "seen") row.classList.add("grow");
      for (const units of columns) {
        const column = document.createElement("div");
        column.className = "col";
        column.append(...units);
        row.append(column);
      }
      return row;
    }));
  }

  function sizeFigures(figures, tall) {
    for (const image of figures) {
      const wide = image.closest(".col").clientWidth;
      const scale = Math.min(
        FIGURE.enlarged, wide / image.naturalWidth, tall / image.naturalHeight,
      );
      image.style.width = `${Math.floor(image.naturalWidth * scale)}px`;
    }
  }

  function fits(body) {
    if (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1) {
      return false;
    }
    for (const wide of body.querySelectorAll("pre, .table, .col, mjx-container")) {
      if (wide.scrollWidth > wide.clientWidth + 1) return false;
    }
    return true;
  }

  // The best of the sorted `values` (best first) for which `works` holds; the last if none.
  function search(values, works) {
    let low = 0, high = values.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (works(values[middle])) high = middle; else low = middle + 1;
    }
    return values[low];
  }

  function measure(page, plan) {
    const body = page.querySelector(".body");
    arrange(body, plan);
    const own = [...body.querySelectorAll(".figure img")];
    const at = (size) => {
      page.style.setProperty("--s", size);
      sizeFigures(own, FIGURE.least);
      return fits(body);
    };
    const size = search(SIZES, at);
    let works = at(size), tall = FIGURE.least, area = 0, small = false;
    if (own.length && works) {
      const heights = [];
      for (let h = FIGURE.most; h >= FIGURE.least; h -= 15) heights.push(h);
      tall = search(heights, (h) => { sizeFigures(own, h); return fits(body); });
      sizeFigures(own, tall);
      works = fits(body);
      for (const image of own) {
        const natural = image.naturalWidth * image.naturalHeight;
        const seen = image.width * image.height;
        area += seen;
        small ||= seen < Math.min(FIGURE.area, natural * 0.98);
      }
    }
    const value = (works ? size : size - 0.25) + 0.5 * Math.min(1, area / 300_000);
    return { plan, size: works ? size : size - 0.01, tall, value, good: works && size >= COMFORT && !small };
  }

  function best(page, units) {
    let found = null;
    const body = page.querySelector(".body");
    for (const plan of plansOf(units)) {
      const one = measure(page, plan);
      if (!found || one.value > found.value + 0.02) found = one;
      if (one.size >= 1 && !body.querySelector("img")) break;
    }
    return found;
  }

  function settle(page, result) {
    arrange(page.querySelector(".body"), result.plan);
    page.style.setProperty("--s", result.size);
    sizeFigures([...page.querySelectorAll(".figure img")], result.tall);
    page.dataset.size = result.size.toFixed(2);
  }

  // ---- one slide, or two --------------------------------------------------------------------

  function unitsOf(page) {
    const units = [];
    for (const block of page.querySelectorAll(".body > .block")) {
      const type = block.classList[1];
      const parts = type === "prose" ? [...block.children] : [block];
      for (const part of parts) {
        let unit = part;
        if (part !== block) {
          unit = document.createElement("div");
          unit.className = block.className;
          unit.append(part);
        }
        unit.dataset.kind = type;
        units.push(unit);
      }
    }
    return units;
  }

  const leadsOn = (unit) => /:\s*$/.test(unit.textContent) || /^H\d$/.test(unit.firstElementChild?.tagName);

  function breaksOf(units, loose) {
    const places = [];
    for (let i = 1; i < units.length; i += 1) {
      const before = units[i - 1], after = units[i];
      if (kind(before) === "prose" && leadsOn(before)) continue;
      if (!loose && isOutput(after) && kind(after) !== "figure") continue;
      places.push(i);
    }
    return places;
  }

  function pagesOf(page, units) {
    const known = new Map();
    const of = (from, to) => {
      const key = `${from}-${to}`;
      if (!known.has(key)) known.set(key, best(page, units.slice(from, to)));
      return known.get(key);
    };
    const go = (from) => {
      const to = units.length, whole = of(from, to);
      if (whole.good) return [whole];
      for (const loose of [false, true]) {
        const places = breaksOf(units, loose).filter((i) => i > from);
        let choice = null;
        for (const i of places) {
          const head = of(from, i);
          if (head.size < COMFORT) { if (choice) break; continue; }
          const rest = of(i, to);
          const value = Math.min(head.size, rest.size, 1.1) + (head.good && rest.good ? 1 : 0);
          if (!choice || value >= choice.value) choice = { i, value, head };
        }
        if (choice && choice.value > 1.5) return [choice.head, of(choice.i, to)];
        if (whole.size >= COMFORT) continue; // only a figure is small: two slides or one, not three
        if (choice) return [choice.head, ...go(choice.i)];
        if (loose && places.length) return [of(from, places[0]), ...go(places[0])];
      }
      return [whole];
    };
    return go(0);
  }

  function continuation(section, number) {
    const next = section.cloneNode(true);
    next.id = `${section.id}-${number}`;
    next.querySelector(".head").classList.add("on");
    next.querySelector(".body").replaceChildren();
    return next;
  }

  function layOut(section) {
    const page = section.querySelector(".page");
    section.classList.add("measured");
    section.parentElement.classList.add("measured");
    const explorer = page.querySelector(".explorer");
    let last = section, number = 1;
    const add = () => {
      number += 1;
      last.after(continuation(section, number));
      last = last.nextElementSibling;
      last.classList.add("measured");
      return last.querySelector(".page");
    };
    let current = page, used = false;
    const place = (units) => {
      if (!units.length) return;
      if (used) current = add();
      const results = pagesOf(current, units);
      results.forEach((result, i) => {
        if (i) current = add();
        settle(current, result);
      });
      used = true;
    };
    if (section.classList.contains("title")) {
      const result = best(page, unitsOf(page));
      settle(page, result);
    } else if (!explorer) {
      place(unitsOf(page));
    } else {
      // An explorer has a slide of its own.
      let waiting = [];
      for (const unit of unitsOf(page)) {
        if (kind(unit) !== "explorer") { waiting.push(unit); continue; }
        place(waiting);
        waiting = [];
        if (used) current = add();
        current.querySelector(".body").replaceChildren(unit);
        used = true;
      }
      place(waiting);
    }
    for (let one = section; ; one = one.nextElementSibling) {
      one.classList.remove("measured");
      // No slide begins empty: where every block waits for a key, the first does not.
      const blocks = [...one.querySelectorAll(".block")];
      if (blocks.every((block) => block.classList.contains("fragment"))) {
        blocks[0]?.classList.remove("fragment");
      }
      if (one === last) break;
    }
    section.parentElement.classList.remove("measured");
  }

  // An explorer measures itself; its frame follows, scaled to the room that there is.
  function fitFrame(frame) {
    const inner = frame.querySelector("iframe"), body = frame.closest(".body");
    const fit = () => {
      const wide = inner.offsetWidth, tall = inner.offsetHeight;
      if (!wide || !tall || !body.clientHeight) return;
      const scale = Math.min(1.1, body.clientWidth / wide, body.clientHeight / tall);
      inner.style.transform = `scale(${scale}) translateX(-50%)`;
      frame.style.height = `${Math.floor(tall * scale)}px`;
    };
    new ResizeObserver(fit).observe(inner);
    fit();
    return fit;
  }

  async function start() {
    // A face is loaded when it is first used, and measured slides must be set in it.
    await Promise.all([...document.fonts].map((face) => face.load()));
    await Promise.all([...document.querySelectorAll(".figure img")].map(
      (image) => image.decode().catch(() => undefined),
    ));
    if (window.MathJax?.startup) {
      await window.MathJax.startup.promise;
      await window.MathJax.typesetPromise();
    }
    root.classList.add("fitting");
    const begun = performance.now();
    for (const section of [...document.querySelectorAll(".slides > section > section")]) {
      layOut(section);
    }
    for (const page of document.querySelectorAll(".page")) {
      const foot = document.createElement("p");
      foot.className = "foot";
      foot.textContent = document.body.dataset.deck;
      page.append(foot);
    }
    root.classList.remove("fitting");
    root.dataset.deck = "laid-out";
    root.dataset.milliseconds = Math.round(performance.now() - begun);
    const frames = [...document.querySelectorAll(".frame")].map(fitFrame);
    await Reveal.initialize({
      width: 1200, height: 750, margin: 0, minScale: 0.1, maxScale: 3, center: false,
      hash: true, controls: true, progress: true, slideNumber: "c/t", transition: "none",
      pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, plugins: [RevealNotes],
      navigationMode: "default", scrollActivationWidth: 0,
    });
    Reveal.on("slidechanged", () => frames.forEach((fit) => fit()));
    frames.forEach((fit) => fit());
    root.dataset.deck = "ready";
  }

  start().catch((error) => {
    root.classList.remove("fitting");
    root.dataset.deck = "failed";
    console.error(error);
  });
})();
