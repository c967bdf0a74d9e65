-- Add the batch's differences to the cells' counters, in key order; each touched cell becomes dirty. Reads cell_delta.
insert into analytics_stagemetric as m (organization_id, job_id, stage_id, open, entered, exited, completed, completed_seconds, dirty,
                                        window_days, window_entered, window_exited, n, n_exits)
select %(organization)s, job_id, stage_id, coalesce(open, 0), coalesce(entered, 0), coalesce(exited, 0), coalesce(completed, 0),
       coalesce(completed_seconds, 0), true, %(window_days)s, 0, 0, 0, 0
from cell_delta where job_id is not null order by job_id, stage_id
on conflict (job_id, stage_id) do update set
    open = m.open + excluded.open, entered = m.entered + excluded.entered, exited = m.exited + excluded.exited,
    completed = m.completed + excluded.completed, completed_seconds = m.completed_seconds + excluded.completed_seconds, dirty = true
