-- How often people went from a stage into each other one, and from each other one into it. Parameter: stage.
with here as materialized (
    select v.application_id, v.n, v.exit_kind
    from (select job_id from analytics_stagemetric where stage_id = %(stage)s) c
    cross join lateral (select application_id, n, exit_kind from analytics_stagevisit v
                        where v.job_id = c.job_id and v.stage_id = %(stage)s offset 0) v
)
select true as outwards, w.stage_id, count(*)
from here v
cross join lateral (select stage_id from analytics_stagevisit w where w.application_id = v.application_id and w.n = v.n + 1 offset 0) w
where v.exit_kind in ('advanced', 'moved_back', 'lateral')
group by w.stage_id
union all
select false, w.stage_id, count(*)
from here v
cross join lateral (select stage_id, exit_kind from analytics_stagevisit w
                    where w.application_id = v.application_id and w.n = v.n - 1 offset 0) w
where w.exit_kind in ('advanced', 'moved_back', 'lateral')
group by w.stage_id
