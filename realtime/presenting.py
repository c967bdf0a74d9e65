"""How numbers read on a page. Pure. ``static/stagewatch/cells.js`` is the twin that patches cells in place;
a test holds the two to the same words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: From good to bad, with what each means to a reader.
BANDS = {
    "fresh": "within half the limit",
    "watch": "within the limit",
    "late": "over the limit",
    "critical": "over twice the limit",
}
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
    return "–"


def known(text: str) -> str:
    """Nothing rather than a dash: on the board emptiness is quieter."""
    return "" if text == "–" else text


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
    if median != "–":
        parts.append(f"median stay {median.replace(' d', ' ' + UNITS[cell['p50']['unit']])} (n = {cell['p50']['n']})")
    if cell["issues_open"]:
        parts.append(f"{cell['issues_open']} open {'issue' if cell['issues_open'] == 1 else 'issues'}")
    return "; ".join(parts)


@dataclass(frozen=True)
class Segment:
    """One piece of a bar of age bands."""

    band: str
    count: int
    percent: float


def bar(bands: Mapping[str, int]) -> list[Segment]:
    total = sum(bands.values())
    return [Segment(band, bands[band], round(100 * bands[band] / total, 2)) for band in BANDS if bands.get(band)]


def all_bands(cells: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found = dict.fromkeys(BANDS, 0)
    for cell in cells:
        for band, count in cell["bands"].items():
            found[band] += count
    return found
