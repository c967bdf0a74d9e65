"""Built without stopping those who write issues."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('issues', '0004_rule_settings'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='issue',
            index=models.Index(condition=models.Q(('application', None), ('job', None)), fields=['organization'], name='issue_of_no_job'),
        ),
        AddIndexConcurrently(
            model_name='issue',
            index=models.Index(condition=models.Q(('group__isnull', False)), fields=['group'], name='issue_members'),
        ),
    ]
