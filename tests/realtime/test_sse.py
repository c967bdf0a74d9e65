"""``/realtime/updates`` over a real web process: the same messages, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
import requests

from accounts.models import Membership
from realtime import services
from realtime.models import Update
from tests.realtime.tenants import session_of, token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@dataclass
class Stream:
    """Events as a browser's EventSource would see them; ids included."""

    response: requests.Response
    last_id: str = ""
    _lines: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.response.iter_lines(chunk_size=1, decode_unicode=True)

    def next(self) -> dict[str, Any]:
        """The next message that is more than a sign of life or a part of an update."""
        data = None
        for line in self._lines:
            if line.startswith("id:"):
                self.last_id = line[3:].strip()
            elif line.startswith("data:"):
                data = json.loads(line[5:])
            elif not line and data is not None and data["type"] not in ("ping", "event", "snapshot", "issue", "task"):
                return data
        raise EOFError("the stream ended")


@pytest.fixture
def listen(address: str) -> Iterator[Callable[..., Stream]]:
    with ExitStack() as streams:

        def listen(query: str = "", *, token: str, last_id: str = "") -> Stream:
            headers = {"Authorization": f"Token {token}"} | ({"Last-Event-ID": last_id} if last_id else {})
            response = requests.get(f"{address}/realtime/updates{query}", headers=headers, stream=True, timeout=20)
            streams.callback(response.close)
            assert response.status_code == 200, response.text
            return Stream(response)

        yield listen


def push(tenant: Any, *jobs: Any) -> None:
    services.push(organization_id=tenant.organization.pk, job_ids=[job.pk for job in jobs])


def test_changes_are_told_as_events_that_proxies_leave_alone(acme: Any, listen: Any) -> None:
    job = acme.job()
    stream = listen(token=token_of(acme.member("alice")))
    assert stream.next()["type"] == "hello"
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert "no-cache" in stream.response.headers["Cache-Control"]

    services.push_batch(acme.batch(acme.apply(job)))
    told = stream.next()

    assert (told["type"], told["number"], told["open"]) == ("job", 1, 1)
    assert stream.last_id == "1"


def test_the_last_event_id_resumes(acme: Any, listen: Any) -> None:
    first, second = acme.job(), acme.job()
    token = token_of(acme.member("alice"))
    stream = listen(token=token)
    stream.next()
    push(acme, first)
    stream.next()
    stream.response.close()
    push(acme, second)

    back = listen(token=token, last_id=stream.last_id)

    assert back.next()["type"] == "hello"
    assert back.next()["job"]["id"] == second.pk


def test_a_person_of_two_organizations_follows_and_resumes_both(acme: Any, other: Any, listen: Any) -> None:
    alice = acme.member("alice")
    Membership.objects.create(organization=other.organization, user=alice)
    token = token_of(alice)
    stream = listen(token=token)
    assert stream.next()["number"] is None
    push(acme, acme.job())
    push(other, other.job())
    assert {stream.next()["organization"], stream.next()["organization"]} == {acme.organization.pk, other.organization.pk}
    stream.response.close()
    push(other, missed := other.job())

    back = listen(token=token, last_id=stream.last_id)
    back.next()
    assert back.next()["job"]["id"] == missed.pk

    only = listen("?organization=other", token=token)
    assert list(only.next()["numbers"]) == [str(other.organization.pk)]


def test_a_pruned_log_leads_to_a_reload(acme: Any, listen: Any) -> None:
    push(acme, acme.job())
    push(acme, acme.job())
    Update.objects.filter(number=1).delete()

    stream = listen(token=token_of(acme.member("alice")), last_id="0")
    stream.next()

    assert stream.next()["type"] == "reload"


def test_waiting_streams_hold_no_database_connection_and_no_thread(acme: Any, listen: Any, address: str, stack: Any) -> None:
    """The web process has three connections; ten waiting streams must leave them all to others."""
    token = token_of(acme.member("alice"))
    web = psutil.Process(stack.running[-1].process.pid)
    streams = [listen(token=token) for _ in range(8)]  # as many as open doors, threads and all
    before = web.num_threads()
    streams += [listen(token=token) for _ in range(20)]
    for stream in streams:
        stream.next()
    assert web.num_threads() < before + 10

    assert requests.get(f"{address}/ats/jobs", headers={"Authorization": f"Token {token}"}, timeout=5).status_code == 200
    push(acme, acme.job())
    assert [stream.next()["type"] for stream in streams] == ["job"] * 28


def test_a_stream_ends_when_the_right_to_it_ends(acme: Any, listen: Any) -> None:
    alice = acme.member("alice")
    stream = listen(token=token_of(alice))
    stream.next()

    Membership.objects.filter(user=alice).delete()

    with pytest.raises(EOFError):
        stream.next()


def test_a_foreign_job_is_not_found(acme: Any, other: Any, address: str) -> None:
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}
    for job in (other.job().pk, 987654321, "x"):
        answer = requests.get(f"{address}/realtime/updates?jobId={job}", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_strangers_are_asked_to_log_in(acme: Any, address: str) -> None:
    for headers in ({}, {"Authorization": "Token 0000"}, {"Authorization": "Token"}, {"Cookie": "sessionid=nobody"}):
        answer = requests.get(f"{address}/realtime/updates", headers=headers, timeout=10)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Token")


def test_a_session_listens_too(acme: Any, address: str) -> None:
    cookies = {"sessionid": session_of(acme.member("alice"))}
    with requests.get(f"{address}/realtime/updates", cookies=cookies, stream=True, timeout=10) as response:
        assert Stream(response).next()["type"] == "hello"


def test_streams_per_person_have_an_end(acme: Any, listen: Any, address: str) -> None:
    token = token_of(acme.member("alice"))
    streams = [listen(token=token) for _ in range(50)]
    for stream in streams:
        stream.next()

    answer = requests.get(f"{address}/realtime/updates", headers={"Authorization": f"Token {token}"}, timeout=10)

    assert answer.status_code == 429
