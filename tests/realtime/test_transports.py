"""What holds for WebSocket and SSE alike: the same texts, the same answers to a resume point, the same end of the road."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from django.conf import settings
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from issues.models import Issue
from realtime import services
from tests.realtime.tenants import token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]

#: The texts of one stream, without signs of life.
Texts = Iterator[str]
Open = Callable[[str, str], Texts]


@pytest.fixture
def follow(address: str) -> Iterator[dict[str, Open]]:
    """By transport: open a stream with a token and a resume point."""
    with ExitStack() as streams:

        def socket(token: str, after: str) -> Texts:
            opened = streams.enter_context(
                connect(f"{address.replace('http', 'ws')}/ws/updates?after={after}", additional_headers={"Authorization": f"Token {token}"})
            )
            yield from (str(opened.recv(timeout=20)) for _ in iter(int, 1))

        def events(token: str, after: str) -> Texts:
            headers = {"Authorization": f"Token {token}"} | ({"Last-Event-ID": after} if after else {})
            response = streams.enter_context(requests.get(f"{address}/realtime/updates", headers=headers, stream=True, timeout=20))
            for line in response.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("data:"):
                    yield line[5:].strip()

        def quiet(opened: Open) -> Open:
            return lambda token, after: (text for text in opened(token, after) if '"type":"ping"' not in text)

        yield {"websocket": quiet(socket), "sse": quiet(events)}


def test_both_tell_the_same_texts(acme: Any, follow: dict[str, Open]) -> None:
    token = token_of(acme.member("alice"))
    streams = [follow[transport](token, "") for transport in ("websocket", "sse")]
    assert len({next(stream) for stream in streams}) == 1, "hello"
    job = acme.job()
    application = acme.apply(job, days_ago=30)
    now = timezone.now()
    Issue.objects.create(
        organization=acme.organization, issue_type="stuck", fingerprint="f", application=application, job=job, stage=acme.review,
        severity="high", score=61, sentence="Waits too long.", detected_at=now, opened_at=now, last_seen_at=now,
    )  # fmt: skip

    services.push_batch(acme.batch(application))

    told: list[list[str]] = []
    for stream in streams:
        texts = [next(stream)]
        while json.loads(texts[-1])["type"] != "job":
            texts.append(next(stream))
        told.append(texts)
    assert told[0] == told[1]
    assert {json.loads(text)["v"] for text in told[0]} == {1}
    assert "snapshot" in {json.loads(text)["type"] for text in told[0]}


@pytest.mark.parametrize("transport", ["websocket", "sse"])
@pytest.mark.parametrize("after", ["99", "nonsense", "-1", "1:2:3", "999999999999999999999999"])
def test_a_resume_point_that_cannot_be_is_told_to_reload(acme: Any, follow: dict[str, Open], transport: str, after: str) -> None:
    services.push(organization_id=acme.organization.pk, job_ids=[acme.job().pk])

    stream = follow[transport](token_of(acme.member("alice")), after)

    assert json.loads(next(stream))["type"] == "hello"
    told = json.loads(next(stream))
    assert (told["type"], told["number"], told["organization"]) == ("reload", 1, acme.organization.pk)


def test_sockets_and_event_streams_of_a_person_have_one_end_together(acme: Any, follow: dict[str, Open], address: str) -> None:
    token = token_of(acme.member("alice"))
    streams = [follow[("websocket", "sse")[number % 2]](token, "") for number in range(settings.STREAMS_PER_USER)]
    for stream in streams:
        next(stream)

    with pytest.raises(ConnectionClosed) as ended:
        next(follow["websocket"](token, ""))
    answer = requests.get(f"{address}/realtime/updates", headers={"Authorization": f"Token {token}"}, timeout=10)

    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, answer.status_code) == (4429, 429)
    assert json.loads(next(follow["websocket"](token_of(acme.member("bob")), "")))["type"] == "hello", "each has an end of their own"


@pytest.mark.parametrize("query", ["jobId=%00", "organization=%00", "organization=" + "9" * 40, "jobId=-1", "jobId=1e3"])
def test_what_names_nothing_is_not_found_on_both(acme: Any, address: str, query: str) -> None:
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}

    answer = requests.get(f"{address}/realtime/updates?{query}", headers=headers, timeout=20)
    with (
        connect(f"{address.replace('http', 'ws')}/ws/updates?{query}", additional_headers=headers) as socket,
        pytest.raises(ConnectionClosed) as end,
    ):
        socket.recv(timeout=20)

    assert answer.status_code == 404
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 4404
