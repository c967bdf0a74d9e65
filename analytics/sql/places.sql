-- Pipeline order of all stages of the jobs in picked; the Python twin is ats.models.Stage.order. Parameter: categories, by rank.
insert into place_now
select s.id, (array_position(%(categories)s::text[], s.category::text) - 1) * 1000 + s.position
from (select distinct j.connector_id from (select distinct job_id from picked where counted) p
      cross join lateral (select connector_id from ats_job j where j.id = p.job_id offset 0) j) c
cross join lateral (select id, category, position from ats_stage s where s.connector_id = c.connector_id offset 0) s
