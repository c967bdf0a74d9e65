-- Write what was computed for the picked cells. Parameter: window_days. Reads {refreshed}(metric_id, as_of, with_own),
-- cell_curve, cell_window, cell_moves. Braces are filled in by analytics.services: one statement for stages and for categories.
-- A metric's cells are numbered 4 x its id and on (below zero for categories): the window, its own 180 days, its last 30.
update {metrics} m set
    {clean}computed_at = p.as_of, window_days = %(window_days)s,
    window_entered = coalesce(p.w_entered, 0), window_exited = coalesce(p.w_exited, 0), avg_duration_hours = p.w_avg_hours,
    oldest_entered_at = p.w_oldest, n = coalesce(p.c_n, 0), n_exits = coalesce(p.c_n_exits, 0), n_open = coalesce(p.c_n_open, 0),
    p50 = p.c_p50, p50_low = p.c_p50_low, p50_high = p.c_p50_high, p85 = p.c_p85, longest = p.c_longest,
    bd_p50 = p.b_p50, bd_p50_low = p.b_p50_low, bd_p50_high = p.b_p50_high, bd_p85 = p.b_p85, bd_longest = p.b_longest,
    first_entries = coalesce(p.w_first_entries, 0), advanced = coalesce(p.w_advanced, 0), undecided = coalesce(p.w_undecided, 0),
    rejected = coalesce(p.w_rejected, 0), withdrawn = coalesce(p.w_withdrawn, 0),
    recent_n = coalesce(p.r_n, 0), recent_n_exits = coalesce(p.r_n_exits, 0), recent_p50 = p.r_p50, recent_p50_low = p.r_p50_low,
    recent_longest = p.r_longest,
    own_at = case when p.with_own then p.as_of else m.own_at end,
    own_n = case when p.with_own then coalesce(p.o_n, 0) else m.own_n end,
    own_n_exits = case when p.with_own then coalesce(p.o_n_exits, 0) else m.own_n_exits end,
    own_p50 = case when p.with_own then p.o_p50 else m.own_p50 end,
    own_p85 = case when p.with_own then p.o_p85 else m.own_p85 end,
    own_longest = case when p.with_own then p.o_longest else m.own_longest end
from (
    select p.metric_id, p.as_of, p.with_own, g.moves_at,
           w.entered as w_entered, w.exited as w_exited, w.avg_hours as w_avg_hours, w.oldest as w_oldest, w.first_entries as w_first_entries, w.advanced as w_advanced, w.undecided as w_undecided, w.rejected as w_rejected, w.withdrawn as w_withdrawn,
           c.n as c_n, c.n_exits as c_n_exits, c.n_open as c_n_open, c.p50 as c_p50, c.p50_low as c_p50_low, c.p50_high as c_p50_high, c.p85 as c_p85, c.longest as c_longest,
           b.p50 as b_p50, b.p50_low as b_p50_low, b.p50_high as b_p50_high, b.p85 as b_p85, b.longest as b_longest,
           r.n as r_n, r.n_exits as r_n_exits, r.p50 as r_p50, r.p50_low as r_p50_low, r.longest as r_longest,
           o.n as o_n, o.n_exits as o_n_exits, o.p50 as o_p50, o.p85 as o_p85, o.longest as o_longest
    from {refreshed} p
    left join cell_curve c on c.cell = p.metric_id * {step} and c.clock = 'cd'
    left join cell_curve b on b.cell = p.metric_id * {step} and b.clock = 'bd'
    left join cell_curve o on o.cell = p.metric_id * {step} + {sign}1
    left join cell_curve r on r.cell = p.metric_id * {step} + {sign}2
    left join cell_window w on w.cell = p.metric_id * {step}
    left join lateral (select min(s.moves_at) as moves_at from cell_moves s
                       where s.cell in (p.metric_id * {step}, p.metric_id * {step} + {sign}1, p.metric_id * {step} + {sign}2)) g on true
    offset 0) p
where m.id = p.metric_id
