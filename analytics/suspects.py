"""Whose derived rows are not what the ledger says: found over arrays, so that only they go through the road's statements.

Nothing is locked. What is committed between two reads makes a suspect of somebody who is none; the road's statements,
which see everything under lock, find nothing to mend there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper

from analytics import array_fold, wide
from analytics.array_clocks import ArrayClocks, Table
from analytics.array_fold import BOUNDED, CATEGORIES, EVENT_TYPES, FOREVER, KINDS, PRECISIONS, STATUSES, Array, Pipelines, Rows
from analytics.calendars import ensure_compiled
from analytics.measure import TABLES
from analytics.models import CalendarSegment, WorkingCalendar
from ats.models import FormerPlace, Stage
from config import sql

#: name → (expression, type of its elements), and for which rows it is told where not for all: most of these would tell nothing
Columns = Mapping[str, tuple[str, str] | tuple[str, str, str]]


def coded(column: str, words: Sequence[str]) -> str:
    """The place of a word among these, from 1 on; 0 for null. Twice as fast as ``array_position``."""
    return f"case {column} " + " ".join(f"when '{word}' then {place}" for place, word in enumerate(words, 1)) + " else 0 end"


#: What is read, as arrays: name → (expression, type). ``packed`` holds small codes; ``_unpacked`` takes them apart.
_BOUND = """case when jsonb_typeof(metadata -> 'bounds') = 'array'
                 then coalesce(date_part('epoch', (metadata -> 'bounds' ->> {})::timestamptz), 'NaN') else 'NaN' end"""
_EVENT: Columns = {
    "event": ("id", ">i8"),
    "application": ("application_id", ">i8"),
    "job": ("coalesce(job_id, 0)", ">i8"),
    "stage": ("coalesce(stage_to_id, 0)", ">i8"),
    "at": ("occurred_at", ">i8"),
    "recorded": ("coalesce(source_recorded_at, '-infinity')", ">i8"),
    "seen_from": (_BOUND.format(0), ">f8", "precision = 'bounded'"),
    "seen_until": (_BOUND.format(1), ">f8", "precision = 'bounded'"),
    "packed": (
        f"{coded('event_type', EVENT_TYPES)} * 64 + {coded('precision', PRECISIONS)} * 4"
        + """ + (metadata @> '{"gap": true}')::int4
          + (metadata @> '{"already_running": true}')::int4 * 2""",
        ">i4",
    ),
}
_VISIT = {
    "event": ("entry_event_id", ">i8"),
    "application": ("application_id", ">i8"),
    "n": ("n::int4", ">i4"),
    "job": ("coalesce(job_id, 0)", ">i8"),
    "stage": ("stage_id", ">i8"),
    "entered": ("entered_at", ">i8"),
    "left": ("coalesce(left_at, 'infinity')", ">i8"),
    "gap": ("entry_gap", ">f8"),
    "bd": ("coalesce(bd, 'NaN')", ">f8"),
    "packed": (
        f"""{coded("exit_kind", KINDS)} * 128 + survivor::int4 * 64 + {coded("entry_precision", PRECISIONS)} * 8
            + {coded("exit_precision", PRECISIONS)}""",
        ">i4",
    ),
}
_APPLICATION = {
    "application": ("id", ">i8"),
    "person": ("candidate_id", ">i8"),
    "job": ("coalesce(job_id, 0)", ">i8"),
    "stage": ("coalesce(current_stage_id, 0)", ">i8"),
    "applied": ("coalesce(applied_at, 'infinity')", ">i8"),
    "last_event": ("coalesce(last_event_at, '-infinity')", ">i8"),
    "last_activity": ("coalesce(last_activity_at, '-infinity')", ">i8"),
    "status": (coded("status", STATUSES), ">i4"),
}
_PERSON = {
    "person": ("id", ">i8"),
    "stage": ("coalesce(current_stage_id, 0)", ">i8"),
    "last_event": ("coalesce(last_event_at, '-infinity')", ">i8"),
}

#: A bitmap of so many rows would be built for nothing: they lie near each other, by application or by time.
_PLANS = "set local enable_bitmapscan = off; set local enable_indexscan = on; set local enable_seqscan = off"

_SNAPSHOT = ("status", "stage", "applied", "last_event", "last_activity")


def pipelines(cursor: CursorWrapper, organization_id: int) -> Pipelines:
    """Calendars, holds, stages and closed jobs of an organization, read by the statements that the road reads them with."""
    ensure_compiled(cursor, organization_id)
    for name in ("job_clock", "job_hold", "job_left_open"):
        sql.temporary_table(cursor, name, TABLES[name])
    cursor.execute("insert into job_clock select 0 union all select id from ats_job where organization_id = %s", [organization_id])
    sql.run(cursor, "analytics", "job_clocks", {"organization": organization_id})
    sql.run(cursor, "analytics", "job_holds", {"known_by": None})
    sql.run(cursor, "analytics", "jobs_left_open", {"known_by": None})
    cursor.execute("select job_id, held_from, held_until from job_hold order by job_id, held_from")
    holds = cursor.fetchall()
    cursor.execute(
        """select job_id, (extract(epoch from left_open_at - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint
           from job_left_open order by 1, 2"""
    )
    left = cursor.fetchall()
    stages = list(Stage.objects.filter(organization=organization_id).order_by("pk"))
    former = FormerPlace.objects.filter(stage__organization=organization_id).order_by("-until")
    return Pipelines(
        clocks=_clocks(organization_id, holds),
        stages=np.array([*(stage.pk for stage in stages), FOREVER]),
        places=np.array([*(np.nan if stage.order is None else stage.order for stage in stages), np.nan]),
        categories=np.array([*(array_fold.code(stage.category, CATEGORIES) for stage in stages), 0]),
        former=[(one.stage_id, wide.micros(one.until), np.nan if one.order is None else one.order) for one in former],
        left_job=np.array([job for job, _ in left], np.int64),
        left_open=np.array([at for _, at in left], np.int64),
    )


def _clocks(organization_id: int, holds: Sequence[tuple[int, float, float]]) -> ArrayClocks:
    calendars = dict(WorkingCalendar.objects.order_by().filter(organization=organization_id).values_list("pk", "job_id"))
    tables: dict[int, list[tuple[float, float, float]]] = {pk: [] for pk in calendars}
    rows = CalendarSegment.objects.filter(calendar__in=calendars).order_by("calendar", "starts_at")
    for pk, starts_at, before, rate in rows.values_list("calendar_id", "starts_at", "bd_before", "bd_per_second"):
        tables[pk].append((starts_at.timestamp(), before, rate))

    def table(pk: int) -> Table:
        starts, before, rates = np.array(tables[pk] or [(-np.inf, np.nan, np.nan)]).T.copy()
        return starts, before, rates

    return ArrayClocks(
        tables={pk: table(pk) for pk in calendars},
        of_job={job: pk for pk, job in calendars.items() if job is not None},
        shared=next(pk for pk, job in calendars.items() if job is None),
        hold_job=np.array([job for job, _, _ in holds], np.int64),
        held_from=np.array([since for _, since, _ in holds], float),
        held_until=np.array([until for _, _, until in holds], float),
    )


def among(cursor: CursorWrapper, application_ids: Sequence[int], beside: Pipelines) -> tuple[list[int], Rows]:
    """Those of the applications whose snapshot, person or visits are not what their events say; and the visits kept of all."""
    cursor.execute(_PLANS)
    events = _events(cursor, application_ids)
    applications = read("ats_application", _APPLICATION, application_ids, key="id")
    visits = _visits(application_ids)
    found = {
        *_misrepresented(array_fold.snapshots(events), applications),
        *_misvisited(array_fold.visits(events, beside), visits),
        *_misplaced_people(cursor, applications),
    }
    return sorted(found), visits


def _events(cursor: CursorWrapper, application_ids: Sequence[int]) -> Rows:
    events = unpacked(read("ats_candidateevent", _EVENT, application_ids), type=6, precision=2, survivor=1, gap=0)
    bounded = np.flatnonzero(events["precision"] == BOUNDED)  # all columns come in one order
    for name in ("seen_from", "seen_until"):
        told, events[name] = events[name], np.full(len(events["event"]), np.nan)
        events[name][bounded] = told
    events["gap"], events["survivor"] = events["gap"] != 0, events["survivor"] != 0
    events["rank"] = np.zeros(len(events["event"]), np.int64)
    events = array_fold.take(events, array_fold.in_order(events))
    tied = array_fold.ties(events)
    if not len(tied):
        return events
    ids = events["event"][tied]
    cursor.execute("select id from ats_candidateevent where id = any(%s) order by provider_event_id", [ids.tolist()])
    told = np.array([row[0] for row in cursor.fetchall()], np.int64)
    by_id = np.argsort(told)
    events["rank"][tied] = by_id[np.searchsorted(told[by_id], ids)]
    return array_fold.take(events, array_fold.in_order(events))


def _visits(application_ids: Sequence[int]) -> Rows:
    kept = read("analytics_stagevisit", _VISIT, application_ids)
    visits = unpacked(kept, kind=7, survivor=6, entry_precision=3, exit_precision=0)
    visits["survivor"] = visits["survivor"] != 0
    return visits


def read(table: str, columns: Columns, ids: Sequence[int], *, key: str = "application_id", only: str = "true", **named: Any) -> Rows:
    """Columns of some rows of a table, each an array: a row each would be a million messages. ``named`` fills in ``only``."""
    expressions = ", ".join(
        f"array_agg({expression})" + "".join(f" filter (where {rows})" for rows in told) for expression, _, *told in columns.values()
    )
    statement = f"select {expressions} from {table} where {key} = any(%(ids)s::bigint[]) and {only}"  # noqa: S608 (no part comes from outside)
    with psycopg.Cursor(connection.connection) as arrays:  # Django's own cursors speak text only
        arrays.execute(statement, {**named, "ids": "{" + ",".join(map(str, ids)) + "}"}, binary=True)
        return dict(zip(columns, wide.arrays_of(arrays, [kind for _, kind, *_ in columns.values()]), strict=True))


def unpacked(rows: Rows, **shifts: int) -> Rows:
    """Take ``packed`` apart: each code begins so many bits from the end, and the one before it ends there."""
    packed = rows.pop("packed")
    for name, shift in shifts.items():
        rows[name], packed = packed >> shift, packed & ((1 << shift) - 1)
    return rows


def _misrepresented(told: Rows, kept: Rows) -> list[int]:
    """Applications with events whose snapshot is another than these tell."""
    kept = array_fold.take(kept, np.argsort(kept["application"], kind="stable"))
    row = np.searchsorted(kept["application"], told["application"])
    differs = (told["job"] != 0) & (told["job"] != kept["job"][row])
    for name in _SNAPSHOT:
        differs |= told[name] != kept[name][row]
    return _ids(told["application"][differs])


def _misvisited(told: Rows, kept: Rows) -> list[int]:
    """Applications of visits that only one side has, or that differ."""
    told = array_fold.take(told, np.argsort(told["event"], kind="stable"))
    row = np.searchsorted(told["event"], kept["event"])
    known = row < len(told["event"])
    known[known] = told["event"][row[known]] == kept["event"][known]
    alone = np.ones(len(told["event"]), bool)
    alone[row[known]] = False
    other, same = array_fold.take(told, row[known]), array_fold.take(kept, known)
    differs = np.zeros(len(same["event"]), bool)
    for name, values in same.items():
        differs |= (values != other[name]) & ~(np.isnan(values) & np.isnan(other[name]))
    return [
        found
        for rows in (told["application"][alone], kept["application"][~known], same["application"][differs], other["application"][differs])
        for found in _ids(rows)
    ]


def _misplaced_people(cursor: CursorWrapper, kept: Rows) -> list[int]:
    """Applications whose person stands elsewhere than ``ats/sql/candidate_snapshots.sql`` would say.

    Who has one application stands where it does; only of the others all applications are looked at.
    """
    people = read("ats_candidate", _PERSON, _ids(np.unique(kept["person"])), key="id")
    people = array_fold.take(people, np.argsort(people["person"], kind="stable"))
    row = np.searchsorted(people["person"], kept["person"])
    stage = np.where(kept["status"] == array_fold.ACTIVE, kept["stage"], 0)
    doubtful = _ids(kept["application"][(people["stage"][row] != stage) | (people["last_event"][row] != kept["last_event"])])
    if not doubtful:
        return []
    cursor.execute(sql.text("ats", "misplaced_people"), [doubtful])
    return [row[0] for row in cursor.fetchall()]


def _ids(rows: Array) -> list[int]:
    found: list[int] = rows.tolist()
    return found
