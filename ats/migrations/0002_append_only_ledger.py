"""The database itself keeps the ledger append-only, and leaves room in rows that change often."""

from django.db import migrations

APPEND_ONLY = """
create function ats_ledger_is_append_only() returns trigger language plpgsql as $$
begin
    -- an erasure announces itself for the length of its transaction
    if current_setting('stagewatch.erasing', true) = 'on' then
        return coalesce(new, old);
    end if;
    raise exception 'The ledger is append-only: % of event % refused.', tg_op, old.id
        using hint = 'Record a new event, or erase the candidate with manage.py erase_candidate.';
end $$;
create trigger ledger_is_append_only before update or delete on ats_candidateevent
    for each row execute function ats_ledger_is_append_only();
"""

UNDO = """
drop trigger ledger_is_append_only on ats_candidateevent;
drop function ats_ledger_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("ats", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, UNDO),
        # snapshots change with every event: room on the page keeps those updates HOT
        migrations.RunSQL("alter table ats_application set (fillfactor = 80)", "alter table ats_application reset (fillfactor)"),
        migrations.RunSQL("alter table ats_candidate set (fillfactor = 80)", "alter table ats_candidate reset (fillfactor)"),
    ]
