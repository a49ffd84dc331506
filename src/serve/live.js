// Makes the page follow the database: shows the progress of sweeps and replaces the parts of the report that changed.
"use strict";
(() => {
  const box = document.createElement("aside");
  box.id = "live";
  document.body.prepend(box);

  // The newest revision the server announced; and per address the revision shown and the timer of the next request.
  let newest = 0, lost = false, standing = null;
  const open = new Set();
  const asked = { "/main": { shown: 0, timer: null, busy: false }, "/status": { shown: 0, timer: null, busy: false } };
  // The report's parts as received, by key. Changes that a script made to them since then don't count as new.
  let parts = null;

  const element = (name, text, children = []) => {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;
    made.append(...children);
    return made;
  };
  const count = n => n.toLocaleString("en-US");
  const duration = s => s === null ? "–" : s < 60 ? `${Math.round(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min`
    : s < 86400 ? `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min` : `${(s / 86400).toFixed(1)} days`;

  function table(header, rows) {
    const line = (cell, texts) => element("tr", null, texts.map(text => element(cell, text)));
    return element("table", null, [line("th", header), ...rows.map(row => line("td", row))]);
  }

  function sweepBox(sweep) {
    const made = document.createElement("section");
    const link = element("a", sweep.sweep);
    link.href = `/?sweep=${encodeURIComponent(sweep.sweep)}`;
    made.append(element("h2", null, [link]));
    const bar = document.createElement("div");
    bar.className = "bar";
    const states = Object.entries(sweep.states).filter(([, n]) => n > 0);
    for (const [state, n] of states.filter(([state]) => state !== "pending").concat(states.filter(([state]) => state === "pending"))) {
      const part = document.createElement("span");
      part.className = state;
      part.title = `${state}: ${count(n)}`;
      part.style.flexGrow = n;
      bar.append(part);
    }
    const told = states.map(([state, n]) => `${count(n)} ${state}`).join(", ");
    const left = sweep.seconds_left === null ? "" : `; about ${duration(sweep.seconds_left)} left`;
    made.append(bar, element("p", `${count(sweep.jobs)} jobs: ${told}${left}`));
    if (sweep.running.length && sweep.at_work) {
      made.append(table(["slot", "device", "cohort", "jobs", "step", "model-steps/s", "left"], sweep.running.map(of => [
        of.slot, of.device || "starting", of.cohort.slice(0, 8), count(of.training), `${count(of.step)} of ${count(of.steps)}`,
        of.model_steps_per_second === null ? "–" : count(Math.round(of.model_steps_per_second)), duration(of.seconds_left),
      ])));
    } else if (sweep.running.length) {
      made.append(element("p", "Jobs shown as running stopped when their run was killed."));
    }
    for (const failure of sweep.failures) {
      const key = `${sweep.sweep}\n${failure.cause}`;
      const details = element("details", null, [
        element("summary", `${count(failure.jobs)} failed: ${failure.cause}`),
        element("p", `One of them: sweep show ${failure.one.slice(0, 8)}`),
      ]);
      if (failure.last_words) details.append(element("pre", failure.last_words));
      details.open = open.has(key);
      details.addEventListener("toggle", () => details.open ? open.add(key) : open.delete(key));
      made.append(details);
    }
    return made;
  }

  function show() {
    box.classList.toggle("lost", lost);
    if (lost) box.dataset.lost = "yes"; else delete box.dataset.lost;
    const children = [];
    if (standing) {
      const { at_work: atWork, paused } = standing.run;
      const run = paused ? "The run is paused." : atWork ? "A run is active." : "Nothing is running.";
      const at = new Date(standing.as_of * 1000).toLocaleTimeString();
      children.push(element("p", `${run} As of ${at}.`));
    }
    if (lost) children.push(element("p", "sweep serve does not answer: it has stopped, or the connection is lost. This is the last state it sent."));
    if (standing) {
      if (!standing.sweeps.length) children.push(element("p", "No sweep has run here yet."));
      children.push(...standing.sweeps.map(sweepBox));
    }
    box.replaceChildren(...children);
  }

  let later = null;
  // Each child of <main> with its key: its id, or its position if it has none.
  const keyed = main => [...main.children].map((child, index) => [child.id || `#${index}`, child]);

  function replace(text) {
    const main = document.querySelector("main");
    // Don't interrupt a user who is typing or moving a slider.
    if (main.contains(document.activeElement) && document.activeElement.matches("input[type=search], input[type=range], select")) {
      clearTimeout(later);
      later = setTimeout(() => replace(text), 1000);
      return;
    }
    const fresh = new DOMParser().parseFromString(`<main>${text}</main>`, "text/html").querySelector("main");
    const before = new Map(keyed(main)), now = new Map();
    const changed = [];
    const children = keyed(fresh).map(([key, child]) => {
      now.set(key, child.outerHTML);
      const old = before.get(key);
      if (old && parts && parts.get(key) === child.outerHTML) return old;
      const made = document.importNode(child, true);
      // Unfolded details stay unfolded.
      if (old) {
        const was = new Map([...old.querySelectorAll("details[id]")].map(details => [details.id, details.open]));
        for (const details of made.querySelectorAll("details[id]")) details.open = was.get(details.id) ?? details.open;
      }
      changed.push(made);
      return made;
    });
    const first = parts === null && now.size === before.size && keyed(main).every(([key, child]) => now.get(key) === child.outerHTML);
    parts = now;
    if (first || (!changed.length && children.length === before.size)) return;
    main.replaceChildren(...children);
    document.dispatchEvent(new CustomEvent("sweep:changed", { detail: changed }));
  }

  async function ask(what) {
    const of = asked[what];
    if (of.busy || of.shown >= newest && of.shown > 0) return;
    of.busy = true;
    clearTimeout(of.timer);
    let again = null;
    try {
      const answer = await fetch(what === "/main" ? what + location.search : what);
      of.shown = Number(answer.headers.get("sweep-revision") ?? newest);
      const wait = answer.headers.get("retry-after");
      if (wait !== null) again = Number(wait);
      if (answer.ok && what === "/main") replace(await answer.text());
      if (answer.ok && what === "/status") { standing = await answer.json(); show(); }
      if (!answer.ok) { again = again ?? 5; of.shown = 0; }
    } catch {
      // The event stream reports when the server is back.
    }
    of.busy = false;
    if (again !== null || of.shown < newest && of.shown > 0) of.timer = setTimeout(() => ask(what), 1000 * (again ?? 1));
  }

  const news = new EventSource("/events");
  news.addEventListener("revision", event => {
    const revision = Number(event.data);
    // A restarted server counts from the start.
    if (revision < newest) for (const of of Object.values(asked)) of.shown = 0;
    newest = revision;
    if (lost) { lost = false; show(); }
    ask("/status");
    ask("/main");
  });
  news.addEventListener("error", () => { if (!lost) { lost = true; show(); } });
})();
