// The page: hide and show candidate sets in all plots, read values under the pointer, enlarge
// plots, sort tables. Without scripts everything can still be read.
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
      for (const figure of all(`figure[data-set="${CSS.escape(input.value)}"]`)) figure.hidden = !input.checked;
      for (const part of all(`svg .${CSS.escape(input.value)}`)) {
        // An entry of a legend only fades: the others keep their positions.
        part.classList.toggle(part.closest(".legend") ? "faded" : "off", !input.checked);
      }
    });
  }
}

// --- values under the pointer ---------------------------------------------------------------

const value = make("p", { class: "value", hidden: "", role: "status" });
document.body.append(value);
const MAX_DISTANCE = 14; // between pointer and point, in points of the drawing

function pointsOf(part) {
  const points = all("use", part).map((use) => [use.x.baseVal.value, use.y.baseVal.value]);
  if (points.length) return points;
  // A line of a histogram; filled paths are the bands of its uncertainties.
  return all("path", part).filter((path) => !path.closest("defs") && path.style.fill === "none").flatMap((path) =>
    [...path.getAttribute("d").matchAll(/[ML]\s*(-?[\d.]+)[\s,]+(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]));
}
// The value of an axis at a fraction of its length.
function valueAt([low, high, scale], fraction) {
  if (scale === "log") return low * Math.pow(high / low, fraction);
  return low + (high - low) * fraction;
}
function rounded(number) {
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
        .filter(({ panel }) => panel); // outlines of bands are placed outside
    }
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null, least = MAX_DISTANCE ** 2;
    for (const point of points) {
      const distance = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
      if (distance < least && !point.part.classList.contains("off")) { least = distance; best = point; }
    }
    value.hidden = !best;
    if (!best) return;
    const { box, x, y } = best.panel;
    const [px, py] = [(best.x - box[0]) / (box[2] - box[0]), (box[3] - best.y) / (box[3] - box[1])];
    value.textContent = `${nameOf[best.part.classList[1]]}: ${rounded(valueAt(y, py))} at ${rounded(valueAt(x, px))}`;
    value.style.left = `${Math.min(event.clientX + 14, innerWidth - value.offsetWidth - 6)}px`;
    value.style.top = `${Math.max(4, event.clientY - 34)}px`;
  });
  svg.addEventListener("pointerleave", () => { value.hidden = true; });
}

// --- enlarged plots -------------------------------------------------------------------------

const dialog = make("dialog", { "aria-label": "Enlarged plot" });
const close = make("form", { method: "dialog" }, make("button", {}, "Close"));
document.body.append(dialog);
let enlarged = null;
for (const card of all(".card")) {
  const description = `Enlarge: ${card.querySelector("svg").getAttribute("aria-label")}`;
  const button = make("button", { type: "button", class: "enlarge", "aria-label": description }, "Enlarge");
  card.parentElement.querySelector(".files").append(" ", button);
  const enlarge = () => {
    if (dialog.open) return;
    enlarged = { card, figure: card.parentElement, button };
    enlarged.figure.style.minHeight = `${enlarged.figure.offsetHeight}px`; // the page does not move
    dialog.replaceChildren(close, card, value);
    dialog.showModal();
  };
  button.addEventListener("click", enlarge);
  card.querySelector("svg").addEventListener("click", enlarge);
}
dialog.addEventListener("close", () => {
  enlarged.figure.prepend(enlarged.card);
  enlarged.figure.style.minHeight = "";
  value.hidden = true;
  document.body.append(value);
  enlarged.button.focus();
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

// --- sorted tables --------------------------------------------------------------------------

function keyOf(row, column) {
  const cell = row.children[column];
  const text = (cell.querySelector(".number") || cell).textContent.trim();
  const number = parseFloat(text.replace("−", "-"));
  return Number.isNaN(number) ? { text } : { number };
}
function compare(a, b) {
  if ("number" in a && "number" in b) return a.number - b.number;
  if ("number" in a || "number" in b) return "number" in a ? -1 : 1; // dashes last
  return a.text.localeCompare(b.text);
}
for (const table of all(".table table")) {
  const body = table.tBodies[0], heads = all("thead th", table);
  if (!body || body.rows.length < 3) continue;
  const original = [...body.rows];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" };
      const order = next[head.getAttribute("aria-sort") || "none"];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order !== "none") head.setAttribute("aria-sort", order);
      const rows = order === "none" ? original : original
        .map((row) => ({ row, key: keyOf(row, column) }))
        .sort((a, b) => (order === "ascending" ? 1 : -1) * compare(a.key, b.key))
        .map(({ row }) => row);
      body.append(...rows);
    });
  });
}
})();
