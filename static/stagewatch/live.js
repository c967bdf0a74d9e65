// Keeps the page current: hears the organization's updates, patches what changed, says when it cannot.

import "./board.js";
import { patchRow, patchSums } from "./cells.js";
import "./inbox.js";
import { fetchPage, onSettled, refreshLater, refreshSoon, seldom } from "./pages.js";
import { heard as panelHeard } from "./panel.js";

const body = document.body;
const { organization, zone } = body.dataset; // whatever the page tells the time of, it is that of the office
let number = Number(body.dataset.number);
let waits = 0;
let offSince = null;
let deaf = null;
let comeBack = null;
onSettled(() => (number = Math.max(number, Number(body.dataset.number))));

// What a page has to hear of: cells and runs, and on the inboxes what is decided elsewhere.
const TYPES = { "issues-page": "issue,job,sync", "issue-page": "issue,task,job,sync", "tasks-page": "task,job,sync" };

// --- the line ---------------------------------------------------------------------------------------
function connect() {
  const address = new URL("/ws/updates", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("organization", organization);
  address.searchParams.set("after", number);
  address.searchParams.set("types", TYPES[body.dataset.page] ?? "job,sync");
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
    if (message.type === "reconnect") comeBack = message.retry_ms;
    hear(message);
  };
  socket.onclose = ({ code }) => {
    clearTimeout(deaf);
    if (comeBack === null) return off(code);
    setTimeout(connect, comeBack); // the server said that it ends: another one is there, and nothing is lost
    comeBack = null;
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
  const why = code === 4429 ? "too many pages of yours are open" : "trying again";
  pill("off", `Live off since ${offSince.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone })}, ${why}`);
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
  if (message.type === "job") jobHeard(message);
  else if (message.type === "sync") syncHeard(message);
  else if (message.type === "reload") (body.dataset.live === "still" ? refreshStatusSoon : refreshSoon)();
  else if ((message.type === "issue" || message.type === "task") && body.dataset.live === "refresh") refreshSoon();
  if (message.type === "ping") number = Math.max(number, message.numbers[organization] ?? 0);
  else if (message.number != null && message.type !== "hello") number = Math.max(number, message.number);
}

function jobHeard(message) {
  panelHeard(message.job.id);
  if (body.dataset.live === "patch") patch(message);
  else if (body.dataset.live === "refresh" && (!body.dataset.job || body.dataset.job === String(message.job.id))) {
    if (document.querySelector(".board + .pages")) refreshLater();
    else refreshSoon();
  }
}

let changedCells = 0;
function patch(message) {
  const board = document.querySelector(".board");
  const row = board?.querySelector(`tr[data-job="${message.job.id}"]`);
  if (board && !row && document.querySelector(".pages")) return refreshLater(); // a job of another page of the board
  const before = row ? { ...row.dataset } : null;
  const changed = row ? patchRow(row, message) : null;
  if (changed === null) return refreshSoon(); // a job the page does not show, or shows otherwise
  patchSums(board, before, row.dataset);
  if (changed) {
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
const refreshStatusSoon = seldom(3_000, async () => {
  const fresh = await fetchPage(location.href).catch(() => null);
  const after = fresh?.querySelector("#fresh");
  if (after) document.getElementById("fresh").replaceChildren(...after.childNodes);
});

function syncHeard(message) {
  const halted = ["succeeded", "failed", "queued"].includes(message.state); // queued again: something failed, and the page says what
  if (halted) return body.dataset.live === "still" ? refreshStatusSoon() : refreshSoon();
  const shown = document.querySelectorAll(`[data-run="${message.sync_run}"] > span`);
  if (!shown.length) return body.dataset.live === "still" ? refreshStatusSoon() : refreshSoon();
  const flow = message.in_flow ? ` · ${message.in_flow} in flow` : "";
  for (const one of shown) one.textContent = `${message.name}: ${message.mode}, ${STATES[message.state]} · ${message.fetched} fetched${flow}`;
}

if (organization) connect();
