"""Interviews, feedback, offers and mails with a direction get an index of their own. Built without stopping the ledger."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('ats', '0004_openings_and_evergreen_jobs'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='candidateevent',
            index=models.Index(condition=models.Q(('event_type__in', ['interview_scheduled', 'interview_changed', 'interview_cancelled', 'interview_ended', 'feedback_submitted', 'feedback_removed', 'offer_created', 'offer_sent', 'offer_accepted', 'offer_declined', 'offer_withdrawn']), models.Q(('event_type', 'email_logged'), ('metadata__has_key', 'direction')), _connector='OR'), fields=['application'], name='event_appointment'),
        ),
    ]
