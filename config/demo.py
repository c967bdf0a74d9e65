"""The demo: a simulated company behind a real HTTP API, connected as a customer would connect theirs.

What belongs to it lies in ``var/demo`` (the company's memory and its exported history) and ``var/demo.json``
(logins), so a second run goes on where the first one stopped.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed

from accounts.authentication import TokenAuthentication
from accounts.models import Membership, Organization, Role, User
from accounts.services import issue_token
from ats.models import Application
from connectors.models import Connector, SyncRun
from connectors.services import SyncInProgress, connect, request_sync
from connectors.waiting import progress_of
from issues.models import Issue
from issues.selectors import to_decide
from triggers.models import Task

ORGANIZATION = "demo"
COMPANY = "Northwind Robotics"
CONNECTOR = "northwind-bamboohr"
#: the simulated provider answers faster than a real one may be asked
REQUESTS_PER_SECOND = 1000


class DemoError(Exception):
    """What keeps the demo from going on, in one sentence."""


def _password() -> str:
    return secrets.token_urlsafe(9)


@dataclass
class Logins:
    """The demo's people and keys, remembered between runs in a file only its owner reads."""

    admin: str = field(default_factory=_password, repr=False)
    recruiter: str = field(default_factory=_password, repr=False)
    token: str = field(default="", repr=False)
    sandbox_key: str = field(default_factory=_password, repr=False)
    sandbox_port: int = 0

    @classmethod
    def load(cls, path: Path) -> Logins:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError):
            raise DemoError(f"{path} cannot be read; remove it to get new demo logins.") from None

    def save(self, path: Path) -> None:
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
        draft.replace(path)


def free_port(wanted: int) -> int:
    """``wanted`` if nobody has it on loopback, else any other: the company's address may change between runs."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("No loopback port is free for the simulated company.")


@transaction.atomic
def prepare_people(logins: Logins) -> None:
    """The organization, an operator, a recruiter and the recruiter's token; made where missing, mended where changed."""
    organization, _ = Organization.objects.get_or_create(slug=ORGANIZATION, defaults={"name": COMPANY})
    for username, password, role, staff in (
        ("admin", logins.admin, Role.ADMIN, True),
        ("recruiter", logins.recruiter, Role.RECRUITER, False),
    ):
        user, _ = User.objects.get_or_create(username=username, defaults={"is_staff": staff, "is_superuser": staff})
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": role})
    if not _is_valid(logins.token):
        logins.token = issue_token(user=User.objects.get(username="recruiter"))


def _is_valid(token: str) -> bool:
    try:
        TokenAuthentication().authenticate_credentials(token.encode())
    except AuthenticationFailed:
        return False
    return True


def find_connector() -> Connector | None:
    return Connector.objects.filter(organization__slug=ORGANIZATION, name=CONNECTOR).first()


def prepare_connector(logins: Logins) -> Connector:
    """The connection to the company, at the address it has this time."""
    return connect(
        organization=Organization.objects.get(slug=ORGANIZATION),
        provider="bamboohr",
        name=CONNECTOR,
        base_url=f"http://127.0.0.1:{logins.sandbox_port}",
        secret=logins.sandbox_key,
        settings={"insecure_http": True, "requests_per_second": REQUESTS_PER_SECOND},
    )


def has_succeeded(connector: Connector | None, mode: SyncRun.Mode) -> bool:
    """Whether such a run has brought its data in once."""
    return connector is not None and connector.sync_runs.filter(mode=mode, state=SyncRun.State.SUCCEEDED).exists()


def ask_for_changes(connector: Connector) -> None:
    """A delta sync, unless one is going on."""
    try:
        request_sync(connector=connector, mode=SyncRun.Mode.DELTA)
    except SyncInProgress:
        pass  # its outcome is what we wanted to ask for


def ended_runs(connector: Connector, *, after: int) -> list[SyncRun]:
    """Runs that have ended, with a number above ``after``, oldest first."""
    return list(connector.sync_runs.filter(pk__gt=after, state__in=SyncRun.ENDED).select_related("connector").order_by("pk"))


def sentence(run: SyncRun) -> str:
    """One line about how a run ended."""
    if run.state == SyncRun.State.FAILED:
        return f"{run.get_mode_display().lower()} sync {run.pk} failed: {run.error}"
    progress = progress_of(run)
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0.0
    return f"{run.get_mode_display().lower()} sync {run.pk}: {_counted(progress['created'], 'new event')} in {took:.1f} s"


def standing() -> str:
    """How many applications, issues and tasks of the company are open, in words."""
    ours = {"organization__slug": ORGANIZATION}
    applications = Application.objects.filter(**ours, status=Application.Status.ACTIVE).count()
    issues = to_decide(Issue.objects.filter(**ours)).count()
    tasks = Task.objects.filter(**ours, status__in=[Task.Status.OPEN, Task.Status.IN_PROGRESS]).count()
    return f"{_counted(applications, 'active application')}, {_counted(issues, 'open issue')}, {_counted(tasks, 'open task')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
