-- When the jobs in job_clock left the open state, from what is known at known_by (null: everything). A job whose first known
-- status is not open left it then.
insert into job_left_open
select job_id, occurred_at
from (
    select e.job_id, e.occurred_at, e.status,
           lag(e.status) over (partition by e.job_id order by e.occurred_at, e.source_recorded_at nulls first, e.provider_event_id) as before
    from job_clock k
    cross join lateral (
        select c.job_id, c.occurred_at, c.source_recorded_at, c.provider_event_id, c.metadata ->> 'status' as status
        from ats_candidateevent c
        where c.job_id = k.job_id and c.event_type = 'job_status_changed'
          and (%(known_by)s::timestamptz is null or c.recorded_at <= %(known_by)s) offset 0) e
) s
where status <> 'open' and coalesce(before, 'open') = 'open'
