"""A simulated BambooHR account connected to a running stack, and what its polls can know of the truth."""

from __future__ import annotations

import json
from typing import Any

from ats.models import CandidateEvent
from connectors import services, waiting
from connectors.models import Connector, SyncRun
from connectors.sandbox.control import instant
from connectors.sandbox.export import created_key, status_key
from connectors.sandbox.process import RunningSandbox
from connectors.sandbox.statuses import STATUSES, Role
from tests.live import LiveStack

#: what lets a connector talk to a server on this machine, fast, and look at everyone in play each time
SETTINGS = {"requests_per_second": 1000, "allow_private": True, "insecure_http": True, "refresh_budget": 5000}


class Watcher:
    """What polls of an account can know, looked up in the account itself each time one has looked."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self._known: dict[int, tuple[int, str]] = {}
        #: keys of the dated facts polls have seen so far
        self.keys: set[str] = set()

    def looked(self) -> None:
        """A poll has seen the account as it stands: nothing happens there by itself."""
        for number, application in self.sandbox.applications().items():
            state = application["status"], application["status_at"]
            is_new = number not in self._known
            if is_new:
                self.keys.add(created_key(number))
            if self._known.get(number) != state and not (is_new and _untouched(application)):
                self.keys.add(status_key(number, application["status"], instant(application["status_at"])))
            self._known[number] = state


class BambooAccount(Watcher):
    """An account connected from the command line and polled by the stack's workers."""

    def __init__(self, stack: LiveStack, sandbox: RunningSandbox, *, organization: str, name: str = "bamboo") -> None:
        super().__init__(sandbox)
        self.stack, self.name = stack, name
        stack.environment["BAMBOO_KEY"] = sandbox.api_key
        arguments = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()]
        said = stack.manage(
            "connect", "bamboohr", "--organization", organization, "--name", name, "--base-url", sandbox.base_url,
            "--secret-env", "BAMBOO_KEY", *arguments,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        self.connector = Connector.objects.get(organization__slug=organization, name=name)
        self.organization = self.connector.organization

    def poll(self, mode: str = "delta") -> SyncRun:
        """A run from the queue to the end of the road, by whoever works there."""
        run = services.request_sync(connector=self.connector, mode=mode)
        waiting.follow(run)
        self.looked()
        return run


def ledger_keys(connector: Connector) -> set[str]:
    """Keys of the dated facts about applications in the ledger: arrivals and statuses."""
    keys = CandidateEvent.objects.filter(connector=connector).values_list("provider_event_id", flat=True)
    return {key for key in keys if is_dated(key)}


def true_keys(sandbox: RunningSandbox) -> set[str]:
    """Everything of the kind that really happened. First statuses entered by hand have a row of their own."""
    return {row["provider_event_id"] for row in sandbox.history() if is_dated(row["provider_event_id"])}


def is_dated(key: str) -> bool:
    return key.endswith(":created") or (":app:" in key and ":status:" in key)


def _untouched(application: dict[str, Any]) -> bool:
    """Still where it came in: its first sight tells of one event, not two."""
    return STATUSES[application["status"]].role is Role.STAGE and application["status_at"] <= application["applied_at"]
