-- What happened after a number: the newest Update of each subject, since one state replaces those before it, with what
-- each Update says was changed (null where that is too much to tell one by one).
-- Parameters: organization, after, upto (null: no end), job (null: all), most (how many subjects at most),
-- longest (beyond so many Updates none are read: the answer is a reload anyway), details (Updates of one subject whose
-- payloads are told).
-- ``first`` tells a gap: numbers are dense, so anything but after + 1 means that the log has been pruned.
with span as (
    select min(number) as first, max(number) as last
    from realtime_update
    where organization_id = %(organization)s and number > %(after)s
      and number <= coalesce(%(upto)s::bigint, 9223372036854775807)
),
subjects as (
    select kind, job_id, (payload ->> 'sync_run')::bigint as sync_run_id, max(number) as number, min(created_at) as since,
           case when count(*) <= %(details)s then jsonb_agg(payload) end as payloads,
           (array_agg(payload ->> 'correlation' order by number desc))[1] as correlation
    from realtime_update
    where organization_id = %(organization)s and number > %(after)s
      and number <= coalesce(%(upto)s::bigint, 9223372036854775807)
      and (%(job)s::bigint is null or job_id is null or job_id = %(job)s)
      and (select last - first from span) < %(longest)s
    group by kind, job_id, sync_run_id
    limit %(most)s
)
select span.first, span.last, s.kind, s.job_id, s.sync_run_id, s.number, s.since, s.payloads, s.correlation
from span left join subjects s on true
order by s.number
