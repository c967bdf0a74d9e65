"""Counters and visits are updated in place: room on the page keeps those updates HOT."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial")]

    operations = [
        migrations.RunSQL("alter table analytics_stagevisit set (fillfactor = 85)", "alter table analytics_stagevisit reset (fillfactor)"),
        migrations.RunSQL("alter table analytics_stagemetric set (fillfactor = 50)", "alter table analytics_stagemetric reset (fillfactor)"),
    ]
