"""A heatmap counts issues: what changes them is noted as what changes its other numbers is."""

from django.db import migrations

TRIGGERS = "".join(
    f"create trigger issues_issue_{word} after {word} on issues_issue referencing {which} table as changed "
    "for each statement execute function analytics_jobs_changed();\n"
    for word, which in (("insert", "new"), ("update", "new"), ("delete", "old"))
)
UNDO = "".join(f"drop trigger issues_issue_{word} on issues_issue;\n" for word in ("insert", "update", "delete"))


class Migration(migrations.Migration):
    dependencies = [("analytics", "0009_changes"), ("issues", "0002_remove_watch_watch_due_issue_opened_at_and_more")]

    operations = [migrations.RunSQL(TRIGGERS, UNDO)]
