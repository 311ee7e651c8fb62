// Lays out each slide when the deck opens, then starts reveal.js.
//
// A slide of a notebook is a list of blocks: prose, code, what it printed, figures. For each slide
// this finds the arrangement (one column; code beside its output; prose beside the rest; everything
// beside the figure) in which the type can be largest. What would still be smaller than COMFORT
// goes on, on a second slide; a block is never cut. Code and what it printed stay together down to
// LEAST; where they cannot, the output takes the statement along that gave it, and a figure alone
// says in words what it shows. Type in a figure is never smaller than half of the body's.
(() => {
  "use strict";

  const SIZES = [1.18, 1.1, 1.04, 1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5];
  const COMFORT = 0.84, KEPT = 0.8, LEAST = 0.7;
  // type: of the smallest words of a figure at its own size, px; half: of the body's type, px.
  const FIGURE = { most: 560, enlarged: 1.45, sharp: 1.9, area: 190_000, type: 12, half: 13.5 };
  const WIDE = 1280, TALL = 720;
  const root = document.documentElement;

  // ---- one arrangement ----------------------------------------------------------------------

  const kind = (unit) => unit.dataset.kind;
  const isSeen = (unit) => kind(unit) === "figure" || kind(unit) === "table";
  const belongs = (unit) => kind(unit) === "code" || isOutput(unit);
  const isOutput = (unit) => isSeen(unit) || kind(unit) === "text" || kind(unit) === "error";

  const stays = (unit) => unit.classList.contains("stays");

  // Prose and one figure: a slide that may be set a little smaller, for the sake of both in sight.
  const pictured = (units) => units.filter((unit) => kind(unit) === "figure").length === 1 &&
    units.every((unit) => ["prose", "figure"].includes(kind(unit)));

  // Rows of columns of units.
  function plansOf(units) {
    const kept = units.filter(stays);
    if (kept.length && kept.length < units.length) { // a figure that stays: below the rest, or beside
      const rest = units.filter((unit) => !stays(unit));
      const below = plansOf(rest).map(({ rows, of }) => ({ rows: [...rows, [kept]], of: [...of, ""] }));
      return [...below, { rows: [[rest, kept]], of: ["stays"] }];
    }
    const stack = { rows: [[units]], of: [""] };
    const plans = [stack];
    if (units[0].classList.contains("caption")) return plans;
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
      if (pictured(units)) plans.push({ rows: [[rest, seen]], of: ["stays"] });
    }
    return plans;
  }

  function arrange(body, plan) {
    body.replaceChildren(...plan.rows.map((columns, i) => {
      const row = document.createElement("div");
      row.className = columns.length > 1 ? `row two ${plan.of[i]}` : "row";
      if (plan.rows.length === 1 && ["seen", "stays"].includes(plan.of[i])) row.classList.add("grow");
      for (const units of columns) {
        const column = document.createElement("div");
        column.className = "col";
        column.append(...units);
        row.append(column);
      }
      return row;
    }));
  }

  // A sharp figure has more pixels than it says; its size on a page counts.
  const ownWidth = (image) => Number(image.dataset.width) || image.naturalWidth;
  const ownHeight = (image) => ownWidth(image) / image.naturalWidth * image.naturalHeight;
  const most = (image) => (image.dataset.width ? FIGURE.sharp : FIGURE.enlarged);

  function sizeFigures(figures, tall) {
    for (const image of figures) {
      const wide = image.closest(".col").clientWidth;
      const scale = Math.min(most(image), wide / ownWidth(image), tall / ownHeight(image));
      image.style.width = `${Math.floor(ownWidth(image) * scale)}px`;
    }
  }

  // The least size of a figure whose words are half as large as the body's; false where it is wider
  // than its column.
  function leastFigures(figures, size) {
    const scale = FIGURE.half * size / FIGURE.type;
    const wide = figures.map((image) => Math.ceil(ownWidth(image) * scale));
    figures.forEach((image, i) => { image.style.width = `${wide[i]}px`; });
    return figures.every((image, i) => wide[i] <= image.closest(".col").clientWidth + 1);
  }

  function fits(body) {
    if (body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1) {
      return false;
    }
    for (const wide of body.querySelectorAll("pre, .table, .col, .prose, mjx-container")) {
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
      return leastFigures(own, size) && fits(body);
    };
    const grow = (size) => { // the figures, into the room that the type leaves
      let works = at(size), tall = FIGURE.most / 2, area = 0, small = false;
      if (own.length && works) {
        const lowest = Math.min(...own.map((image) => image.offsetHeight)), heights = [];
        for (let h = FIGURE.most; h > lowest; h -= 15) heights.push(h);
        heights.push(lowest);
        const grown = (h) => { sizeFigures(own, h); return fits(body); };
        tall = search(heights, grown);
        works = grown(tall);
        for (const image of own) {
          const natural = ownWidth(image) * ownHeight(image), seen = image.width * image.height;
          area += seen;
          small ||= !image.closest(".stays") && seen < Math.min(FIGURE.area, natural * 1.3);
        }
      }
      return { size, works, tall, area, small };
    };
    const held = plan.rows.flat(2);
    const codes = held.filter((unit) => kind(unit) === "code").length;
    const together = codes === 1 && held.every(belongs) ? LEAST : COMFORT;
    const comfort = held.some(stays) || pictured(held) ? Math.min(together, KEPT) : together;
    let found = grow(search(SIZES, at));
    if (found.small) { // the largest type is not worth a figure that is too small
      const lower = SIZES.filter((size) => size < found.size && size >= comfort).map(grow);
      found = lower.find((one) => one.works && !one.small) || found;
    }
    const { size, works, tall, area, small } = found;
    const value = (works ? size : size - 0.25) + 0.6 * Math.min(1, area / 300_000);
    const good = works && size >= comfort && !small;
    return { plan, size: works ? size : size - 0.01, comfort, tall, value, good };
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
          Object.assign(unit.dataset, block.dataset); // when it appears
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
      if (stays(after)) continue;
      if (!loose && isOutput(after) && kind(after) !== "figure") continue;
      places.push(i);
    }
    return places;
  }

  // What an output that goes on, on a slide of its own, takes along: the statement that gave it; a
  // figure says what it shows.
  function ledBy(units, from) {
    const first = units[from];
    if (!isOutput(first)) return [];
    let at = from - 1;
    while (at >= 0 && isOutput(units[at])) at -= 1;
    const code = at >= 0 && kind(units[at]) === "code" && units[at].querySelector("pre");
    const said = first.dataset.recall || (code && code.dataset.recall);
    const unit = document.createElement("div");
    if (said && kind(first) !== "figure") {
      unit.className = "block code recall";
      unit.innerHTML = said;
      unit.dataset.kind = "code";
      return [unit];
    }
    const words = first.querySelector("img")?.alt.match(/^.{30,}?[.:](?= |$)|^.*$/s)?.[0];
    if (kind(first) !== "figure" || !words) return [];
    unit.className = "block prose caption";
    unit.append(Object.assign(document.createElement("p"), { textContent: words, ariaHidden: true }));
    unit.dataset.kind = "prose";
    return [unit];
  }

  function pagesOf(page, units) {
    const known = new Map();
    const of = (from, to) => {
      const key = `${from}-${to}`;
      if (!known.has(key)) known.set(key, best(page, [...ledBy(units, from), ...units.slice(from, to)]));
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
          if (head.size < head.comfort) { if (choice) break; continue; }
          const rest = of(i, to);
          const value = Math.min(head.size, rest.size, 1.1) + (head.good && rest.good ? 1 : 0);
          if (!choice || value >= choice.value) choice = { i, value, head };
        }
        if (choice && choice.value > 1.5) return [choice.head, of(choice.i, to)];
        if (whole.size >= whole.comfort) continue; // only a figure is small: two slides or one, not three
        if (choice) return [choice.head, ...go(choice.i)];
        if (loose && places.length) return [of(from, places[0]), ...go(places[0])];
      }
      return [whole];
    };
    return go(0);
  }

  const shapeOf = (image) => (image.naturalWidth > 1.8 * image.naturalHeight ? "wide" : "tall");

  function continuation(section, number) {
    const next = section.cloneNode(true);
    next.dataset.timing = 0; // the first part has all of it
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
    page.querySelector(".key")?.classList.add(shapeOf(page.querySelector(".key img")));
    if (page.querySelector(".key.wide")) section.classList.add("wide");
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
        const first = Math.min(...blocks.map((block) => Number(block.dataset.fragmentIndex)));
        for (const block of blocks.filter((one) => Number(one.dataset.fragmentIndex) === first)) {
          block.classList.remove("fragment");
        }
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

  // Of code with steps, the lines of the present one are lit; before the first, all are.
  function point() {
    for (const code of Reveal.getCurrentSlide()?.querySelectorAll("pre:has(.step)") ?? []) {
      const now = code.querySelectorAll(".step.visible").length;
      code.classList.toggle("stepping", now > 0);
      for (const line of code.querySelectorAll(".of")) {
        line.classList.toggle("lit", Number(line.dataset.step) === now);
      }
    }
  }

  // Keys that were pressed inside an explorer.
  function turn(event) {
    const key = event.data?.turn;
    if (typeof key !== "string") return;
    document.activeElement?.blur();
    window.focus();
    const does = {
      PageDown: () => Reveal.next(), n: () => Reveal.next(),
      PageUp: () => Reveal.prev(), p: () => Reveal.prev(),
      ArrowRight: () => Reveal.right(), ArrowLeft: () => Reveal.left(),
      ArrowDown: () => Reveal.down(), ArrowUp: () => Reveal.up(),
      Home: () => Reveal.slide(0, 0), End: () => Reveal.slide(Reveal.getHorizontalSlides().length - 1),
      o: () => Reveal.toggleOverview(), s: () => RevealNotes().open?.(),
      f: () => document.documentElement.requestFullscreen?.().catch(() => undefined),
    };
    (does[key] ?? does[key.toLowerCase()])?.(); // Escape: the next key is the deck's again
  }

  async function start() {
    // A face is loaded when it is first used, and measured slides must be set in it.
    await Promise.all([...document.fonts].map((face) => face.load()));
    await Promise.all([...document.querySelectorAll(".figure img, .key img")].map(
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
      width: WIDE, height: TALL, margin: 0, minScale: 0.1, maxScale: 3, center: false,
      hash: true, controls: true, progress: true, slideNumber: "c/t", transition: "none",
      pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, plugins: [RevealNotes],
      navigationMode: "default", scrollActivationWidth: 0,
    });
    for (const change of ["slidechanged", "fragmentshown", "fragmenthidden"]) Reveal.on(change, point);
    Reveal.on("slidechanged", () => frames.forEach((fit) => fit()));
    frames.forEach((fit) => fit());
    point();
    addEventListener("message", turn);
    root.dataset.deck = "ready";
  }

  start().catch((error) => {
    root.classList.remove("fitting");
    root.dataset.deck = "failed";
    console.error(error);
  });
})();
