"""What is measured, and what is reported when something breaks. Imports no app, so that every app may import it.

Labels are bounded words (a step, a queue, an outcome): never a name, an id, an address or anything of a person.
"""

from __future__ import annotations

import time
from typing import Any

import sentry_sdk
from celery.signals import task_postrun, task_prerun
from prometheus_client import Histogram
from sentry_sdk.scrubber import DEFAULT_DENYLIST, DEFAULT_PII_DENYLIST, EventScrubber

#: Our own words that never leave the house, beside Sentry's list of passwords, tokens and addresses.
PRIVATE_WORDS = ["sealed_secret", "secret", "payload", "candidate", "candidate_name", "candidate_email", "name", "email", "actor_name"]

TASK_SECONDS = Histogram(
    "stagewatch_task_seconds",
    "Time a task took in its worker, by its registered name and how it ended",
    ["task", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

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


def init_sentry(dsn: str) -> None:
    """Report errors where a DSN is set: without request bodies, local variables, people, or query parameters."""
    if not dsn:
        return
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
        if "DETAIL:" in str(one.get("value")):
            one["value"] = str(one["value"]).split("DETAIL:")[0].rstrip()
    return event


KEPT_HEADERS = {"host", "user-agent", "content-type", "accept"}
