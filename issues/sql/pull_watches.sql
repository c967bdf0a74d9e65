-- Limits or thresholds of the changed cells are others than before: everybody waiting there becomes due when the new ones say,
-- and at once who has an unresolved issue, an interview or an offer. Reads changed_cell. Parameter: now. Never later than before.
insert into issues_watch as w (application_id, organization_id, connector_id, due_at)
select n.application_id, n.organization_id, n.connector_id, n.due_at
from (
    select a.id as application_id, a.organization_id, a.connector_id,
           case when exists (select 1 from issues_issue i where i.application_id = a.id and i.status <> 'resolved' offset 0)
                  or exists (select 1 from ats_candidateevent c
                             where c.application_id = a.id
                               and (c.event_type in ('interview_scheduled', 'interview_changed', 'interview_cancelled', 'interview_ended',
                                                     'feedback_submitted', 'feedback_removed', 'offer_created', 'offer_sent',
                                                     'offer_accepted', 'offer_declined', 'offer_withdrawn')
                                    or (c.event_type = 'email_logged' and c.metadata ? 'direction')) offset 0)
                then %(now)s
                else least(greatest(a.last_activity_at, v.entered_at) + make_interval(days => k.idle_days),
                           v.entered_at + make_interval(days => k.stuck_days)) end as due_at
    from changed_cell k
    cross join lateral (select application_id, entered_at from analytics_stagevisit v
                        where v.job_id = k.job_id and v.stage_id = k.stage_id and v.left_at is null offset 0) v
    cross join lateral (select * from ats_application a where a.id = v.application_id and a.status = 'active' offset 0) a
    order by a.id
    offset 0) n
on conflict (application_id) do update set due_at = excluded.due_at where excluded.due_at < w.due_at
