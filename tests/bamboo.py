"""A simulated BambooHR account connected to a running stack, and what its polls can know of the truth."""

from __future__ import annotations

from typing import Any

from connectors import services, waiting
from connectors.models import Connector, SyncRun
from connectors.sandbox.control import instant
from connectors.sandbox.export import created_key, status_key
from connectors.sandbox.process import RunningSandbox
from connectors.sandbox.statuses import STATUSES, Role
from tests.live import LiveStack

#: what lets a connector talk to a server on this machine, fast, and look at everyone in play each time
SETTINGS = ("requests_per_second=1000", "allow_private=true", "insecure_http=true", "refresh_budget=5000")


class BambooAccount:
    def __init__(self, stack: LiveStack, sandbox: RunningSandbox, *, organization: str, name: str = "bamboo") -> None:
        self.stack, self.sandbox, self.name = stack, sandbox, name
        stack.environment["BAMBOO_KEY"] = sandbox.api_key
        arguments = [f"--set={setting}" for setting in SETTINGS]
        said = stack.manage(
            "connect", "bamboohr", "--organization", organization, "--name", name, "--base-url", sandbox.base_url,
            "--secret-env", "BAMBOO_KEY", *arguments,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        self.connector = Connector.objects.get(organization__slug=organization, name=name)
        self.organization = self.connector.organization
        self.known: dict[int, tuple[int, str]] = {}
        #: keys of the dated facts polls have seen so far
        self.keys: set[str] = set()

    def poll(self, mode: str = "delta") -> SyncRun:
        """A run from the queue to the end of the road, by whoever works there."""
        run = services.request_sync(connector=self.connector, mode=mode)
        waiting.follow(run)
        self.looked()
        return run

    def looked(self) -> None:
        """A poll has seen the account as it stands: nothing happens there by itself."""
        for number, application in self.sandbox.applications().items():
            state = application["status"], application["status_at"]
            if number not in self.known:
                self.keys.add(created_key(number))
            if self.known.get(number) != state and not (number not in self.known and _untouched(application)):
                self.keys.add(status_key(number, application["status"], instant(application["status_at"])))
            self.known[number] = state


def _untouched(application: dict[str, Any]) -> bool:
    """Still where it came in: its first sight tells of one event, not two."""
    return STATUSES[application["status"]].role is Role.STAGE and application["status_at"] <= application["applied_at"]
