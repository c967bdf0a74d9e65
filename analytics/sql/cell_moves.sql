-- When time alone will next change what the picked cells count: somebody's entry or exit falls out of a window, a stay is a minute
-- old and counts, a date told ahead comes, in this stage or (what became of whoever was here) in another one of the job. Reads
-- picked, cell_visit; fills cell_moves. (A stay that outlasts more of the past ones changes the curve as well, by little and often:
-- that waits until the cell is old, see analytics.services.)
insert into cell_moves
select cell, min(at)
from (
    select v.cell, m.at
    from (select v.*, v.as_of - v.since as span from cell_visit v) v
    cross join lateral (values
        (case when entered_at >= since then entered_at + span end),
        (entered_at),
        (case when left_at is null or left_at - entered_at >= interval '60 seconds' then entered_at + interval '60 seconds' end),
        (case when counted then left_at + span end)
    ) as m(at)
    where m.at >= v.as_of
    union all
    select p.cell, a.at
    from (select distinct cell, job_id, as_of from picked where counted) p
    cross join lateral (select stage_id from analytics_stagemetric m where m.job_id = p.job_id offset 0) m
    cross join lateral (select min(left_at) as at from analytics_stagevisit v
                        where v.job_id = p.job_id and v.stage_id = m.stage_id and v.left_at > p.as_of offset 0) a
) m
where at is not null
group by cell
