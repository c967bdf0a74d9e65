"""The writes of the ledger. ``normalize`` is the only writer of events, ``refresh_snapshots`` of snapshot columns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from ats import forgetting, normalizer
from ats.entities import keep_jobs, keep_stages
from ats.normalizer import Gathered, Raw, Staged
from config import flow, sql
from connectors import batches, registry
from connectors.batches import describe
from connectors.erasing import empty
from connectors.events import MOVING_EVENTS, CandidateFacts
from connectors.models import Batch, Connector, RawEvent

logger = logging.getLogger(__name__)

#: What one payload may do to a whole batch: the database refuses a value, or our code did not expect its shape.
#: Anything else (a lost connection, a time limit, a deadlock) is no payload's fault.
POISON = (DataError, IntegrityError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_PIPELINES_LOCK = 7302

#: applications per batch when a change upstream makes many of them be looked at again
RECHECK_SIZE = 10_000

# Read whole and in order, never probed, and already one row per key: an index would only cost.
STG_CANDIDATE = 'external_id text collate "C", name text, email text, source text, told_at timestamptz'
STG_APPLICATION = 'external_id text collate "C", candidate text collate "C", job_id bigint'
STG_EVENT = """provider_event_id text collate "C", application text collate "C", job_id bigint, event_type text,
    stage_from_id bigint, stage_to_id bigint, actor_external_id text, actor_name text, occurred_at timestamptz,
    received_at timestamptz, source_recorded_at timestamptz, precision text, metadata jsonb, raw_event_id bigint"""


def normalize(batch: Batch) -> None:
    """Step 1: the batch's raw payloads become facts in the ledger, each once: created, or skipped as known.

    Fills ``application_ids`` and ``job_ids`` with what the new facts touch, and the batch's counters. Payloads that
    cannot be mapped, or that we or the database choke on, become dead letters one by one.
    """
    connector = batch.connector
    assert connector is not None, "raw events come from a connector"
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
        erased = forgetting.erased_at(cursor, connector)
        cursor.execute(
            # offset 0: a partition without statistics would be walked in the order of ids instead
            """select id, kind, payload::text, received_at::text
               from (select * from connectors_rawevent where batch_id = %s and state = 'received' offset 0) r order by id""",
            [batch.pk],
        )
        raws: list[Raw] = cursor.fetchall()
        batch.raw_count, batch.created_count, batch.skipped_count, batch.failed_count = len(raws), 0, 0, 0
        batch.application_ids, batch.job_ids = [], []
        _normalize(cursor, batch, connector, raws, erased)


def _normalize(cursor: CursorWrapper, batch: Batch, connector: Connector, raws: list[Raw], erased: frozenset[str]) -> None:
    try:
        map_raw = registry.mapper(connector.provider)
        gathered = normalizer.gather(raws, map_raw)
        forgotten = forgetting.leave_out(gathered, erased, raws, map_raw)
        with transaction.atomic():
            created, application_ids, job_ids = _write(cursor, connector, gathered)
    except POISON as error:
        # some row is refused: halve until it stands alone, so that its neighbours go through
        if len(raws) == 1:
            _bury(cursor, batch, Gathered(dead={raws[0][0]: describe(error)}))
            return
        middle = len(raws) // 2
        _normalize(cursor, batch, connector, raws[:middle], erased)
        _normalize(cursor, batch, connector, raws[middle:], erased)
        return
    if forgotten:
        empty(forgotten)
    batch.created_count += created
    batch.skipped_count += len(gathered.events) - created + gathered.repeats
    batch.application_ids = sorted({*batch.application_ids, *application_ids})
    batch.job_ids = sorted({*batch.job_ids, *job_ids})
    _bury(cursor, batch, gathered)


def _write(cursor: CursorWrapper, connector: Connector, gathered: Gathered) -> tuple[int, list[int], list[int]]:
    sql.pin_plans(cursor)
    jobs, changed_jobs = keep_jobs(connector, gathered.jobs, gathered.job_statuses)
    stages, reordered = keep_stages(connector, gathered.stages)
    sql.temporary_table(cursor, "stg_candidate", STG_CANDIDATE)
    sql.temporary_table(cursor, "stg_application", STG_APPLICATION)
    sql.temporary_table(cursor, "stg_event", STG_EVENT)
    sql.copy_rows(cursor, "stg_candidate", _candidate_lines(gathered))
    sql.copy_rows(cursor, "stg_application", _application_lines(gathered, jobs))
    sql.copy_rows(cursor, "stg_event", _event_lines(gathered.events.values(), jobs, stages))
    scope = {"organization": connector.organization_id, "connector": connector.pk}
    sql.run(cursor, "ats", "candidates", scope)
    sql.run(cursor, "ats", "applications", scope)
    sql.run(cursor, "ats", "ledger", scope)
    created, application_ids, job_ids = cursor.fetchone()
    if job_ids or changed_jobs or reordered:
        change_pipelines(cursor, connector.organization_id)
    if reordered:
        recheck_stages(connector, reordered)
    return created, application_ids, [*job_ids, *changed_jobs]


def change_pipelines(cursor: CursorWrapper, organization_id: int) -> None:
    """Before committing what a measurement reads beside its own applications (a job's status, a stage's place): let those
    that could not see it end, so that looking afterwards for whom it concerns finds them; later ones wait for the commit."""
    cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_PIPELINES_LOCK, organization_id])


def read_pipelines(cursor: CursorWrapper, organization_id: int) -> None:
    """No job's status and no stage's place becomes another until this transaction ends.

    To be taken after the applications' locks: who changes a pipeline waits for its readers with people's rows in hand.
    """
    cursor.execute("select pg_advisory_xact_lock_shared(%s, %s)", [_PIPELINES_LOCK, organization_id])


def _candidate_lines(gathered: Gathered) -> Iterator[str]:
    for external_id, told in gathered.candidates.items():
        facts = told.facts
        assert isinstance(facts, CandidateFacts)
        told_at = None if told.at == normalizer.NEVER else told.at
        yield sql.copy_line((external_id, facts.name, facts.email, facts.source, told_at))


def _application_lines(gathered: Gathered, jobs: dict[str, int]) -> Iterator[str]:
    for external_id, (candidate, job) in gathered.applications.items():
        yield sql.copy_line((external_id, candidate, jobs.get(job) if job else None))


def _event_lines(staged: Iterable[Staged], jobs: dict[str, int], stages: dict[str, int]) -> Iterator[str]:
    """COPY lines of stg_event. The hottest loop of the road: only free text is escaped, ids and moments need none."""
    text, null = sql.copy_text, sql.NULL
    for event, raw_id, received_at in staged:
        actor, job = event.actor, normalizer.job_of(event)
        yield (
            f"{text(event.provider_event_id)}\t{text(event.application_external_id)}\t{jobs[job] if job else null}"
            f"\t{event.event_type.value}\t{stages[event.stage_from] if event.stage_from else null}"
            f"\t{stages[event.stage_to] if event.stage_to else null}"
            f"\t{text(actor.external_id) if actor else null}\t{text(actor.name) if actor else null}"
            f"\t{event.timestamp.isoformat()}\t{received_at}"
            f"\t{event.recorded_at.isoformat() if event.recorded_at else null}"
            f"\t{event.precision.value}\t{text(normalizer.metadata_json(event))}\t{raw_id}\n"
        )


def _bury(cursor: CursorWrapper, batch: Batch, gathered: Gathered) -> None:
    if not gathered.dead:
        return
    batch.failed_count += len(gathered.dead)
    now = timezone.now()
    RawEvent.objects.bulk_update(
        [RawEvent(pk=raw_id, state=RawEvent.State.DEAD, error=reason, failed_at=now) for raw_id, reason in sorted(gathered.dead.items())],
        ["state", "error", "failed_at"],
        batch_size=1000,
    )
    logger.warning("payloads set aside", extra={"action": "dead_lettered", "batch": batch.pk, "count": len(gathered.dead)})


def recheck_stages(connector: Connector, stage_ids: list[int]) -> int:
    """A stage changed its place in the pipeline: whoever passed it is measured anew. Returns the number of batches.

    Reads the ledger of the connector, which an edit of a mapping may cost and a batch of events may not.
    """
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = on; set local enable_hashjoin = on")
        cursor.execute(
            """select distinct application_id from ats_candidateevent
               where connector_id = %s and application_id is not null and (stage_to_id = any(%s) or stage_from_id = any(%s))
               order by application_id""",
            [connector.pk, stage_ids, stage_ids],
        )
        ids = [row[0] for row in cursor.fetchall()]
        sql.pin_plans(cursor)
    for start in range(0, len(ids), RECHECK_SIZE):
        batches.start(
            organization_id=connector.organization_id,
            connector_id=connector.pk,
            step=flow.MEASURE,
            application_ids=ids[start : start + RECHECK_SIZE],
        )
    return -(-len(ids) // RECHECK_SIZE)


def refresh_snapshots(batch: Batch) -> None:
    """Step 2: how each touched application, and the person behind it, stands now."""
    with connection.cursor() as cursor:
        refresh_snapshots_of(cursor, batch.application_ids)


def refresh_snapshots_of(cursor: CursorWrapper, application_ids: list[int]) -> int:
    """Bring the snapshots of these applications (left locked, in ``touched``) to what the ledger says; how many differed."""
    sql.pin_plans(cursor)
    lock_applications(cursor, application_ids)
    changed = sql.run(cursor, "ats", "snapshots", {"moving": sorted(MOVING_EVENTS)})
    sql.temporary_table(cursor, "touched_candidate", "candidate_id bigint primary key")
    cursor.execute(
        """insert into touched_candidate
           select c.id from ats_candidate c
           where c.id = any(array(select (select a.candidate_id from ats_application a where a.id = t.application_id) from touched t))
           order by c.id for no key update"""
    )
    return changed + sql.run(cursor, "ats", "candidate_snapshots")


def lock_applications(cursor: CursorWrapper, application_ids: list[int]) -> None:
    """Fill ``touched(application_id)`` and hold its applications' rows, in id order, to the end of the transaction.

    Two steps for one application queue up here, whichever workers they run in.
    """
    sql.temporary_table(cursor, "touched", "application_id bigint primary key")
    cursor.execute(
        """insert into touched select a.id from ats_application a
           where a.id = any(%s) order by a.id for no key update""",
        [application_ids],
    )
