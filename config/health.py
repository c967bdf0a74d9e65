"""For load balancers, supervisors and Prometheus: is the process alive, can it do its work, how is it doing."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import threading
import time
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST

from config import database, exposition, heartbeats, row_metrics
from config.problems import answers, problem_response

logger = logging.getLogger(__name__)

#: A check that takes longer says no: a probe must not hang on what it probes. Once the checks have taken so long together,
#: those that are left are not made: the answer is no anyway, and whoever asks has five seconds.
PATIENCE_SECONDS = 2
NOT_MADE = "not looked at: the checks before it took too long"

#: set once the process has been asked to end: it still serves, and wants no more visitors
stopping = threading.Event()


class NotReady(Exception):
    """One sentence about what is missing, fit for an anonymous reader."""


@answers("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody else, so that a database outage does not restart every web process."""
    return JsonResponse({"status": "ok"})


@answers("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """Everything is there that the product needs: 200, or 503 with the checks that failed. Names no host, shows no error text.

    ``?exclude=heartbeat`` leaves a check out: a load balancer may go on sending people to pages that show what is
    there while workers are down.
    """
    if stopping.is_set():
        return problem_response(request, 503, "Not ready: this process is stopping.", checks={"process": "stopping"})
    excluded = set(request.GET.getlist("exclude"))
    checks = _outcomes([name for name in CHECKS if name not in excluded])
    if all(outcome == "ok" for outcome in checks.values()):
        return JsonResponse({"status": "ok", "checks": checks})
    failed = ", ".join(name for name, outcome in checks.items() if outcome not in ("ok", NOT_MADE)) or "the checks took too long"
    return problem_response(request, 503, f"Not ready: {failed}.", checks=checks)


def _outcomes(names: list[str]) -> dict[str, str]:
    began = time.monotonic()

    def outcome(name: str) -> str:
        return _outcome(name, CHECKS[name]) if time.monotonic() - began < PATIENCE_SECONDS else NOT_MADE

    with database.beside_the_pool(within=PATIENCE_SECONDS, statements_within=PATIENCE_SECONDS):
        outcomes = {name: outcome(name) for name in names if name != "pool"}
    return outcomes | {name: outcome(name) for name in names if name == "pool"}


def _outcome(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except Exception as error:
        logger.warning("readiness check failed", extra={"action": "not_ready", "check": name, "error": type(error).__name__})
        return "unreachable"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1")


def _broker() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
    with client:
        client.ping()


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise NotReady(f"{len(waiting)} migrations wait; run manage.py migrate")


def _heartbeat() -> None:
    through = heartbeats.last_through()
    if through is None:
        raise NotReady("no message has come from beat through a worker yet; are beat and worker running?")
    age = timezone.now() - through
    if age > heartbeats.READY_WITHIN:
        raise NotReady(f"no message has come from beat through a worker for {age.total_seconds():.0f} s; are beat and worker running?")


def _pool() -> None:
    """Last, and not in the session of the others: a connection that a pool hands out may wait for a server that hangs."""
    if not database.has_room(within=PATIENCE_SECONDS):
        raise NotReady(f"all database connections of this process are busy, and none became free within {PATIENCE_SECONDS} s")


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "broker": _broker,
    "migrations": _migrations,
    "heartbeat": _heartbeat,
    "pool": _pool,
}


@answers("GET", "HEAD")
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format. For whoever holds METRICS_TOKEN, for staff, and, unless that token is set, for scrapers
    that connect directly from this machine or a private network. A request that came through a proxy does not count
    as local: every visitor of a site behind a proxy on the same machine would."""
    if _may_scrape(request):
        return HttpResponse(exposition.latest() + row_metrics.latest(), content_type=CONTENT_TYPE_LATEST)
    return problem_response(request, 403, "Metrics are for operators: send METRICS_TOKEN as a bearer token, or log in as staff.")


def _may_scrape(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        if hmac.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
            return True
    elif _is_direct_and_private(request):
        return True
    user = request.user
    return bool(user.is_authenticated and user.is_active and user.is_staff)


def _is_direct_and_private(request: HttpRequest) -> bool:
    if any(header in request.headers for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP")):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified
