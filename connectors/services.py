"""The writes of connectors: connect an account, ask for a sync, carry it out page by page."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet, SlugField
from django.utils import timezone

from accounts.models import Organization
from config import correlation, flow, telemetry, tracing
from connectors import batches, inbox, memory, registry
from connectors.base import Account, Page, SyncMode
from connectors.exceptions import ConnectorError, CredentialsRejected, NotConfigured, RateLimited
from connectors.leases import Lease, LeaseLost, claim
from connectors.models import Connector, SyncRun

logger = logging.getLogger(__name__)

#: starts of one run in a row that bring it no further before it is given up; the next scheduled run begins afresh
MAX_ATTEMPTS = 4
#: seconds between two tellings of a run's progress
TELL_EVERY = 1.0
#: a queued run whose message was lost is offered again after this
OFFER_AGAIN = timedelta(seconds=30)


class SyncInProgress(Exception):
    """The connector has a run that has not ended; ``run`` names it."""

    def __init__(self, run: SyncRun) -> None:
        super().__init__(f"{run.connector.name} has a run in progress (SyncRun {run.pk}, {run.get_state_display()}). Wait for it to end.")
        self.run = run


def check_name(named: Organization | Connector, field: str) -> None:
    """Raise ``NotConfigured`` where commands could not name it: people type ``organization/name``."""
    name, column = str(getattr(named, field)), cast("SlugField[str, str]", named._meta.get_field(field))
    try:
        column.clean(name, named)
    except ValidationError:
        raise NotConfigured(
            f"{name!r} cannot be the name of this {named._meta.verbose_name}: it takes letters, digits, hyphens and underscores, "
            f"and at most {column.max_length} of them."
        ) from None


@transaction.atomic
def connect(
    *,
    organization: Organization,
    provider: str,
    name: str,
    base_url: str = "",
    secret: str = "",
    settings: Mapping[str, Any] | None = None,
    webhook_secret: str = "",
) -> Connector:
    """Create or change the connector called ``name``. Raises ``NotConfigured`` with one sentence if it cannot work."""
    known = Connector.objects.select_for_update().filter(organization=organization, name=name).first()
    if known and known.provider != provider:
        raise NotConfigured(f"{name} is a {known.provider} connector already; choose another name for {provider}.")
    connector = known or Connector(organization=organization, provider=provider, name=name)
    if known is None:
        check_name(connector, "name")
    connector.base_url = base_url or connector.base_url
    connector.settings = {**connector.settings, **(settings or {})}
    kept = secret or (connector.open_secret() if known else "")
    registry.get(provider).check_settings(base_url=connector.base_url, secret=kept, settings=connector.settings)
    connector.status, connector.status_reason = Connector.Status.ACTIVE, ""
    connector.save()
    if secret:
        connector.set_secret(secret)  # after the first save: the row's id is sealed in
        connector.save(update_fields=["sealed_secret"])
    if webhook_secret:
        connector.add_webhook_secret(webhook_secret)
        connector.save(update_fields=["sealed_webhook_secrets"])
    return connector


def request_sync(*, connector: Connector, mode: str) -> SyncRun:
    """Queue a full or delta sync; a worker carries it out. Raises ``NotConfigured`` or ``SyncInProgress``."""
    if not registry.get(connector.provider).capabilities.polls:
        raise NotConfigured(f"{connector.name} is a {connector.provider} connector, which cannot be polled. Use import_events.")
    if connector.status == Connector.Status.PAUSED:
        raise NotConfigured(f"{connector.name} is paused. Set it to active in the admin first.")
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(connector=connector, mode=SyncRun.Mode(mode), next_attempt_at=timezone.now() + OFFER_AGAIN)
            flow.send_after_commit("connectors.sync", run.pk)
            _tell(run)
            return run
    except IntegrityError:
        running = connector.sync_runs.exclude(state__in=SyncRun.ENDED).exclude(mode=SyncRun.Mode.IMPORT).first()
        if running is None:  # it ended this very moment
            return request_sync(connector=connector, mode=mode)
        raise SyncInProgress(running) from None


def give_up_retrying(*, connector: Connector) -> None:
    """End a run that waits to try again what failed: the account was corrected, and the next run begins afresh."""
    waiting = connector.sync_runs.filter(state=SyncRun.State.QUEUED).exclude(error="")
    waiting.update(state=SyncRun.State.FAILED, finished_at=timezone.now(), next_attempt_at=None)


def request_syncs(mode: str = SyncRun.Mode.DELTA) -> int:
    """The schedules: a sync of every active connector that can be polled and is not at it. Returns how many."""
    asked = 0
    for connector in Connector.objects.filter(status=Connector.Status.ACTIVE).order_by("pk"):
        if not registry.get(connector.provider).capabilities.polls:
            continue
        try:
            request_sync(connector=connector, mode=mode)
            asked += 1
        except SyncInProgress:
            continue
    return asked


def carry_out(run_id: int, *, worker: str) -> None:
    """Fetch a run's pages until there are none. Everything known so far survives any death of this process."""
    if not claim(run_id, worker):
        return
    run = SyncRun.objects.select_related("connector").get(pk=run_id)
    with correlation.bound(run.correlation_id):
        tracing.mark(run.correlation_id)
        _carry_out(run, worker)


def _carry_out(run: SyncRun, worker: str) -> None:
    run.started_at = run.started_at or timezone.now()
    run.state, run.attempts = SyncRun.State.RUNNING, run.attempts + 1
    with transaction.atomic():
        run.save(update_fields=["started_at", "state", "attempts"])
        _tell(run)
    try:
        with Lease(run.pk, worker) as lease:
            _fetch(run, lease)
    except LeaseLost:
        logger.warning("sync run taken over by another process", extra={"action": "lease_lost", "run": run.pk})
    except ConnectorError as error:
        _end_attempt(run, error)
    except Exception as error:
        _fail(run, code="unexpected", reason=f"Unexpected {type(error).__name__}; the log of the sync worker has the details.")
        raise


def _fetch(run: SyncRun, lease: Lease) -> None:
    connector = run.connector
    provider = registry.get(connector.provider)
    assert run.started_at is not None, "a run that fetches has started"
    account = Account(
        connector_id=connector.pk,
        base_url=connector.base_url,
        secret=connector.open_secret(),
        settings=connector.settings,
        watched_since=connector.watched_since or run.started_at,
    )
    pages = provider.fetch(
        account,
        mode=SyncMode(run.mode),
        checkpoint=run.checkpoint,
        memory=memory.DatabaseMemory(connector.pk),
        started_at=run.started_at,
    )
    told_at = 0.0
    for page in pages:
        with transaction.atomic():
            lease.check()
            _commit_page(run, page)
            if monotonic() - told_at >= TELL_EVERY:
                told_at = monotonic()
                _tell(run)
    with transaction.atomic():
        lease.check()
        end_fetching(run)


def _commit_page(run: SyncRun, page: Page) -> None:
    """A page's raw events, its records and the checkpoint behind it: all or nothing."""
    inbox.store(run.connector, page.observations, sync_run=run)
    memory.keep(run.connector_id, page.records)
    Connector.objects.filter(pk=run.connector_id, watched_since=None).update(watched_since=run.started_at)
    if page.checkpoint != run.checkpoint:
        run.attempts = 0  # it gets on; what a resumed run asks for once more is no progress
    run.checkpoint = page.checkpoint
    run.fetched += page.fetched
    run.notes = [*run.notes, *page.notes][-50:]
    run.save(update_fields=["checkpoint", "fetched", "notes", "attempts"])


def _tell(run: SyncRun) -> None:
    """Screens hear how far the run has got; in the transaction that moves it on, and last in it."""
    flow.tell(organization_id=run.connector.organization_id, sync_run_ids=[run.pk])


def end_fetching(run: SyncRun) -> None:
    """Everything is in the inbox; from here the batches carry the run to its end."""
    run.state, run.fetched_at, run.checkpoint = SyncRun.State.FLOWING, timezone.now(), None
    run.next_attempt_at, run.error, run.error_code = None, "", ""
    run.save(update_fields=["state", "fetched_at", "checkpoint", "next_attempt_at", "error", "error_code"])
    Connector.objects.filter(pk=run.connector_id, status=Connector.Status.BROKEN).update(status=Connector.Status.ACTIVE, status_reason="")
    batches.close_if_complete(run.pk)
    _tell(run)


def _end_attempt(run: SyncRun, error: ConnectorError) -> None:
    """Back off and go on from the checkpoint, or give up and say why."""
    run.refresh_from_db(fields=["attempts"])
    if error.retryable and run.attempts < MAX_ATTEMPTS:
        wait = timedelta(seconds=15 * 2**run.attempts)
        if isinstance(error, RateLimited) and error.retry_after:
            wait = max(wait, error.retry_after)
        with transaction.atomic():
            _held(run).update(
                state=SyncRun.State.QUEUED, claimed_by="", next_attempt_at=timezone.now() + wait, error_code=error.code, error=str(error)
            )
            _tell(run)
        return
    if _fail(run, code=error.code, reason=str(error)) and isinstance(error, CredentialsRejected | NotConfigured):
        Connector.objects.filter(pk=run.connector_id).update(status=Connector.Status.BROKEN, status_reason=str(error))


def _held(run: SyncRun) -> QuerySet[SyncRun]:
    """The run's row as long as it is in the hands of whoever had it when ``run`` was read."""
    return SyncRun.objects.filter(pk=run.pk, claimed_by=run.claimed_by).exclude(state__in=SyncRun.ENDED)


def _fail(run: SyncRun, *, code: str, reason: str) -> bool:
    """False: it was not ours any more, so nothing was changed."""
    ended = {"state": SyncRun.State.FAILED, "finished_at": timezone.now(), "next_attempt_at": None, "error_code": code, "error": reason}
    with transaction.atomic():
        failed = _held(run).update(**ended)
        if failed:
            _tell(run)
    if failed:
        logger.warning("sync run failed", extra={"action": "sync_failed", "run": run.pk, "code": code})
    return bool(failed)


def offer_due_runs() -> int:
    """The sweep: runs whose message or worker was lost, or whose backoff is over; imports cannot be taken up again."""
    now = timezone.now()
    due = SyncRun.objects.filter(next_attempt_at__lte=now, state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING])
    for run in due.filter(mode=SyncRun.Mode.IMPORT):
        _fail(run, code="interrupted", reason="The import was interrupted. Run the same command again: nothing is doubled.")
    for run in due.exclude(mode=SyncRun.Mode.IMPORT).filter(state=SyncRun.State.RUNNING, attempts__gte=MAX_ATTEMPTS):
        _fail(run, code="process_died", reason=f"The process died {run.attempts} times at the same place; its log may say why.")
    polls = list(due.exclude(mode=SyncRun.Mode.IMPORT).values_list("pk", "state", "attempts", "claimed_by"))
    for run_id, state, attempts, claimed_by in polls:
        telemetry.OFFERS.labels(kind="sync_run", reason=batches.why_again(attempts, claimed_by)).inc()
        SyncRun.objects.filter(pk=run_id, state=state, next_attempt_at__lte=now).update(claimed_by="", next_attempt_at=now + OFFER_AGAIN)
        flow.send("connectors.sync", run_id)
    return len(polls)
