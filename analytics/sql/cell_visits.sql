-- The visits that can matter to the picked cells: whoever left since the window began or is still there. Whoever entered in
-- the window is among these. Reads picked; fills cell_visit, once for all numbers.
insert into cell_visit
select p.cell, p.job_id, p.place, p.since, p.until, p.as_of, p.clocks, p.counted, v.stage_id, v.application_id, v.n, v.entered_at,
       v.left_at, v.exit_kind, (v.entry_precision = 'exact' or v.entry_precision = 'bounded' and v.entry_gap <= 86400) and not v.survivor,
       v.bd
from picked p
cross join lateral (
    select stage_id, application_id, n, entered_at, left_at, exit_kind, entry_precision, entry_gap, survivor, bd from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at >= p.since
    union all
    select stage_id, application_id, n, entered_at, left_at, exit_kind, entry_precision, entry_gap, survivor, bd from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at is null
    offset 0) v
