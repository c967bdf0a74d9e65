-- Stages of jobs that the touched applications are in or have just left. Reads touched, fills touched_cell.
insert into touched_cell
select distinct v.job_id, v.stage_id
from touched t
cross join lateral (select job_id, stage_id from analytics_stagevisit v
                    where v.application_id = t.application_id order by n desc limit 2) v
where v.job_id is not null
