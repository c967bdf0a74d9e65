-- Bring stage_visit of the touched applications to what was derived, writing only what differs, and collect what that
-- does to the counters of each cell (new minus old) from the same statement. Reads touched, derived; fills cell_delta.
with gone as (
    delete from analytics_stagevisit v
    using (select v.entry_event_id from touched t
           cross join lateral (select entry_event_id from analytics_stagevisit o
                               where o.application_id = t.application_id offset 0) v
           where not exists (select 1 from derived d where d.entry_event_id = v.entry_event_id offset 0) offset 0) g
    where v.entry_event_id = g.entry_event_id
    returning v.job_id, v.stage_id, v.entered_at, v.left_at, v.exit_kind
), written as (
    insert into analytics_stagevisit as v (entry_event_id, organization_id, application_id, n, job_id, stage_id, entered_at, left_at,
                                           exit_kind, entry_precision, exit_precision, entry_gap, survivor, bd)
    select d.entry_event_id, %(organization)s, d.application_id, d.n, d.job_id, d.stage_id, d.entered_at, d.left_at, d.exit_kind,
           d.entry_precision, d.exit_precision, d.entry_gap, d.survivor, d.bd
    from derived d
    where not exists (
        select 1 from analytics_stagevisit o where o.entry_event_id = d.entry_event_id
          and (o.application_id, o.n, o.job_id, o.stage_id, o.entered_at, o.left_at, o.exit_kind, o.entry_precision,
               o.exit_precision, o.entry_gap, o.survivor, o.bd) is not distinct from
              (d.application_id, d.n, d.job_id, d.stage_id, d.entered_at, d.left_at, d.exit_kind, d.entry_precision,
               d.exit_precision, d.entry_gap, d.survivor, d.bd)
        offset 0)
    order by d.entry_event_id
    on conflict (entry_event_id) do update set
        application_id = excluded.application_id, n = excluded.n, job_id = excluded.job_id, stage_id = excluded.stage_id,
        entered_at = excluded.entered_at, left_at = excluded.left_at, exit_kind = excluded.exit_kind,
        entry_precision = excluded.entry_precision, exit_precision = excluded.exit_precision, entry_gap = excluded.entry_gap,
        survivor = excluded.survivor, bd = excluded.bd
    returning old.job_id as old_job, old.stage_id as old_stage, old.entered_at as old_entered, old.left_at as old_left,
              old.exit_kind as old_exit,
              new.job_id as new_job, new.stage_id as new_stage, new.entered_at as new_entered, new.left_at as new_left,
              new.exit_kind as new_exit
), change as (
    select -1 as sign, job_id, stage_id, entered_at, left_at, exit_kind from gone
    union all select -1, old_job, old_stage, old_entered, old_left, old_exit from written where old_stage is not null
    union all select 1, new_job, new_stage, new_entered, new_left, new_exit from written
)
insert into cell_delta
select job_id, stage_id,
       sum(sign) filter (where left_at is null), sum(sign), sum(sign) filter (where left_at is not null),
       sum(sign) filter (where counts), sum(sign * seconds) filter (where counts), count(*)
from (select c.*, extract(epoch from left_at - entered_at) as seconds,
             left_at is not null and exit_kind = any(%(exits)s) and left_at - entered_at >= interval '60 seconds' as counts
      from change c) x
group by job_id, stage_id
