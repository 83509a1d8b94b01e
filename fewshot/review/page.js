// The review page: one mask at a time, by keys or buttons; every decision is sent at once.
"use strict";

(async () => {
  const SVG = "http://www.w3.org/2000/svg";
  const VERDICTS = { a: "accept", r: "reject", d: "delete" };
  const SAID = { accept: "accepted", reject: "rejected", delete: "deleted" };
  const token = new URLSearchParams(location.search).get("token");
  const at = (id) => document.getElementById(id);

  const ask = async (path, options = {}) => {
    const headers = { "X-Fewshot-Token": token, ...options.headers };
    const answer = await fetch(path, { ...options, headers });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };

  const say = (words, error = false) => {
    at("status").textContent = words;
    at("status").classList.toggle("error", error);
  };

  let overview;
  try {
    overview = await ask("/slices");
  } catch (error) {
    at("slice").textContent = "Nothing can be shown";
    say(error.message, true);
    return;
  }
  const { slices, decisions } = overview;
  const order = slices.flatMap((slice, number) => slice.masks.map((key) => ({ key, number })));
  const starts = slices.map((_, number) => order.findIndex((one) => one.number === number));
  const undecided = (from) => {
    const places = [...order.keys()];
    return [...places.slice(from), ...places.slice(0, from)].find((place) => !decisions[order[place].key]);
  };
  const details = new Map();
  // What is sent but not answered yet; a page that is left and opened again sends it once more.
  const UNANSWERED = "fewshot-review-unanswered";
  const kept = Object.entries(JSON.parse(sessionStorage.getItem(UNANSWERED) || "{}"));
  const known = new Set(order.map((one) => one.key));
  const unanswered = new Map(kept.filter(([key]) => known.has(key)));
  const remember = () => sessionStorage.setItem(UNANSWERED, JSON.stringify(Object.fromEntries(unanswered)));
  for (const [key, { decision }] of unanswered) {
    if (decision) decisions[key] = decision;
    else delete decisions[key];
  }
  let moment = 0;
  let place = undecided(0) ?? 0;

  const detail = (number) => {
    if (!details.has(number)) {
      const wanted = ask(`/slices/${slices[number].id}`);
      wanted.catch(() => details.delete(number));
      details.set(number, wanted);
    }
    return details.get(number);
  };

  const path = (mask, classes) => {
    const made = document.createElementNS(SVG, "path");
    made.setAttribute("d", mask.path);
    made.setAttribute("class", classes);
    return made;
  };

  const drawOutlines = (slice, current) => {
    const drawing = at("outlines");
    drawing.setAttribute("viewBox", `-0.5 -0.5 ${slice.width} ${slice.height}`);
    const others = slice.masks.filter((mask, index) => index !== current);
    const chosen = slice.masks[current];
    const shown = [
      ...others.map((mask) => [mask, path(mask, decisions[mask.key] || "")]),
      [chosen, path(chosen, "halo")],
      [chosen, path(chosen, `current ${decisions[chosen.key] || ""}`)],
    ];
    for (const [mask, outline] of shown) {
      outline.addEventListener("click", () => go(starts[order[place].number] + slice.masks.indexOf(mask)));
    }
    drawing.replaceChildren(...shown.map(([, outline]) => outline));
  };

  const drawList = (slice, current) => {
    const first = starts[order[place].number];
    const items = slice.masks.map((mask, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${index + 1} · ${mask.score.toFixed(2)} · ${SAID[decisions[mask.key]] || "undecided"}`;
      if (index === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => go(first + index));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    const list = at("masks");
    list.replaceChildren(...items);
    const item = items[current];
    list.scrollTop = item.offsetTop - list.offsetTop - (list.clientHeight - item.offsetHeight) / 2;
  };

  const drawProgress = () => {
    const done = order.filter((one) => decisions[one.key]).length;
    at("bar").max = order.length;
    at("bar").value = done;
    at("progress").textContent = `${done} of ${order.length} masks decided`;
  };

  const draw = async () => {
    const { number } = order[place];
    let slice;
    try {
      slice = await detail(number);
    } catch (error) {
      say(`This slice cannot be shown: ${error.message}`, true);
      return;
    }
    if (order[place].number !== number) return; // gone on meanwhile
    const current = place - starts[number];
    const mask = slice.masks[current];
    const image = at("image");
    const source = `/pictures/${slice.id}?token=${encodeURIComponent(token)}`;
    if (image.getAttribute("src") !== source) image.src = source;
    image.width = slice.width;
    image.height = slice.height;
    image.alt = `${slice.name}: slice with ${slice.masks.length} soft labels and their contours`;
    const patient = slice.group ? ` · ${slice.group}` : "";
    at("slice").textContent = `${slice.name}${patient} · slice ${number + 1} of ${slices.length}`;
    at("mask").textContent = `Mask ${current + 1} of ${slice.masks.length}: ${SAID[decisions[mask.key]] || "undecided"}`;
    at("facts").textContent = `score ${mask.score.toFixed(3)} by ${mask.source}, ${mask.pixels} pixels`;
    drawOutlines(slice, current);
    drawList(slice, current);
    drawProgress();
    document.body.dataset.mask = mask.key;
    if (number + 1 < slices.length) detail(number + 1).catch(() => {});
  };

  const go = (to) => {
    place = Math.max(0, Math.min(order.length - 1, to));
    return draw();
  };

  const send = (key, verdict) => {
    const before = decisions[key];
    if (verdict) decisions[key] = verdict;
    else delete decisions[key];
    // Sent at once, so that it arrives even if the page is left; of two decisions on one mask the
    // later one counts, whichever arrives last.
    moment = Math.max(moment + 1, Date.now() * 1000);
    const sent = { decision: verdict, moment };
    unanswered.set(key, sent);
    remember();
    say("Saving …");
    const body = JSON.stringify({ key, ...sent });
    ask("/decisions", { method: "POST", body, keepalive: true }).then(
      () => {
        if (unanswered.get(key) === sent) unanswered.delete(key);
        remember();
        if (unanswered.size) return;
        const open = order.some((one) => !decisions[one.key]);
        say(open ? "Saved." : "Saved. All masks are decided.");
      },
      (error) => {
        if (unanswered.get(key) !== sent) return;
        unanswered.delete(key);
        remember();
        if (before) decisions[key] = before;
        else delete decisions[key];
        say(`Not saved: ${error.message}`, true);
        draw();
      },
    );
  };

  const decide = (verdict) => {
    send(order[place].key, verdict);
    return verdict ? go(place + 1) : draw();
  };

  const nextUndecided = () => {
    const found = undecided(Math.min(place + 1, order.length));
    if (found === undefined) say("All masks are decided.");
    else go(found);
  };

  const actions = {
    u: () => decide(null),
    n: nextUndecided,
    o: () => at("picture").classList.toggle("bare"),
    arrowright: () => go(place + 1),
    arrowleft: () => go(place - 1),
    arrowdown: () => go(starts[Math.min(slices.length - 1, order[place].number + 1)]),
    arrowup: () => go(starts[Math.max(0, order[place].number - 1)]),
  };
  for (const [key, verdict] of Object.entries(VERDICTS)) actions[key] = () => decide(verdict);

  document.addEventListener("keydown", (event) => {
    const action = actions[event.key.toLowerCase()];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  for (const button of document.querySelectorAll("button[data-key]")) {
    button.addEventListener("click", () => actions[button.dataset.key]());
  }
  for (const [key, { decision }] of [...unanswered]) send(key, decision);
  await draw();
})();
