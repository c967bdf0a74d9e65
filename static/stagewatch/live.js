// Keeps the page current: hears the organization's updates, patches what changed, says when it cannot.

import { patchRow, patchSums } from "./cells.js";

const body = document.body;
const organization = body.dataset.organization;
let number = Number(body.dataset.number);
let waits = 0;
let offSince = null;
let deaf = null;

// --- the line ---------------------------------------------------------------------------------------
function connect() {
  const address = new URL("/ws/updates", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("organization", organization);
  address.searchParams.set("after", number);
  const socket = new WebSocket(address);
  let heartbeat = 15;
  const listen = () => {
    clearTimeout(deaf);
    deaf = setTimeout(() => socket.close(4000, "silence"), heartbeat * 2500);
  };
  listen();
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "hello") {
      heartbeat = message.heartbeat;
      waits = 0;
      live();
    }
    listen();
    hear(message);
  };
  socket.onclose = ({ code }) => {
    clearTimeout(deaf);
    off(code);
  };
}

function live() {
  offSince = null;
  body.classList.remove("stale-stream");
  pill("live", "Live");
}

function off(code) {
  offSince ??= new Date();
  body.classList.add("stale-stream");
  if (code === 4401 || code === 4404) {
    pill("off", "Your access has ended; log in again");
    return;
  }
  pill("off", `Live off since ${offSince.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}, trying again`);
  const pause = Math.min(30_000, 500 * 2 ** waits) * (0.75 + Math.random() / 2);
  waits += 1;
  setTimeout(() => (waits % 4 === 0 ? askWhetherLoggedIn() : connect()), pause);
}

// A refused handshake looks like a dead server to a page; an ordinary request tells them apart.
async function askWhetherLoggedIn() {
  try {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      pill("off", "You have been logged out; reload the page to log in");
      return;
    }
  } catch { /* still away */ }
  connect();
}

function pill(state, words) {
  const shown = document.getElementById("live");
  shown.dataset.state = state;
  if (shown.lastElementChild.textContent !== words) shown.lastElementChild.textContent = words;
}

// --- what is heard ------------------------------------------------------------------------------------
function hear(message) {
  if (message.type === "job") {
    if (body.dataset.live === "patch") patch(message);
    else if (!body.dataset.job || body.dataset.job === String(message.job.id)) refreshSoon();
  } else if (message.type === "sync") {
    syncHeard(message);
  } else if (message.type === "reload") {
    refreshSoon();
  }
  if (message.type === "ping") number = Math.max(number, message.numbers[organization] ?? 0);
  else if (message.number !== null && message.type !== "hello") number = Math.max(number, message.number);
}

let changedCells = 0;
function patch(message) {
  const board = document.querySelector(".board");
  const row = board?.querySelector(`tr[data-job="${message.job.id}"]`);
  const changed = row ? patchRow(row, message) : null;
  if (changed === null) return refreshSoon(); // a job the page does not show, or shows otherwise
  if (changed) {
    patchSums(board);
    changedCells += changed;
    sayChanges();
  }
}

// Screen readers hear at most one sentence each ten seconds.
const sayChanges = seldom(10_000, () => {
  document.getElementById("said").textContent = `${changedCells} ${changedCells === 1 ? "cell has" : "cells have"} changed.`;
  changedCells = 0;
});

// The words of SyncRun.State, as the page itself uses them.
const STATES = { queued: "queued", running: "fetching", flowing: "in flow", settling: "settling" };

function syncHeard(message) {
  if (message.state === "succeeded" || message.state === "failed") return refreshSoon();
  const shown = document.querySelector(`[data-run="${message.sync_run}"] > span`);
  if (!shown) return refreshSoon();
  const flow = message.in_flow ? ` · ${message.in_flow} in flow` : "";
  shown.textContent = `${message.name}: ${message.mode}, ${STATES[message.state]} · ${message.fetched} fetched${flow}`;
}

// --- fetching the page afresh, without losing place ----------------------------------------------------
const refreshSoon = seldom(3_000, refresh);
async function refresh() {
  let fresh;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return setTimeout(refreshSoon, 5_000);
  }
  const here = document.activeElement?.closest("main a[href]")?.getAttribute("href");
  const typing = document.activeElement?.closest(".filters") !== null && document.activeElement !== body;
  for (const part of ["#fresh", "main"]) {
    const before = document.querySelector(part);
    const after = fresh.querySelector(part);
    if (!before || !after || (part === "main" && typing)) continue;
    if (!before.isEqualNode(after)) before.replaceChildren(...after.childNodes);
  }
  body.dataset.live = fresh.body.dataset.live;
  number = Math.max(number, Number(fresh.body.dataset.number));
  if (here) document.querySelector(`main a[href="${CSS.escape(here)}"]`)?.focus({ preventScroll: true });
  settle();
}

// Runs at once, then at most once per pause; the last call always counts.
function seldom(pause, action) {
  let timer = null;
  let again = false;
  return function call() {
    if (timer !== null) {
      again = true;
      return;
    }
    timer = setTimeout(() => {
      timer = null;
      if (again) call();
      again = false;
    }, pause);
    action();
  };
}

// --- times, filters, keyboard, panel --------------------------------------------------------------------
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
function ago() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const minutes = (new Date(time.dateTime) - Date.now()) / 60_000;
    const words =
      Math.abs(minutes) < 1 ? "just now"
      : Math.abs(minutes) < 90 ? relative.format(Math.round(minutes), "minute")
      : Math.abs(minutes) < 48 * 60 ? relative.format(Math.round(minutes / 60), "hour")
      : relative.format(Math.round(minutes / 1440), "day");
    if (time.textContent !== words) time.textContent = words;
  }
}

function settle() {
  ago();
  const cells = document.querySelectorAll(".board a.cell");
  const current = [...cells].find((cell) => cell === document.activeElement) ?? cells[0];
  for (const cell of cells) cell.tabIndex = cell === current ? 0 : -1;
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-submit]")) target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("a.cell");
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!cell || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const rows = [...document.querySelectorAll(".board tbody tr")];
  let row = rows.indexOf(cell.closest("tr"));
  let column = cell.closest("td").cellIndex;
  for (;;) {
    row += step[0];
    column += step[1];
    const place = rows[row]?.cells[column];
    if (!place) return;
    const next = place.querySelector("a.cell");
    if (!next) continue;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    return;
  }
});

const panel = document.getElementById("panel");
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const inside = link.closest("dialog") && new URL(link.href).pathname.includes("/stages/");
  if (!link.matches("[data-panel]") && !inside) return;
  event.preventDefault();
  try {
    await openPanel(link.href);
  } catch {
    location.href = link.href;
  }
});

async function openPanel(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(answer.status);
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#drilldown");
  for (const link of found.querySelectorAll("a[href^='?']")) link.href = new URL(link.getAttribute("href"), address);
  const close = document.createElement("button");
  Object.assign(close, { className: "panel-close", textContent: "×", ariaLabel: "Close", onclick: () => panel.close() });
  panel.firstElementChild.replaceChildren(close, found);
  ago();
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
}
panel.addEventListener("click", (event) => {
  if (event.target === panel) panel.close(); // the backdrop
});

settle();
setInterval(ago, 30_000);
if (organization) connect();
