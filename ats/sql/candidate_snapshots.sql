-- A person stands where their newest active application stands (of two equally new ones: by the provider's id, as ours
-- follows arrival). Reads touched_candidate(candidate_id), whose rows are locked.
update ats_candidate c set current_stage_id = n.stage_id, last_event_at = n.last_event_at
from (
    select t.candidate_id, s.stage_id, s.last_event_at
    from touched_candidate t
    cross join lateral (
        select (array_agg(a.current_stage_id order by a.last_event_at desc nulls last, a.external_id desc)
                filter (where a.status = 'active'))[1] as stage_id,
               max(a.last_event_at) as last_event_at
        from ats_application a where a.candidate_id = t.candidate_id offset 0) s
    offset 0) n
where c.id = n.candidate_id and (c.current_stage_id, c.last_event_at) is distinct from (n.stage_id, n.last_event_at)
