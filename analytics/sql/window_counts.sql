-- What happened in the picked cells during the window. Parameter: exits. Reads cell_visit; fills cell_window.
-- entered: visits begun in it; exited: visits ended in it; avg_hours: mean of completed visits begun in it, calendar hours.
insert into cell_window
select job_id, stage_id,
       count(*) filter (where entered_at between since and as_of),
       count(*) filter (where left_at between since and as_of),
       avg(date_part('epoch', left_at - entered_at)) filter (
           where entered_at between since and as_of and left_at <= as_of and exit_kind = any(%(exits)s)
             and left_at - entered_at >= interval '60 seconds') / 3600,
       min(entered_at) filter (where left_at is null)
from cell_visit
group by job_id, stage_id
