-- Append one Update per touched job, and one per sync run named, under the organization's next numbers.
-- Parameters: organization, application_ids, job_ids, sync_run_ids, issue_ids, task_ids,
-- everything (reload for all), batch (whose raw events count as just recorded; null: none), since (what the rules
-- saw or changed from then on is told with the applications; null: nothing), most (a job with more touched
-- applications than this is told as a whole only), correlation (the id of what it came of; empty: unknown).
-- Answers the last number given out; null if there was nothing to tell.
--
-- The counter row stays locked until commit. So numbers have no gaps and their order is commit order: a client
-- that has heard number n has heard everything below it.
with touched as (
    select unnest(%(application_ids)s::bigint[]) as application_id
),
own as (
    select a.id, a.job_id, count(*) over (partition by a.job_id) as beside
    from touched t cross join lateral (select id, job_id from ats_application where id = t.application_id offset 0) a
),
few as materialized (
    select id, job_id from own where beside <= %(most)s
),
recorded as (
    select few.job_id, e.id
    from few
    cross join lateral (
        select id, raw_event_id from ats_candidateevent where application_id = few.id offset 0
    ) e
    cross join lateral (
        select 1 from connectors_rawevent where id = e.raw_event_id and batch_id = %(batch)s::bigint offset 0
    ) r
),
judged as materialized (
    select i.job_id, i.id
    from few
    cross join lateral (
        select id, job_id, last_seen_at from issues_issue where application_id = few.id offset 0
    ) i
    where greatest(i.last_seen_at, (select max(at) from issues_issuetransition where issue_id = i.id)) >= %(since)s::timestamptz
),
issues as (
    select job_id, id from judged
    union
    select i.job_id, i.id
    from unnest(%(issue_ids)s::bigint[]) as named(id)
    cross join lateral (
        select id, job_id from issues_issue where id = named.id and organization_id = %(organization)s offset 0
    ) i
),
tasks as (
    select judged.job_id, t.id
    from judged cross join lateral (select id from triggers_task where issue_id = judged.id offset 0) t
    union
    select i.job_id, t.id
    from unnest(%(task_ids)s::bigint[]) as named(id)
    cross join lateral (
        select id, issue_id from triggers_task where id = named.id and organization_id = %(organization)s offset 0
    ) t
    cross join lateral (select job_id from issues_issue where id = t.issue_id offset 0) i
),
parts as (
    select job_id, 'application' as part, id from few
    union all
    select distinct job_id, 'too many', null::bigint from own where beside > %(most)s
    union all
    select job_id, 'event', id from recorded
    union all
    select job_id, 'issue', id from issues
    union all
    select job_id, 'task', id from tasks
    union all
    -- where it has been: an application that moved to another job changes cells of both
    select distinct v.job_id, 'cells', null::bigint
    from touched t
    cross join lateral (select job_id from analytics_stagevisit where application_id = t.application_id offset 0) v
    union all
    select unnest(%(job_ids)s::bigint[]), 'cells', null
),
subjects as (
    select job_id, jsonb_strip_nulls(jsonb_build_object(
               'applications', jsonb_agg(id) filter (where part = 'application'),
               'events', jsonb_agg(id) filter (where part = 'event'),
               'issues', jsonb_agg(id) filter (where part = 'issue'),
               'tasks', jsonb_agg(id) filter (where part = 'task'),
               'complete', not bool_or(part = 'too many'))) as payload
    from parts group by job_id
),
told as (
    select row_number() over (order by kind, job_id, subject) as n, kind, job_id, payload
    from (
        select 'job' as kind, j.id as job_id, null::bigint as subject, subjects.payload
        from subjects cross join lateral
             (select id from ats_job where id = subjects.job_id and organization_id = %(organization)s offset 0) j
        union all
        -- issues of no job, and their tasks
        select 'issue', null, null, payload from subjects where job_id is null and payload ?| array['issues', 'tasks']
        union all
        select 'sync', null, subject, jsonb_build_object('sync_run', subject) from unnest(%(sync_run_ids)s::bigint[]) as named(subject)
        union all
        select 'reload', null, null, '{}' where %(everything)s
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
           told.kind, told.job_id,
           told.payload || case when %(correlation)s = '' then '{}' else jsonb_build_object('correlation', %(correlation)s::text) end,
           clock_timestamp()
    from counter cross join told
    returning number
)
select max(number) from written
