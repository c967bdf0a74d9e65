"""What the last poll saw, from the database: the ``Memory`` a provider is given, and its keeping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from connectors.base import Record
from connectors.models import ProviderRecord

#: what a page may change; ``erased`` is not among them, so that a poll under way cannot take an erasure back
FIELDS = ("state", "listed_at", "detailed_at", "missing_runs", "watched")


class DatabaseMemory:
    """``connectors.base.Memory`` over the ``ProviderRecord`` rows of one connector."""

    def __init__(self, connector_id: int) -> None:
        self._rows = ProviderRecord.objects.filter(connector_id=connector_id)

    def recall(self, kind: str, external_ids: Sequence[str]) -> dict[str, Record]:
        return {row.external_id: record_of(row) for row in self._rows.filter(kind=kind, external_id__in=list(external_ids))}

    def stalest(self, kind: str, *, before: datetime, limit: int) -> list[Record]:
        rows = self._rows.filter(kind=kind, watched=True, detailed_at__lt=before).order_by("detailed_at", "external_id")
        return [record_of(row) for row in rows[:limit]]

    def unlisted(self, kind: str, *, since: datetime) -> Iterator[Record]:
        rows = self._rows.filter(kind=kind).exclude(listed_at__gte=since).order_by("external_id")
        # read whole before the first is handed out: the caller commits pages while it iterates
        for row in list(rows):
            yield record_of(row)


def keep(connector_id: int, records: Iterable[Record]) -> None:
    """Store what this page saw; in key order, so that two writers cannot deadlock."""
    rows = {(record.kind, record.external_id): record for record in records}
    ProviderRecord.objects.bulk_create(
        [
            ProviderRecord(
                connector_id=connector_id,
                kind=record.kind,
                external_id=record.external_id,
                **{name: getattr(record, name) for name in FIELDS},
            )
            for _, record in sorted(rows.items())
        ],
        update_conflicts=True,
        unique_fields=["connector", "kind", "external_id"],
        update_fields=list(FIELDS),
        batch_size=1000,
    )


def record_of(row: ProviderRecord) -> Record:
    return Record(kind=row.kind, external_id=row.external_id, erased=row.erased, **{name: getattr(row, name) for name in FIELDS})
