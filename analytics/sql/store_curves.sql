-- Write the picked cells' computed columns. Parameters: window_days. Reads picked, cell_curve, cell_window.
update analytics_stagemetric m set
    dirty = false, computed_at = p.as_of, window_days = %(window_days)s,
    window_entered = coalesce(w.entered, 0), window_exited = coalesce(w.exited, 0), avg_duration_hours = w.avg_hours,
    oldest_entered_at = w.oldest, n = coalesce(c.n, 0), n_exits = coalesce(c.n_exits, 0), p50 = c.p50, p50_low = c.p50_low,
    p50_high = c.p50_high, p85 = c.p85, longest = c.longest
from picked p
left join cell_curve c on c.job_id = p.job_id and c.stage_id = p.stage_id
left join cell_window w on w.job_id = p.job_id and w.stage_id = p.stage_id
where m.job_id = p.job_id and m.stage_id = p.stage_id
