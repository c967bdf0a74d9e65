// The panel over the page: a cell's people and the proof of its numbers, at an address of their own. What it shows stands
// behind the # of the page's address, so that a link shows both and going back closes it.

import { hide } from "./board.js";
import { morphChildren } from "./morph.js";
import { ago, fetchPage, seldom } from "./pages.js";

const panel = document.getElementById("panel");
const place = panel.firstElementChild;
let asked = null;
const SHOWS = /^#(\/(?:jobs\/\d+\/(?:stages|numbers)\/|sums\?).+)$/;
const named = () => SHOWS.exec(location.hash)?.[1] ?? null;
const bare = () => location.pathname + location.search;

document.addEventListener("click", (event) => {
  const dot = event.target.closest?.("[data-go]"); // a shortcut: a table holds the link
  if (dot) return open(dot.dataset.go);
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
  note(full);
  waiting();
  if (!panel.open) panel.showModal();
  const found = await fetched(full);
  if (asked !== full) return; // closed, or gone on to something else
  if (!found) return failed(full);
  place.replaceChildren(bar(full), found);
  ago();
  panel.scrollTop = 0;
  place.querySelector("#panel-title")?.focus({ preventScroll: true });
}

async function fetched(full) {
  const found = (await fetchPage(full).catch(() => null))?.querySelector("#drilldown");
  for (const link of found?.querySelectorAll("a[href^='?']") ?? []) link.href = new URL(link.getAttribute("href"), full);
  return found ?? null;
}

// The address says what is open; one step back closes it, however far somebody went within.
function note(full) {
  const { pathname, search } = new URL(full);
  if (named() === pathname + search) return;
  if (named()) history.replaceState(history.state, "", `#${pathname}${search}`);
  else history.pushState({ panel: true }, "", `#${pathname}${search}`);
}

// A job has changed: what the panel shows of it follows, in place.
export function heard(job) {
  if (panel.open && (asked?.includes(`/jobs/${job}/`) || asked?.includes("/sums?")) && !asked.includes("as_of=")) renewSoon();
}
const renewSoon = seldom(3_000, async () => {
  const full = asked;
  const before = place.querySelector("#drilldown");
  const found = full && before ? await fetched(full) : null;
  if (!found || asked !== full || !before.isConnected) return;
  morphChildren(before, found);
  ago();
});

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
panel.addEventListener("close", () => {
  asked = null;
  if (!named()) return;
  if (history.state?.panel) history.back();
  else history.replaceState(null, "", bare());
});
function follow() {
  if (named()) open(named());
  else if (panel.open) panel.close();
}
addEventListener("popstate", follow);
if (named()) follow();
panel.addEventListener("click", (event) => {
  if (event.target === panel) panel.close(); // the backdrop
});
