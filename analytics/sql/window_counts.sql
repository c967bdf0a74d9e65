-- What happened in the picked cells during their window, where asked for (counted). Parameter: exits. Reads picked,
-- cell_visit, place_now; fills cell_window.
-- entered, exited: visits begun and ended in it; avg_hours: mean of completed visits begun in it, calendar hours.
-- first_entries: applications whose first visit to the cell began in it. Of these: advanced (since in a stage of a higher
-- place of the same job, or hired), undecided (not advanced and not out yet), rejected, withdrawn (not advanced before).
insert into cell_window
select v.cell, count(*) filter (where v.is_entry), count(*) filter (where left_at >= since and left_at < until and left_at <= as_of),
       avg(date_part('epoch', left_at - entered_at)) filter (
           where v.is_entry and left_at <= as_of and exit_kind = any(%(exits)s) and left_at - entered_at >= interval '60 seconds') / 3600,
       min(entered_at) filter (where entered_at <= as_of and (left_at is null or left_at > as_of)),
       count(*) filter (where v.is_entry and not seen),
       count(*) filter (where v.is_entry and not seen and advanced),
       count(*) filter (where v.is_entry and not seen and not advanced
                          and (last_end is null or last_end in ('on_hold', 'gap', 'unknown'))),
       count(*) filter (where v.is_entry and not seen and not advanced and last_end = 'rejected'),
       count(*) filter (where v.is_entry and not seen and not advanced and last_end = 'withdrawn')
from (
    select *, entered_at >= since and entered_at < until and entered_at <= as_of as is_entry
    from cell_visit where counted offset 0) v
left join lateral (
    select coalesce(bool_or(a.n < v.n and exists (
               select 1 from picked q where q.cell = v.cell and q.job_id = a.job_id and q.stage_id = a.stage_id)), false) as seen,
           coalesce(bool_or(a.n > v.n and s.place > v.place or a.n >= v.n and a.exit_kind = 'hired' and a.left_at <= v.as_of),
                    false) as advanced,
           (array_agg(case when a.left_at <= v.as_of then a.exit_kind end order by a.n desc))[1] as last_end
    from (select n, job_id, stage_id, exit_kind, left_at from analytics_stagevisit a
          where a.application_id = v.application_id and a.job_id = v.job_id and a.entered_at <= v.as_of offset 0) a
    left join place_now s on s.stage_id = a.stage_id
    offset 0) w on v.is_entry
group by v.cell
