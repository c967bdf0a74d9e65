-- How each touched application stands, as a function of its events. Reads touched(application_id). Parameter: moving.
-- The newest moving event decides (fold order), so a late event cannot move a snapshot back; the job of somebody whose
-- moves name none is that of the newest event that does. One pass over the events.
update ats_application a set
    status = n.status, current_stage_id = n.stage_id, job_id = coalesce(n.job_id, a.job_id), applied_at = n.applied_at,
    last_event_at = n.last_event_at, last_activity_at = n.last_activity_at
from (
    select application_id, applied_at, last_event_at, last_activity_at, job_id,
           case when not moves then 'active' else
               case event_type when 'application_hired' then 'hired' when 'application_rejected' then 'rejected'
                    when 'application_withdrawn' then 'withdrawn' when 'application_closed' then 'closed'
                    when 'application_on_hold' then 'on_hold' when 'application_removed' then 'removed' else 'active' end
           end as status,
           case when event_type in ('application_created', 'stage_changed', 'application_reopened', 'application_moved')
                then stage_to_id end as stage_id
    from (
        select e.application_id, e.event_type, e.stage_to_id, e.moves,
               row_number() over newest_first as n,
               (array_agg(e.job_id) filter (where e.job_id is not null) over whole)[1] as job_id,
               min(e.occurred_at) filter (where e.event_type = 'application_created') over whole as applied_at,
               max(e.occurred_at) over whole as last_event_at,
               max(e.occurred_at) filter (where e.event_type not in
                   ('application_removed', 'candidate_merged', 'candidate_anonymized', 'unknown')) over whole as last_activity_at
        from (
            select l.*
            from touched t
            cross join lateral (
                select c.application_id, c.event_type, c.stage_to_id, c.job_id, c.occurred_at, c.source_recorded_at, c.provider_event_id,
                       c.event_type = any(%(moving)s) as moves
                from ats_candidateevent c where c.application_id = t.application_id offset 0) l
        ) e
        window newest_first as (
                   partition by e.application_id
                   order by e.moves desc, e.occurred_at desc, e.source_recorded_at desc nulls last, e.provider_event_id desc),
               whole as (newest_first rows between unbounded preceding and unbounded following)
    ) w
    where n = 1
    order by application_id
    offset 0) n
where a.id = n.application_id
  and (a.status, a.current_stage_id, a.job_id, a.applied_at, a.last_event_at, a.last_activity_at) is distinct from
      (n.status, n.stage_id, coalesce(n.job_id, a.job_id), n.applied_at, n.last_event_at, n.last_activity_at)
