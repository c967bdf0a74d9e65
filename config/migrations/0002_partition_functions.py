"""What the application may do to partitions, though it owns no table: make one ahead of time, and drop one that is over.

Both run as the tables' owner, know the two tables they are for, and give up rather than make others wait: the locks
they need last an instant, and waiting for them is bounded by ``lock_timeout``.
"""

from __future__ import annotations

from django.db import migrations

ADD = """
create function stagewatch_add_partition(parent text, part text, starts timestamptz, ends timestamptz) returns void
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '1s' as $$
begin
    if parent not in ('connectors_rawevent', 'realtime_update') or part not like parent || '\\_%' then
        raise exception 'not a table with partitions of ours: %', parent;
    end if;
    -- attached rather than created in place: readers and writers of the parent go on
    execute format('create table %I (like %I including defaults including constraints including storage)', part, parent);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part, starts, ends);
end $$
"""

#: Dead letters, and payloads whose batch has not gone all the way, move to the default partition and stay.
DROP = """
create function stagewatch_drop_partition(parent text, part text) returns bigint
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '1s' as $$
declare
    kept bigint := 0;
begin
    if parent not in ('connectors_rawevent', 'realtime_update')
       or not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                      where i.inhparent = parent::regclass and c.relname = part
                        and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT') then
        raise exception 'not a partition of ours: %', part;
    end if;
    execute format('alter table %I detach partition %I', parent, part);
    if parent = 'connectors_rawevent' then
        execute format(
            'insert into connectors_rawevent (id, connector_id, batch_id, kind, payload, received_at, state, error, failed_at)
             overriding system value
             select id, connector_id, batch_id, kind, payload, received_at, state, error, failed_at from %1$I
             where id in (select id from %1$I where state = ''dead''
                          union
                          select r.id from connectors_batch b join %1$I r on r.batch_id = b.id where b.finished_at is null)',
            part);
        get diagnostics kept = row_count;
    end if;
    execute format('drop table %I', part);
    return kept;
end $$
"""


class Migration(migrations.Migration):
    dependencies = [("config", "0001_schedules")]

    operations = [
        migrations.RunSQL(
            [ADD, DROP, "revoke execute on function stagewatch_add_partition, stagewatch_drop_partition from public"],
            "drop function stagewatch_add_partition; drop function stagewatch_drop_partition",
        ),
    ]
