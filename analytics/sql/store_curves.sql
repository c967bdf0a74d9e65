-- Write what was computed for the picked cells. Parameter: window_days. Reads {refreshed}(metric_id, as_of, with_own),
-- cell_curve, cell_window. Braces are filled in by analytics.services: one statement for stages and for categories.
-- A metric's cells are numbered 4 x its id and on (below zero for categories): the window, its own 180 days, its last 30.
update {metrics} m set
    {clean}computed_at = p.as_of, window_days = %(window_days)s,
    window_entered = coalesce(w.entered, 0), window_exited = coalesce(w.exited, 0), avg_duration_hours = w.avg_hours,
    oldest_entered_at = w.oldest, n = coalesce(c.n, 0), n_exits = coalesce(c.n_exits, 0), n_open = coalesce(c.n_open, 0),
    p50 = c.p50, p50_low = c.p50_low, p50_high = c.p50_high, p85 = c.p85, longest = c.longest,
    bd_p50 = b.p50, bd_p50_low = b.p50_low, bd_p50_high = b.p50_high, bd_p85 = b.p85, bd_longest = b.longest,
    first_entries = coalesce(w.first_entries, 0), advanced = coalesce(w.advanced, 0), undecided = coalesce(w.undecided, 0),
    rejected = coalesce(w.rejected, 0), withdrawn = coalesce(w.withdrawn, 0),
    recent_n = coalesce(r.n, 0), recent_n_exits = coalesce(r.n_exits, 0), recent_p50 = r.p50, recent_p50_low = r.p50_low,
    recent_longest = r.longest,
    own_at = case when p.with_own then p.as_of else m.own_at end,
    own_n = case when p.with_own then coalesce(o.n, 0) else m.own_n end,
    own_n_exits = case when p.with_own then coalesce(o.n_exits, 0) else m.own_n_exits end,
    own_p50 = case when p.with_own then o.p50 else m.own_p50 end,
    own_p85 = case when p.with_own then o.p85 else m.own_p85 end,
    own_longest = case when p.with_own then o.longest else m.own_longest end
from {refreshed} p
left join cell_curve c on c.cell = p.metric_id * {step} and c.clock = 'cd'
left join cell_curve b on b.cell = p.metric_id * {step} and b.clock = 'bd'
left join cell_curve o on o.cell = p.metric_id * {step} + {sign}1
left join cell_curve r on r.cell = p.metric_id * {step} + {sign}2
left join cell_window w on w.cell = p.metric_id * {step}
where m.id = p.metric_id
