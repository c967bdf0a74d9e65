"""What a provider module offers, and what it is given. A provider is a folder and one registry line.

A provider never touches the database: it asks its ``Memory`` what the last poll saw, yields pages of
observations, and maps raw payloads to normalized events with a pure function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from connectors.events import Mapped
from connectors.exceptions import NotConfigured
from connectors.signatures import SignedBy

#: What is left of a raw payload whose person was erased; it maps to nothing.
ERASED_PAYLOAD = '{"erased": true}'


class SyncMode(StrEnum):
    FULL = "full"  #: look at everything, details of every application included
    DELTA = "delta"  #: look at everything listed, details only where something changed


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider can tell (canonical capability flags). A rule lacking its input is off."""

    polls: bool = False
    stage_history: bool = False
    actor_on_stage_change: bool = False
    incremental_read: bool = False
    deletion_signal: bool = False
    interviews: bool = False
    webhooks: bool = False
    per_job_stages: bool = False


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's settings with its secret in clear. Lives in memory for the length of one run."""

    connector_id: int
    base_url: str
    #: e.g. the API key; never logged, never in repr
    secret: str
    #: provider-specific settings, validated by the provider's ``check_settings``
    settings: Mapping[str, Any] = {}
    #: start of the first run that brought anything. What was going on before it began unseen, among others that ended unseen
    watched_since: datetime | None = None

    def __repr__(self) -> str:
        return f"Account(connector_id={self.connector_id})"


def check_known(settings: Mapping[str, Any], *, label: str, known: Collection[str]) -> None:
    """A misspelt setting would be kept and do nothing. Raises ``NotConfigured``."""
    for name in sorted(set(settings) - set(known)):
        raise NotConfigured(f"{label} has no setting {name!r}; there {'are ' + ', '.join(sorted(known)) if known else 'is none'}.")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the last poll saw of one provider object (``ProviderRecord`` row)."""

    kind: str
    external_id: str
    #: provider-specific snapshot, only the allowed fields
    state: dict[str, Any]
    listed_at: datetime | None = None
    detailed_at: datetime | None = None
    #: complete runs in a row that did not list it
    missing_runs: int = 0
    #: worth re-reading though the list shows no change (an application still in play)
    watched: bool = False
    #: the person behind it was erased: none of their fields may be told or remembered again. Set by an erasure only;
    #: what a page says of it is not stored
    erased: bool = False


class Memory(Protocol):
    """The provider's own past, read-only to it; changes ride on the pages it yields."""

    def recall(self, kind: str, external_ids: Sequence[str]) -> dict[str, Record]:
        """The records of these ids, by id; unknown ids are absent."""

    def stalest(self, kind: str, *, before: datetime, limit: int) -> list[Record]:
        """Watched records whose details were read longest ago (and before ``before``), oldest first."""

    def unlisted(self, kind: str, *, since: datetime) -> Iterator[Record]:
        """Records no page has listed since ``since``, in id order."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One raw payload for the inbox: everything ``map`` needs, only allowed fields."""

    #: what the payload tells of, e.g. ``application``, ``jobs``, ``statuses``, ``event``
    kind: str
    payload: dict[str, Any]
    #: application id (or job id): observations with the same key are processed together
    key: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A committed unit of a run: its raw observations, records and checkpoint are stored together."""

    observations: Sequence[Observation] = ()
    records: Sequence[Record] = ()
    #: where to go on after a crash; opaque to everyone else. None: the run is complete.
    checkpoint: dict[str, Any] | None = None
    #: how many objects the page looked at (progress)
    fetched: int = 0
    #: people-readable losses ("2 details failed; bounded times used")
    notes: Sequence[str] = ()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook said."""

    observations: Sequence[Observation] = ()
    #: it said that something changed, not what: a delta sync has to look
    look_again: bool = False


class Provider(Protocol):
    """One ATS. Implementations are stateless module-level singletons."""

    name: str
    label: str
    capabilities: Capabilities
    #: how its webhooks show that they are its own
    signed_by: SignedBy

    def check_settings(self, *, base_url: str, secret: str, settings: Mapping[str, Any]) -> None:
        """Raise ``NotConfigured`` with one clear sentence if these cannot work. No I/O."""

    def fetch(
        self, account: Account, *, mode: SyncMode, checkpoint: dict[str, Any] | None, memory: Memory, started_at: datetime
    ) -> Iterator[Page]:
        """Yield the pages of one run, resuming after ``checkpoint``. Raises ``ConnectorError``.

        ``started_at`` is the start of the whole run, unchanged when it is resumed.
        """

    def hear(self, body: bytes, *, received_at: datetime) -> Heard:
        """What an authentic webhook says, only allowed fields. Pure. Raises ``PayloadNotUnderstood``."""

    def map(self, kind: str, payload: dict[str, Any]) -> Mapped:
        """What one observation means. Pure. Raises ``PayloadNotUnderstood``."""

    def forget(self, record: Record) -> Record | None:
        """The record without anything of the person behind it, marked ``erased``; None if it is about no person. Pure."""
