"""File import as a provider: nothing to poll, one kind of payload, a mapping that is nearly the identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from connectors.base import Account, Capabilities, Heard, Memory, Observation, Page, Record, SyncMode, check_known
from connectors.events import (
    Actor,
    CandidateFacts,
    EventType,
    JobFacts,
    JobStatus,
    Mapped,
    NormalizedEvent,
    StageCategory,
    StageFacts,
)
from connectors.exceptions import NotConfigured, PayloadNotUnderstood
from connectors.files.rows import ImportRow, RowError, encode, from_json
from connectors.signatures import SignedBy

#: ``RawEvent.kind`` of an imported row, whichever connector it was imported into
KIND = "import_row"

_decode = msgspec.json.Decoder(ImportRow).decode


class FilesProvider:
    name = "files"
    label = "File import (CSV, JSONL)"
    signed_by = SignedBy(signature="X-Stagewatch-Signature", timestamp="X-Stagewatch-Timestamp")
    capabilities = Capabilities(webhooks=True, stage_history=True, actor_on_stage_change=True, interviews=True)

    def check_settings(self, *, base_url: str, secret: str, settings: Mapping[str, Any]) -> None:
        if base_url or secret:
            raise NotConfigured("A file connector has neither a base URL nor a secret; leave both out.")
        check_known(settings, label="A file connector", known=())

    def hear(self, body: bytes, *, received_at: datetime) -> Heard:
        """Rows as in a JSONL file: all of them, or none."""
        try:
            rows = [encode(from_json(line)) for line in body.splitlines() if line.strip()]
        except RowError as error:
            raise PayloadNotUnderstood(f"A row is {error}" if str(error).startswith("not ") else f"A row's {error}") from None
        return Heard(observations=[Observation(kind=KIND, payload=msgspec.json.decode(row)) for row in rows])

    def fetch(
        self, account: Account, *, mode: SyncMode, checkpoint: dict[str, Any] | None, memory: Memory, started_at: datetime
    ) -> Iterator[Page]:
        raise NotConfigured("A file connector cannot be polled. Use: manage.py import_events FILE.")

    def map(self, kind: str, payload: dict[str, Any]) -> Mapped:
        return map_row(msgspec.json.encode(payload), self.name)

    def forget(self, record: Record) -> Record | None:
        return None  # nothing is polled, so nothing is remembered


def map_row(raw: bytes | str, provider: str) -> Mapped:
    """An inbox payload of ``KIND`` as its event and facts. ``raw`` is the JSON text; raises ``PayloadNotUnderstood``."""
    try:
        row = _decode(raw)
        event = NormalizedEvent(
            event_type=row.event_type,
            provider_event_id=row.provider_event_id,
            provider=provider,
            candidate_external_id=row.candidate_external_id,
            application_external_id=row.application_external_id,
            job_external_id=row.job_external_id,
            stage_from=row.stage_from,
            stage_to=row.stage_to,
            actor=Actor(external_id=row.actor_id, name=row.actor) if row.actor or row.actor_id else None,
            timestamp=row.timestamp,
            recorded_at=row.recorded_at,
            precision=row.precision,
            metadata=_metadata(row),
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise PayloadNotUnderstood(f"An imported row cannot be read back: {type(error).__name__}.") from None
    return Mapped(
        observed_at=row.recorded_at or row.timestamp,
        events=(event,),
        jobs=_jobs(row),
        stages=_stages(row),
        candidates=_candidates(row),
    )


def _metadata(row: ImportRow) -> dict[str, Any]:
    metadata = row.metadata
    if row.stage_from_name:
        metadata = {**metadata, "stage_from_name": row.stage_from_name}
    if row.stage_to_name:
        metadata = {**metadata, "stage_to_name": row.stage_to_name}
    if row.event_type == EventType.JOB_STATUS_CHANGED and row.job_status:
        metadata = {**metadata, "status": row.job_status}
    return metadata


def _jobs(row: ImportRow) -> tuple[JobFacts, ...]:
    if not (row.job_external_id and (row.job_title or row.department or row.job_status or row.job_opened_at)):
        return ()
    return (_job(row.job_external_id, row.job_title, row.department, row.job_status, row.job_opened_at),)


def _stages(row: ImportRow) -> tuple[StageFacts, ...]:
    came = row.stage_from and (row.stage_from_name or row.stage_from_category)
    went = row.stage_to and (row.stage_to_name or row.stage_to_category)
    if came and went:
        return (
            _stage(row.stage_from, row.stage_from_name, row.stage_from_category),
            _stage(row.stage_to, row.stage_to_name, row.stage_to_category),
        )
    if went:
        return (_stage(row.stage_to, row.stage_to_name, row.stage_to_category),)
    return (_stage(row.stage_from, row.stage_from_name, row.stage_from_category),) if came else ()


def _candidates(row: ImportRow) -> tuple[CandidateFacts, ...]:
    if not (row.candidate_external_id and (row.candidate_name or row.candidate_email or row.source)):
        return ()
    return (CandidateFacts(external_id=row.candidate_external_id, name=row.candidate_name, email=row.candidate_email, source=row.source),)


# Row after row repeats the same few jobs and stages: made once, told apart from the last telling by identity.
@lru_cache(maxsize=4096)
def _job(external_id: str, title: str | None, department: str | None, status: JobStatus | None, opened_at: datetime | None) -> JobFacts:
    return JobFacts(external_id=external_id, title=title, department=department, status=status, opened_at=opened_at)


@lru_cache(maxsize=4096)
def _stage(external_id: str, name: str | None, category: StageCategory | None) -> StageFacts:
    return StageFacts(external_id=external_id, name=name, category=category)
