"""Which rows of a heatmap a transaction may have changed, noted by the database in that same transaction.

Triggers, so that no writer can forget it: steps of the road, the admin, and whoever repairs something by hand. One row
per statement, not per changed row; nobody waits for anybody, for it is only ever appended to.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

FUNCTIONS = """
create function analytics_jobs_changed() returns trigger language plpgsql as $$
begin
    insert into analytics_change (organization_id, job_ids, xid, at)
    select organization_id, array_agg(distinct job_id), pg_current_xact_id()::text::bigint, clock_timestamp()
    from changed where job_id is not null group by organization_id;
    return null;
end $$;
create function analytics_organization_changed() returns trigger language plpgsql as $$
begin
    insert into analytics_change (organization_id, job_ids, xid, at)
    select distinct organization_id, null::bigint[], pg_current_xact_id()::text::bigint, clock_timestamp() from changed;
    return null;
end $$;
create function analytics_row_changed() returns trigger language plpgsql as $$
declare
    told jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    job bigint := case tg_argv[0] when 'organization' then null else (told ->> tg_argv[0])::bigint end;
begin
    insert into analytics_change (organization_id, job_ids, xid, at)
    values ((told ->> tg_argv[1])::bigint, case tg_argv[0] when 'frame' then '{}' when 'organization' then null else array[job] end,
            pg_current_xact_id()::text::bigint, clock_timestamp());
    return null;
end $$;
"""


def of_statements(table: str, function: str) -> str:
    """Noted once per statement, for tables that are written many rows at a time."""
    return "".join(
        f"create trigger {table}_{word} after {word} on {table} referencing {which} table as changed "
        f"for each statement execute function {function}();\n"
        for word, which in (("insert", "new"), ("update", "new"), ("delete", "old"))
    )


def of_rows(table: str, job: str, organization: str = "organization_id", *, when: str = "old.* is distinct from new.*") -> str:
    """Noted for each row that did change, for tables that are rarely written."""
    return (
        f"create trigger {table}_noted after insert or delete on {table} for each row "
        f"execute function analytics_row_changed('{job}', '{organization}');\n"
        f"create trigger {table}_changed after update on {table} for each row when ({when}) "
        f"execute function analytics_row_changed('{job}', '{organization}');\n"
    )


TRIGGERS = (
    of_statements("analytics_stagemetric", "analytics_jobs_changed")
    + of_statements("analytics_categorymetric", "analytics_jobs_changed")
    + of_statements("analytics_baseline", "analytics_organization_changed")
    + of_rows("analytics_stagetarget", "organization")
    + of_rows("analytics_workingcalendar", "organization")
    + of_rows("ats_job", "id")
    + of_rows("ats_stage", "organization")
    + of_rows("accounts_organization", "organization", "id")
    # its other columns are none of the heatmap's business, and change with every page of a sync
    + of_rows(
        "connectors_connector",
        "frame",
        when="(old.name, old.status, old.fresh_at) is distinct from (new.name, new.status, new.fresh_at)",
    )
    # a job on hold ages nobody; the ledger tells of it before the job's own row does
    + """create trigger ats_candidateevent_noted after insert on ats_candidateevent for each row
         when (new.event_type = 'job_status_changed' and new.job_id is not null)
         execute function analytics_row_changed('job_id', 'organization_id');
      """
)


def names(triggers: str) -> list[tuple[str, str]]:
    words = triggers.split()
    return [(words[n + 1], words[words.index("on", n) + 1]) for n, word in enumerate(words) if word == "trigger"]


UNDO = "".join(f"drop trigger {name} on {table};\n" for name, table in names(TRIGGERS)) + (
    "drop function analytics_jobs_changed(); drop function analytics_organization_changed(); drop function analytics_row_changed();"
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("analytics", "0008_stage_targets"),
        ("ats", "0003_erasure_receipt"),
        ("connectors", "0004_erased_record"),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job_ids", django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), null=True)),
                ("xid", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["organization", "xid"], name="change_since")]},
        ),
        migrations.RunSQL(FUNCTIONS + TRIGGERS, UNDO),
    ]
