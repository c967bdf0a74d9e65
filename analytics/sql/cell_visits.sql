-- The visits that can matter to the picked cells: whoever left in the window or is still there. Whoever entered in the
-- window is among these. Parameter: window_days. Reads picked(job_id, stage_id, as_of); fills cell_visit, once for all numbers.
insert into cell_visit
select p.job_id, p.stage_id, p.as_of, p.as_of - make_interval(days => %(window_days)s),
       v.entered_at, v.left_at, v.exit_kind, v.entry_precision = 'exact' or v.entry_precision = 'bounded' and v.entry_gap <= 86400
from picked p
cross join lateral (
    select entered_at, left_at, exit_kind, entry_precision, entry_gap from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at >= p.as_of - make_interval(days => %(window_days)s)
    union all
    select entered_at, left_at, exit_kind, entry_precision, entry_gap from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at is null
    offset 0) v
