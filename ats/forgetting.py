"""Erased people stay erased: what the ledger keeps of their events, and what the road leaves out of new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from ats.normalizer import Gathered, Raw
from connectors.erasing import concerns
from connectors.events import Mapped
from connectors.exceptions import PayloadNotUnderstood
from connectors.models import Connector
from connectors.traces import Traces

#: What of an event's metadata says where and when, and nothing of the person: labels of stages and statuses, ids of
#: jobs, how well the moment is known. All else (comments, ratings, whatever an import brought along) is let go.
KEPT = frozenset(
    {
        "origin", "bounds", "gap", "inferred", "anomaly", "reinterpreted", "reappeared", "possible_missed_changes", "cause",
        "duration_in_previous_stage", "stage_from_name", "stage_from_unknown", "stage_to_name", "stage_to_unknown",
        "status", "status_from", "status_name", "status_from_name", "terminal_status_id", "terminal_status_name",
        "job_from", "job_to", "moved_from", "moved_to", "count_delta", "original_event_type",
    }
)  # fmt: skip

NOBODY = Traces(name="", email="")

#: first key of the advisory locks that keep an erasure and the first step of a connector's batches apart
LOCK = 7303


def reduced(metadata: Mapping[str, Any], traces: Traces = NOBODY) -> dict[str, Any]:
    """The metadata that an erased person's event keeps; without what names the person, whatever its key."""
    return {key: value for key, value in metadata.items() if key in KEPT and not traces.are_in(value)}


def erased_at(cursor: CursorWrapper, connector: Connector) -> frozenset[str]:
    """External ids of the people erased at this connector. No erasure there commits before this transaction ends."""
    # two statements: the second must see what was committed while the first one waited
    cursor.execute("select pg_advisory_xact_lock_shared(%s, %s)", [LOCK, connector.pk])
    cursor.execute("select external_id from ats_candidate where connector_id = %s and erased_at is not null", [connector.pk])
    return frozenset(row[0] for row in cursor.fetchall())


def leave_out(gathered: Gathered, erased: Set[str], raws: Sequence[Raw], map_raw: Callable[[str, str], Mapped]) -> list[int]:
    """Reduce what a batch tells of erased people, in place. Returns the raw events whose payloads have to be emptied.

    Their moves are facts like all others: the counts of a stage must not depend on who has asked to be forgotten.
    """
    if not (erased & gathered.candidates.keys()):
        return []
    for key, (event, raw_id, received_at) in list(gathered.events.items()):
        if event.candidate_external_id in erased:
            kept = msgspec.structs.replace(event, metadata=reduced(event.metadata))
            gathered.events[key] = (kept, raw_id, received_at)
    return [raw_id for raw_id, kind, payload, _ in raws if _tells_of(erased, kind, payload, map_raw)]


def _tells_of(erased: Set[str], kind: str, payload: str, map_raw: Callable[[str, str], Mapped]) -> bool:
    try:
        return concerns(map_raw(kind, payload), erased)
    except PayloadNotUnderstood:
        return False  # a dead letter, which the erasure of its person looked through
