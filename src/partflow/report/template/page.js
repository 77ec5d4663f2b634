// The page: candidate sets switched on and off in all figures, values under the pointer,
// figures enlarged, tables sorted. Without scripts all of it can still be read.
(() => {
"use strict";

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// --- switches -------------------------------------------------------------------------------

const switches = document.querySelector(".switches");
const nameOf = {};
if (switches) {
  switches.hidden = false;
  for (const input of all("input", switches)) {
    nameOf[input.value] = input.nextElementSibling.textContent;
    input.addEventListener("change", () => {
      for (const whole of all(`figure[data-set="${CSS.escape(input.value)}"]`)) whole.hidden = !input.checked;
      for (const part of all(`svg .${CSS.escape(input.value)}`)) {
        // A legend's entry fades, and its place stays.
        part.classList.toggle(part.closest(".legend") ? "faded" : "off", !input.checked);
      }
    });
  }
}

// --- values under the pointer ---------------------------------------------------------------

const value = make("p", { class: "value", hidden: "", role: "status" });
document.body.append(value);
const NEAR = 14; // in the drawing's points

function pointsOf(part) {
  const points = all("use", part).map((use) => [use.x.baseVal.value, use.y.baseVal.value]);
  if (points.length) return points;
  return all("path", part).filter((path) => !path.closest("defs")).flatMap((path) =>
    [...path.getAttribute("d").matchAll(/[ML]\s*(-?[\d.]+)[\s,]+(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]));
}
function along([low, high, scale], part) {
  if (scale === "log") return low * Math.pow(high / low, part);
  return low + (high - low) * part;
}
function short(number) {
  return String(Number(number.toPrecision(4)));
}

for (const svg of all("svg[data-axes]")) {
  const panels = JSON.parse(svg.dataset.axes);
  const panelAt = (x, y) => panels.find(({ box }) =>
    x >= box[0] - 1 && x <= box[2] + 1 && y >= box[1] - 1 && y <= box[3] + 1);
  let points = null;
  svg.addEventListener("pointermove", (event) => {
    if (!points) {
      points = all(".set", svg).filter((part) => !part.closest(".legend")).flatMap((part) =>
        pointsOf(part).map(([x, y]) => ({ x, y, part, panel: panelAt(x, y) })))
        .filter(({ panel }) => panel); // a band's outline is placed outside
    }
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = NEAR ** 2;
    for (const point of points) {
      const distance = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
      if (distance < least && !point.part.classList.contains("off")) { least = distance; best = point; }
    }
    value.hidden = !best;
    if (!best) return;
    const { box, x, y } = best.panel;
    const [px, py] = [(best.x - box[0]) / (box[2] - box[0]), (box[3] - best.y) / (box[3] - box[1])];
    value.textContent = `${nameOf[best.part.classList[1]]}: ${short(along(y, py))} at ${short(along(x, px))}`;
    value.style.left = `${Math.min(event.clientX + 14, innerWidth - value.offsetWidth - 6)}px`;
    value.style.top = `${Math.max(4, event.clientY - 34)}px`;
  });
  svg.addEventListener("pointerleave", () => { value.hidden = true; });
}

// --- figures enlarged -----------------------------------------------------------------------

const dialog = make("dialog", { "aria-label": "Enlarged figure" });
const close = make("form", { method: "dialog" }, make("button", {}, "Close"));
document.body.append(dialog);
let home = null;
for (const card of all(".card")) {
  const words = `Enlarge: ${card.querySelector("svg").getAttribute("aria-label")}`;
  const button = make("button", { type: "button", class: "enlarge", "aria-label": words }, "Enlarge");
  card.parentElement.querySelector(".files").append(" ", button);
  const enlarge = () => {
    if (dialog.open) return;
    home = { card, figure: card.parentElement, button };
    home.figure.style.minHeight = `${home.figure.offsetHeight}px`; // the page does not jump
    dialog.replaceChildren(close, card, value);
    dialog.showModal();
  };
  button.addEventListener("click", enlarge);
  card.querySelector("svg").addEventListener("click", enlarge);
}
dialog.addEventListener("close", () => {
  home.figure.prepend(home.card);
  home.figure.style.minHeight = "";
  value.hidden = true;
  document.body.append(value);
  home.button.focus();
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

// --- tables sorted --------------------------------------------------------------------------

function keyOf(row, column) {
  const cell = row.children[column];
  const words = (cell.querySelector(".number") || cell).textContent.trim();
  const number = parseFloat(words.replace("−", "-"));
  return Number.isNaN(number) ? { words } : { number };
}
function compare(a, b) {
  if ("number" in a && "number" in b) return a.number - b.number;
  if ("number" in a || "number" in b) return "number" in a ? -1 : 1; // dashes last
  return a.words.localeCompare(b.words);
}
for (const table of all(".table table")) {
  const body = table.tBodies[0], heads = all("thead th", table);
  if (!body || body.rows.length < 3) continue;
  const given = [...body.rows];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" };
      const order = next[head.getAttribute("aria-sort") || "none"];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order !== "none") head.setAttribute("aria-sort", order);
      const rows = order === "none" ? given : given
        .map((row) => ({ row, key: keyOf(row, column) }))
        .sort((a, b) => (order === "ascending" ? 1 : -1) * compare(a.key, b.key))
        .map(({ row }) => row);
      body.append(...rows);
    });
  });
}
})();
