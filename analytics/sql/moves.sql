-- The touched applications' changes of place, from their ledger. Reads touched; fills move.
-- Parameters: moving; known_by (only events recorded by then; null: all).
-- Fold order: occurred_at, then what the source says of its own recording (unknown first), then the event id.
-- A place is (job, stage); a terminal event leads nowhere (stage null). An event without a job stays on the current one.
-- All windows share one order and the columns it needs are carried along, so that the events are sorted once.
insert into move
select application_id, row_number() over w, event_id, event_type, job_id, stage_id, occurred_at, precision,
       coalesce(gap and stage_id = stage_before and job_id is not distinct from job_before, false), survivor, seen_from,
       seen_until
from (
    select p.*, lag(p.job_id) over w as job_before, lag(p.stage_id) over w as stage_before
    from (
        select e.application_id, e.event_id, e.event_type, e.stage_id, e.occurred_at, e.source_recorded_at, e.provider_event_id,
               e.precision, e.gap, e.survivor, e.seen_from, e.seen_until,
               -- the last job named so far
               coalesce(e.job_id, (array_agg(e.job_id) filter (where e.job_id is not null) over w)[count(e.job_id) over w]) as job_id
        from (
            select l.application_id, l.id as event_id, l.event_type, l.job_id, l.occurred_at, l.source_recorded_at,
                   l.provider_event_id, l.precision,
                   case when l.event_type in ('application_created', 'stage_changed', 'application_reopened', 'application_moved')
                        then l.stage_to_id end as stage_id,
                   l.metadata @> '{"gap": true}' as gap, l.metadata @> '{"already_running": true}' as survivor,
                   case when l.precision = 'bounded' and jsonb_typeof(l.metadata -> 'bounds') = 'array'
                        then date_part('epoch', (l.metadata -> 'bounds' ->> 0)::timestamptz) end as seen_from,
                   case when l.precision = 'bounded' and jsonb_typeof(l.metadata -> 'bounds') = 'array'
                        then date_part('epoch', (l.metadata -> 'bounds' ->> 1)::timestamptz) end as seen_until
            from touched t
            cross join lateral (
                select c.id, c.application_id, c.event_type, c.job_id, c.stage_to_id, c.occurred_at, c.source_recorded_at,
                       c.provider_event_id, c.precision, c.metadata
                from ats_candidateevent c
                where c.application_id = t.application_id and c.event_type = any(%(moving)s)
                   and (%(known_by)s::timestamptz is null or c.recorded_at <= %(known_by)s) offset 0) l
        ) e
        window w as (partition by e.application_id order by e.occurred_at, e.source_recorded_at nulls first, e.provider_event_id)
    ) p
    window w as (partition by p.application_id order by p.occurred_at, p.source_recorded_at nulls first, p.provider_event_id)
) m
-- the same place again is no move, unless the provider saw the application leave and come back
where stage_id is distinct from stage_before
   or stage_id is not null and (job_id is distinct from job_before or gap)
window w as (partition by application_id order by occurred_at, source_recorded_at nulls first, provider_event_id)
