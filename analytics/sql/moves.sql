-- The touched applications' changes of place, from their ledger (as known at known_by; null: all of it). Reads touched, job_left_open; fills move.
-- Fold order: occurred_at, then what the source says of its own recording (unknown first), then the event id.
-- A place is (job, stage); a terminal event leads nowhere (stage null). An event without a job stays on the current one.
insert into move
select application_id, row_number() over (partition by application_id order by rn), event_id, event_type, job_id, stage_id,
       occurred_at, precision,
       coalesce(gap and stage_id = stage_before and job_id is not distinct from job_before, false), entry_gap
from (
    select p.*, lag(p.job_id) over w as job_before, lag(p.stage_id) over w as stage_before
    from (
        select application_id, rn, event_id, event_type, stage_id, occurred_at, precision, gap, entry_gap,
               max(job_id) over (partition by application_id, job_known) as job_id
        from (
            select e.*, count(e.job_id) over w as job_known, row_number() over w as rn
            from (
                select l.application_id, l.id as event_id, l.event_type, l.job_id, l.occurred_at, l.source_recorded_at,
                       l.provider_event_id, l.precision,
                       case when l.event_type in ('application_created', 'stage_changed', 'application_reopened', 'application_moved')
                            then l.stage_to_id end as stage_id,
                       l.metadata @> '{"gap": true}' as gap,
                       case when l.precision = 'bounded' and jsonb_typeof(l.metadata -> 'bounds') = 'array' then
                           coalesce(extract(epoch from (l.metadata -> 'bounds' ->> 1)::timestamptz
                                                     - (l.metadata -> 'bounds' ->> 0)::timestamptz), 0) else 0 end as entry_gap
                from touched t
                cross join lateral (
                    select * from ats_candidateevent c
                    where c.application_id = t.application_id and c.event_type = any(%(moving)s)
                      and (%(known_by)s::timestamptz is null or c.recorded_at <= %(known_by)s) offset 0) l
            ) e
            window w as (partition by e.application_id
                         order by e.occurred_at, e.source_recorded_at nulls first, e.provider_event_id)
        ) k
    ) p
    window w as (partition by p.application_id order by p.rn)
) m
-- the same place again is no move, unless the provider saw the application leave and come back
where stage_id is distinct from stage_before
   or stage_id is not null and (job_id is distinct from job_before or gap)
