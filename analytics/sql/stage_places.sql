-- Pipeline order of the stages that occur in move; the Python twin is ats.models.Stage.order. Parameter: categories, by rank.
insert into stage_place
select s.id, (array_position(%(categories)s::text[], s.category::text) - 1) * 1000 + s.position
from (select distinct stage_id from move where stage_id is not null) m
cross join lateral (select id, category, position from ats_stage s where s.id = m.stage_id offset 0) s
