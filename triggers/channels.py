"""E-mail, Slack and webhooks, by apprise: one message to one address, behind a fence, with an outcome one can act on.

Whether a message got through is not always known: a receiver that takes it and then says nothing may or may not have
passed it on. ``Unclear`` says so, and ``outbox`` decides by channel what to do about it.

apprise logs addresses and reasons; here its log is read for the reason and goes no further.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat
from apprise.plugins.email import NotifyEmail
from apprise.plugins.slack import NotifySlack
from django.conf import settings

from connectors.outbound import Reach
from triggers.fence import fenced
from triggers.wording import Message

CONNECT_SECONDS, READ_SECONDS = 5, 10

#: HTTP answers that may be different next time
PASSING = frozenset({408, 425, 429})

_log = logging.getLogger("apprise")
_log.propagate = False
_log.addHandler(logging.NullHandler())
# at DEBUG it tells the path of each request, and that of a webhook is its secret
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class NotSent(Exception):
    """It surely did not arrive, and may the next time. The message is for a person and holds no address."""


class Refused(NotSent):
    """The receiver, or this program, will not have it; trying again is useless."""


class Unclear(Exception):
    """It may have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to: the URL of a webhook, or mailbox addresses. No part of it is ever logged."""

    kind: str
    url: str = ""
    mailboxes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Address({self.kind})"


def check_address(kind: str, address: str) -> None:
    """Raise ``ValueError`` with one sentence if nothing could ever be sent there. No I/O."""
    if kind == "slack" and NotifySlack.parse_native_url(address) is None:
        raise ValueError("Not a Slack webhook; it looks like https://hooks.slack.com/services/T…/B…/….")
    if kind == "webhook":
        _parse_webhook(address)
    if kind == "email":
        for one in mailboxes(address):
            if not re.fullmatch(r"[^@\s,;]+@[^@\s,;]+", one):
                raise ValueError("Not a list of mailbox addresses; separate them with commas.")


def mailboxes(address: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,;\s]+", address) if part)


def deliver(address: Address, message: Message, *, key: str) -> None:
    """Send once. Raises ``NotSent``, ``Refused`` or ``Unclear``.

    A webhook gets ``key`` as its ``Idempotency-Key`` header and in the payload, so that a receiver can tell a repetition.
    """
    reach = Reach.ANY if settings.NOTIFY_PRIVATE_ADDRESSES else Reach.PUBLIC
    if address.kind == "email":
        plugin, reach = _mail(address), Reach.ANY  # the operator's own server, wherever it stands
    elif address.kind == "slack":
        plugin = _instance({**(NotifySlack.parse_native_url(address.url) or {}), "include_image": False})
    else:
        plugin = _webhook(address, key)
    with _heard() as said, fenced(reach) as fence:
        try:
            sent = plugin.notify(body=message.body, title=message.subject, body_format=NotifyFormat.TEXT)
        except Exception as error:
            raise Unclear(f"The sending library failed with {type(error).__name__}.") from None
    if sent:
        return
    if fence.refused:
        raise Refused("The address leads into a private network; nothing was sent. NOTIFY_PRIVATE_ADDRESSES allows it.")
    _explain(said)


# --- what to send with ----------------------------------------------------------------------------
def _instance(wanted: dict[str, Any]) -> NotifyBase:
    # a redirect would lead the message, and its secrets, where nobody sent it
    asset = AppriseAsset(app_id="Stagewatch", app_desc="Stagewatch", http_redirects=False, secure_logging=True)
    plugin = Apprise.instantiate({**wanted, "cto": CONNECT_SECONDS, "rto": READ_SECONDS}, asset=asset, suppress_exceptions=True)
    if plugin is None:
        raise Refused("The channel's address cannot be used; enter it again.")
    return plugin


def _webhook(address: Address, key: str) -> NotifyBase:
    try:
        url = _parse_webhook(address.url)
    except ValueError as error:
        raise Refused(str(error)) from None
    return _instance(
        {
            "schema": "jsons" if url.scheme == "https" else "json",
            "host": f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname,
            "port": url.port,
            "user": url.username,
            "password": url.password,
            "fullpath": url.path or "/",
            "params": dict(parse_qsl(url.query)),
            "headers": {"Idempotency-Key": key},
            "payload": {"idempotency_key": key},
        }
    )


def _parse_webhook(address: str) -> SplitResult:
    try:
        url = urlsplit(address.strip())
        url.port  # noqa: B018  reading it is what validates it
    except ValueError:
        raise ValueError("The address cannot be read; write it like https://example.com/path.") from None
    allowed = ("https", "http") if settings.NOTIFY_PRIVATE_ADDRESSES else ("https",)
    if url.scheme not in allowed or not url.hostname:
        raise ValueError("The address must start with https:// and name a host.")
    return url


def _mail(address: Address) -> NotifyBase:
    if not settings.SMTP_URL:
        raise Refused("No mail server is set; set SMTP_URL and MAIL_FROM.")
    server = urlsplit(settings.SMTP_URL)
    secure = {"smtp": "insecure", "smtp+starttls": "starttls", "smtps": "ssl"}[server.scheme]
    return NotifyEmail(
        host=server.hostname,
        smtp_host=server.hostname,
        port=server.port or {"insecure": 25, "starttls": 587, "ssl": 465}[secure],
        secure=secure != "insecure",
        secure_mode=secure,
        user=server.username,  # apprise takes the URL's quoting off
        password=server.password,
        from_addr=settings.MAIL_FROM,
        targets=list(address.mailboxes[:1]),
        bcc=list(address.mailboxes[1:]),
        format="text",
        schema="mailtos",
        cto=CONNECT_SECONDS + READ_SECONDS,
        asset=AppriseAsset(app_id="Stagewatch", app_desc="Stagewatch", secure_logging=True),
    )


# --- what became of it ----------------------------------------------------------------------------
class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)


@contextmanager
def _heard() -> Iterator[list[logging.LogRecord]]:
    """apprise answers yes or no; why not, it only logs."""
    ear, level = _Ear(), _log.level
    _log.addHandler(ear)
    _log.setLevel(logging.DEBUG)
    _log.disabled = False  # as whoever configures logging later leaves the loggers there are
    try:
        yield ear.said
    finally:
        _log.removeHandler(ear)
        _log.setLevel(level)


def _explain(said: list[logging.LogRecord]) -> None:
    """Raise what the library's words amount to. Words it has not been heard to say count as ``Unclear``."""
    words = "\n".join(record.getMessage() for record in said)
    if status := re.search(r"error=(\d{3})\.", words):
        _refuse_http(int(status[1]))
    if refused := re.search(r"was refused: (\d{3}) ", words):
        _refuse_mail(int(refused[1]))
    if "Connection error while submitting" in words:
        raise NotSent("The mail server cannot be reached, or did not accept the login.")
    if code := re.search(r"Socket Exception: (?:\{.*?: )?\((\d{3}), ", words):
        _refuse_mail(int(code[1]))
    if re.search(r"NewConnectionError|ConnectTimeout|Failed to resolve|NameResolutionError|SSLError|CERTIFICATE_VERIFY_FAILED", words):
        raise NotSent("The receiver cannot be reached.")
    if "timed out" in words:
        raise Unclear("The receiver did not answer in time.")
    raise Unclear("The receiver broke off the conversation.")


def _refuse_http(status: int) -> None:
    if 200 <= status < 300:
        raise Unclear("The receiver answered something else than yes.")
    if 300 <= status < 400:
        raise Refused(f"The receiver answered {status}; redirects are not followed. Enter the address it leads to.")
    if status in PASSING or status >= 500:
        raise NotSent(f"The receiver answered {status}.")
    raise Refused(f"The receiver answered {status}; check the channel's address.")


def _refuse_mail(code: int) -> None:
    if code >= 500:
        raise Refused(f"The mail server refused the recipient or the message ({code}).")
    raise NotSent(f"The mail server asked to try again later ({code}).")
