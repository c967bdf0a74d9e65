"""How far the facts behind a job's numbers can be trusted (M25). Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from analytics.clocks import cd
from analytics.funnel import within
from analytics.heatmap import Json
from analytics.observed import PASSED_THROUGH, WIDEST_GAP, Seen, bulk_moves
from analytics.telling import CD, Parts, Teller, visit
from connectors.events import Precision, StageCategory


def data_quality(teller: Teller, *, fresh_at: datetime | None) -> Json:
    """``{age, entry_precision, unmapped, …}``: age of the facts, how well entries are dated, what is odd about visits."""
    facts = teller.facts
    age = None if fresh_at is None else cd(fresh_at, facts.as_of)
    entries = Parts.of(facts.visits, visit, lambda seen: _entry(teller, seen))
    unmapped = [ref for ref in facts.stages if ref.category == StageCategory.UNMAPPED]
    ids = {ref.id for ref in unmapped}
    bulk = bulk_moves(facts.visits, facts.as_of)
    return {
        "age": teller.told("M25", age, CD, n=int(age is not None), fresh_at=fresh_at),
        "entry_precision": {str(word): teller.share("M25", entries, {str(word)}) for word in Precision},
        "unmapped_stages": [ref.as_dict() for ref in unmapped],
        "in_unmapped_stages": _odd(teller, lambda seen: seen.stage_id in ids and not seen.is_over),
        "entry_gap_over_a_day": _odd(teller, lambda seen: seen.entry_precision == Precision.BOUNDED and seen.entry_gap > WIDEST_GAP),
        "already_running": _odd(teller, lambda seen: seen.survivor),
        "under_a_minute": _odd(teller, lambda seen: seen.is_over and seen.until(facts.as_of) - seen.entered_at < PASSED_THROUGH),
        "entered_in_the_future": _odd(teller, lambda seen: seen.entered_at > facts.as_of),
        "ended_in_bulk": _odd(teller, lambda seen: seen.visit_id in bulk),
    }


def _entry(teller: Teller, seen: Seen) -> tuple[bool, str]:
    inside = within(seen.entered_at, teller.facts.window)
    return inside, seen.entry_precision if inside else "entered_outside_window"


def _odd(teller: Teller, is_odd: Callable[[Seen], bool]) -> Json:
    """How many visits of the job, in the window or not."""
    return teller.count("M25", Parts.of(teller.facts.visits, visit, lambda seen: (True, "odd") if is_odd(seen) else (False, "as_usual")))
