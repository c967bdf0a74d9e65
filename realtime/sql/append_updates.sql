-- Append one Update per touched job, and one per sync run named, under the organization's next numbers.
-- Parameters: organization, application_ids, job_ids, sync_run_ids, everything (reload for all).
-- Answers the last number given out; null if there was nothing to tell.
--
-- The counter row stays locked until commit. So numbers have no gaps and their order is commit order: a client
-- that has heard number n has heard everything below it.
with touched as (
    select unnest(%(application_ids)s::bigint[]) as application_id
),
named as (
    select a.job_id as id
    from touched t cross join lateral (select job_id from ats_application where id = t.application_id offset 0) a
    union
    -- where it has been: an application that moved to another job changes cells of both
    select v.job_id
    from touched t
    cross join lateral (select job_id from analytics_stagevisit where application_id = t.application_id offset 0) v
    union
    select unnest(%(job_ids)s::bigint[])
),
told as (
    select row_number() over (order by kind, job_id, subject) as n, kind, job_id,
           case when subject is null then '{}'::jsonb else jsonb_build_object('sync_run', subject) end as payload
    from (
        select 'job' as kind, j.id as job_id, null::bigint as subject
        from named cross join lateral
             (select id from ats_job where id = named.id and organization_id = %(organization)s offset 0) j
        union all
        select 'sync', null, unnest(%(sync_run_ids)s::bigint[])
        union all
        select 'reload', null, null where %(everything)s
    ) x
),
counter as (
    insert into realtime_updatecounter as c (organization_id, last_number)
    select %(organization)s, count(*) from told having count(*) > 0
    on conflict (organization_id) do update set last_number = c.last_number + excluded.last_number
    returning last_number
),
written as (
    insert into realtime_update (organization_id, number, kind, job_id, payload, created_at)
    select %(organization)s, counter.last_number - (select count(*) from told) + told.n,
           told.kind, told.job_id, told.payload, clock_timestamp()
    from counter cross join told
    returning number
)
select max(number) from written
