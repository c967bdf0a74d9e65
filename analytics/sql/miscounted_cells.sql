-- Cells of some jobs whose counters differ from what their visits say. Parameters: jobs, exits.
-- Returns job_id, stage_id and the counters as they should be.
select coalesce(m.job_id, v.job_id), coalesce(m.stage_id, v.stage_id), coalesce(v.open, 0), coalesce(v.entered, 0),
       coalesce(v.exited, 0), coalesce(v.completed, 0), coalesce(v.completed_seconds, 0)
from (select * from analytics_stagemetric where job_id = any(%(jobs)s)) m
full join (
    select job_id, stage_id, count(*) filter (where left_at is null) as open, count(*) as entered, count(left_at) as exited,
           count(*) filter (where counts) as completed,
           coalesce(sum(extract(epoch from left_at - entered_at)) filter (where counts), 0) as completed_seconds
    from (select job_id, stage_id, entered_at, left_at,
                 left_at is not null and exit_kind = any(%(exits)s) and left_at - entered_at >= interval '60 seconds' as counts
          from analytics_stagevisit where job_id = any(%(jobs)s)) x
    group by job_id, stage_id
) v on v.job_id = m.job_id and v.stage_id = m.stage_id
where (coalesce(m.open, 0), coalesce(m.entered, 0), coalesce(m.exited, 0), coalesce(m.completed, 0), coalesce(m.completed_seconds, 0))
      is distinct from (coalesce(v.open, 0), coalesce(v.entered, 0), coalesce(v.exited, 0), coalesce(v.completed, 0),
                        coalesce(v.completed_seconds, 0))
