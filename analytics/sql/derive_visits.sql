-- Moves become visits. Reads move, job_left_open(job_id, left_open_at), stage_place, job_clock, job_hold; fills derived.
-- exit_kind compares the pipeline orders that the two stages had at the move; a rejection within one business day (rounded as bd is; holds
-- count, for they may be how the job left the open state) after the job left the open state is a clean-up (job_closed).
-- A survivor was going on before its account was watched, and nothing before it is told (a history imported later may).
-- bd of a closed visit: business days between its ends by the job's calendar, those on hold subtracted before the rounding
-- (analytics.clocks says why it rounds so). entry_gap is the same between the two looks a bounded entry lies between, in seconds
-- of which a business day has 86400: a weekend adds nothing to the doubt. Without looks nobody knows. A calendar is gathered into arrays once and then searched, not joined: no sort
-- may come after it, or each row would carry it.
insert into derived
with calendar as materialized (
    select c.calendar_id, array_agg(date_part('epoch', s.starts_at) order by s.starts_at) as starts,
           array_agg(s.bd_before order by s.starts_at) as before, array_agg(s.bd_per_second order by s.starts_at) as rates
    from (select distinct calendar_id from job_clock) c
    cross join lateral (select * from analytics_calendarsegment s where s.calendar_id = c.calendar_id offset 0) s
    group by c.calendar_id
)
select v.event_id, v.application_id, v.n, v.job_id, v.stage_id,
       v.occurred_at, v.left_at,
       case
           when v.left_at is null then null
           when v.next_type = 'application_rejected' and exists (
               select 1 from job_left_open o where o.job_id = v.job_id
                 and v.left_at >= o.left_open_at
                 and floor((business_days_at(v.left_s, c.starts, c.before, c.rates)
                            - business_days_at(date_part('epoch', o.left_open_at), c.starts, c.before, c.rates)) * 10000 + 0.50001)
                     <= 10000) then 'job_closed'
           when v.next_type = 'application_rejected' then 'rejected'
           when v.next_type = 'application_withdrawn' then 'withdrawn'
           when v.next_type = 'application_hired' then 'hired'
           when v.next_type = 'application_closed' then 'closed'
           when v.next_type = 'application_on_hold' then 'on_hold'
           when v.next_type = 'application_removed' then 'removed'
           when v.next_gap then 'gap'
           when v.next_type = 'application_moved' then 'transferred'
           when v.next_stage is null then 'unknown'
           when v.next_job is distinct from v.job_id then 'transferred'
           when b.place > a.place then 'advanced'
           when b.place < a.place then 'moved_back'
           else 'lateral'
       end,
       v.precision,
       case when v.left_at is null then null
            when v.next_gap then 'unknown' else v.next_precision end,
       case when v.precision <> 'bounded' then 0
            when v.seen_from is null or v.seen_until is null then 'infinity' else
           floor(greatest(0, business_days_at(v.seen_until, c.starts, c.before, c.rates) - business_days_at(v.seen_from, c.starts, c.before, c.rates)
               - coalesce((select sum(business_days_at(least(v.seen_until, h.held_until), c.starts, c.before, c.rates)
                                      - business_days_at(greatest(v.seen_from, h.held_from), c.starts, c.before, c.rates))
                           from job_hold h where h.job_id = v.job_id and h.held_from < v.seen_until and h.held_until > v.seen_from), 0)
           ) * 10000 + 0.50001) / 10000 * 86400 end,
       v.survivor and v.n = 1,
       case when v.left_at is not null then
           floor(greatest(0, business_days_at(v.left_s, c.starts, c.before, c.rates) - business_days_at(v.entered_s, c.starts, c.before, c.rates)
               - coalesce((select sum(business_days_at(least(v.left_s, h.held_until), c.starts, c.before, c.rates)
                                      - business_days_at(greatest(v.entered_s, h.held_from), c.starts, c.before, c.rates))
                           from job_hold h where h.job_id = v.job_id and h.held_from < v.left_s and h.held_until > v.entered_s), 0)
           ) * 10000 + 0.50001) / 10000 end
from (
    select m.*, date_part('epoch', occurred_at) as entered_s, lead(date_part('epoch', occurred_at)) over w as left_s,
           count(stage_id) over w as n,
           lead(occurred_at) over w as left_at, lead(event_type) over w as next_type, lead(stage_id) over w as next_stage,
           lead(job_id) over w as next_job, lead(gap) over w as next_gap, lead(precision) over w as next_precision
    from move m
    window w as (partition by application_id order by rn)
) v
left join lateral (select p.place from stage_place p where p.stage_id = v.stage_id and p.until > v.left_at order by p.until limit 1) a on true
left join lateral (select p.place from stage_place p where p.stage_id = v.next_stage and p.until > v.left_at order by p.until limit 1) b on true
left join job_clock k on k.job_id = coalesce(v.job_id, 0)
left join calendar c on c.calendar_id = k.calendar_id
where v.stage_id is not null
