-- Tasks whose issue went away, or became one of a group before anybody began. Parameters: applications, jobs (ids a batch has
-- touched), organization, now.
update triggers_task k set status = 'obsolete', ended_at = %(now)s, version = version + 1
from (select k.id
      from (select i.id from unnest(%(applications)s::bigint[]) as t(application_id)
            cross join lateral (select id from issues_issue i
                                where i.application_id = t.application_id and i.status = 'resolved' offset 0) i
            union
            select i.id from unnest(%(jobs)s::bigint[]) as t(job_id)
            cross join lateral (select id from issues_issue i
                                where i.job_id = t.job_id and i.application_id is null and i.status = 'resolved' offset 0) i
            union
            select i.id from issues_issue i
            where i.organization_id = %(organization)s and i.application_id is null and i.job_id is null and i.status = 'resolved') i
      cross join lateral (select id from triggers_task k where k.issue_id = i.id and k.status in ('open', 'in_progress') offset 0) k
      union
      select k.id from unnest(%(applications)s::bigint[]) as t(application_id)
      cross join lateral (select id, group_id from issues_issue i where i.application_id = t.application_id offset 0) i
      cross join lateral (select id from triggers_task k where k.issue_id = i.id and k.status = 'open' offset 0) k
      where i.group_id is not null
      order by 1 offset 0) gone
where k.id = gone.id
