-- Interviews, feedback, offers and mails with a direction of the picked applications, in fold order. The condition is that of
-- the index event_appointment, word by word, so that nothing else is read. Reads picked_application.
select e.application_id, e.event_type, e.occurred_at, e.provider_event_id, e.actor_external_id, e.metadata
from picked_application p
cross join lateral (
    select c.* from ats_candidateevent c
    where c.application_id = p.application_id
      and (c.event_type in ('interview_scheduled', 'interview_changed', 'interview_cancelled', 'interview_ended', 'feedback_submitted',
                            'feedback_removed', 'offer_created', 'offer_sent', 'offer_accepted', 'offer_declined', 'offer_withdrawn')
           or (c.event_type = 'email_logged' and c.metadata ? 'direction'))
    offset 0) e
order by e.application_id, e.occurred_at, e.source_recorded_at nulls first, e.provider_event_id
