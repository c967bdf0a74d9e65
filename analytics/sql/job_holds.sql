-- When the jobs in job_clock were on hold, from what is known at known_by (null: everything); seconds since 1970, so that a
-- hold without end is 'infinity'. Parameter: known_by.
insert into job_hold
select job_id, date_part('epoch', occurred_at), coalesce(date_part('epoch', until), 'infinity')
from (
    select e.job_id, e.occurred_at, e.status,
           lead(e.occurred_at) over (partition by e.job_id order by e.occurred_at, e.source_recorded_at nulls first, e.provider_event_id) as until
    from job_clock k
    cross join lateral (
        select c.job_id, c.occurred_at, c.source_recorded_at, c.provider_event_id, c.metadata ->> 'status' as status
        from ats_candidateevent c
        where c.job_id = k.job_id and c.event_type = 'job_status_changed'
          and (%(known_by)s::timestamptz is null or c.recorded_at <= %(known_by)s) offset 0) e
) s
where status = 'on_hold' and until is distinct from occurred_at
