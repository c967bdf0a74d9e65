-- A mis-click: A to B and back to A with less than ten minutes in B. B goes; what follows is judged by the next pass.
-- Every B is judged on the same list before any is dropped. Reads and thins out move; returns how many went.
delete from move where ctid = any(array(
    select place
    from (
        select ctid as place, job_id, stage_id, occurred_at,
               lag(stage_id) over w as stage_before, lag(job_id) over w as job_before,
               lead(stage_id) over w as stage_after, lead(job_id) over w as job_after, lead(occurred_at) over w as left_at
        from move
        window w as (partition by application_id order by rn)
    ) n
    where stage_id is not null and stage_before = stage_after and stage_id <> stage_before
      and job_before is not distinct from job_id and job_after is not distinct from job_id
      and left_at - occurred_at < interval '10 minutes'
))
