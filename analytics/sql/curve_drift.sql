-- Clean cells whose stored percentiles differ from a recomputation as of the moment they were computed.
-- Reads refreshed, cell_curve, cell_window. Floats may differ in the last digits with the order of summation.
select count(*)
from refreshed p
join analytics_stagemetric m on m.id = p.metric_id
left join cell_curve c on c.cell = p.metric_id * 4 and c.clock = 'cd'
left join cell_curve b on b.cell = p.metric_id * 4 and b.clock = 'bd'
left join cell_window w on w.cell = p.metric_id * 4
where not m.dirty and m.computed_at = p.as_of and (
   (m.window_entered, m.window_exited, m.n, m.n_exits, m.first_entries, m.advanced, m.undecided, m.rejected, m.withdrawn) is distinct from
      (coalesce(w.entered, 0), coalesce(w.exited, 0), coalesce(c.n, 0), coalesce(c.n_exits, 0), coalesce(w.first_entries, 0),
       coalesce(w.advanced, 0), coalesce(w.undecided, 0), coalesce(w.rejected, 0), coalesce(w.withdrawn, 0))
   or (round(m.p50::numeric, 6), round(m.p50_low::numeric, 6), round(m.p50_high::numeric, 6), round(m.p85::numeric, 6),
       round(m.longest::numeric, 6), round(m.avg_duration_hours::numeric, 6)) is distinct from
      (round(c.p50::numeric, 6), round(c.p50_low::numeric, 6), round(c.p50_high::numeric, 6), round(c.p85::numeric, 6),
       round(c.longest::numeric, 6), round(w.avg_hours::numeric, 6))
   or (round(m.bd_p50::numeric, 4), round(m.bd_p85::numeric, 4), round(m.bd_longest::numeric, 4)) is distinct from
      (round(b.p50::numeric, 4), round(b.p85::numeric, 4), round(b.longest::numeric, 4)))
