"""What was recorded since a moment is found by block range: a few kilobytes, for the ledger is written in that order. Built without stopping it."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('ats', '0005_event_appointment'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='candidateevent',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['recorded_at'], name='event_recorded', pages_per_range=32),
        ),
    ]
