"""Whom the numbers of a job's page count, from the lists ``analytics`` gives with each of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from realtime import presenting
from realtime.definitions import BY_ID, Definition

Json = Mapping[str, Any]


class NotANumber(Exception):
    """No number of that name, or not with these particulars."""


@dataclass(frozen=True)
class Part:
    """A sum's share: what it is of, how much, and what opens it."""

    of: Json
    value: float


@dataclass(frozen=True)
class Number:
    """One number as shown, with what it means and either the parts it is the sum of or the people it counts."""

    title: str
    value: str
    definition: Definition
    parts: Sequence[Part] = ()
    people: Sequence[Json] = ()
    #: how many were left out, by reason
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Particulars:
    """What an address says beside a number's name."""

    stage: str = ""
    only: str = ""
    since: datetime | None = None
    until: datetime | None = None


# --- sums -----------------------------------------------------------------------------------------------
#: What can be summed: the words for it, its definition, and its place in a cell or row of a heatmap.
SUMS: Mapping[str, tuple[str, str, str]] = {
    "waiting": ("Waiting", "M06", "open"),
    "overdue": ("Days over limit", "M20", "overdue_days"),
}


def total(what: str, rows: Sequence[tuple[Json, Json]], *, where: str = "") -> Number:
    """``rows``: what each part is of, and its numbers. The largest part comes first."""
    name, definition, key = SUMS[what]
    parts = sorted((Part(of, float(numbers[key])) for of, numbers in rows if numbers[key] >= 0.05), key=lambda part: -part.value)
    summed = sum(part.value for part in parts)
    value = f"{summed:.0f}" if what == "waiting" else f"{presenting.number(summed)} bd"
    return Number(f"{name}{where}", value, BY_ID[definition], parts=parts)


def banded(stages: Sequence[Json], band: str) -> Number:
    """Everybody of one age band, by stage."""
    rows = [(cell["stage"], {"open": cell["bands"][band]}) for cell in stages]
    return total("waiting", rows, where=f": {band}, {presenting.BANDS[band]}")


# --- a stage's coming and going -----------------------------------------------------------------------------
def of_cell(name: str, cell: Json) -> Number:
    """``entered`` or ``exited`` in the window, of a cell with its lists."""
    words = {"entered": "Came into", "exited": "Left"}[name]
    listed = cell["explain"][name]
    return _listed(f"{words} {presenting.stage_name(cell['stage'])}", str(cell[name]), "M06", listed)


# --- what a job's statistics count ----------------------------------------------------------------------------
def of_stats(name: str, stats: Json, asked: Particulars) -> Number:
    """A number of ``analytics.selectors.job_stats(explain=True)``. Raises ``NotANumber``."""
    if name not in STATS:
        raise NotANumber(name)
    return STATS[name](stats, asked)


def _funnel(stats: Json, asked: Particulars) -> Number:
    row = next((one for one in stats["funnel"] if str(one["stage"]["id"]) == asked.stage), None)
    if row is None or asked.only not in FATES:
        raise NotANumber("funnel")
    words, kinds = FATES[asked.only]
    share = row["pass_through"]["explain"]
    kept = [one for one in share["included"] if not kinds or one["taken_as"] in kinds]
    title = f"{words} {presenting.stage_name(row['stage'])}"
    return _listed(title, str(len(kept)), "M08" if asked.only == "lost" else "M07", {**share, "included": kept})


FATES: Mapping[str, tuple[str, frozenset[str]]] = {
    "": ("First entered", frozenset()),
    "advanced": ("Advanced from", frozenset({"advanced"})),
    "lost": ("Lost in", frozenset({"rejected", "withdrawn"})),
    "undecided": ("Undecided since", frozenset({"undecided"})),
}


def _hires(stats: Json, asked: Particulars) -> Number:
    hires = stats["throughput"]["hires"]
    value = "–" if hires["value"] is None else f"{hires['value']:.1f} per 28 days ({hires['n']} in the window)"
    return _listed("Hires", value, "M21", hires["explain"])


def _time_to_hire(stats: Json, asked: Particulars) -> Number:
    told = stats["time_to_hire"]
    median, listed = told["p50"], told["explain"]
    value = presenting.estimate_in_unit(median)
    if value == presenting.UNKNOWN:
        value = f"too few to tell (n = {median['n']})"
    hired = [{**one, "taken_as": "hired" if one["taken_as"] == "exit" else one["taken_as"]} for one in listed["included"]]
    return _listed("Time to hire", value, "M11", {**listed, "included": hired})


def _week(moment: str, words: str) -> Callable[[Json, Particulars], Number]:
    """Who came into the job, or left it for good, between two moments."""

    def within(stats: Json, asked: Particulars) -> Number:
        if asked.since is None or asked.until is None:
            raise NotANumber(words)
        people = [one for one in stats["flow"]["explain"]["included"] if one[moment] and asked.since <= one[moment] < asked.until]
        return _listed(words, str(len(people)), "M06", {"included": people, "excluded": []})

    return within


STATS: Mapping[str, Callable[[Json, Particulars], Number]] = {
    "funnel": _funnel,
    "hires": _hires,
    "time-to-hire": _time_to_hire,
    "came": _week("entered_at", "Came into the job"),
    "went": _week("left_at", "Left the job"),
}


def _listed(title: str, value: str, definition: str, listed: Json) -> Number:
    # a plain dict: a template would find 0 under every name in a Counter
    left_out = dict(Counter(presenting.reason(one["reason"]) for one in listed["excluded"]))
    return Number(title, value, BY_ID[definition], people=listed["included"], left_out=left_out)
