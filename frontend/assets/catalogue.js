// The catalogue's cards, drawn from the data that the server told: a hundred of them at once.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const WHOLE = 6; // so many are shown with all that is known of them; of more, each is folded
  const HEADS = ["Parameter", "Default", "Range", "What"];
  const BADGES = {
    true: ["invariant", "teal", "a shift of scale between layers leaves it as it is"],
    false: ["moves", "orange", "a shift of scale between layers changes it, though not the function"],
  };
  const made = (tag, text, more) => scope.made(tag, text, more);

  // A text whose `code` in backticks is set as code.
  function marked(tag, text, more) {
    const found = made(tag, null, more);
    found.append(...text.split("`").filter((part, at) => part || at % 2).map((part, at) => (at % 2 ? made("code", part) : part)));
    return found;
  }

  // --- a card --------------------------------------------------------------------------------------
  function card(entry, whole) {
    const found = made("article", null, { className: "card entry", id: `${entry.kind}-${entry.name}` });
    found.append(...[head(entry), made("p", entry.summary, { className: "entry-summary" }), paper(entry.paper)].filter(Boolean));
    found.append(...(whole ? inside(entry) : [folded(entry)]));
    return found;
  }

  function head(entry) {
    const found = made("div", null, { className: "entry-head" });
    found.append(made("h3", entry.title), made("code", entry.name, { className: "soft" }));
    const badge = BADGES[entry.invariant];
    if (badge) found.append(made("span", badge[0], { className: `state state-${badge[1]}`, title: badge[2] }));
    return found;
  }

  // Words and papers' numbers in turns.
  function paper(parts) {
    if (parts.join("") === "") return null;
    const found = made("p", null, { className: "paper" });
    found.append(...parts.map((part, at) => (at % 2 ? arxiv(part) : part)));
    return found;
  }

  const arxiv = (number) => made("a", `arXiv:${number}`, { href: `https://arxiv.org/abs/${number}`, target: "_blank", rel: "noreferrer" });

  function folded(entry) {
    const count = entry.parameters.length;
    const found = made("details", null, { className: "folded" });
    found.append(made("summary", count ? `Definition, ${count} parameter${count === 1 ? "" : "s"}` : "Definition"));
    found.addEventListener("toggle", () => found.append(...inside(entry)), { once: true });
    return found;
  }

  function inside(entry) {
    const told = entry.help.map(({ text, formula }) => marked("p", text, { className: formula ? "help formula" : "help" }));
    return [...told, ...(entry.preset ? preset(entry.preset) : []), ...(entry.parameters.length ? [parameters(entry)] : [])];
  }

  function preset({ told, cost, path }) {
    const open = scope.link(path, "Open in the form", { className: "button" });
    return [...told.map((text) => made("p", text, { className: "help" })), made("p", cost, { className: "paper" }), open];
  }

  function parameters(entry) {
    const place = made("div", null, { className: "scroll", tabIndex: 0 });
    place.setAttribute("role", "region");
    place.setAttribute("aria-label", `Parameters of ${entry.title}`);
    const [table, top, body, line] = ["table", "thead", "tbody", "tr"].map((tag) => made(tag, null));
    table.className = "parameters";
    line.append(...HEADS.map((text) => made("th", text, { scope: "col" })));
    top.append(line);
    body.append(...entry.parameters.map(row));
    table.append(top, body);
    place.append(table);
    return place;
  }

  function row([name, type, value, range, what]) {
    const [found, first, usual] = [made("tr", null), made("th", null, { scope: "row" }), made("td", null)];
    first.append(made("code", name), made("span", type, { className: "type" }));
    usual.append(made("code", value));
    found.append(first, usual, made("td", range), marked("td", what));
    return found;
  }

  // --- the list ------------------------------------------------------------------------------------
  function group([kind, cards], kinds, whole) {
    const [found, title, place] = [made("section", null, { className: "entry-group" }), made("h2", kinds[kind]), made("div", null, { className: "entries" })];
    title.append(made("span", cards.length, { className: "count" }));
    place.append(...cards.map((one) => card(one, whole)));
    found.append(title, place);
    return found;
  }

  // Without a search the kinds have their order; with one the kind of the best comes first.
  function draw(told, asked) {
    const { no_update } = window.dash_clientside;
    const place = document.getElementById("catalogue-list");
    if (!told || !asked || !place) return no_update;
    const known = new Map(told.cards.map((one) => [`${one.kind}/${one.name}`, one]));
    const cards = asked.found.map((key) => known.get(key)).filter(Boolean);
    const order = asked.q ? cards.map((one) => one.kind) : Object.keys(told.kinds);
    const groups = [...new Set(order)].map((kind) => [kind, cards.filter((one) => one.kind === kind)]);
    const full = groups.filter(([, mine]) => mine.length).map((one) => group(one, told.kinds, cards.length <= WHOLE));
    const nothing = made("p", `Nothing in the catalogue matches “${asked.q}”.`, { className: "empty" });
    place.replaceChildren(...(full.length ? full : [nothing]));
    return no_update;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.catalogue = { draw };
})();
