"""For load balancers, supervisors and Prometheus: is the process alive, can it do its work, how is it doing."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import threading
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from config import row_metrics
from config.drf import problem_response

logger = logging.getLogger(__name__)

#: A check that takes longer says no: a probe must not hang on what it probes.
PATIENCE_SECONDS = 2

#: set once the process has been asked to end: it still serves, and wants no more visitors
stopping = threading.Event()


class NotReady(Exception):
    """One sentence about what is missing, fit for an anonymous reader."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody else, so that a database outage does not restart every web process."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Everything a request needs is there: 200, or 503 with the checks that failed. Names no host, shows no error text."""
    if stopping.is_set():
        return problem_response(request, 503, "Not ready: this process is stopping.", checks={"process": "stopping"})
    checks = {name: _outcome(name, check) for name, check in CHECKS.items()}
    if all(outcome == "ok" for outcome in checks.values()):
        return JsonResponse({"status": "ok", "checks": checks})
    failed = ", ".join(name for name, outcome in checks.items() if outcome != "ok")
    return problem_response(request, 503, f"Not ready: {failed}.", checks=checks)


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
        cursor.execute(f"set statement_timeout = '{PATIENCE_SECONDS}s'; select 1")
        cursor.execute("reset statement_timeout")


def _broker() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
    with client:
        client.ping()


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise NotReady(f"{len(waiting)} migrations wait; run manage.py migrate")


CHECKS: dict[str, Callable[[], None]] = {"database": _database, "broker": _broker, "migrations": _migrations}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format. For whoever holds METRICS_TOKEN, for staff, and, unless that token is set, for scrapers
    that connect directly from this machine or a private network. A request that came through a proxy does not count
    as local: every visitor of a site behind a proxy on the same machine would."""
    if _may_scrape(request):
        exported: HttpResponse = ExportToDjangoView(request)
        exported.content += row_metrics.latest()
        return exported
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
