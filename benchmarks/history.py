"""A large company's past, made inside the database: jobs, applications and the ledger, by ``generate_series``.

Only the ledger and the names it refers to are written here. Snapshots, visits and numbers follow from it through
``rebuild``, as they would anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import psycopg

#: share of the people in a stage who go on to the next one
ADVANCE = 0.69
STAGES = (
    ("Applied", "review"),
    ("CV review", "review"),
    ("Phone screen", "screen"),
    ("Recruiter call", "screen"),
    ("Task", "assessment"),
    ("Interview", "interview"),
    ("Decision", "decision"),
    ("Offer", "offer"),
)
#: mean days spent in each of them
STAYS = (2.0, 3.0, 4.0, 3.0, 5.0, 6.0, 2.0, 3.0)
DEPARTMENTS = 12
DAYS = 548
VISITS_PER_APPLICATION = sum(ADVANCE**n for n in range(len(STAGES)))


@dataclass(frozen=True, slots=True)
class Past:
    """How much there is of it. Jobs differ in size as companies' do: the largest has some ten times the mean."""

    visits: int
    jobs: int = 2000
    seed: int = 1

    @property
    def applications(self) -> int:
        return math.ceil(self.visits / VISITS_PER_APPLICATION)


# Everything random is a hash of the application's number, so that the same arguments make the same past.
NAMES = """
insert into ats_job (organization_id, connector_id, external_id, title, department, location, status, status_at, opened_at, hiring_lead)
select %(organization)s, %(connector)s, 'job-' || n, 'Position ' || n, 'Department ' || n %% %(departments)s, '', 'open', null,
       now() - make_interval(days => %(days)s), ''
from generate_series(1, %(jobs)s) n;
"""

APPLICATIONS = """
create unlogged table bench_application as
select n, unit(n, 1) ^ 2 as job_share,
       least(%(last)s, floor(ln(greatest(unit(n, 2), 1e-9)) / ln(%(advance)s)))::int as reached,
       now() - make_interval(secs => %(days)s * 86400 * (1 - (n + unit(n, 3)) / (%(applications)s + 1))) as arrived_at
from generate_series(1, %(applications)s) n;
alter table bench_application add column job_id bigint;
update bench_application a set job_id = j.id
from (select id, row_number() over (order by id) - 1 as place from ats_job where connector_id = %(connector)s) j
where j.place = floor(a.job_share * %(jobs)s);
insert into ats_candidate (id, organization_id, connector_id, external_id, name, email, source)
select n, %(organization)s, %(connector)s, 'c' || n, 'Candidate ' || n, 'c' || n || '@example.org', ''
from bench_application b order by b.n;
insert into ats_application (id, organization_id, connector_id, external_id, candidate_id, job_id, status)
select n, %(organization)s, %(connector)s, n::text, n, job_id, 'active' from bench_application b order by b.n;
"""

LEDGER = """
insert into ats_candidateevent (organization_id, connector_id, provider_event_id, application_id, job_id, event_type, stage_to_id,
                                occurred_at, recorded_at, source_recorded_at, precision, metadata, raw_event_id)
select %(organization)s, %(connector)s, 'bench:' || lpad(n::text, 9, '0') || ':' || step, n, job_id,
       case when step = 0 then 'application_created'
            when step <= reached then 'stage_changed'
            when reached = %(last)s then 'application_hired'
            when unit(n, 4) < 0.9 then 'application_rejected' else 'application_withdrawn' end,
       case when step <= reached then s.stage_ids[step + 1] end, at, at, at, 'exact', '{}', 0
from (
    select n, job_id, reached, step,
           arrived_at + sum(make_interval(secs => case when step = 0 then 0 else
               600 - ln(greatest(unit(n * 16 + step, 5), 1e-9)) * 86400 * (%(stays)s::float8[])[step] end))
               over (partition by n order by step) as at
    from bench_application, generate_series(0, reached + 1) step
) e, (select array_agg(id order by id) as stage_ids from ats_stage where connector_id = %(connector)s) s
where at < now()
order by n, step;
"""

UNIT = """
create or replace function pg_temp.unit(n bigint, salt int) returns float8 language sql immutable parallel safe as $$
    select (hashint8extended(n, salt) & 9007199254740991)::float8 / 9007199254740992
$$
"""


def load(address: str, past: Past, *, organization: int, connector: int) -> None:
    """Fill an empty connector; ``address`` is the owner's. About a minute per million visits."""
    values = {
        "organization": organization, "connector": connector, "jobs": past.jobs, "applications": past.applications,
        "days": DAYS, "departments": DEPARTMENTS, "last": len(STAGES) - 1, "advance": ADVANCE, "stays": list(STAYS),
    }  # fmt: skip
    with psycopg.connect(address) as database, database.cursor() as cursor:
        cursor.execute("set local work_mem = '256MB'; set local maintenance_work_mem = '512MB'; set local search_path = public, pg_temp")
        cursor.execute(UNIT)
        for place, (name, category) in enumerate(STAGES):
            cursor.execute(
                """insert into ats_stage (organization_id, connector_id, external_id, name, category, mapped_by_person, position)
                   values (%s, %s, %s, %s, %s, false, %s)""",
                [organization, connector, f"stage-{place}", name, category, place],
            )
        for script in (NAMES, APPLICATIONS, LEDGER):
            for statement in script.split(";\n"):
                if statement.strip():
                    cursor.execute(statement.replace("unit(", "pg_temp.unit("), values)
        cursor.execute("drop table bench_application")
        for table in ("ats_candidate", "ats_application"):
            cursor.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))")
    with psycopg.connect(address, autocommit=True) as database:
        database.execute("vacuum analyze ats_candidateevent, ats_application, ats_candidate, ats_job, ats_stage")
