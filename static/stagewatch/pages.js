// Fetching pages without leaving: filters, paging and refreshes change what differs and keep the person's place.

import { morphChildren } from "./morph.js";

const body = document.body;
const settlers = [];
export const onSettled = (action) => settlers.push(action);

// Runs at once, then at most once per pause; the last call always counts.
export function seldom(pause, action) {
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

export async function fetchPage(address, signal) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
  if (!answer.ok || answer.redirected) throw new Error(answer.status);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function show(fresh) {
  for (const part of ["#fresh", "#banners", "main"]) {
    const before = document.querySelector(part);
    const after = fresh.querySelector(part);
    if (before && after) morphChildren(before, after);
  }
  body.dataset.live = fresh.body.dataset.live;
  body.dataset.number = Math.max(Number(body.dataset.number), Number(fresh.body.dataset.number));
  for (const settle of settlers) settle();
}

// What is behind the # belongs to the panel and to places within a page.
const address = () => location.pathname + location.search;
let shown = address();

let underway = null;
export async function refresh() {
  if (underway) return; // the person is on the way to another page
  const here = address();
  try {
    const fresh = await fetchPage(here);
    if (here === address() && !underway) show(fresh);
  } catch {
    setTimeout(refreshSoon, 5_000);
  }
}
export const refreshSoon = seldom(3_000, refresh);
// A page of many pages is dear to compute and shows little of what changed elsewhere.
export const refreshLater = seldom(20_000, refresh);

// Goes to another state of the same page: the address says all of it.
export async function go(wanted, { push = true } = {}) {
  underway?.abort();
  const mine = (underway = new AbortController());
  const main = document.querySelector("main");
  main.setAttribute("aria-busy", "true");
  try {
    const fresh = await fetchPage(wanted, mine.signal);
    if (push) history.pushState(null, "", wanted);
    shown = address();
    document.title = fresh.title;
    show(fresh);
  } catch (error) {
    if (error.name !== "AbortError") location.href = wanted;
  } finally {
    if (underway === mine) {
      underway = null;
      main.removeAttribute("aria-busy");
    }
  }
}

// The address a form leads to, without what was left empty.
export function addressOf(form) {
  const wanted = new URL(form.action || location.pathname, location.href);
  wanted.search = "";
  for (const [name, value] of new FormData(form)) if (value !== "") wanted.searchParams.set(name, value);
  return wanted.href;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-quiet]")) return;
  event.preventDefault();
  go(addressOf(event.target));
});
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-submit]")) target.form.requestSubmit();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-quiet]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.href);
  if (link.closest(".pages")) document.getElementById("main").focus({ preventScroll: false });
});
document.addEventListener("click", ({ target }) => {
  if (target.matches?.(".tools")) target.ariaExpanded = String(target.ariaExpanded !== "true");
});
addEventListener("popstate", () => {
  if (address() !== shown) go(location.href, { push: false });
});

// The slider speaks days ago; the date beside it is what the address holds.
document.addEventListener("input", ({ target }) => {
  if (!target.matches(".machine input[type=range]")) return;
  const day = new Date(`${target.dataset.today}T12:00:00Z`);
  day.setUTCDate(day.getUTCDate() - Number(target.value));
  const now = target.value === "0";
  const words = now ? "now" : day.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  document.getElementById("moment").textContent = words;
  target.setAttribute("aria-valuetext", words);
  target.form.elements.as_of.value = now ? "" : day.toISOString().slice(0, 10);
});
document.addEventListener("change", ({ target }) => {
  if (target.matches(".machine input[type=range]")) target.form.requestSubmit();
});

// --- times that go on by themselves -------------------------------------------------------------------
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
export function ago() {
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
onSettled(ago);
setInterval(ago, 30_000);
ago();

// The first step asks where the office is: the browser's own zone is the likeliest answer.
const zones = document.querySelector("select[name=time_zone]");
const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const offered = [...(zones?.options ?? [])].some((one) => one.value === ownZone);
if (offered && zones.value === "UTC" && !document.querySelector(".sheet .errors")) zones.value = ownZone;
