"""One run: what is asked of BambooHR in which order, page by page, so that a killed run goes on.

statuses → jobs → the whole list (details where something changed) → a refresh slice of what the list
cannot show → what is missing. Each page carries its observations, records and checkpoint; a page that was
not committed is simply asked for again, and the event keys make that harmless.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from connectors.bamboohr import diff
from connectors.bamboohr.client import BambooClient, Listed
from connectors.bamboohr.diff import Look
from connectors.bamboohr.mapper import StatusSighting
from connectors.bamboohr.wire import Application, Status
from connectors.base import Memory, Observation, Page, Record, SyncMode
from connectors.exceptions import (
    NotFound,
    PagingBroken,
    PayloadNotUnderstood,
    ProviderUnavailable,
    RequestRefused,
)

#: details per committed page: at two requests a second, what a killed run loses stays under half a minute
CHUNK = 25
#: jobs per committed page; they come in one answer
JOB_CHUNK = 200
#: details in a row that may fail as if BambooHR were down, before the run stops asking
OUTAGE = 5
#: a complete run may miss an application because a page shifted; two hardly
RUNS_MISSED = 2
#: after the first look at a missing application that is still readable: ask again every so many runs
RECHECK_MISSED = 12


class Phase(StrEnum):
    START = "start"
    APPLICATIONS = "applications"
    REFRESH = "refresh"
    MISSING = "missing"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run stands. ``query`` asks for the list page to read (again)."""

    phase: Phase = Phase.START
    query: dict[str, str] = msgspec.field(default_factory=lambda: {"page": "1"})
    pages: int = 0
    #: rows without an id were met, so absence proves nothing in this run
    holes: bool = False
    #: details the budget still allows, after the list
    budget: int = 0

    def at(self, **changes: Any) -> Checkpoint:
        return msgspec.structs.replace(self, **changes)

    def saved(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From the connector's settings."""

    #: details a run may read beyond those that changed
    refresh_budget: int = 100
    max_pages: int = 20_000


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a list row leads to, whether its detail was asked for, and whether that failed."""

    compared: tuple[Observation | None, Record]
    asked: bool = False
    failed: bool = False


class Poll:
    """The run of one account. Single use."""

    def __init__(
        self,
        *,
        client: BambooClient,
        memory: Memory,
        mode: SyncMode,
        run: datetime,
        limits: Limits,
        stage_map: Mapping[str, str],
        watched_since: datetime | None = None,
    ) -> None:
        self._client = client
        self._memory = memory
        self._mode = mode
        self._run = run
        self._limits = limits
        self._stage_map = stage_map
        self._watched_since = watched_since
        self._statuses: dict[str, Status] = {}
        self._outage = 0
        self._outage_error: ProviderUnavailable | None = None

    def pages(self, saved: dict[str, Any] | None) -> Iterator[Page]:
        start = _resumed(saved) or Checkpoint(budget=self._limits.refresh_budget)
        # Statuses are read even when resuming: every comparison needs them, and it is one request.
        yield self._status_page(start)
        if start.phase is Phase.START:
            yield from self._job_pages(start)
            start = start.at(phase=Phase.APPLICATIONS)
        if start.phase is Phase.APPLICATIONS:
            start = yield from self._list_pages(start)
        if start.phase is Phase.REFRESH:
            start = yield from self._refresh_pages(start)
        yield from self._missing_pages(start)

    # -- statuses and jobs ---------------------------------------------------------------------

    def _status_page(self, here: Checkpoint) -> Page:
        listed, answered_at = self._client.statuses()
        self._statuses = {status.id: self._as_mapped(status) for status in listed}
        then = self._memory.recall("status", list(self._statuses))
        changed = [
            status for status in self._statuses.values() if status.id not in then or then[status.id].state != msgspec.to_builtins(status)
        ]
        sighting = StatusSighting(observed_at=answered_at, statuses=changed)
        return Page(
            observations=[Observation(kind="statuses", payload=msgspec.to_builtins(sighting), key="statuses")] if changed else [],
            records=[self._status_record(status) for status in self._statuses.values()],
            checkpoint=here.saved(),
        )

    def _as_mapped(self, status: Status) -> Status:
        word = self._stage_map.get(status.id) or self._stage_map.get(status.code or "")
        return msgspec.structs.replace(status, taken_as=word)

    def _status_record(self, status: Status) -> Record:
        return Record(kind="status", external_id=status.id, state=msgspec.to_builtins(status), listed_at=self._run)

    def _job_pages(self, here: Checkpoint) -> Iterator[Page]:
        jobs, asked_at, answered_at = self._client.jobs()
        unique = iter({job.id: job for job in jobs}.values())
        while chunk := list(islice(unique, JOB_CHUNK)):
            then = self._memory.recall("job", [job.id for job in chunk])
            compared = [diff.compare_job(then.get(job.id), job, run=self._run, asked_at=asked_at, answered_at=answered_at) for job in chunk]
            yield self._page(compared, here, fetched=len(chunk))

    # -- the list ------------------------------------------------------------------------------

    def _list_pages(self, here: Checkpoint) -> Generator[Page, None, Checkpoint]:
        seen: set[str] = set()
        before: list[str] | None = None
        stale_pages = 0
        while True:
            listed = self._client.page(here.query)
            ids = [application.id for application in listed.applications]
            fresh = _first_of_each(listed.applications, seen)
            stale_pages = 0 if fresh else stale_pages + 1
            following = listed.following
            again = here.at(holes=here.holes or listed.unreadable > 0)
            here = again.at(pages=here.pages + 1)
            if following is not None:
                self._check_progress(here, repeated=ids == before and bool(ids), stale_pages=stale_pages)
            here = here.at(query=following) if following is not None else here.at(phase=Phase.REFRESH, query={"page": "1"})
            yield from self._listed_chunks(listed, fresh, again=again, turned=here)
            if following is None:
                return here
            seen.update(ids)
            before = ids

    def _check_progress(self, here: Checkpoint, *, repeated: bool, stale_pages: int) -> None:
        """A row may meet us twice when pages shift; pages that bring nothing new will never end."""
        if repeated or stale_pages > 1:
            raise PagingBroken(f"BambooHR's list repeats itself (page {here.query.get('page')}); the run was stopped.")
        if here.pages > self._limits.max_pages:
            raise PagingBroken(f"BambooHR's list did not end within {self._limits.max_pages} pages; raise max_pages if that is true.")

    def _listed_chunks(self, listed: Listed, fresh: Sequence[Application], *, again: Checkpoint, turned: Checkpoint) -> Iterator[Page]:
        """The list page's rows, committed after every ``CHUNK`` details and at its end. Until then its own
        query is the checkpoint: rows already committed then show no difference and cost no second detail."""
        records = self._memory.recall("application", [row.id for row in fresh])
        self._learn_statuses(fresh)
        chunk: list[Outcome] = []
        asked = 0
        for row in fresh:
            if self._is_down() or asked >= CHUNK:
                yield self._listed_page(chunk, again)
                self._stop_if_down()
                chunk, asked = [], 0
            chunk.append(self._listed(row, records.get(row.id), listed))
            asked += chunk[-1].asked
        unreadable = [f"{listed.unreadable} rows of list page {turned.pages} had no readable id"] if listed.unreadable else []
        yield self._listed_page(chunk, turned, notes=unreadable)
        self._stop_if_down()

    def _listed_page(self, chunk: Sequence[Outcome], here: Checkpoint, *, notes: Sequence[str] = ()) -> Page:
        failed = sum(outcome.failed for outcome in chunk)
        losses = [f"{failed} details could not be read; they are asked for again in the next run"] if failed else []
        return self._page([outcome.compared for outcome in chunk], here, fetched=len(chunk), notes=[*notes, *losses])

    def _listed(self, row: Application, record: Record | None, listed: Listed) -> Outcome:
        look = Look(application=row, detailed=False, listed=True, asked_at=listed.asked_at, answered_at=listed.answered_at)
        if not self._wants_detail(row, record):
            return Outcome(compared=self._compare(record, look))
        detailed = self._detail(row.id)
        if detailed is not None:
            return Outcome(compared=self._compare(record, detailed), asked=True)
        if diff.out_of_patience(record, run=self._run):
            return Outcome(compared=self._compare(record, look), asked=True, failed=True)
        return Outcome(compared=(None, diff.postponed(record, look, run=self._run)), asked=True, failed=True)

    def _wants_detail(self, row: Application, record: Record | None) -> bool:
        if diff.needs_detail(record, row):
            return True
        # A full run looks at every detail, once: a resumed one has read some already.
        return self._mode is SyncMode.FULL and (record is None or record.detailed_at is None or record.detailed_at < self._run)

    # -- the refresh slice ---------------------------------------------------------------------

    def _refresh_pages(self, here: Checkpoint) -> Generator[Page, None, Checkpoint]:
        """What the list cannot show (left and came back, comments, mails): those in play, longest unread first."""
        while here.budget > 0 and self._mode is SyncMode.DELTA:
            records = self._memory.stalest("application", before=self._run, limit=min(CHUNK, here.budget))
            if not records:
                break
            here = here.at(budget=here.budget - len(records))
            self._recall_statuses({diff.snapshot_of(record).status_id for record in records})
            compared = [self._refreshed(record) for record in records if not self._is_down()]
            yield self._page(compared, here, fetched=len(compared))
            self._stop_if_down()
        here = here.at(phase=Phase.MISSING, budget=max(here.budget, CHUNK))
        yield Page(checkpoint=here.saved())
        return here

    def _refreshed(self, record: Record) -> tuple[Observation | None, Record]:
        unread = msgspec.structs.replace(record, detailed_at=self._run)
        if record.listed_at is None or record.listed_at < self._run:
            return None, unread  # not listed in this run: the missing phase looks into it
        look = self._detail(record.external_id)
        return self._compare(record, look) if look else (None, unread)

    # -- what is missing -----------------------------------------------------------------------

    def _missing_pages(self, here: Checkpoint) -> Iterator[Page]:
        """Applications this complete run did not list. Gone only if a second run misses them and their own
        address answers 404: a shifted page, changed rights or a fault look the same from the list."""
        if here.holes:
            yield Page(checkpoint=None, notes=["rows without an id were listed, so absence proves nothing in this run"])
            return
        unlisted = self._memory.unlisted("application", since=self._run)
        absent = (record for record in unlisted if not diff.snapshot_of(record).gone)
        while chunk := list(islice(absent, CHUNK)):
            compared = []
            for record in chunk:
                outcome, asked = self._missing(record, here.budget)
                here = here.at(budget=here.budget - asked)
                compared.append(outcome)
            yield self._page(compared, here, fetched=len(chunk))
            self._stop_if_down()
        yield Page(checkpoint=None)

    def _missing(self, record: Record, budget: int) -> tuple[tuple[Observation | None, Record], int]:
        """What an absent application leads to, and how many details were asked for."""
        missed = diff.missed(record, run=self._run)
        due = missed.missing_runs >= RUNS_MISSED and (missed.missing_runs - RUNS_MISSED) % RECHECK_MISSED == 0
        if not due or missed is record:
            return (None, missed), 0
        if budget <= 0 or self._is_down():
            return (None, record), 0  # the count stays, so that the next run asks
        self._recall_statuses({diff.snapshot_of(record).status_id})
        try:
            read = self._client.application(record.external_id)
        except NotFound:
            at = max(self._run, self._client.now())
            return diff.removed(missed, run=self._run, answered_at=at, statuses=self._statuses), 1
        except (ProviderUnavailable, PayloadNotUnderstood, RequestRefused):
            return (None, record), 1
        look = Look(
            application=read.application,
            detailed=True,
            listed=False,
            asked_at=read.asked_at,
            answered_at=read.answered_at,
        )
        self._learn_statuses([read.application])
        return self._compare(missed, look), 1

    # -- shared --------------------------------------------------------------------------------

    def _detail(self, application_id: str) -> Look | None:
        """None if it cannot be read now. Throttling and rejected credentials end the run instead."""
        try:
            read = self._client.application(application_id)
        except ProviderUnavailable as error:
            self._outage, self._outage_error = self._outage + 1, error
            return None
        except (PayloadNotUnderstood, RequestRefused):
            return None
        self._outage = 0
        self._learn_statuses([read.application])
        return Look(
            application=read.application,
            detailed=True,
            listed=True,
            asked_at=read.asked_at,
            answered_at=read.answered_at,
        )

    def _is_down(self) -> bool:
        return self._outage >= OUTAGE

    def _stop_if_down(self) -> None:
        """Only after the page is out: its failure counts are what keeps bad details from stopping every run."""
        if self._is_down() and self._outage_error is not None:
            raise self._outage_error

    def _compare(self, record: Record | None, look: Look) -> tuple[Observation | None, Record]:
        return diff.compare(record, look, run=self._run, statuses=self._statuses, watched_since=self._watched_since)

    def _learn_statuses(self, applications: Sequence[Application]) -> None:
        self._recall_statuses({application.status_id for application in applications})

    def _recall_statuses(self, ids: set[str | None]) -> None:
        """Statuses in use that BambooHR no longer lists, as an earlier run knew them."""
        unlisted = [status_id for status_id in ids if status_id is not None and status_id not in self._statuses]
        if not unlisted:
            return
        for status_id, record in self._memory.recall("status", unlisted).items():
            self._statuses[status_id] = self._as_mapped(msgspec.convert(record.state, Status))
        for status_id in unlisted:
            self._statuses.setdefault(status_id, self._as_mapped(Status(id=status_id)))

    def _page(
        self,
        compared: Sequence[tuple[Observation | None, Record]],
        here: Checkpoint,
        *,
        fetched: int,
        notes: Sequence[str] = (),
    ) -> Page:
        return Page(
            observations=[observation for observation, _ in compared if observation],
            records=[record for _, record in compared],
            checkpoint=here.saved(),
            fetched=fetched,
            notes=notes,
        )


def _resumed(saved: dict[str, Any] | None) -> Checkpoint | None:
    """A checkpoint of another version starts the run anew: slower, never wrong."""
    try:
        return msgspec.convert(saved, Checkpoint) if saved else None
    except msgspec.ValidationError:
        return None


def _first_of_each(applications: Sequence[Application], seen: set[str]) -> list[Application]:
    fresh = {application.id: application for application in applications if application.id not in seen}
    return list(fresh.values())
