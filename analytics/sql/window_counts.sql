-- What happened in the picked cells during their window, where asked for (counted). Parameter: exits. Reads picked,
-- stage_place; fills cell_window.
-- entered, exited: visits begun and ended in it; avg_hours: mean of completed visits begun in it, calendar hours.
-- first_entries: applications whose first visit to the cell began in it. Of these: advanced (since in a stage of a higher
-- place of the same job, or hired), undecided (not advanced and not out yet), rejected, withdrawn (not advanced before).
insert into cell_window
select p.cell, sum(e.entered), sum(x.exited), (sum(e.seconds) / nullif(sum(e.completed), 0) / 3600)::float8, min(o.oldest),
       sum(f.first_entries), sum(f.advanced), sum(f.undecided), sum(f.rejected), sum(f.withdrawn)
from picked p
cross join lateral (
    select count(*) as entered, count(*) filter (where completed) as completed, sum(extract(epoch from left_at - entered_at)) filter (
               where completed) as seconds
    from (select entered_at, left_at,
                 exit_kind = any(%(exits)s) and left_at <= p.as_of and left_at - entered_at >= interval '60 seconds' as completed
          from analytics_stagevisit v
          where v.job_id = p.job_id and v.stage_id = p.stage_id
            and v.entered_at >= p.since and v.entered_at < p.until and v.entered_at <= p.as_of offset 0) v) e
cross join lateral (
    select count(*) as exited from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id
      and v.left_at >= p.since and v.left_at < p.until and v.left_at <= p.as_of offset 0) x
cross join lateral (
    select min(entered_at) as oldest from analytics_stagevisit v
    where v.job_id = p.job_id and v.stage_id = p.stage_id and v.entered_at <= p.as_of and (v.left_at is null or v.left_at > p.as_of)
    offset 0) o
cross join lateral (
    select count(*) as first_entries, count(*) filter (where advanced) as advanced,
           count(*) filter (where not advanced and (last_end is null or last_end in ('on_hold', 'gap', 'unknown'))) as undecided,
           count(*) filter (where not advanced and last_end = 'rejected') as rejected,
           count(*) filter (where not advanced and last_end = 'withdrawn') as withdrawn
    from (
        select v.entry_event_id, w.advanced, w.last_end
        from analytics_stagevisit v
        cross join lateral (
            select coalesce(bool_or(a.n < v.n and exists (
                       select 1 from picked q where q.cell = p.cell and q.job_id = a.job_id and q.stage_id = a.stage_id)), false) as seen,
                   coalesce(bool_or(a.n > v.n and s.place > p.place or a.n >= v.n and a.exit_kind = 'hired' and a.left_at <= p.as_of),
                            false) as advanced,
                   (array_agg(case when a.left_at <= p.as_of then a.exit_kind end order by a.n desc))[1] as last_end
            from analytics_stagevisit a
            left join stage_place s on s.stage_id = a.stage_id
            where a.application_id = v.application_id and a.job_id = v.job_id and a.entered_at <= p.as_of offset 0) w
        where v.job_id = p.job_id and v.stage_id = p.stage_id
          and v.entered_at >= p.since and v.entered_at < p.until and v.entered_at <= p.as_of and not w.seen
        offset 0) v
    ) f
where p.counted
group by p.cell
