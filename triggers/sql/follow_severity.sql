-- Tasks whose issue has become graver, or less grave. Parameters: applications, jobs (ids a batch has touched).
update triggers_task k set priority = moved.severity, version = version + 1
from (select k.id, i.severity
      from (select i.id, i.severity from unnest(%(applications)s::bigint[]) as t(application_id)
            cross join lateral (select id, severity from issues_issue i
                                where i.application_id = t.application_id and i.status <> 'resolved' offset 0) i
            union
            select i.id, i.severity from unnest(%(jobs)s::bigint[]) as t(job_id)
            cross join lateral (select id, severity from issues_issue i
                                where i.job_id = t.job_id and i.application_id is null and i.status <> 'resolved' offset 0) i) i
      cross join lateral (select id from triggers_task k
                          where k.issue_id = i.id and k.status in ('open', 'in_progress') and k.follows_severity
                            and k.priority <> i.severity offset 0) k
      order by k.id offset 0) moved
where k.id = moved.id
