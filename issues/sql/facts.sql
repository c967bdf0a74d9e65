-- What the rules may see of the picked applications. Reads picked_application. One row per application.
select a.id, a.connector_id, a.status, a.last_activity_at, a.last_event_at, a.job_id, coalesce(j.status, 'open'),
       v.entry_event_id, e.provider_event_id, v.stage_id, s.name, s.category, v.entered_at, v.entry_precision, e.source_recorded_at,
       coalesce(e.metadata ->> 'anomaly', ''), c.limit_days, c.limit_source, c.limit_n
from picked_application p
cross join lateral (select * from ats_application a where a.id = p.application_id offset 0) a
left join lateral (select status from ats_job j where j.id = a.job_id offset 0) j on true
left join lateral (select * from analytics_stagevisit v where v.application_id = a.id and v.left_at is null limit 1) v on true
left join lateral (select provider_event_id, source_recorded_at, metadata from ats_candidateevent e
                   where e.id = v.entry_event_id offset 0) e on true
left join lateral (select name, category from ats_stage s where s.id = v.stage_id offset 0) s on true
left join lateral (select limit_days, limit_source, limit_n from issues_cellwatch c
                   where c.job_id = a.job_id and c.stage_id = v.stage_id offset 0) c on true
order by a.id
