-- How each touched application stands, as a function of its events. Reads touched(application_id).
-- The newest moving event decides (fold order), so a late event cannot move a snapshot back.
update ats_application a set
    status = n.status, current_stage_id = n.stage_id, job_id = coalesce(n.job_id, a.job_id), applied_at = n.applied_at,
    last_event_at = n.last_event_at, last_activity_at = n.last_activity_at
from (
    select t.application_id, f.applied_at, f.last_event_at, f.last_activity_at, j.job_id,
           case m.event_type when 'application_hired' then 'hired' when 'application_rejected' then 'rejected'
                when 'application_withdrawn' then 'withdrawn' when 'application_closed' then 'closed'
                when 'application_on_hold' then 'on_hold' when 'application_removed' then 'removed' else 'active' end as status,
           case when m.event_type in ('application_created', 'stage_changed', 'application_reopened', 'application_moved')
                then m.stage_to_id end as stage_id
    from touched t
    cross join lateral (
        select min(e.occurred_at) filter (where e.event_type = 'application_created') as applied_at,
               max(e.occurred_at) as last_event_at,
               max(e.occurred_at) filter (where e.event_type not in
                   ('application_removed', 'candidate_merged', 'candidate_anonymized', 'unknown')) as last_activity_at
        from ats_candidateevent e where e.application_id = t.application_id offset 0) f
    left join lateral (
        select e.event_type, e.stage_to_id from ats_candidateevent e
        where e.application_id = t.application_id and e.event_type = any(%(moving)s)
        order by e.occurred_at desc, e.source_recorded_at desc nulls last, e.provider_event_id desc limit 1) m on true
    left join lateral (
        select e.job_id from ats_candidateevent e
        where e.application_id = t.application_id and e.event_type = any(%(moving)s) and e.job_id is not null
        order by e.occurred_at desc, e.source_recorded_at desc nulls last, e.provider_event_id desc limit 1) j on true
    order by t.application_id
    offset 0) n
where a.id = n.application_id
  and (a.status, a.current_stage_id, a.job_id, a.applied_at, a.last_event_at, a.last_activity_at) is distinct from
      (n.status, n.stage_id, coalesce(n.job_id, a.job_id), n.applied_at, n.last_event_at, n.last_activity_at)
