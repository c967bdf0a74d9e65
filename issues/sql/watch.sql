-- The due queue for the touched applications. Reads touched. Parameters: idle_days, stuck_days (category → calendar days,
-- as two arrays), default_days: lower bounds of the rules' limits, so that the moment written is never too late.
-- An event that moves the moment later writes nothing: the sweep looks, finds nothing and re-arms.
insert into issues_watch as w (application_id, organization_id, connector_id, due_at)
select n.application_id, n.organization_id, n.connector_id, n.due_at
from (
    select a.id as application_id, a.organization_id, a.connector_id,
           least(greatest(a.last_activity_at, v.entered_at) + make_interval(days => %(idle_days)s),
                 v.entered_at + make_interval(days => coalesce(
                     (%(stuck_days)s::int[])[array_position(%(categories)s::text[], s.category::text)], %(default_days)s))) as due_at
    from touched t
    cross join lateral (select * from ats_application a where a.id = t.application_id and a.status = 'active' offset 0) a
    cross join lateral (select entered_at, stage_id from analytics_stagevisit v
                        where v.application_id = a.id and v.left_at is null offset 0) v
    cross join lateral (select category from ats_stage s where s.id = v.stage_id offset 0) s
    order by a.id
    offset 0) n
where not exists (select 1 from issues_watch o where o.application_id = n.application_id and o.due_at <= n.due_at offset 0)
on conflict (application_id) do update set due_at = excluded.due_at where excluded.due_at < w.due_at
