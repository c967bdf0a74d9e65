-- The samples of refreshed stages and categories. Parameters: categories (by rank), window, baseline, recent (days). Reads
-- refreshed, refreshed_pool; fills picked. Moving on within a category is no advance, so its place is the end of its range.
insert into picked
select c.cell + c.sign * k.cell, c.job_id, c.stage_id, c.place, c.as_of - make_interval(days => k.days), c.as_of, c.as_of, k.clocks, k.cell = 0
from (
    select r.metric_id * 4 as cell, 1 as sign, r.job_id, r.stage_id, r.as_of, r.with_own,
           (array_position(%(categories)s::text[], s.category::text) - 1) * 1000 + s.position as place
    from refreshed r
    cross join lateral (select category, position from ats_stage s where s.id = r.stage_id offset 0) s
    union all
    select p.metric_id * -4, -1, p.job_id, m.stage_id, p.as_of, p.with_own,
           (array_position(%(categories)s::text[], p.category) - 1) * 1000 + 999
    from refreshed_pool p
    cross join lateral (select m.stage_id from analytics_stagemetric m join ats_stage s on s.id = m.stage_id
                        where m.job_id = p.job_id and s.category = p.category offset 0) m
) c
cross join (values (0, %(window)s, '{cd,bd}'::text[]), (1, %(baseline)s, '{bd}'), (2, %(recent)s, '{bd}')) as k(cell, days, clocks)
where c.with_own or k.cell <> 1
