"""What has been committed since somebody last looked, exactly: so that what is remembered can never be out of date.

A counter or a sequence would not do. Numbers are given before the commit, so a reader who has seen 7 may have missed
6, which commits later. Each noted change carries its transaction's id instead, and PostgreSQL itself tells whether a
snapshot taken earlier could see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from analytics.models import Change

#: Notes are kept this long; whoever looked longer ago looks at everything again.
KEPT = timedelta(hours=1)

_SINCE = """
select o.id, pg_current_snapshot()::text, c.latest, coalesce(c.everything, false), coalesce(c.noted, 0), c.jobs
from unnest(%s::bigint[], %s::text[]) as o(id, seen)
cross join lateral (
    select max(n.at) as latest, bool_or(n.job_ids is null) as everything, count(*) as noted,
           array(select distinct job_id
                 from analytics_change j cross join lateral unnest(j.job_ids) as job_id
                 where j.organization_id = o.id and o.seen is not null and j.xid >= pg_snapshot_xmin(o.seen::pg_snapshot)::text::bigint
                   and not pg_visible_in_snapshot(j.xid::text::xid8, o.seen::pg_snapshot)) as jobs
    from analytics_change n
    where n.organization_id = o.id
      and (o.seen is null or n.xid >= pg_snapshot_xmin(o.seen::pg_snapshot)::text::bigint
                             and not pg_visible_in_snapshot(n.xid::text::xid8, o.seen::pg_snapshot))) c
"""


@dataclass(frozen=True, slots=True)
class Since:
    """What was committed after an earlier look, and the snapshot of this one. ``jobs`` None: any job may have changed."""

    snapshot: str
    #: when the newest of the changes was made; None: there is none
    latest: datetime | None
    anything: bool
    jobs: frozenset[int] | None


def since(looks: Mapping[int, str | None]) -> dict[int, Since]:
    """By organization, what has changed since the snapshot of an earlier look (None: since ever). One query."""
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [list(looks), list(looks.values())])
        return {
            organization_id: Since(snapshot, latest, bool(noted), None if everything else frozenset(jobs))
            for organization_id, snapshot, latest, everything, noted, jobs in cursor.fetchall()
        }


def prune() -> int:
    """Forget notes nobody asks for any more."""
    return Change.objects.filter(at__lt=timezone.now() - KEPT)._raw_delete(using="default")
