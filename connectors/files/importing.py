"""Bringing a file into the inbox: checked whole before its first row is committed, in constant memory.

The first pass checks every row and spools it, ready for COPY, into one temporary file per batch. Rows of one
application share a batch, so that its history is folded once and two workers never meet on it. The second pass
commits spool after spool; each is on the road as soon as it is in. A crash in between leaves a failed run;
importing again doubles nothing.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from connectors import inbox
from connectors.exceptions import ConnectorError
from connectors.files.provider import KIND
from connectors.files.reading import estimated_rows, read_rows
from connectors.files.rows import RowError, encode
from connectors.leases import LEASE, Lease
from connectors.models import Batch, Connector, SyncRun
from connectors.services import end_fetching

#: errors shown; the rest are counted
SHOWN = 20
#: open spool files; a larger file gets larger batches
MOST_SPOOLS = 512
PROGRESS_EVERY = 10_000

Progress = Callable[[int], None]


class FileRefused(ConnectorError):
    """The file has rows that cannot be imported; nothing of it was."""

    code = "file_refused"


@dataclass
class _Spool:
    batch_id: int
    file: BinaryIO
    rows: int = 0


@dataclass
class _Checked:
    rows: int = 0
    errors: int = 0
    shown: list[str] = field(default_factory=list)

    def note(self, number: int, error: RowError) -> None:
        self.errors += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"row {number}: {error}")


def import_file(
    *, connector: Connector, path: Path, columns: Mapping[str, str], skip_bad_rows: bool = False, progress: Progress = lambda rows: None
) -> SyncRun:
    """Commit a file's rows to the inbox and start them on the road. Returns the run, flowing.

    Raises ``FileRefused`` naming the bad rows (nothing is imported unless ``skip_bad_rows``) or ``NotConfigured``.
    """
    now = timezone.now()
    run = SyncRun.objects.create(
        connector=connector,
        mode=SyncRun.Mode.IMPORT,
        state=SyncRun.State.RUNNING,
        started_at=now,
        next_attempt_at=now + LEASE,
        claimed_by="import",
    )
    try:
        with Lease(run.pk, "import"), tempfile.TemporaryDirectory(prefix="stagewatch-import-") as folder, ExitStack() as files:
            _bring_in(run, connector, path, columns, skip_bad_rows, Path(folder), files, progress)
    except ConnectorError as error:
        _refuse(run, error.code, str(error))
        raise
    except BaseException as error:
        _refuse(run, "interrupted", f"The import stopped ({type(error).__name__}). Run the same command again: nothing is doubled.")
        raise
    run.refresh_from_db()
    return run


def _bring_in(
    run: SyncRun,
    connector: Connector,
    path: Path,
    columns: Mapping[str, str],
    skip_bad_rows: bool,
    folder: Path,
    files: ExitStack,
    progress: Progress,
) -> None:
    count = min(MOST_SPOOLS, max(1, round(estimated_rows(path) / settings.BATCH_SIZE)))
    spools = [_Spool(batch_id, files.enter_context((folder / f"{n}").open("w+b"))) for n, batch_id in enumerate(_batch_ids(count))]
    checked = _spool(path, columns, connector, spools, progress)
    if checked.errors and not skip_bad_rows:
        more = f"\n  … and {checked.errors - SHOWN} more" if checked.errors > SHOWN else ""
        raise FileRefused(
            f"{path.name} has {checked.errors} row{'' if checked.errors == 1 else 's'} that cannot be imported, so nothing was:\n  "
            + "\n  ".join(checked.shown)
            + more
            + "\nMend them, or import the others with --skip-bad-rows."
        )
    run.fetched = checked.rows
    run.notes = [f"{checked.errors} rows were left out", *checked.shown] if checked.errors else []
    run.save(update_fields=["fetched", "notes"])
    for spool in spools:
        if spool.rows:
            _commit(run, connector, spool)
    with transaction.atomic():
        end_fetching(SyncRun.objects.select_for_update().get(pk=run.pk))


def _spool(path: Path, columns: Mapping[str, str], connector: Connector, spools: list[_Spool], progress: Progress) -> _Checked:
    """First pass: every row checked, and written as a COPY line to the spool of its application."""
    checked = _Checked()
    received_at = timezone.now()
    ends = f"\t{received_at.isoformat()}\n".encode()
    heads = [f"{connector.pk}\t{spool.batch_id}\t{KIND}\t".encode() for spool in spools]
    for number, row in read_rows(path, columns):
        if isinstance(row, RowError):
            checked.note(number, row)
            continue
        try:
            payload = encode(row)
        except RowError as error:
            checked.note(number, error)
            continue
        where = zlib.crc32((row.application_external_id or row.job_external_id or "").encode()) % len(spools)
        # COPY's text format: only backslashes need care, JSON has no raw tabs or line breaks
        spools[where].file.write(heads[where] + payload.replace(b"\\", b"\\\\") + ends)
        spools[where].rows += 1
        checked.rows += 1
        if checked.rows % PROGRESS_EVERY == 0:
            progress(checked.rows)
    progress(checked.rows)
    return checked


def _commit(run: SyncRun, connector: Connector, spool: _Spool) -> None:
    """Second pass: one spool, one transaction, one batch on the road."""
    spool.file.seek(0)
    with transaction.atomic(), connection.cursor() as cursor:
        inbox.new_batch(connector, sync_run=run, batch_id=spool.batch_id)
        with cursor.copy(f"copy {inbox.COLUMNS} from stdin") as copy:
            while chunk := spool.file.read(1 << 20):
                copy.write(chunk)
        Batch.objects.filter(pk=spool.batch_id).update(raw_count=spool.rows)


def _batch_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("select nextval(pg_get_serial_sequence('connectors_batch', 'id')) from generate_series(1, %s)", [count])
        return [row[0] for row in cursor.fetchall()]


def _refuse(run: SyncRun, code: str, reason: str) -> None:
    SyncRun.objects.filter(pk=run.pk).update(
        state=SyncRun.State.FAILED, finished_at=timezone.now(), next_attempt_at=None, error_code=code, error=reason
    )
