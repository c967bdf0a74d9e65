"""Taking a person out of what providers told: the inbox, what the last poll saw, the notes of runs.

Called inside the transaction of an erasure (``ats.erasing``), which knows whose ids these are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection

from config import flow
from connectors import registry
from connectors.base import ERASED_PAYLOAD
from connectors.events import Mapped
from connectors.exceptions import PayloadNotUnderstood
from connectors.memory import record_of
from connectors.models import Connector, ProviderRecord, SyncRun
from connectors.traces import Traces, needles

#: ids of the inbox looked through by one statement
SPAN = 100_000
#: what stands where a note named the person
ERASED_NOTE = "[erased]"

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Subject:
    """One person at one connector, by the provider's ids."""

    connector: Connector
    candidate: str
    applications: frozenset[str]
    traces: Traces

    @property
    def ids(self) -> frozenset[str]:
        return self.applications | {self.candidate}


def last_raw_event() -> int:
    """The highest id of the inbox now."""
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from connectors_rawevent")
        return int(cursor.fetchone()[0])


def find_raw_events(subject: Subject, *, after: int, upto: int) -> list[int]:
    """Ids of the raw events that tell of the person. Reads the whole inbox: erasures are rare, and need no index."""
    map_raw = registry.mapper(subject.connector.provider)
    return [raw_id for raw_id, kind, payload in _suspects(subject, after, upto) if _tells_of(subject, kind, payload, map_raw)]


def _suspects(subject: Subject, after: int, upto: int) -> Iterator[tuple[int, str, str]]:
    wanted = needles(sorted(subject.ids)) + subject.traces.needles()
    with connection.cursor() as cursor:
        for start in range(after, upto, SPAN):
            cursor.execute(
                """select id, kind, payload::text from connectors_rawevent
                   where id > %s and id <= %s and connector_id = %s and payload::text <> %s
                     and exists (select from unnest(%s::text[]) as needle where strpos(lower(payload::text), needle) > 0)""",
                [start, min(start + SPAN, upto), subject.connector.pk, ERASED_PAYLOAD, wanted],
            )
            yield from cursor.fetchall()


def _tells_of(subject: Subject, kind: str, payload: str, map_raw: Any) -> bool:
    """By the provider's ids where the payload can be mapped: others may share the name. Where it cannot (a dead
    letter), whatever names the person or holds one of the ids goes."""
    try:
        return concerns(map_raw(kind, payload), {subject.candidate}, subject.applications)
    except PayloadNotUnderstood:
        value = _decode(payload)
        return subject.traces.are_in(value) or any(str(one) in subject.ids for one in _scalars(value))


def concerns(mapped: Mapped, candidates: Set[str], applications: Set[str] = frozenset()) -> bool:
    """Whether what a payload means is about one of these people or applications."""
    named = {event.candidate_external_id for event in mapped.events} | {person.external_id for person in mapped.candidates}
    return not named.isdisjoint(candidates) or any(event.application_external_id in applications for event in mapped.events)


def _scalars(value: Any) -> Iterator[str | int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, str | int):
        yield value


def erase_raw_events(raw_ids: Iterable[int]) -> tuple[int, int]:
    """Empty these payloads; returns how many were, and how many still wait for their first step, which empties them
    itself as it finds the person erased (the facts in them are not in the ledger yet)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select r.id, b.step = %s and b.finished_at is null and b.failed_at is null and r.state = 'received'
               from connectors_rawevent r join connectors_batch b on b.id = r.batch_id where r.id = any(%s) order by r.id""",
            [flow.NORMALIZE, sorted(set(raw_ids))],
        )
        found: list[tuple[int, bool]] = cursor.fetchall()
    passed = [raw_id for raw_id, waits in found if not waits]
    empty(passed)
    return len(passed), len(found) - len(passed)


def empty(raw_ids: Iterable[int]) -> None:
    """Put the erased payload in place of these; a dead letter among them waits for nobody any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update connectors_rawevent set payload = %s::json, state = 'received', error = '', failed_at = null where id = any(%s)",
            [ERASED_PAYLOAD, sorted(raw_ids)],
        )


def erase_records(subject: Subject) -> int:
    """What polls remember, without the person, and marked so that the next poll tells nothing of them. How many changed."""
    provider = registry.get(subject.connector.provider)
    rows = ProviderRecord.objects.filter(connector=subject.connector, external_id__in=subject.ids).order_by("kind", "external_id")
    changed = 0
    for row in rows.select_for_update():
        left = provider.forget(record_of(row))
        if left is not None:
            row.state, row.erased = left.state, True
            row.save(update_fields=["state", "erased"])
            changed += 1
    return changed


def erase_notes(subject: Subject) -> int:
    """Notes and errors of runs that name the person (a mis-mapped column of an import is quoted there). How many runs."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select id from connectors_syncrun where connector_id = %s and exists (
                   select from unnest(%s::text[]) as needle
                   where strpos(lower(error), needle) > 0 or strpos(lower(notes::text), needle) > 0)""",
            [subject.connector.pk, subject.traces.needles()],
        )
        ids = [row[0] for row in cursor.fetchall()]
    for run in SyncRun.objects.filter(pk__in=ids).order_by("pk").select_for_update():
        run.notes = [subject.traces.replaced(note, ERASED_NOTE) for note in run.notes]
        run.error = subject.traces.replaced(run.error, ERASED_NOTE)
        run.save(update_fields=["notes", "error"])
    return len(ids)
