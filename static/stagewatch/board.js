// The heatmap: walking it with arrow keys, and what a cell says when it is pointed at.

import { onSettled } from "./pages.js";

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

function settle() {
  const cells = document.querySelectorAll(".board a.cell");
  const current = [...cells].find((cell) => cell === document.activeElement) ?? [...cells].find((cell) => cell.tabIndex === 0 && cell.hasAttribute("tabindex")) ?? cells[0];
  for (const cell of cells) reach(cell, cell === current);
  hide();
}

// One cell is in the Tab order, and behind it its explanation.
function reach(cell, reachable) {
  for (const link of [cell, cell.nextElementSibling]) link.tabIndex = reachable ? 0 : -1;
}

function neighbour(cell, [down, right]) {
  let row = cell.closest("tr");
  let column = cell.closest("td").cellIndex;
  for (;;) {
    if (down) row = down > 0 ? row.nextElementSibling : row.previousElementSibling;
    column += right;
    const place = row?.cells[column];
    if (!place) return null;
    const next = place.querySelector("a.cell");
    if (next) return next;
  }
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("a.cell");
  const step = STEPS[event.key];
  if (!cell || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  neighbour(cell, step)?.focus();
});

// --- the tip: stays while the pointer is on it, goes with Escape ----------------------------------------
const tip = document.getElementById("tip");
let shownFor = null;
let later = 0;

function tell(cell) {
  clearTimeout(later);
  if (shownFor === cell) return;
  const sentence = document.createElement("strong");
  sentence.textContent = cell.querySelector(".unseen").textContent;
  const proof = (cell.dataset.proof ?? "").split("\n").filter(Boolean).map((line) => {
    const made = document.createElement("p");
    made.textContent = line;
    return made;
  });
  const how = document.createElement("p");
  how.className = "soft";
  how.textContent = "Open it for the people; “?” tells where the numbers come from.";
  tip.replaceChildren(sentence, ...proof, how);
  tip.hidden = false;
  const at = cell.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  tip.style.top = `${at.bottom + size.height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
  shownFor = cell;
}

export function hide() {
  clearTimeout(later);
  tip.hidden = true;
  shownFor = null;
}
const hideSoon = () => {
  clearTimeout(later);
  later = setTimeout(hide, 120);
};

document.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType === "touch") return; // a touch opens the cell
  if (tip.contains(target)) return clearTimeout(later);
  const cell = target.closest?.("a.cell");
  if (cell) {
    clearTimeout(later);
    later = setTimeout(() => tell(cell), shownFor ? 40 : 250);
  } else if (shownFor) hideSoon();
  else clearTimeout(later);
});
document.addEventListener("focusin", ({ target }) => {
  if (target.matches?.(".board a.cell")) {
    for (const before of document.querySelectorAll('.board a.cell[tabindex="0"]')) reach(before, false);
    reach(target, true);
  }
  if (target.matches?.("a.cell:focus-visible")) tell(target);
  else if (shownFor) hideSoon();
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && shownFor) hide();
});
addEventListener("scroll", () => shownFor && hide(), { passive: true });

onSettled(settle);
settle();
