-- Open issues for which nobody has a task or has ended one since they opened. What the machine called obsolete nobody has
-- ended: it may do so a moment after another worker reopened the issue. Members of a group have
-- none: the group does. Parameters: applications, jobs, organization (of what is about no job: a connector, a status).
select i.id, i.issue_type, i.severity, i.score, i.sentence, i.job_id,
       coalesce(j.title, ''), coalesce(j.department, ''), coalesce(j.hiring_lead, ''), coalesce(s.name, ''), coalesce(s.category, '')
from (select i.* from unnest(%(applications)s::bigint[]) as t(application_id)
      cross join lateral (select * from issues_issue i where i.application_id = t.application_id and i.status = 'open' and i.group_id is null offset 0) i
      union all
      select i.* from (select distinct job_id from unnest(%(jobs)s::bigint[]) as t(job_id)) t
      cross join lateral (select * from issues_issue i
                          where i.job_id = t.job_id and i.application_id is null and i.status = 'open' offset 0) i
      union all
      select i.* from issues_issue i
      where i.organization_id = %(organization)s and i.application_id is null and i.job_id is null and i.status = 'open') i
left join lateral (select title, department, hiring_lead from ats_job j where j.id = i.job_id offset 0) j on true
left join lateral (select name, category from ats_stage s where s.id = i.stage_id offset 0) s on true
where not exists (
    select 1 from triggers_task k where k.issue_id = i.id
      and (k.status in ('open', 'in_progress') or k.status <> 'obsolete' and k.ended_at >= i.opened_at) offset 0)
order by i.id
