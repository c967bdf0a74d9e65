"""Tickets: one stream, once, soon, and only as long as what they stand for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from realtime import tickets, topics
from realtime.models import Ticket
from tests.realtime.tenants import session_of, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def ask(address: str, **how: Any) -> str:
    answer = requests.post(f"{address}/realtime/tickets", timeout=10, **how)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


def first_word(address: str, ticket: str, **how: Any) -> str:
    with connect(f"{address.replace('http', 'ws')}/ws/updates?ticket={ticket}", **how) as socket:
        return str(json.loads(socket.recv(timeout=10))["type"])


def to_the_end(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=15)


@pytest.mark.stack
def test_a_ticket_opens_one_stream_from_any_page_and_no_second(acme: Any, address: str) -> None:
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}
    ticket = ask(address, headers=headers)

    assert first_word(address, ticket, origin="https://board.example") == "hello"
    with pytest.raises(InvalidStatus):
        first_word(address, ticket)
    assert requests.get(f"{address}/realtime/updates?ticket={ticket}", timeout=10).status_code == 401

    with requests.get(f"{address}/realtime/updates?ticket={ask(address, headers=headers)}", stream=True, timeout=10) as stream:
        assert stream.status_code == 200


@pytest.mark.stack
def test_a_session_asks_with_the_header_that_guards_changes(acme: Any, address: str) -> None:
    cookies = {"sessionid": session_of(acme.member("alice")), "csrftoken": "a" * 32}

    assert requests.post(f"{address}/realtime/tickets", cookies=cookies, timeout=10).status_code == 403
    ticket = ask(address, cookies=cookies, headers={"X-CSRFToken": "a" * 32, "Origin": address})

    assert first_word(address, ticket) == "hello"


@pytest.mark.stack
def test_a_stream_opened_by_a_ticket_ends_with_the_token_it_stands_for(acme: Any, address: str) -> None:
    alice = acme.member("alice")
    ticket = ask(address, headers={"Authorization": f"Token {token_of(alice)}"})
    with connect(f"{address.replace('http', 'ws')}/ws/updates?ticket={ticket}") as socket:
        socket.recv(timeout=10)
        alice.auth_token_set.all().delete()
        with pytest.raises(ConnectionClosed) as closed:
            to_the_end(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.stack
def test_a_session_does_not_listen_for_a_page_of_another_site(acme: Any, address: str) -> None:
    cookies = {"sessionid": session_of(acme.member("alice"))}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = requests.get(f"{address}/realtime/updates", cookies=cookies, headers=headers, timeout=10)
        assert answer.status_code == 403


def test_a_ticket_that_is_old_or_whose_person_has_left_opens_nothing(acme: Any) -> None:
    now, alice = timezone.now(), acme.member("alice")
    token_of(alice)
    listener = topics.Listener(user_id=alice.pk, token_digest=alice.auth_token_set.get().digest)
    late, _ = tickets.issue(listener, now=now)
    soon, _ = tickets.issue(listener, now=now)

    assert tickets.redeem(late, now=now + tickets.LIFETIME) is None
    assert tickets.redeem("never given", now=now) is None
    alice.is_active = False
    alice.save()
    assert tickets.redeem(soon, now=now) is None


def test_what_is_kept_of_a_ticket_opens_nothing_and_goes(acme: Any) -> None:
    now = timezone.now()
    ticket, _ = tickets.issue(topics.Listener(user_id=acme.member("alice").pk, token_digest="d"), now=now)

    assert ticket not in json.dumps(list(Ticket.objects.values()), default=str)
    assert tickets.forget_expired(now=now + timedelta(minutes=1)) == 1
