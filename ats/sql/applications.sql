-- Applications named in the batch and not known yet. Parameters: organization, connector. Reads stg_application.
insert into ats_application (organization_id, connector_id, external_id, candidate_id, job_id, status)
select %(organization)s, %(connector)s, s.external_id,
       (select c.id from ats_candidate c where c.connector_id = %(connector)s and c.external_id = s.candidate), s.job_id, 'active'
from stg_application s
where not exists (select 1 from ats_application a where a.connector_id = %(connector)s and a.external_id = s.external_id offset 0)
order by s.external_id
on conflict (connector_id, external_id) do nothing
