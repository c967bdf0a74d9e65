"""BambooHR as a ``Provider``: what it can tell, which settings it takes, and its two doors, fetch and map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.bamboohr.client import BambooClient, base_url_of
from connectors.bamboohr.diff import forgotten
from connectors.bamboohr.mapper import map_observation
from connectors.bamboohr.polling import Limits, Poll
from connectors.bamboohr.transitions import PROVIDER
from connectors.bamboohr.vocabulary import STAGE_MAP_WORDS
from connectors.bamboohr.webhooks import hint
from connectors.base import Account, Capabilities, Heard, Memory, Page, Record, SyncMode, check_known
from connectors.events import Mapped
from connectors.exceptions import NotConfigured
from connectors.http import CallReport, Clock
from connectors.signatures import SignedBy

FASTEST = 1000
SETTINGS = (
    *("company", "auth", "requests_per_second", "refresh_budget", "max_pages", "stage_map"),
    *("allow_private", "insecure_http"),
)


class BambooHR:
    """Settings, all optional:

    - ``company``: the company domain, instead of a base URL
    - ``auth``: ``basic`` (default; the secret is an API key) or ``oauth`` (the secret is an access token,
      which BambooHR lets live for an hour; it is not renewed)
    - ``requests_per_second``: default 2, as BambooHR publishes no limit
    - ``refresh_budget``: details read per run beyond those that changed; default 100
    - ``max_pages``: list pages after which a run is taken for endless; default 20,000
    - ``stage_map``: what statuses mean, by id or code: a stage category, or ``hired``, ``rejected``,
      ``withdrawn``, ``on_hold``, ``moved``, ``removed``; wins over the built-in table
    - ``allow_private``, ``insecure_http``: for operators, see ``connectors.outbound``
    """

    name = PROVIDER
    label = "BambooHR"
    signed_by = SignedBy(signature="X-BambooHR-Signature", timestamp="X-BambooHR-Timestamp")
    capabilities = Capabilities(
        polls=True,
        actor_on_stage_change=True,
        # No history, no changed-since filter, no interviews, no webhooks for applications; a deletion
        # shows only as an absence, which this module turns into an event after two complete runs.
    )

    def __init__(self, *, clock: Clock | None = None, on_call: Callable[[CallReport], None] | None = None) -> None:
        self._clock = clock
        self._on_call = on_call

    def check_settings(self, *, base_url: str, secret: str, settings: Mapping[str, Any]) -> None:
        check_known(settings, label=self.label, known=SETTINGS)
        base_url_of(base_url, settings)
        _check_secret(secret)
        _check_number(settings, "requests_per_second", lowest=0.01, highest=FASTEST)
        _check_number(settings, "refresh_budget", lowest=0, highest=100_000, whole=True)
        _check_number(settings, "max_pages", lowest=1, highest=1_000_000, whole=True)
        if settings.get("auth", "basic") not in ("basic", "oauth"):
            raise NotConfigured("The setting auth must be basic (API key) or oauth (access token).")
        for flag in ("allow_private", "insecure_http"):
            if not isinstance(settings.get(flag, False), bool):
                raise NotConfigured(f"The setting {flag} must be true or false.")
        _stage_map(settings)

    def fetch(
        self,
        account: Account,
        *,
        mode: SyncMode,
        checkpoint: dict[str, Any] | None,
        memory: Memory,
        started_at: datetime,
    ) -> Iterator[Page]:
        self.check_settings(base_url=account.base_url, secret=account.secret, settings=account.settings)
        client = BambooClient(account, clock=self._clock, on_call=self._on_call)
        try:
            poll = Poll(
                client=client,
                memory=memory,
                mode=mode,
                run=started_at,
                limits=_limits(account.settings),
                stage_map=_stage_map(account.settings),
                watched_since=account.watched_since,
            )
            yield from poll.pages(checkpoint)
        finally:
            client.close()

    def hear(self, body: bytes, *, received_at: datetime) -> Heard:
        return Heard(observations=(hint(body, received_at=received_at),), look_again=True)

    def map(self, kind: str, payload: dict[str, Any]) -> Mapped:
        return map_observation(kind, payload)

    def forget(self, record: Record) -> Record | None:
        return forgotten(record) if record.kind == "application" else None


def _limits(settings: Mapping[str, Any]) -> Limits:
    return Limits(**{name: settings[name] for name in ("refresh_budget", "max_pages") if name in settings})


def _check_secret(secret: str) -> None:
    """A key goes into a header: it can hold neither blanks nor, being the user of HTTP Basic, a colon."""
    if not secret:
        raise NotConfigured("BambooHR needs an API key; give it as the connector's secret.")
    if not secret.isascii() or not secret.isprintable() or any(char in secret for char in " :"):
        raise NotConfigured("The secret holds characters no API key has; copy the key again, without blanks.")


def _check_number(settings: Mapping[str, Any], name: str, *, lowest: float, highest: float, whole: bool = False) -> None:
    if name not in settings:
        return
    value = settings[name]
    numeric = isinstance(value, int) if whole else isinstance(value, int | float)
    if not numeric or isinstance(value, bool) or not lowest <= value <= highest:
        raise NotConfigured(f"The setting {name} must be a {'whole ' if whole else ''}number from {lowest:g} to {highest:g}.")


def _stage_map(settings: Mapping[str, Any]) -> dict[str, str]:
    told = settings.get("stage_map", {})
    if not isinstance(told, Mapping) or not all(str(word) in STAGE_MAP_WORDS for word in told.values()):
        raise NotConfigured(f"The setting stage_map must map status ids or codes to one of {', '.join(sorted(STAGE_MAP_WORDS))}.")
    return {str(status): str(word) for status, word in told.items()}
