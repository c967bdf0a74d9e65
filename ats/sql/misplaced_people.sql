-- Of some applications those whose person is not where candidate_snapshots.sql puts them. Parameter: ids.
select a.id
from ats_application a
join ats_candidate c on c.id = a.candidate_id
cross join lateral (
    select (array_agg(o.current_stage_id order by o.last_event_at desc nulls last, o.external_id desc)
            filter (where o.status = 'active'))[1] as stage_id,
           max(o.last_event_at) as last_event_at
    from ats_application o where o.candidate_id = a.candidate_id offset 0) n
where a.id = any(%s) and (c.current_stage_id, c.last_event_at) is distinct from (n.stage_id, n.last_event_at)
