"use strict";
(() => {
const all = (root, what) => [...root.querySelectorAll(what)];
// The state of the controls by sweep; it survives when the page is redrawn.
const kept = new Map();
const stateOf = section => {
  const name = section.dataset.sweep;
  if (!kept.has(name)) kept.set(name, {off: new Set(), singles: true, log: false, score: "", find: "", sort: new Map(), layer: new Map(), step: new Map()});
  return kept.get(name);
};
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

function apply(section) {
  const state = stateOf(section);
  for (const element of all(section, "[data-v]")) element.classList.toggle("off", state.off.has(element.dataset.v));
  for (const element of all(section, "svg .single")) element.classList.toggle("hide", !state.singles);
  section.classList.toggle("logs", false);
  for (const figure of all(section, "figure.scaled")) figure.classList.toggle("logs", state.log);
  const scored = all(section, "figure[data-score]");
  // Without a ranking, the first score is shown.
  const first = scored.some(figure => figure.hasAttribute("data-first")) ? null : scored[0]?.dataset.score;
  const wanted = figure => state.score ? figure.dataset.score === state.score : first ? figure.dataset.score === first : figure.hasAttribute("data-first");
  for (const figure of scored) figure.classList.toggle("hide", !wanted(figure));
  // Each part between commas must equal a part of the job or start its id: `alpha 0.1` does not find `alpha 0.15`.
  const parts = text => text.toLowerCase().split(",").map(part => part.trim()).filter(part => part !== "");
  const find = parts(state.find);
  for (const element of all(section, "[data-f]")) {
    const own = parts(element.dataset.f);
    element.classList.toggle("hide", !find.every(part => own.some(mine => mine === part || mine.startsWith(part) && !/^[\d.]/.test(mine.slice(part.length)))));
  }
}

function controls(section) {
  const form = section.querySelector(".controls");
  if (!form) return;
  const state = stateOf(section);
  form.hidden = false;
  const changed = () => apply(section);
  for (const box of all(form, "input[data-variant]")) {
    box.checked = !state.off.has(box.dataset.variant);
    box.addEventListener("change", () => { state.off[box.checked ? "delete" : "add"](box.dataset.variant); changed(); });
  }
  const bind = (name, key, field) => {
    const input = form.querySelector(`[name=${name}]`);
    if (!input) return;
    input[field] = state[key];
    input.addEventListener(field === "checked" ? "change" : "input", () => { state[key] = input[field]; changed(); });
  };
  bind("singles", "singles", "checked");
  bind("log", "log", "checked");
  bind("score", "score", "value");
  bind("find", "find", "value");
  const every = form.querySelector("button[name=every]");
  if (every) every.addEventListener("click", () => {
    const boxes = all(form, "input[data-variant]"), on = !boxes.every(box => box.checked);
    for (const box of boxes) { box.checked = on; state.off[on ? "delete" : "add"](box.dataset.variant); }
    changed();
  });
  form.addEventListener("submit", event => event.preventDefault());
  // With the script, other scores are chosen in the controls instead of being folded away.
  for (const details of all(section, "details.more")) details.replaceWith(...details.querySelectorAll(".figures"));
}

function sortable(section) {
  const state = stateOf(section);
  for (const table of all(section, "table.sorts")) {
    const heads = all(table, "thead th");
    const sort = (column, direction) => {
      heads.forEach((head, at) => at === column ? head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending") : head.removeAttribute("aria-sort"));
      for (const body of all(table, "tbody:not(.head)")) {
        const value = row => row.cells[column]?.dataset.x ?? row.cells[column]?.textContent ?? "";
        const rows = [...body.rows].map((row, at) => ({row, at, text: value(row)}));
        const counts = heads[column].classList.contains("n");
        for (const item of rows) item.number = !counts || item.text === "" ? NaN : Number(item.text);
        rows.sort((a, b) => {
          const [x, y] = [a.number, b.number], [none, other] = [Number.isNaN(x), Number.isNaN(y)];
          // Cells without a number come last in both directions.
          if (none || other) return none - other || (none ? direction * a.text.localeCompare(b.text) : 0) || a.at - b.at;
          return direction * (x - y) || a.at - b.at;
        });
        body.append(...rows.map(item => item.row));
      }
    };
    heads.forEach((head, column) => {
      const button = make("button", head.textContent, {type: "button"});
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        state.sort.set(table.dataset.k, [column, direction]);
        sort(column, direction);
      });
    });
    const before = state.sort.get(table.dataset.k);
    if (before && heads[before[0]]) sort(...before);
  }
}

// The sheets of a gallery. Those that the page shows at first are embedded once, as pictures.
const known = new WeakMap();
function sheetsOf(figure) {
  if (!known.has(figure)) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const shown = new Map(all(figure, ".gallery a[data-p]").map(link => [link.dataset.p, link.querySelector("img").getAttribute("src")]));
    for (const [place, , , , sources] of data.sheets) for (const source of sources) if (source[1] === null) source[1] = shown.get(place);
    known.set(figure, data);
  }
  return known.get(figure);
}

function galleries(section) {
  const state = stateOf(section);
  for (const figure of all(section, "figure.samples")) {
    const data = sheetsOf(figure), key = figure.dataset.name;
    const [layers, slider, shown] = ["select", "input", "output"].map(what => figure.querySelector(`.steps ${what}`));
    const places = new Map(all(figure, ".gallery a").map(link => [link.dataset.p, link]));
    const draw = () => {
      const layer = layers ? Number(layers.value) : 0, step = data.steps[slider ? Number(slider.value) : data.steps.length - 1];
      if (shown) shown.textContent = `step ${step.toLocaleString("en")}`;
      for (const link of places.values()) link.hidden = true;
      for (const [place, of, job, name, sources] of data.sheets) {
        const link = places.get(place);
        if (of !== layer || !link) continue;
        // The newest sheet up to that step.
        let source = null;
        for (const [at, href] of sources) if (at <= step) source = href;
        link.dataset.j = job;
        link.dataset.f = name;
        link.title = name;
        const image = link.querySelector("img");
        image.alt = name;
        if (source === null) image.removeAttribute("src");
        else { image.src = source; link.hidden = false; }
      }
      apply(section);
    };
    figure.querySelector(".steps").hidden = false;
    if (layers) {
      layers.value = state.layer.get(key) ?? layers.value;
      layers.addEventListener("change", () => { state.layer.set(key, layers.value); draw(); });
    }
    if (slider) {
      const at = data.steps.indexOf(state.step.get(key));
      slider.value = at < 0 ? slider.max : at;
      slider.addEventListener("input", () => { state.step.set(key, data.steps[Number(slider.value)]); draw(); });
    }
    if (state.layer.has(key) || state.step.has(key)) draw();
  }
}

// Highlights what the mouse is over.
const tip = make("div", "", {class: "tip", hidden: "", role: "tooltip"});
function point(event) {
  const group = event.target.closest?.("svg g");
  let title = null;
  for (let at = group; at && !title; at = at.parentElement.closest("g")) title = at.querySelector(":scope > title");
  if (!title) { tip.hidden = true; return; }
  if (title.textContent) { title.parentElement.dataset.t = title.textContent; title.textContent = ""; }
  tip.textContent = title.parentElement.dataset.t;
  tip.hidden = false;
  const [x, y] = [event.clientX + 14, event.clientY + 14];
  tip.style.left = `${Math.min(x, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${y + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : y}px`;
}

const NS = "http://www.w3.org/2000/svg";
function curve(points, label) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 240 90");
  const finite = points.filter(p => Number.isFinite(p[1]));
  const ys = finite.map(p => p[1]), xs = finite.map(p => p[0]);
  const [low, high, first, last] = [Math.min(...ys), Math.max(...ys), Math.min(...xs), Math.max(...xs)];
  const x = value => 5 + 230 * (last > first ? (value - first) / (last - first) : .5);
  const y = value => 70 - 60 * (high > low ? (value - low) / (high - low) : .5);
  const add = (tag, attributes, text) => {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    svg.append(element);
  };
  add("polyline", {points: finite.map(p => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" "), fill: "none", class: "k0", "stroke-width": 1.5});
  for (const p of finite) add("circle", {cx: x(p[0]).toFixed(1), cy: y(p[1]).toFixed(1), r: 1.8, class: "f0"});
  add("text", {x: 5, y: 86, "font-size": 9, class: "fs"}, `${label}: ${Number(low.toPrecision(4))} to ${Number(high.toPrecision(4))}, steps ${first} to ${last}`);
  return svg;
}

function details(of) {
  const id = of.dataset.j, variant = of.closest("[data-v]")?.dataset.v;
  for (const section of [of.closest("section.sweep")]) {
    const source = section?.querySelector("script.jobs");
    const data = source && JSON.parse(source.textContent);
    const job = data?.jobs.find(job => job.id === id && String(job.v) === variant) ?? data?.jobs.find(job => job.id === id);
    if (!job) continue;
    const dialog = document.getElementById("job");
    const close = make("button", "Close", {type: "button"});
    close.addEventListener("click", () => dialog.close());
    const title = make("h3", `${job.variant}${job.cell ? `, ${job.cell}` : ""}, seed ${job.seed}`);
    const rows = [["job", job.id], ["state", job.message ? `${job.state}: ${job.message}` : job.state],
      ["steps", job.steps === null ? job.step : `${job.step} of ${job.steps}`]];
    if (job.objective) rows.push(["objective", job.objective], ["data", job.data]);
    if (job.seconds !== null) rows.push(["seconds", Number(job.seconds.toPrecision(4))]);
    data.scores.forEach((name, at) => { if (job.scores[at] !== null) rows.push([name, typeof job.scores[at] === "number" ? Number(job.scores[at].toPrecision(6)) : job.scores[at]]); });
    const table = make("table", null);
    for (const [name, value] of rows) {
      const row = make("tr", null);
      row.append(make("th", name), make("td", String(value)));
      table.append(row);
    }
    const parts = make("div", null, {class: "parts"});
    parts.append(table);
    data.scores.forEach((name, at) => { if (job.curves[at].filter(p => Number.isFinite(p[1])).length > 1) parts.append(curve(job.curves[at], name)); });
    for (const figure of all(section, "figure.samples")) {
      for (const [, , of, name, sources] of sheetsOf(figure).sheets) {
        if (of === id && sources.length) {
          const box = make("div", null);
          box.append(make("img", null, {src: sources[sources.length - 1][1], alt: name}));
          parts.append(box);
        }
      }
    }
    dialog.replaceChildren(close, title, parts);
    if (job.attempts.length) {
      const list = make("ul", null);
      for (const attempt of job.attempts) list.append(make("li", attempt));
      dialog.append(make("h3", "Attempts"), list);
    }
    dialog.append(make("p", `sweep show ${job.id} says more.`, {class: "note"}));
    if (!dialog.open) dialog.showModal();
    return;
  }
}

function begin(section) {
  controls(section);
  sortable(section);
  galleries(section);
  apply(section);
}

document.body.append(tip);
document.addEventListener("mousemove", point);
document.addEventListener("click", event => {
  const of = event.target.closest?.("[data-j]");
  if (!of) return;
  event.preventDefault();
  details(of);
});
document.addEventListener("keydown", event => {
  if (event.key === "Enter" && event.target.matches?.("[data-j]")) details(event.target);
});
all(document, "section.sweep").forEach(begin);
// A live page replaces its content with the new one.
document.addEventListener("sweep:changed", event => event.detail.filter(part => part.matches("section.sweep")).forEach(begin));
document.documentElement.dataset.ready = "";
})();
