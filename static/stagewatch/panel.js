// The panel over the page: a cell's people and the proof of its numbers, at an address of their own.

import { hide } from "./board.js";
import { ago, fetchPage } from "./pages.js";

const panel = document.getElementById("panel");
const place = panel.firstElementChild;
let asked = null;

document.addEventListener("click", (event) => {
  const dot = event.target.closest?.("[data-go] circle"); // a shortcut: the stage's name in the table is the link
  if (dot) return open(dot.parentElement.dataset.go);
  const link = event.target.closest?.("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const paging = link.closest("#panel .pages, #panel .bands") && !link.hasAttribute("download");
  if (!link.matches("[data-panel]") && !paging) return;
  event.preventDefault();
  open(link.href);
});

export async function open(address) {
  hide();
  const full = new URL(address, location.href).href;
  asked = full;
  waiting();
  if (!panel.open) panel.showModal();
  let found;
  try {
    found = (await fetchPage(full)).querySelector("#drilldown");
  } catch {
    found = null;
  }
  if (asked !== full) return; // closed, or gone on to something else
  if (!found) return failed(full);
  for (const link of found.querySelectorAll("a[href^='?']")) link.href = new URL(link.getAttribute("href"), full);
  place.replaceChildren(bar(full), found);
  ago();
  panel.scrollTop = 0;
  place.querySelector("#panel-title")?.focus({ preventScroll: true });
}

function bar(full) {
  const close = document.createElement("button");
  Object.assign(close, { className: "panel-close", type: "button", textContent: "×", ariaLabel: "Close", onclick: () => panel.close() });
  const own = document.createElement("a");
  Object.assign(own, { className: "panel-own", href: full, textContent: "Open as a page" });
  const made = document.createElement("div");
  made.className = "panel-bar";
  made.append(own, close);
  return made;
}

function waiting() {
  if (panel.open) {
    place.setAttribute("aria-busy", "true");
    return;
  }
  const title = Object.assign(document.createElement("h1"), { id: "panel-title", className: "unseen", textContent: "Loading" });
  const made = document.createElement("div");
  made.className = "skeleton";
  made.append(...Array.from({ length: 6 }, () => document.createElement("i")));
  place.replaceChildren(bar(asked), title, made);
}

function failed(full) {
  const title = Object.assign(document.createElement("h1"), { id: "panel-title", textContent: "This could not be loaded" });
  const words = Object.assign(document.createElement("p"), { textContent: "The server did not answer as expected. Try again, or open it as a page." });
  const again = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: "Try again", onclick: () => open(full) });
  place.replaceChildren(bar(full), title, words, again);
  place.removeAttribute("aria-busy");
}

new MutationObserver(() => place.removeAttribute("aria-busy")).observe(place, { childList: true });
panel.addEventListener("close", () => (asked = null));
panel.addEventListener("click", (event) => {
  if (event.target === panel) panel.close(); // the backdrop
});
