-- The ledger insert decides what is new. Parameters: organization, connector. Reads stg_event.
-- Returns one row: how many facts were new, the applications they touch, the jobs whose status they tell of.
-- recorded_at: when the source says it learned of it, but never later than we did: a clock of theirs that runs ahead must not
-- hide from "as known now" what is known now.
-- Sorted by event id: two batches take index entries in one order, and ascending ids insert fastest.
with created as (
    insert into ats_candidateevent (organization_id, connector_id, provider_event_id, application_id, job_id, event_type, stage_from_id,
                                    stage_to_id, actor_external_id, actor_name, occurred_at, recorded_at, source_recorded_at,
                                    precision, metadata, raw_event_id)
    select %(organization)s, %(connector)s, s.provider_event_id,
           (select a.id from ats_application a where a.connector_id = %(connector)s and a.external_id = s.application),
           s.job_id, s.event_type, s.stage_from_id, s.stage_to_id, s.actor_external_id, s.actor_name, s.occurred_at,
           least(s.source_recorded_at, s.received_at), s.source_recorded_at, s.precision, s.metadata, s.raw_event_id
    from stg_event s
    order by s.provider_event_id
    on conflict (connector_id, provider_event_id) do nothing
    returning application_id, job_id, event_type
)
select count(*),
       coalesce(array_agg(distinct application_id) filter (where application_id is not null), '{}'),
       coalesce(array_agg(distinct job_id) filter (where event_type = 'job_status_changed'), '{}')
from created
