// How a cell reads: the twin of realtime/presenting.py. Patches squares in place from their whole state.

const BANDS = {
  fresh: "within half the limit",
  watch: "within the limit",
  late: "over the limit",
  critical: "over twice the limit",
};
const UNITS = { cd: "days", bd: "business days" };

export const number = (value) => (value < 9.95 ? (Math.floor(value * 10 + 0.5) / 10).toFixed(1) : String(Math.floor(value + 0.5)));

export function estimate(quantile) {
  if (quantile.value !== null) return `${quantile.confidence === "low" ? "~" : ""}${number(quantile.value)} d`;
  if (quantile.lower_bound !== null) return `> ${number(quantile.lower_bound)} d`;
  return "–";
}

const known = (text) => (text === "–" ? "" : text);

export function stageName(stage) {
  return stage.name === stage.category ? stage.name[0].toUpperCase() + stage.name.slice(1) : stage.name;
}

export function sentence(cell) {
  const name = stageName(cell.stage);
  if (!cell.open) return `${name}: nobody waiting`;
  const parts = [`${name}: ${cell.open} waiting`];
  if (cell.heat) parts.push(`${cell.heat}, a fifth or more ${BANDS[cell.heat]} of ${number(cell.limit.value)} business days`);
  if (cell.oldest_age !== null) parts.push(`longest ${number(cell.oldest_age)} days`);
  const median = estimate(cell.p50);
  if (median !== "–") parts.push(`median stay ${median.replace(" d", ` ${UNITS[cell.p50.unit]}`)} (n = ${cell.p50.n})`);
  if (cell.issues_open) parts.push(`${cell.issues_open} open ${cell.issues_open === 1 ? "issue" : "issues"}`);
  return parts.join("; ");
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function square(job, cell) {
  const told = sentence(cell);
  if (!cell.open) {
    return element("span", { class: "cell none", title: told }, element("span", { class: "unseen" }, "nobody"));
  }
  const href = `/jobs/${job.id}/stages/${encodeURIComponent(cell.stage.id)}`;
  const made = element(
    "a",
    { class: "cell", href, "data-heat": cell.heat ?? "", "data-panel": "", "aria-label": `${job.title}, ${told}`, title: told },
    element("span", { class: "count" }, String(cell.open)),
    element("i", { class: "glyph", "aria-hidden": "true" }),
    element("span", { class: "median" }, known(estimate(cell.p50))),
  );
  if (cell.issues_open) made.append(element("span", { class: "flag" }, String(cell.issues_open)));
  return made;
}

// Replaces what differs and nothing else: focus and tab position stay where they are.
function patchSquare(place, job, cell) {
  const before = place.firstElementChild;
  const after = square(job, cell);
  before.classList.remove("changed");
  if (before.hasAttribute("tabindex") && cell.open) after.setAttribute("tabindex", before.getAttribute("tabindex"));
  if (before.isEqualNode(after)) return false;
  if (before.tagName !== after.tagName) {
    const focused = before === document.activeElement;
    before.replaceWith(after);
    if (focused) after.closest("tr").querySelector("a").focus();
  } else {
    for (const { name, value } of after.attributes) before.setAttribute(name, value);
    before.replaceChildren(...after.childNodes);
  }
  const shown = place.firstElementChild;
  void shown.offsetWidth; // restarts the animation
  shown.classList.add("changed");
  shown.addEventListener("animationend", () => shown.classList.remove("changed"), { once: true });
  return true;
}

// Returns how many squares changed, or null if the page does not show this job as it now is.
export function patchRow(row, told) {
  if (row.dataset.status !== told.job.status) return null;
  const places = new Map([...row.querySelectorAll("td[data-stage]")].map((place) => [place.dataset.stage, place]));
  if (told.cells.some((cell) => !places.has(String(cell.stage.id)))) return null;
  let changed = 0;
  for (const cell of told.cells) changed += patchSquare(places.get(String(cell.stage.id)), told.job, cell) ? 1 : 0;
  row.querySelector("th a").textContent = told.job.title;
  Object.assign(row.dataset, { open: told.open, overdue: told.overdue_days, issues: told.issues_open, tasks: told.tasks_open });
  const over = row.querySelector("[data-over]");
  over.replaceChildren(...(told.overdue_days >= 0.5 ? [`${told.overdue_days.toFixed(0)} bd`] : []));
  return changed;
}

// Tiles and column heads are sums of what is on the page.
export function patchSums(board) {
  const rows = [...board.querySelectorAll("tbody tr")];
  for (const tile of document.querySelectorAll("[data-tile]")) {
    const sum = rows.reduce((total, row) => total + Number(row.dataset[tile.dataset.tile]), 0);
    tile.textContent = sum.toFixed(0);
  }
  for (const head of board.querySelectorAll("[data-column]")) {
    const counts = board.querySelectorAll(`td[data-stage="${CSS.escape(head.dataset.column)}"] .count`);
    head.textContent = [...counts].reduce((total, count) => total + Number(count.textContent), 0);
  }
}
