"""Writing many rows that differ from each other in one statement."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection
from django.db.models import Model


def update(rows: Sequence[Model], fields: Sequence[str]) -> None:
    """Write these fields of saved rows of one model: what ``bulk_update`` does, in one statement whatever their number.

    Values travel as one array per field. ``bulk_update`` makes an expression of each, which for some hundred issues costs
    more than judging them. Rows are locked in no order: hold them already where others may write them too. A field that
    is an array itself cannot be written so: PostgreSQL unnests all its dimensions.
    """
    if not rows:
        return
    meta = rows[0]._meta
    known = {column.name: column for column in meta.concrete_fields}
    key, others = next(column for column in meta.concrete_fields if column.primary_key), [known[name] for name in fields]
    columns = [key, *others]
    names = {column: connection.ops.quote_name(str(column.column)) for column in columns}
    arrays = ", ".join(f"%s::{column.db_type(connection)}[]" for column in columns)
    told = ", ".join(names.values())
    sets = ", ".join(f"{names[column]} = told.{names[column]}" for column in others)
    table = connection.ops.quote_name(meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""update {table} as kept set {sets} from unnest({arrays}) as told({told})
                where kept.{names[key]} = told.{names[key]}""",  # noqa: S608 (names of ours)
            [[column.get_db_prep_save(getattr(row, column.attname), connection) for row in rows] for column in columns],
        )
