-- Stays in some cells that may teach how people flow: who left since a moment or is still there, with the stage they went to.
-- Parameters: jobs, stages (pairs), since.
select v.application_id, v.job_id, v.stage_id, date_part('epoch', v.entered_at) / 86400, date_part('epoch', v.left_at) / 86400, v.exit_kind,
       (v.entry_precision = 'exact' or v.entry_precision = 'bounded' and v.entry_gap <= 86400) and not v.survivor, x.stage_id
from (select distinct job_id, stage_id from unnest(%(jobs)s::bigint[], %(stages)s::bigint[]) as p(job_id, stage_id)) p
cross join lateral (
    select * from analytics_stagevisit v where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at >= %(since)s
    union all
    select * from analytics_stagevisit v where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at is null
    offset 0) v
left join lateral (
    select n.stage_id from analytics_stagevisit n
    where v.exit_kind in ('advanced', 'moved_back', 'lateral') and n.application_id = v.application_id and n.n = v.n + 1 offset 0) x on true
