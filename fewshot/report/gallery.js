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

  const describe = (slide, title, regions, hasTruth) => {
    const paired = regions.filter(([color]) => color > 0).length;
    const partners = hasTruth ? `, ${paired} with a partner` : "";
    return `${slide.t}, ${title}: ${count(regions.length, "region")} outlined${partners}`;
  };

  const panel = (data, slide, key, title) => {
    const hasTruth = "truth" in slide.l;
    const regions = key ? slide.l[key] || [] : [];
    const alt = key ? describe(slide, title, regions, hasTruth) : `${slide.t}: the slice without outlines`;
    const image = element("img", { src: slide.i, width: slide.w, height: slide.h, alt });
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", `-0.5 -0.5 ${slide.w} ${slide.h}`);
    drawing.setAttribute("aria-hidden", "true");
    drawing.append(...paths(data.colors, regions, false));
    if (key && key !== "truth" && hasTruth) drawing.append(...paths(data.colors, slide.l.truth, true));
    const words = slide.c[key] ? `${title} · ${slide.c[key]}` : title;
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
      const numbered = data.slices.map((slide, index) => [slide, index]);
      const value = ([slide, index]) => (state.sort ? slide.v[state.sort] : index);
      const known = numbered.filter((one) => value(one) !== undefined);
      const unknown = numbered.filter((one) => value(one) === undefined);
      const sign = state.down ? -1 : 1;
      known.sort((a, b) => sign * (value(a) - value(b)) || a[1] - b[1]);
      return [...known, ...unknown].map(([slide]) => slide);
    };

    const apply = () => {
      for (const one of cards.querySelectorAll(".panel")) one.hidden = state.hidden.has(one.dataset.layer);
    };

    const card = (slide) => {
      const panels = [panel(data, slide, "", "slice"), ...data.layers.map(([key, title]) => panel(data, slide, key, title))];
      const caption = element("figcaption", {}, element("strong", {}, slide.t), ` ${slide.n}`);
      return element("figure", { class: "slide" }, caption, element("div", { class: "panels" }, ...panels));
    };

    const draw = () => {
      const slides = ordered();
      const pages = Math.max(1, Math.ceil(slides.length / size));
      state.page = Math.min(state.page, pages - 1);
      const first = state.page * size;
      const chosen = slides.slice(first, first + size);
      cards.replaceChildren(...chosen.map(card));
      apply();
      direction.textContent = state.down ? "Highest first" : "Lowest first";
      status.textContent = `${first + 1} to ${first + chosen.length} of ${slides.length} slices`;
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

  for (const place of document.querySelectorAll(".slides")) build(place);
})();
