-- Clean cells whose stored percentiles differ from a recomputation as of the moment they were computed.
-- Reads picked, cell_curve, cell_window. Floats may differ in the last digits with the order of summation.
select count(*)
from picked p
join analytics_stagemetric m on m.job_id = p.job_id and m.stage_id = p.stage_id
left join cell_curve c on c.job_id = p.job_id and c.stage_id = p.stage_id
left join cell_window w on w.job_id = p.job_id and w.stage_id = p.stage_id
where (m.window_entered, m.window_exited, m.n, m.n_exits) is distinct from
      (coalesce(w.entered, 0), coalesce(w.exited, 0), coalesce(c.n, 0), coalesce(c.n_exits, 0))
   or (round(m.p50::numeric, 6), round(m.p50_low::numeric, 6), round(m.p50_high::numeric, 6), round(m.p85::numeric, 6),
       round(m.longest::numeric, 6), round(m.avg_duration_hours::numeric, 6)) is distinct from
      (round(c.p50::numeric, 6), round(c.p50_low::numeric, 6), round(c.p50_high::numeric, 6), round(c.p85::numeric, 6),
       round(c.longest::numeric, 6), round(w.avg_hours::numeric, 6))
