"""What is measured, and what is reported when something breaks. Imports no app, so that every app may import it.

Labels are bounded words (a step, a queue, an outcome): never a name, an id, an address or anything of a person.
What can be read from rows is not counted here but in `config.row_metrics`. With several processes on one machine the
values lie in files that `config.exposition` adds up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, TypeVar

import sentry_sdk
from celery.signals import task_postrun, task_prerun
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from prometheus_client import Counter, Gauge, Histogram
from sentry_sdk.scrubber import DEFAULT_DENYLIST, DEFAULT_PII_DENYLIST, EventScrubber
from sentry_sdk.utils import BadDsn, Dsn

from config import correlation, flow, logs

#: Our own words that never leave the house, beside Sentry's list of passwords, tokens and addresses.
PRIVATE_WORDS = ["sealed_secret", "secret", "payload", "candidate", "candidate_name", "candidate_email", "name", "email", "actor_name"]

M = TypeVar("M", Counter, Histogram)

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


def from_zero(metric: M, **words: Iterable[str]) -> M:
    """The metric with every combination of these words there from the start. Prometheus sees no increase in a series that
    begins at 45: what alerts judge by its increase must have been scraped before anything happens."""
    for values in product(*words.values()):
        metric.labels(**dict(zip(words, values, strict=True)))
    return metric


# --- work ----------------------------------------------------------------------------------------
TASK_SECONDS = Histogram(
    "stagewatch_task_seconds",
    "Time a task took in its worker, by its registered name and how it ended",
    ["task", "outcome"],
    buckets=SECONDS,
)
STEP_SECONDS = from_zero(
    Histogram(
        "stagewatch_step_seconds",
        "Time a step of the road took on one batch: done, failed, or not_ours (a doubled or late message)",
        ["step", "outcome"],
        buckets=SECONDS,
    ),
    step=flow.STEPS,
    outcome=("done", "failed"),
)
END_TO_END_SECONDS = Histogram(
    "stagewatch_end_to_end_seconds",
    "From raw events committed to the inbox to the update published, by batch",
    buckets=(0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600),
)
EVENTS = Counter("stagewatch_events", "Facts that came through the first step: created, skipped as known, or dead letters", ["result"])
OFFERS = from_zero(
    Counter(
        "stagewatch_offers_again",
        "Batches and runs a sweep offered again: message lost, retry due after a failure, lease expired because a process died",
        ["kind", "reason"],
    ),
    kind=("batch", "sync_run"),
    reason=("message_lost", "retry", "lease_expired"),
)
GIVEN_UP = Counter("stagewatch_batches_given_up", "Batches that wait for a person, by the step they stopped at", ["step", "reason"])
SCHEDULE_RUNS = Counter("stagewatch_schedule_runs", "Ticks of a schedule: sent, or already taken by another beat", ["schedule", "result"])

# --- providers -----------------------------------------------------------------------------------
PROVIDER_CALLS = Counter(
    "stagewatch_provider_calls", "Requests to providers, by HTTP status or the kind of error", ["provider", "endpoint", "outcome"]
)
PROVIDER_SECONDS = Histogram("stagewatch_provider_seconds", "Time one request to a provider took", ["provider"], buckets=SECONDS)
PROVIDER_WAIT_SECONDS = Counter(
    "stagewatch_provider_wait_seconds", "Time spent waiting because a provider throttled or failed", ["provider", "reason"]
)

# --- what comes of it ----------------------------------------------------------------------------
ISSUE_TRANSITIONS = Counter("stagewatch_issue_transitions", "Issues that changed status, by rule, and by whom", ["rule", "status", "by"])
TASK_OUTCOMES = Counter("stagewatch_followups", "Tasks for people, by what became of them", ["outcome"])

# --- streams -------------------------------------------------------------------------------------
STREAM_CLIENTS = Gauge("stagewatch_stream_clients", "Open streams", ["kind"], multiprocess_mode="livesum")
STREAMS_ENDED = from_zero(
    Counter("stagewatch_streams_ended", "Streams ended by the server, by reason; too_slow are drops", ["reason"]),
    reason=("too_slow", "our_mistake"),
)
RELOADS = Counter("stagewatch_stream_reloads", "Times screens were told to fetch everything afresh")

# --- language models: nothing calls one yet; the families are there so that dashboards need not change ---------
LLM_CALLS = Counter("stagewatch_llm_calls", "Calls to language models", ["purpose", "outcome"])
LLM_TOKENS = Counter("stagewatch_llm_tokens", "Tokens sent to and received from language models", ["purpose", "direction"])
LLM_COST_USD = Counter("stagewatch_llm_cost_usd", "Cost of those calls in US dollars", ["purpose"])

#: start of the running task of this worker process (prefork: one at a time)
_started: dict[str, float] = {}


@task_prerun.connect
def _task_starts(task_id: str, **_: Any) -> None:
    _started[task_id] = time.perf_counter()


@task_postrun.connect
def _task_ends(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    began = _started.pop(task_id, None)
    if began is not None:
        TASK_SECONDS.labels(task=task.name, outcome=(state or "unknown").lower()).observe(time.perf_counter() - began)


class StepOutcome:
    """How a step ended; starts as ``failed``, so that only what was reached is claimed."""

    word = "failed"


@contextmanager
def timed_step(step: str) -> Iterator[StepOutcome]:
    """Observe one run of a step of the road under the outcome set within."""
    outcome, began = StepOutcome(), time.perf_counter()
    try:
        yield outcome
    finally:
        STEP_SECONDS.labels(step=step, outcome=outcome.word).observe(time.perf_counter() - began)


def count_after_commit(counter: Counter, amount: float = 1, **labels: str) -> None:
    """Count what the current transaction writes, once it is written: what is rolled back did not happen."""
    if amount:
        transaction.on_commit(lambda: counter.labels(**labels).inc(amount), robust=True)


def provider_called(*, provider: str, endpoint: str, outcome: str, seconds: float) -> None:
    PROVIDER_CALLS.labels(provider=provider, endpoint=endpoint, outcome=outcome).inc()
    PROVIDER_SECONDS.labels(provider=provider).observe(seconds)


def init_sentry(dsn: str) -> None:
    """Report errors where a DSN is set: without request bodies, local variables, people, or query parameters."""
    if not dsn:
        return
    try:
        Dsn(dsn)
    except BadDsn:
        raise ImproperlyConfigured("SENTRY_DSN is no DSN: Sentry shows it as https://KEY@HOST/PROJECT, the project a number.") from None
    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        event_scrubber=EventScrubber(
            denylist=[*DEFAULT_DENYLIST, *PRIVATE_WORDS], pii_denylist=[*DEFAULT_PII_DENYLIST, *PRIVATE_WORDS], recursive=True
        ),
        before_send=scrubbed,
        before_breadcrumb=lambda crumb, hint: None if crumb.get("category") in ("query", "redis") else crumb,
    )


def scrubbed(event: Any, hint: Any) -> Any:
    """A Sentry event without what only the request knows, and without the values PostgreSQL quotes in its errors."""
    request = event.get("request") or {}
    for private in ("cookies", "data", "query_string", "env"):
        request.pop(private, None)
    request["headers"] = {key: value for key, value in (request.get("headers") or {}).items() if key.lower() in KEPT_HEADERS}
    event.pop("user", None)
    for one in (event.get("exception") or {}).get("values") or []:
        if str(one.get("module") or "").partition(".")[0] not in logs.OURS:
            one["value"] = ""  # libraries quote values: see config/logs.py
    event.get("extra", {}).pop("celery-job", None)
    event.setdefault("tags", {})["correlation_id"] = correlation.current()
    return event


KEPT_HEADERS = {"host", "user-agent", "content-type", "accept"}
