"""How numbers read on a page. Pure. ``static/stagewatch/cells.js`` is the twin that patches cells in place;
a test holds the two to the same words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.estimators import Estimate
from analytics.heatmap import estimate_dict

#: From good to bad, with what each means to a reader.
BANDS = {
    "fresh": "within half the limit",
    "watch": "within the limit",
    "late": "over the limit",
    "critical": "over twice the limit",
}
UNKNOWN = "–"
UNITS = {"cd": "days", "bd": "business days"}


def number(value: float) -> str:
    """One decimal below ten, none above: 3.4, 12. Halves go up, as they do in the script."""
    return f"{math.floor(value * 10 + 0.5) / 10:.1f}" if value < 9.95 else str(math.floor(value + 0.5))


def estimate(quantile: Mapping[str, Any]) -> str:
    """``3.4 d``; ``~3.4 d`` for few data; ``> 12 d`` where the curve does not come down; ``–`` where nothing is known."""
    if quantile["value"] is not None:
        few = "~" if quantile["confidence"] == "low" else ""
        return f"{few}{number(quantile['value'])} d"
    if quantile["lower_bound"] is not None:
        return f"> {number(quantile['lower_bound'])} d"
    return UNKNOWN


def estimate_in_unit(quantile: Mapping[str, Any]) -> str:
    """``3.4 bd``: where durations on both clocks stand side by side."""
    return estimate(quantile).replace(" d", f" {quantile['unit']}")


def known(text: str) -> str:
    """Nothing rather than a dash: on the board emptiness is quieter."""
    return "" if text == UNKNOWN else text


@dataclass(frozen=True)
class Square:
    """One heatmap cell as the template shows it."""

    stage: str
    name: str
    open: int
    heat: str
    median: str
    issues: int
    sentence: str
    #: the numbers behind the sentence, one statement per line
    proof: str
    #: the median rests on fewer than 20 exits, or there is none
    few: bool


def square(cell: Mapping[str, Any]) -> Square:
    heat = cell["heat"] or ""
    name = stage_name(cell["stage"])
    return Square(
        stage=str(cell["stage"]["id"]),
        name=name,
        open=cell["open"],
        heat=heat,
        median=known(estimate(cell["p50"])),
        issues=cell["issues_open"],
        sentence=sentence(cell, name),
        proof="\n".join(proof(cell)),
        few=bool(cell["open"]) and cell["p50"]["confidence"] != "ok",
    )


def stage_name(stage: Mapping[str, Any]) -> str:
    """Canonical stages are named by a word (``review``); own stages keep the name they have in the ATS."""
    name = str(stage["name"])
    return name.capitalize() if name == stage["category"] else name


def sentence(cell: Mapping[str, Any], name: str) -> str:
    """What a screen reader says and a tooltip shows: the cell without its colour."""
    if not cell["open"]:
        return f"{name}: nobody waiting"
    parts = [f"{name}: {cell['open']} waiting"]
    if cell["heat"]:
        parts.append(f"{cell['heat']}, a fifth or more {BANDS[cell['heat']]} of {number(cell['limit']['value'])} business days")
    if cell["oldest_age"] is not None:
        parts.append(f"longest {number(cell['oldest_age'])} days")
    median = estimate(cell["p50"])
    if median != UNKNOWN:
        parts.append(f"median stay {median.replace(' d', ' ' + UNITS[cell['p50']['unit']])} (n = {cell['p50']['n']})")
    if cell["issues_open"]:
        parts.append(f"{cell['issues_open']} open {'issue' if cell['issues_open'] == 1 else 'issues'}")
    return "; ".join(parts)


LEVELS = {"job": "of this job", "department": "of the department", "organization": "of the organization"}


def limit_words(limit: Mapping[str, Any]) -> str:
    """``7.0 business days, the 85% mark of the department (n = 120)``."""
    days = f"{'over ' if limit.get('is_lower_bound') else ''}{number(limit['value'])} business days"
    if limit["source"] == "baseline":
        return f"{days}, the 85% mark {LEVELS.get(limit.get('baseline_level') or '', 'of the past')} (n = {limit['n']})"
    return f"{days}, {'the target set for it' if limit['source'] == 'target' else 'the default for this kind of stage'}"


def proof(cell: Mapping[str, Any]) -> list[str]:
    """The numbers a cell's sentence rests on."""
    if not cell["open"]:
        return []
    by_band = ", ".join(f"{cell['bands'][band]} {band}" for band in BANDS if cell["bands"].get(band))
    told = [f"{by_band}. Limit {limit_words(cell['limit'])}."]
    p50 = cell["p50"]
    if p50["n"]:
        between = (
            f"; 95% sure: {number(p50['low'])} to {'more' if p50['high'] is None else number(p50['high'])}"
            if p50["low"] is not None
            else ""
        )
        told.append(f"Median from {stays(p50)}{between}.")
    told.append(f"{cell['entered']} came in and {cell['exited']} left in the window.")
    if cell["overdue_days"] >= 0.05:
        told.append(f"{number(cell['overdue_days'])} business days over the limit, all people together.")
    return told


def stays(quantile: Mapping[str, Any]) -> str:
    """``169 stays: 149 ended, 18 still going, 2 cut off``: what a quantile was estimated from."""
    told = f"{quantile['n']} stays: {quantile['n_exits']} ended, {quantile['n_open']} still going"
    return f"{told}, {cut_off(quantile)} cut off" if cut_off(quantile) else told


def cut_off(quantile: Mapping[str, Any]) -> int:
    """Stays that are over without having ended by themselves: of them only "at least so long" is known."""
    return int(quantile["n"] - quantile["n_exits"] - quantile["n_open"])


def usual(estimate_: Estimate | None) -> str:
    """The organization's baseline of a stage: ``4.3 d``."""
    return UNKNOWN if estimate_ is None else estimate(estimate_dict(estimate_))


@dataclass(frozen=True)
class Segment:
    """One piece of a bar of age bands."""

    band: str
    count: int
    percent: float
    left: float = 0.0

    @property
    def meaning(self) -> str:
        return BANDS[self.band]

    @property
    def middle(self) -> float:
        return round(self.left + self.percent / 2, 2)


def bar(bands: Mapping[str, int]) -> list[Segment]:
    total, found, left = sum(bands.values()), [], 0.0
    for band in BANDS:
        if bands.get(band):
            percent = 100 * bands[band] / total
            found.append(Segment(band, bands[band], round(percent, 2), round(left, 2)))
            left += percent
    return found


def all_bands(cells: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found = dict.fromkeys(BANDS, 0)
    for cell in cells:
        for band, count in cell["bands"].items():
            found[band] += count
    return found


#: Why a visit is left out of a duration (``analytics.observed.Reason``), in words.
REASONS = {
    "entered_before_window": "began before the window",
    "entered_after_window": "began after the window",
    "entry_unknown": "began before Stagewatch watched: how long it has really taken is not known",
    "already_running": "was going on when the account was connected: who began with it and left before is not known",
    "entry_gap_over_a_day": "the beginning is known only to more than a business day",
    "under_a_minute": "lasted under a minute: passed through",
    "first_entered_before_window": "first came before the window",
    "first_entered_after_window": "first came after the window",
    "left_before_window": "left before the window",
    "left_after_window": "left after the window",
    "never_entered": "never were in this stage",
    "skipped": "passed this stage without a stay",
    "not_hired": "not hired",
    "hired_outside_window": "hired before the window",
}


def reason(word: str) -> str:
    return REASONS.get(word, word.replace("_", " "))


#: As what somebody was counted, in words.
TAKEN_AS = {
    "open": "still here",
    "exit": "ended",
    "cut_off": "cut off",
    "undecided": "undecided",
    "hired": "hired",
    "other": "left otherwise",
}


def taken_as(word: str) -> str:
    return TAKEN_AS.get(word, word.replace("_", " "))


#: Why there is no forecast (``analytics.forecast``), in words.
NO_FORECAST = {
    "job_not_open": "the job is not open",
    "job_on_hold": "the job is on hold",
    "all_openings_filled": "all its openings are filled",
    "nobody_in_the_pipeline": "nobody is in the pipeline and nobody has come lately",
    "too_few_exits": "too few people have left the stages to learn how they go on",
    "no_hire_to_learn_from": "nobody has been hired lately to learn from",
    "evergreen_job": "the job is always open: it is never filled",
}


def forecast(told: Mapping[str, Any]) -> dict[str, Any]:
    """A job's forecast with the words for why there is none."""
    hires, fill = told["hires"]["reason"], told["fill"]["reason"]
    return {**told, "reason": NO_FORECAST.get(hires, hires) if hires else "", "fill_reason": NO_FORECAST.get(fill, fill) if fill else ""}
