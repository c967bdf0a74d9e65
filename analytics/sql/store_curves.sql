-- Write the picked cells' computed columns. Parameters: window_days. Reads picked, cell_curve, cell_window.
update analytics_stagemetric m set
    dirty = false, computed_at = p.as_of, window_days = %(window_days)s,
    window_entered = coalesce(p.entered, 0), window_exited = coalesce(p.exited, 0), avg_duration_hours = p.avg_hours,
    oldest_entered_at = p.oldest, n = coalesce(p.n, 0), n_exits = coalesce(p.n_exits, 0), p50 = p.p50, p50_low = p.p50_low,
    p50_high = p.p50_high, p85 = p.p85, longest = p.longest
from (
    select p.job_id, p.stage_id, p.as_of, w.entered, w.exited, w.avg_hours, w.oldest, c.n, c.n_exits, c.p50, c.p50_low, c.p50_high,
           c.p85, c.longest
    from picked p
    left join cell_curve c on c.job_id = p.job_id and c.stage_id = p.stage_id
    left join cell_window w on w.job_id = p.job_id and w.stage_id = p.stage_id
    offset 0) p
where m.job_id = p.job_id and m.stage_id = p.stage_id
