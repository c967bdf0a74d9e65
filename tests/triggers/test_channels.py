"""Sending, against receivers that really listen: what arrives, what does not, and how sure one can be."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from apprise.plugins.slack import NotifySlack
from django.test import override_settings

from connectors.outbound import Reach
from tests.receivers import certificate_in, mail_receiver, web_receiver
from triggers.channels import Address, NotSent, Refused, Unclear, check_address, deliver
from triggers.fence import OutOfReach, fenced
from triggers.wording import Message

MESSAGE = Message(subject="Stagewatch: 2 tasks for you", body="[high] Ring the bell (1)\n[low] Sweep (2)")
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def _private(settings: Any) -> None:
    settings.NOTIFY_PRIVATE_ADDRESSES = True


@pytest.fixture
def everything_logged() -> Iterator[list[str]]:
    """What a log at DEBUG would hold, but for the words of the receiving mail server."""
    lines: list[str] = []

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "mail.log":
                lines.append(record.getMessage())

    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(log)
    root.setLevel(level)


@pytest.mark.usefixtures("_private")
def test_a_webhook_hears_the_message_and_its_key() -> None:
    with web_receiver() as receiver:
        deliver(Address(kind="webhook", url=f"{receiver.address}/hook/x?token=t%2F1"), MESSAGE, key="k-1")

    ((path, headers, payload),) = receiver.heard
    assert path == "/hook/x?token=t%2F1"
    assert (headers["idempotency-key"], payload["idempotency_key"]) == ("k-1", "k-1")
    assert (payload["title"], payload["message"]) == (MESSAGE.subject, MESSAGE.body)


@pytest.mark.usefixtures("_private")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [(500, NotSent), (503, NotSent), (429, NotSent), (408, NotSent), (400, Refused), (404, Refused), (410, Refused), (None, Unclear)],
)
def test_an_answer_says_whether_trying_again_may_help(status: int | None, outcome: type[Exception]) -> None:
    with web_receiver(status) as receiver, pytest.raises(outcome) as caught:
        deliver(Address(kind="webhook", url=receiver.address), MESSAGE, key="k")

    assert type(caught.value) is outcome
    assert len(receiver.heard) == 1, "asked once: retries are the outbox's business"
    assert "127.0.0.1" not in str(caught.value), "an address may be a secret"


@pytest.mark.usefixtures("_private")
def test_redirects_are_not_followed() -> None:
    with web_receiver() as elsewhere, web_receiver(302, headers={"Location": elsewhere.address}) as receiver:
        with pytest.raises(Refused, match="302"):
            deliver(Address(kind="webhook", url=receiver.address), MESSAGE, key="k")

        assert elsewhere.heard == []


@pytest.mark.usefixtures("_private")
def test_nobody_there_is_surely_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        with pytest.raises(NotSent) as caught:
            deliver(Address(kind="webhook", url=f"http://127.0.0.1:{taken.getsockname()[1]}"), MESSAGE, key="k")
    assert type(caught.value) is NotSent


@pytest.mark.usefixtures("_private")
def test_a_receiver_that_never_answers_is_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triggers.channels.READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unclear):
        deliver(Address(kind="webhook", url=f"http://127.0.0.1:{silent.getsockname()[1]}"), MESSAGE, key="k")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "192.168.1.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_private_addresses_are_out_of_reach(host: str) -> None:
    with web_receiver() as receiver:
        port = receiver.address.rpartition(":")[2]
        with pytest.raises(Refused, match="private network"):
            deliver(Address(kind="webhook", url=f"https://{host}:{port}/"), MESSAGE, key="k")

        assert receiver.heard == []


def test_a_name_that_leads_inside_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """As DNS rebinding would have it: the name looks public, the address it gives at connecting is not."""
    with web_receiver() as receiver:
        port = int(receiver.address.rpartition(":")[2])
        inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
        with pytest.raises(Refused, match="private network"):
            deliver(Address(kind="webhook", url="https://hooks.example.com/"), MESSAGE, key="k")

        assert receiver.heard == []


def test_the_fence_stands_in_its_own_thread_and_only_within() -> None:
    with web_receiver() as receiver:
        codes: list[int] = []
        with fenced(Reach.PUBLIC) as fence:
            with pytest.raises(requests.ConnectionError):
                requests.post(receiver.address, json={}, timeout=5)
            other = threading.Thread(target=lambda: codes.append(requests.post(receiver.address, json={}, timeout=5).status_code))
            other.start()
            other.join()
        requests.post(receiver.address, json={}, timeout=5)

    assert (fence.refused, codes, len(receiver.heard)) == (["127.0.0.1"], [200], 2)


def test_the_fence_refuses_what_it_cannot_judge() -> None:
    with fenced(Reach.PUBLIC), socket.socket(socket.AF_UNIX) as local, pytest.raises(OutOfReach):
        local.connect("/tmp/nothing")


def test_without_leave_a_webhook_is_https_only() -> None:
    with pytest.raises(Refused, match="https://"):
        deliver(Address(kind="webhook", url="http://example.com/"), MESSAGE, key="k")


@pytest.mark.usefixtures("_private")
def test_slack_hears_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_receiver() as receiver:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{receiver.address}/services")
        deliver(Address(kind="slack", url=SLACK), MESSAGE, key="k")

    ((path, _, payload),) = receiver.heard
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    told = str(payload)
    assert "2 tasks for you" in told
    assert "Ring the bell" in told


def test_mail_arrives_and_the_second_mailbox_is_not_shown_the_first(settings: Any) -> None:
    with mail_receiver() as mailbox:
        settings.SMTP_URL, settings.MAIL_FROM = f"smtp://127.0.0.1:{mailbox.port}", "stagewatch@example.org"
        deliver(Address(kind="email", mailboxes=("rita@example.org", "team@example.org")), MESSAGE, key="k")

    assert [(sender, sorted(to), subject) for sender, to, subject, _ in mailbox.letters] == [
        ("stagewatch@example.org", ["rita@example.org", "team@example.org"], MESSAGE.subject)
    ]
    assert "Ring the bell" in mailbox.letters[0][3]


@pytest.mark.parametrize(
    ("recipient", "answer", "outcome"),
    [
        ("550 no such user", "250 OK", Refused),
        ("450 later", "250 OK", NotSent),
        ("250 OK", "554 no spam please", Refused),
        ("250 OK", "451 later", NotSent),
    ],
)
def test_a_mail_server_s_no_is_understood(settings: Any, recipient: str, answer: str, outcome: type[Exception]) -> None:
    with mail_receiver() as mailbox:
        mailbox.recipient_answer, mailbox.answer = recipient, answer
        settings.SMTP_URL, settings.MAIL_FROM = f"smtp://127.0.0.1:{mailbox.port}", "stagewatch@example.org"
        with pytest.raises(outcome) as caught:
            deliver(Address(kind="email", mailboxes=("rita@example.org",)), MESSAGE, key="k")
    assert type(caught.value) is outcome


SECURED = [("smtp+starttls", "starttls"), ("smtps", "ssl")]


@pytest.mark.parametrize(("scheme", "tls"), SECURED)
def test_mail_goes_by_tls_with_a_login(settings: Any, monkeypatch: Any, tmp_path: Path, scheme: str, tls: str) -> None:
    certificate = certificate_in(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with mail_receiver(tls=tls, certificate=certificate) as mailbox:
        settings.SMTP_URL = f"{scheme}://rita:quoted%2Fword@127.0.0.1:{mailbox.port}"
        settings.MAIL_FROM = "stagewatch@example.org"
        deliver(Address(kind="email", mailboxes=("rita@example.org",)), MESSAGE, key="k")

    assert mailbox.logins == [("rita", "quoted/word")]
    assert [subject for _, _, subject, _ in mailbox.letters] == [MESSAGE.subject]


@pytest.mark.parametrize(("scheme", "tls"), SECURED)
def test_a_mail_server_nobody_vouches_for_hears_neither_the_password_nor_the_mail(
    settings: Any, tmp_path: Path, scheme: str, tls: str
) -> None:
    with mail_receiver(tls=tls, certificate=certificate_in(tmp_path)) as mailbox:
        settings.SMTP_URL = f"{scheme}://rita:quoted%2Fword@127.0.0.1:{mailbox.port}"
        settings.MAIL_FROM = "stagewatch@example.org"
        with pytest.raises(NotSent, match="cannot be reached"):
            deliver(Address(kind="email", mailboxes=("rita@example.org",)), MESSAGE, key="k")

    assert (mailbox.logins, mailbox.letters) == ([], [])


def test_a_mail_server_without_starttls_hears_nothing_where_it_was_asked_for(settings: Any) -> None:
    with mail_receiver() as mailbox:
        settings.SMTP_URL = f"smtp+starttls://rita:quoted%2Fword@127.0.0.1:{mailbox.port}"
        settings.MAIL_FROM = "stagewatch@example.org"
        with pytest.raises(NotSent, match="cannot be reached"):
            deliver(Address(kind="email", mailboxes=("rita@example.org",)), MESSAGE, key="k")

    assert (mailbox.logins, mailbox.letters) == ([], [])


@override_settings(SMTP_URL="")
def test_without_a_mail_server_mail_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match="SMTP_URL"):
        deliver(Address(kind="email", mailboxes=("rita@example.org",)), MESSAGE, key="k")


def test_neither_addresses_nor_words_are_logged(settings: Any, everything_logged: list[str]) -> None:
    settings.NOTIFY_PRIVATE_ADDRESSES = True
    with web_receiver(404) as receiver, pytest.raises(Refused):
        deliver(Address(kind="webhook", url=f"{receiver.address}/canary-token"), MESSAGE, key="k")
    with mail_receiver() as mailbox:
        mailbox.recipient_answer = "550 canary@example.org unknown"
        settings.SMTP_URL, settings.MAIL_FROM = f"smtp://127.0.0.1:{mailbox.port}", "stagewatch@example.org"
        with pytest.raises(Refused) as caught:
            deliver(Address(kind="email", mailboxes=("canary@example.org",)), MESSAGE, key="k")

    said = f"{everything_logged} {caught.value} {Address(kind='webhook', url='canary')!r}"
    assert "canary" not in said
    assert "Ring the bell" not in said


@pytest.mark.parametrize(
    ("kind", "address", "problem"),
    [
        ("slack", SLACK, None),
        ("slack", "https://example.com/services/T/B/X", "Slack webhook"),
        ("webhook", "https://example.com/hook?a=b", None),
        ("webhook", "http://example.com/hook", "https://"),
        ("webhook", "ftp://example.com", "https://"),
        ("webhook", "https://[oops", "cannot be read"),
        ("webhook", "https://example.com:99999", "cannot be read"),
        ("email", "a@example.org, b@example.org", None),
        ("email", "nobody", "mailbox"),
    ],
)
def test_an_address_that_can_never_work_is_refused_when_it_is_entered(kind: str, address: str, problem: str | None) -> None:
    if problem is None:
        check_address(kind, address)
    else:
        with pytest.raises(ValueError, match=problem):
            check_address(kind, address)
