-- Which calendar each job in job_clock is held to: its own, else its organization's. A visit without a job (0) goes by the
-- calendar of the organization asked for. Parameter: organization.
update job_clock k set calendar_id = coalesce(
    (select c.id from analytics_workingcalendar c where c.job_id = k.job_id),
    (select c.id from analytics_workingcalendar c
     where c.organization_id = coalesce((select j.organization_id from ats_job j where j.id = k.job_id), %(organization)s)
       and c.job_id is null))
