-- The due queue for the touched applications. Reads touched. Parameters: now, default_idle, default_stuck (calendar days).
-- Each stage of a job knows lower bounds of the rules' limits, so that the moment written is never too late. Whoever has
-- interviews, offers or an entry whose dates are odd is looked at at once: their moments are computed where rules are asked.
-- An event that moves the moment later writes nothing: the sweep looks, finds nothing and re-arms.
insert into issues_watch as w (application_id, organization_id, connector_id, due_at)
select n.application_id, n.organization_id, n.connector_id, n.due_at
from (
    select a.id as application_id, a.organization_id, a.connector_id,
           case when v.entered_at > %(now)s or o.odd
                  or exists (select 1 from ats_candidateevent c
                             where c.application_id = a.id
                               and (c.event_type in ('interview_scheduled', 'interview_changed', 'interview_cancelled', 'interview_ended',
                                                     'feedback_submitted', 'feedback_removed', 'offer_created', 'offer_sent',
                                                     'offer_accepted', 'offer_declined', 'offer_withdrawn')
                                    or (c.event_type = 'email_logged' and c.metadata ? 'direction')) offset 0)
                then %(now)s
                else least(greatest(a.last_activity_at, v.entered_at) + make_interval(days => coalesce(k.idle_days, %(default_idle)s)),
                           v.entered_at + make_interval(days => coalesce(k.stuck_days, %(default_stuck)s))) end as due_at
    from touched t
    cross join lateral (select * from ats_application a where a.id = t.application_id and a.status = 'active' offset 0) a
    cross join lateral (select entered_at, stage_id, job_id, entry_event_id from analytics_stagevisit v
                        where v.application_id = a.id and v.left_at is null offset 0) v
    left join lateral (select idle_days, stuck_days from issues_cellwatch k
                       where k.job_id = v.job_id and k.stage_id = v.stage_id offset 0) k on true
    cross join lateral (select e.metadata ? 'anomaly' or coalesce(e.source_recorded_at - e.occurred_at > interval '4 hours', false) as odd
                        from ats_candidateevent e where e.id = v.entry_event_id offset 0) o
    order by a.id
    offset 0) n
where not exists (select 1 from issues_watch o where o.application_id = n.application_id and o.due_at <= n.due_at offset 0)
on conflict (application_id) do update set due_at = excluded.due_at where excluded.due_at < w.due_at
