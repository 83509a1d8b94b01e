// The galleries of a report: sorting, paging, and outlines that can be turned off.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const PAGE = 8;
  const FEW = 3; // answers up to which several slices are side by side, and twice as many a page

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  const paths = (colors, regions, dashed) =>
    regions.map(([color, d]) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.setAttribute("stroke", colors[color]);
      if (dashed) path.setAttribute("class", "truth");
      return path;
    });

  const describe = (slice, title, regions, hasTruth) => {
    const paired = regions.filter(([color]) => color > 0).length;
    const partners = hasTruth ? `, ${paired} with a partner` : "";
    return `${slice.t}, ${title}: ${count(regions.length, "region")} outlined${partners}`;
  };

  const panel = (data, slice, key, title) => {
    const hasTruth = "truth" in slice.l;
    const regions = key ? slice.l[key] || [] : [];
    const alt = key ? describe(slice, title, regions, hasTruth) : `${slice.t}: the slice without outlines`;
    const image = element("img", { src: slice.i, width: slice.w, height: slice.h, alt });
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", `-0.5 -0.5 ${slice.w} ${slice.h}`);
    drawing.setAttribute("aria-hidden", "true");
    drawing.append(...paths(data.colors, regions, false));
    if (key && key !== "truth" && hasTruth) drawing.append(...paths(data.colors, slice.l.truth, true));
    const words = slice.c[key] ? `${title} · ${slice.c[key]}` : title;
    const made = element("span", { class: "panel", "data-layer": key || "slice" }, element("span", {}, image, drawing), words);
    return made;
  };

  const build = (place) => {
    const data = JSON.parse(document.getElementById(place.dataset.source).textContent);
    const few = data.layers.length <= FEW;
    const size = few ? 2 * PAGE : PAGE;
    place.classList.toggle("few", few);
    const hasTruth = data.layers.some(([key]) => key === "truth");
    const state = { sort: data.sorts[0][0], down: data.sorts[0][2], page: 0, hidden: new Set() };

    const sort = element("select", {}, ...data.sorts.map(([key, name]) => element("option", { value: key }, name)));
    sort.append(element("option", { value: "" }, "file"));
    const direction = element("button", { type: "button" });
    const status = element("span", { "aria-live": "polite", class: "status" });
    const back = element("button", { type: "button" }, "Previous");
    const forth = element("button", { type: "button" }, "Next");
    const cards = element("div", { class: "cards" });

    const box = (words, checked, change) => {
      const input = element("input", { type: "checkbox" });
      input.checked = checked;
      input.addEventListener("change", () => change(input.checked));
      return element("label", {}, input, ` ${words}`);
    };
    const shown = (key, title) =>
      box(title, true, (on) => {
        state.hidden[on ? "delete" : "add"](key);
        apply();
      });
    const layers = [["slice", "slice"], ...data.layers];
    const controls = element(
      "div",
      { class: "controls" },
      element("label", {}, "Sort by ", sort),
      direction,
      element("fieldset", {}, element("legend", {}, "Show"), ...layers.map(([key, title]) => shown(key, title))),
      element(
        "fieldset",
        {},
        element("legend", {}, "Draw"),
        box("large", false, (on) => cards.classList.toggle("large", on)),
        box("outlines", true, (on) => cards.classList.toggle("bare", !on)),
        ...(hasTruth ? [box("truth over all, dashed", false, (on) => cards.classList.toggle("with-truth", on))] : []),
      ),
    );
    const pager = element("div", { class: "pager" }, back, status, forth);
    place.append(controls, cards, pager);

    const ordered = () => {
      const numbered = data.slices.map((slice, index) => [slice, index]);
      const value = ([slice, index]) => (state.sort ? slice.v[state.sort] : index);
      const known = numbered.filter((one) => value(one) !== undefined);
      const unknown = numbered.filter((one) => value(one) === undefined);
      const sign = state.down ? -1 : 1;
      known.sort((a, b) => sign * (value(a) - value(b)) || a[1] - b[1]);
      return [...known, ...unknown].map(([slice]) => slice);
    };

    const apply = () => {
      for (const one of cards.querySelectorAll(".panel")) one.hidden = state.hidden.has(one.dataset.layer);
    };

    const card = (slice) => {
      const panels = [panel(data, slice, "", "slice"), ...data.layers.map(([key, title]) => panel(data, slice, key, title))];
      const caption = element("figcaption", {}, element("strong", {}, slice.t), ` ${slice.n}`);
      return element("figure", { class: "slice" }, caption, element("div", { class: "panels" }, ...panels));
    };

    const draw = () => {
      const ranked = ordered();
      const pages = Math.max(1, Math.ceil(ranked.length / size));
      state.page = Math.min(state.page, pages - 1);
      const first = state.page * size;
      const chosen = ranked.slice(first, first + size);
      cards.replaceChildren(...chosen.map(card));
      apply();
      direction.textContent = state.down ? "Highest first" : "Lowest first";
      status.textContent = `${first + 1} to ${first + chosen.length} of ${ranked.length} slices`;
      back.disabled = state.page === 0;
      forth.disabled = state.page === pages - 1;
    };

    sort.addEventListener("change", () => {
      const chosen = data.sorts.find(([key]) => key === sort.value);
      Object.assign(state, { sort: sort.value, down: Boolean(chosen && chosen[2]), page: 0 });
      draw();
    });
    direction.addEventListener("click", () => {
      Object.assign(state, { down: !state.down, page: 0 });
      draw();
    });
    const turn = (step) => () => {
      state.page += step;
      draw();
      place.scrollIntoView({ block: "start" });
    };
    back.addEventListener("click", turn(-1));
    forth.addEventListener("click", turn(1));
    draw();
  };

  for (const place of document.querySelectorAll(".slices")) build(place);
})();
