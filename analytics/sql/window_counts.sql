-- What happened in the picked cells during the window. Parameters: window_days, exits. Reads picked; fills cell_window.
-- entered: visits begun in it; exited: visits ended in it; avg_hours: mean of completed visits begun in it, calendar hours.
insert into cell_window
select p.job_id, p.stage_id, e.entered, x.exited, e.avg_hours, o.oldest
from picked p
cross join lateral (
    select count(*) as entered,
           (avg(extract(epoch from left_at - entered_at)) filter (
               where exit_kind = any(%(exits)s) and left_at <= p.as_of and left_at - entered_at >= interval '60 seconds') / 3600)::float8 as avg_hours
    from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id
      and v.entered_at >= p.as_of - make_interval(days => %(window_days)s) and v.entered_at <= p.as_of offset 0) e
cross join lateral (
    select count(*) as exited from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id
      and v.left_at >= p.as_of - make_interval(days => %(window_days)s) and v.left_at <= p.as_of offset 0) x
cross join lateral (
    select min(entered_at) as oldest from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.left_at is null offset 0) o
