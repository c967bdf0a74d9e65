-- After a mis-click went: returning to where one never left is no move.
delete from move where ctid = any(array(
    select place
    from (
        select ctid as place, job_id, stage_id, gap,
               lag(stage_id) over w as stage_before, lag(job_id) over w as job_before
        from move
        window w as (partition by application_id order by rn)
    ) n
    where stage_id = stage_before and job_id is not distinct from job_before and not gap
))
