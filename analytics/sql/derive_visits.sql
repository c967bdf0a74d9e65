-- Moves become visits. Reads move, job_left_open(job_id, left_open_at), ats_stage; fills derived.
-- exit_kind compares the pipeline orders of the two stages; a rejection within a day after the job left the open state
-- is a clean-up (job_closed), not a decision.
insert into derived
select v.event_id, v.application_id, row_number() over (partition by v.application_id order by v.rn), v.job_id, v.stage_id,
       v.occurred_at, v.left_at,
       case
           when v.left_at is null then null
           when v.next_type = 'application_rejected' and exists (
               select 1 from job_left_open o where o.job_id = v.job_id
                 and v.left_at >= o.left_open_at and v.left_at <= o.left_open_at + interval '1 day') then 'job_closed'
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
           when b.stage_order > a.stage_order then 'advanced'
           when b.stage_order < a.stage_order then 'moved_back'
           else 'lateral'
       end,
       v.precision,
       case when v.left_at is null then null
            when v.next_gap then 'unknown' else v.next_precision end,
       v.entry_gap
from (
    select m.*, lead(occurred_at) over w as left_at, lead(event_type) over w as next_type, lead(stage_id) over w as next_stage,
           lead(job_id) over w as next_job, lead(gap) over w as next_gap, lead(precision) over w as next_precision
    from move m
    window w as (partition by application_id order by rn)
) v
left join stage_place a on a.stage_id = v.stage_id
left join stage_place b on b.stage_id = v.next_stage
where v.stage_id is not null
