"""How much room tables and indexes take beside what is in them.

Sizes are those the last vacuum or analyze has seen (``pg_class.relpages``), and rows the estimates of the statistics: reading
them takes no lock, so a table somebody has locked holds up neither a scrape nor doctor.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

#: below these nobody needs to think of bloat
MANY_ROWS, LARGE_INDEXES = 200_000, 2**30


@dataclass(frozen=True)
class Relation:
    """A table or a partition. ``table``: what the partition belongs to, else its own name; sizes in bytes."""

    name: str
    table: str
    live: int
    dead: int
    size: int
    indexes: int


def relations() -> list[Relation]:
    """Everything that holds rows, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select s.relname, coalesce(parent.relname, s.relname), s.n_live_tup, s.n_dead_tup,
                      (greatest(c.relpages, 0)::bigint + coalesce(greatest(t.relpages, 0), 0)) * current_setting('block_size')::int,
                      coalesce((select sum(greatest(x.relpages, 0)) from pg_index i join pg_class x on x.oid = i.indexrelid
                                where i.indrelid = c.oid), 0)::bigint * current_setting('block_size')::int
               from pg_stat_user_tables s
               join pg_class c on c.oid = s.relid and c.relkind = 'r'
               left join pg_class t on t.oid = c.reltoastrelid
               left join pg_inherits h on h.inhrelid = c.oid
               left join pg_class parent on parent.oid = h.inhparent
               where c.relpersistence <> 't'
               order by s.relname"""
        )
        return [Relation(*row) for row in cursor.fetchall()]
