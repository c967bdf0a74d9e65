// How a cell reads: the twin of realtime/presenting.py. Patches squares in place from their whole state.

const BANDS = {
  fresh: "within half the limit",
  watch: "within the limit",
  late: "over the limit",
  critical: "over twice the limit",
};
const UNITS = { cd: "days", bd: "business days" };

const whole = (value) => Math.floor(value + 0.5).toLocaleString("en-US");
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

const LEVELS = { job: "of this job", department: "of the department", organization: "of the organization" };

function limitWords(limit) {
  const days = `${limit.is_lower_bound ? "over " : ""}${number(limit.value)} business days`;
  if (limit.source === "baseline") return `${days}, the 85% mark ${LEVELS[limit.baseline_level] ?? "of the past"} (n = ${limit.n})`;
  return `${days}, ${limit.source === "target" ? "the target set for it" : "the default for this kind of stage"}`;
}

export function proof(cell) {
  if (!cell.open) return [];
  const byBand = Object.keys(BANDS).filter((band) => cell.bands[band]).map((band) => `${cell.bands[band]} ${band}`).join(", ");
  const told = [`${byBand}. Limit ${limitWords(cell.limit)}.`];
  const p50 = cell.p50;
  if (p50.n) {
    const between = p50.low === null ? "" : `; 95% sure: ${number(p50.low)} to ${p50.high === null ? "more" : number(p50.high)}`;
    const cutOff = p50.n - p50.n_exits - p50.n_open;
    told.push(`Median from ${p50.n} stays: ${p50.n_exits} ended, ${p50.n_open} still going${cutOff ? `, ${cutOff} cut off` : ""}${between}.`);
  }
  told.push(`${cell.entered} came in and ${cell.exited} left in the window.`);
  if (cell.overdue_days >= 0.05) told.push(`${number(cell.overdue_days)} business days over the limit, all people together.`);
  return told;
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// What stands in a cell's place: the square, and the way to where its numbers come from.
function square(job, cell) {
  const told = sentence(cell);
  if (!cell.open) {
    return [element("span", { class: "cell none" }, element("span", { class: "unseen" }, "nobody"))];
  }
  const href = `/jobs/${job.id}/stages/${encodeURIComponent(cell.stage.id)}`;
  const few = cell.p50.confidence === "ok" ? "" : " few";
  const face = element(
    "span",
    { class: "face", "aria-hidden": "true" },
    element("span", { class: "count" }, String(cell.open)),
    element("i", { class: "glyph" }),
    element("span", { class: "median" }, known(estimate(cell.p50))),
  );
  if (cell.issues_open) face.append(element("span", { class: "flag" }, String(cell.issues_open)));
  const people = element(
    "a",
    { class: `cell${few}`, href, "data-heat": cell.heat ?? "", "data-panel": "", "data-proof": proof(cell).join("\n") },
    face,
    element("span", { class: "unseen" }, `${job.title}, ${told}`),
  );
  const label = `Explain ${stageName(cell.stage)}, ${job.title}`;
  return [people, element("a", { class: "why", href: `${href}/explain`, "data-panel": "", "aria-label": label }, "?")];
}

// Replaces what differs and nothing else: focus and tab position stay where they are.
function patchSquare(place, job, cell) {
  const before = place.firstElementChild;
  const [after, why] = square(job, cell);
  before.classList.remove("changed");
  if (before.hasAttribute("tabindex") && cell.open) after.setAttribute("tabindex", before.getAttribute("tabindex"));
  if (why && before.tagName === "A") before.nextElementSibling.ariaLabel = why.ariaLabel; // the job may have a new title
  if (before.isEqualNode(after)) return false;
  if (before.tagName !== after.tagName) {
    const focused = place.contains(document.activeElement);
    place.replaceChildren(...[after, why].filter(Boolean));
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

const columnMoves = new Map(); // by how much each column changed with the last row

// Returns how many squares changed, or null if the page does not show this job as it now is.
export function patchRow(row, told) {
  if (row.dataset.status !== told.job.status) return null;
  const places = new Map([...row.querySelectorAll("td[data-stage]")].map((place) => [place.dataset.stage, place]));
  if (told.cells.some((cell) => !places.has(String(cell.stage.id)))) return null;
  let changed = 0;
  columnMoves.clear();
  for (const cell of told.cells) {
    const shown = Number(places.get(String(cell.stage.id)).querySelector(".count")?.textContent ?? 0);
    columnMoves.set(String(cell.stage.id), cell.open - shown);
  }
  for (const cell of told.cells) changed += patchSquare(places.get(String(cell.stage.id)), told.job, cell) ? 1 : 0;
  row.querySelector("th a").textContent = told.job.title;
  Object.assign(row.dataset, { open: told.open, overdue: told.overdue_days, issues: told.issues_open, tasks: told.tasks_open });
  const over = row.querySelector("[data-over]");
  const days = told.overdue_days >= 0.5 ? `${whole(told.overdue_days)} bd` : "";
  if (over.textContent !== days) {
    const href = `/jobs/${told.job.id}/numbers/overdue`;
    over.replaceChildren(...(days ? [element("a", { class: "num", "data-panel": "", href }, days)] : []));
  }
  return changed;
}

// Tiles and column heads are sums over all jobs, of which the page may show a part: they move by what the row moved.
export function patchSums(board, before, after) {
  for (const tile of document.querySelectorAll("[data-tile]")) {
    const name = tile.dataset.tile;
    tile.dataset.sum = Number(tile.dataset.sum) + Number(after[name]) - Number(before[name]);
    tile.textContent = whole(Number(tile.dataset.sum));
  }
  for (const head of board.querySelectorAll("[data-column]")) {
    head.dataset.sum = Number(head.dataset.sum) + (columnMoves.get(head.dataset.column) ?? 0);
    head.textContent = whole(Number(head.dataset.sum));
  }
  columnMoves.clear();
}
