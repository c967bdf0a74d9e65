// Issues and tasks: decided with buttons or keys, through the API, one by one, and undone as easily.

import { refreshSoon } from "./pages.js";

const said = document.getElementById("said");
const keys = document.getElementById("keys");
let last = null; // what `u` takes back

const items = () => [...document.querySelectorAll("main [data-item]")];
const whole = () => document.querySelector("main .head[data-item]"); // what the page is about
const selected = () => document.activeElement?.closest?.("[data-item]") ?? document.querySelector("main [data-item][aria-current]") ?? whole();

function select(item) {
  for (const other of document.querySelectorAll("main [data-item][aria-current]")) if (other !== item) other.removeAttribute("aria-current");
  if (!item) return;
  item.setAttribute("aria-current", "true");
  item.focus();
}

function walk(step) {
  const all = items();
  const place = all.indexOf(selected());
  select(all[Math.max(0, Math.min(all.length - 1, place + step))] ?? all[0]);
}

async function ask(address, method, content, version) {
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token };
  if (version) headers["If-Match"] = `"${version}"`;
  const answer = await fetch(address, { method, headers, body: JSON.stringify(content) });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.detail ?? "The server did not answer as expected."), { status: answer.status });
  return told;
}

const WORDS = {
  acknowledge: "Acknowledged", snooze: "Snoozed until tomorrow", resolve: "Resolved", reopen: "Reopened",
  in_progress: "Started", done: "Done", dismissed: "Dismissed", assignee: "Assigned",
};

async function decide(item, name, call, undo) {
  const error = item.querySelector(".error");
  const buttons = item.querySelectorAll("button, select");
  for (const one of buttons) one.disabled = true;
  error.hidden = true;
  const all = items();
  const next = item === whole() ? null : (all[all.indexOf(item) + 1] ?? all[all.indexOf(item) - 1]);
  try {
    const told = await call();
    item.dataset.version = told.version;
    item.classList.add("decided");
    said.textContent = `${WORDS[name]}: ${item.querySelector("strong, h1").textContent}`;
    toast(`${WORDS[name]}.`, undo && (() => undo(told.version)));
    if (item.contains(document.activeElement) || document.activeElement === document.body) select(next ?? null);
    refreshSoon();
  } catch (problem) {
    error.textContent = problem.status === 412 ? "Somebody else has changed this meanwhile; it is fetched afresh. Then decide again." : problem.message;
    error.hidden = false;
    for (const one of buttons) one.disabled = false;
    if (problem.status === 412 || problem.status === 404) refreshSoon();
  }
}

function act(item, action) {
  const address = item.dataset.item;
  const undo = action === "reopen" ? null : (version) => decide(item, "reopen", () => ask(`${address}/reopen`, "POST", {}, version));
  return decide(item, action, () => ask(`${address}/${action}`, "POST", {}, item.dataset.version), undo);
}

function change(item, content, name) {
  return decide(item, name, () => ask(item.dataset.item, "PATCH", content, item.dataset.version));
}

function toast(words, undo) {
  document.querySelector(".toast")?.remove();
  last = undo;
  const made = document.createElement("div");
  made.className = "toast";
  made.append(words);
  if (undo) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Undo" });
    button.addEventListener("click", takeBack);
    made.append(" ", button);
  }
  document.body.append(made);
  setTimeout(() => {
    if (!made.matches(":hover, :focus-within")) made.remove();
  }, 10_000);
}

function takeBack() {
  const undo = last;
  last = null;
  document.querySelector(".toast")?.remove();
  undo?.();
}

document.addEventListener("click", ({ target }) => {
  const item = target.closest?.("[data-item]");
  if (item && target.matches("[data-act]")) act(item, target.dataset.act);
  else if (item && target.matches("[data-status]")) change(item, { status: target.dataset.status }, target.dataset.status);
  else if (target.closest?.("[data-keys]")) keys.showModal();
});
document.addEventListener("change", ({ target }) => {
  const item = target.closest?.("[data-item]");
  if (item && target.matches("[data-change=assignee]")) change(item, { assignee: target.value ? Number(target.value) : null }, "assignee");
});
document.addEventListener("focusin", ({ target }) => {
  if (target.matches?.("[data-item]")) select(target);
});

const ACTS = { a: ["[data-act=acknowledge]", "[data-status=in_progress]"], s: ["[data-act=snooze]"], r: ["[data-act=resolve]", "[data-status=done]"] };
const PAGES = { h: 0, i: 1, t: 2 };
let going = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, dialog[open]")) return;
  const key = event.key;
  if (going) {
    going = false;
    if (key in PAGES) document.querySelectorAll(".top nav a")[PAGES[key]]?.click();
    return;
  }
  if (key === "?") keys.showModal();
  else if (key === "g") {
    going = true;
    setTimeout(() => (going = false), 1_500);
  } else if (key === "/") {
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  } else if (!items().length) return;
  else if (key === "j" || key === "k") walk(key === "j" ? 1 : -1);
  else if (key === "u") takeBack();
  else if (key === "Enter" && event.target.matches("[data-item]")) event.target.querySelector("[data-open], a")?.click();
  else if (key in ACTS) {
    const item = selected();
    if (item) ACTS[key].map((name) => item.querySelector(name)).find(Boolean)?.click();
  }
});
