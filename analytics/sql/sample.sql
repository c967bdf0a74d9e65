-- The stays a product-limit curve is made of; not a statement but the beginning of one, and what stands after it reads sample.
-- Parameter: exits. Reads cell_visit, job_clock, job_hold.
-- Sample: entered in the window, entry exact or bounded by at most a business day, at least a minute long, tracked from its start.
-- Days are cd or bd; those of a visit still open at as_of are counted here, bd as in derive_visits.sql.
with calendar as materialized (
    select c.calendar_id, array_agg(date_part('epoch', s.starts_at) order by s.starts_at) as starts,
           array_agg(s.bd_before order by s.starts_at) as before, array_agg(s.bd_per_second order by s.starts_at) as rates
    from (select distinct calendar_id from job_clock) c
    cross join lateral (select * from analytics_calendarsegment s where s.calendar_id = c.calendar_id offset 0) s
    group by c.calendar_id
), sample as (
    select v.cell, k.clock, case when k.clock = 'bd' then v.bd else v.seconds / 86400 end as days, v.is_over and v.ends as is_exit,
           not v.is_over as is_open
    from (
        select v.cell, v.clocks, v.left_at is not null and v.left_at <= v.as_of as is_over, v.exit_kind = any(%(exits)s) as ends,
               date_part('epoch', v.until_at - v.entered_at) as seconds,
               case when not 'bd' = any(v.clocks) then null
                    when v.left_at <= v.as_of and v.bd is not null then v.bd
                    else floor(greatest(0, business_days_at(v.until_s, c.starts, c.before, c.rates)
                                           - business_days_at(v.entered_s, c.starts, c.before, c.rates)
                             - coalesce((select sum(business_days_at(least(v.until_s, h.held_until), c.starts, c.before, c.rates)
                                                    - business_days_at(greatest(v.entered_s, h.held_from), c.starts, c.before, c.rates))
                                         from job_hold h
                                         where h.job_id = v.job_id and h.held_from < v.until_s and h.held_until > v.entered_s), 0)
                         ) * 10000 + 0.50001) / 10000 end as bd
        from (
            select u.*, date_part('epoch', u.until_at) as until_s, date_part('epoch', u.entered_at) as entered_s
            from (select w.*, least(coalesce(w.left_at, w.as_of), w.as_of) as until_at from cell_visit w
                  where w.entered_at >= w.since and w.entered_at < w.until and w.entered_at < w.as_of and w.well_dated) u
            where u.until_at - u.entered_at >= interval '60 seconds'
            offset 0) v
        join job_clock j on j.job_id = v.job_id
        join calendar c on c.calendar_id = j.calendar_id
        offset 0) v
    cross join unnest(v.clocks) as k(clock)
)
