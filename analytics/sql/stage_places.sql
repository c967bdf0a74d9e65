-- Pipeline order of the stages that occur in move, now and, where a pipeline was changed, before: a row holds until its moment.
-- The Python twin is ats.models.pipeline_order. Fills stage_place. Parameter: categories, by rank.
insert into stage_place
select m.stage_id, p.until, (array_position(%(categories)s::text[], p.category::text) - 1) * 1000 + p.position
from (select distinct stage_id from move where stage_id is not null) m
cross join lateral (
    select timestamptz 'infinity' as until, category, position from ats_stage s where s.id = m.stage_id
    union all
    select until, category, position from ats_formerplace f where f.stage_id = m.stage_id
    offset 0) p
