-- Where a category of a job has several stages, they are also one cell: those of the refreshed stages go along. Parameter:
-- organization. Reads refreshed; makes missing rows, fills refreshed_pool.
with pool as (
    select r.job_id, s.category, max(r.as_of) as as_of, bool_or(r.with_own) as with_own
    from refreshed r
    cross join lateral (select category from ats_stage s where s.id = r.stage_id offset 0) s
    where (select count(*) from analytics_stagemetric m join ats_stage o on o.id = m.stage_id
           where m.job_id = r.job_id and o.category = s.category) > 1
    group by r.job_id, s.category
), made as (
    insert into analytics_categorymetric as c (organization_id, job_id, category)
    select %(organization)s, job_id, category from pool order by job_id, category
    on conflict (job_id, category) do update set category = excluded.category
    returning c.id, c.job_id, c.category
)
insert into refreshed_pool
select made.id, made.job_id, made.category, pool.as_of, pool.with_own from made join pool using (job_id, category)
