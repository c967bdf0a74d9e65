"""What mapping a stage to another category would change. Pure; the counts come from ``sql/stage_moves.sql``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ats.models import pipeline_order
from connectors.events import StageCategory


@dataclass(frozen=True, slots=True)
class Moves:
    """How often people went between the stage and another one, ``outwards`` from it or into it."""

    outwards: bool
    other_order: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Effect:
    """Of one category: how many moves would count as something else, and as what all of them would count."""

    category: StageCategory
    changed: int
    advanced: int
    moved_back: int
    lateral: int


def kind_of_move(order_from: int | None, order_to: int | None) -> str:
    """How a move counts; as ``sql/derive_visits.sql``. Without a place on one side there is no direction."""
    if order_from is None or order_to is None or order_from == order_to:
        return "lateral"
    return "advanced" if order_to > order_from else "moved_back"


def effects(moves: Sequence[Moves], *, current: StageCategory, position: int) -> list[Effect]:
    """For every category, in pipeline order, what mapping the stage there would do to its moves."""
    now = _kinds(moves, pipeline_order(current, position))
    found = []
    for category in StageCategory:
        then = _kinds(moves, pipeline_order(category, position))
        totals = {kind: sum(move.count for move in moves if then[move] == kind) for kind in ("advanced", "moved_back", "lateral")}
        found.append(Effect(category, sum(move.count for move in moves if now[move] != then[move]), **totals))
    return found


def _kinds(moves: Sequence[Moves], order: int | None) -> Mapping[Moves, str]:
    return {move: kind_of_move(order, move.other_order) if move.outwards else kind_of_move(move.other_order, order) for move in moves}
