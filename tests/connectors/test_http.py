"""The shared client against a real server on the loopback address; no test here sleeps for real."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.exceptions import (
    ConnectorError,
    CredentialsRejected,
    NotConfigured,
    NotFound,
    PayloadNotUnderstood,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from connectors.http import CallReport, Dialect, HttpClient, Policy, basic
from connectors.outbound import Reach
from tests.connectors.bamboohr.harness import KEY, Asked, Reply, ScriptedServer, StoppedClock, closed_port

DIALECT = Dialect(
    provider="bamboohr",
    reason_headers=("X-BambooHR-Error-Message", "X-BambooHR-Error-Messsage"),
    advice={401: "Renew the key."},
)
FINE = Reply({"fine": True})


class Line:
    """A client and the server at its other end, which gives ``replies`` in order and then all is well."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.clock = StoppedClock()
        self.reports: list[CallReport] = []
        self.server = ScriptedServer(self._answer)

    def _answer(self, asked: Asked) -> Reply:
        return self.replies.pop(0) if self.replies else FINE

    def client(self, *, base_url: str | None = None, reach: Reach = Reach.LOOPBACK, **policy: Any) -> HttpClient:
        return HttpClient(
            dialect=DIALECT,
            base_url=base_url or f"{self.server.origin}/api",
            authorization=basic(KEY),
            secret=KEY,
            reach=reach,
            policy=Policy(**{"requests_per_second": 1000.0, **policy}),
            clock=self.clock,
            on_call=self.reports.append,
            jitter=lambda: 1.0,
        )

    def get(self, *replies: Reply, **policy: Any) -> Any:
        self.replies = list(replies)
        client = self.client(**policy)
        try:
            return client.get("/things", endpoint="things")
        finally:
            client.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.server.stop()


def test_it_sends_the_key_and_asks_for_json(line: Line) -> None:
    answer = line.get()

    asked = line.server.asked[0]
    assert answer.body == {"fine": True}
    assert asked.headers["authorization"] == basic(KEY)
    assert asked.headers["accept"] == "application/json"
    assert "Stagewatch" in asked.headers["user-agent"]


def test_proxies_and_netrc_of_the_machine_are_ignored(line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password thief\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")

    assert line.get().body == {"fine": True}

    assert line.server.asked[0].headers["authorization"] == basic(KEY)


@pytest.mark.parametrize("status", [408, 500, 502, 504, 598, 503])
def test_a_passing_fault_is_tried_again_with_growing_waits(line: Line, status: int) -> None:
    answer = line.get(Reply(status=status), Reply(status=status), Reply(status=status))

    assert answer.body == {"fine": True}
    assert line.clock.waits == [0.5, 1.0, 2.0]


def test_a_fault_that_stays_becomes_provider_unavailable(line: Line) -> None:
    with pytest.raises(ProviderUnavailable, match="answered 502"):
        line.get(*[Reply(status=502)] * 9, attempts=4)

    assert len(line.server.asked) == 4


def test_jitter_takes_up_to_half_of_a_wait_away(line: Line) -> None:
    client = line.client()
    client._jitter = lambda: 0.0

    line.replies = [Reply(status=500), Reply(status=500)]
    client.get("/things", endpoint="things")
    client.close()

    assert line.clock.waits == [0.25, 0.5]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_waited_for(line: Line, status: int) -> None:
    answer = line.get(Reply(status=status, headers={"Retry-After": "7"}))

    assert answer.body == {"fine": True}
    assert line.clock.waits == [7.25]


def test_retry_after_as_a_date_is_measured_against_the_answers_own_clock(line: Line) -> None:
    # the server's clock is an hour ahead of ours; it asks for 30 seconds
    told = {"Retry-After": "Mon, 02 Nov 2026 10:00:30 GMT", "Date": "Mon, 02 Nov 2026 10:00:00 GMT"}

    line.get(Reply(status=429, headers=told))

    assert line.clock.waits == [30.25]


def test_retry_after_as_a_date_is_measured_against_our_clock_where_the_answer_has_none(line: Line) -> None:
    line.get(Reply(status=503, headers={"Retry-After": "Mon, 02 Nov 2026 09:00:20 GMT"}))

    assert line.clock.waits == [20.25]


def test_a_retry_after_in_the_past_waits_a_moment_only(line: Line) -> None:
    line.get(Reply(status=429, headers={"Retry-After": "Mon, 02 Nov 2020 10:00:00 GMT"}))

    assert line.clock.waits == [0.75]


@pytest.mark.parametrize("value", ["soon", "-5", "0x10", "99999999999999999999"])
def test_an_unreadable_retry_after_falls_back_to_backing_off(line: Line, value: str) -> None:
    line.get(Reply(status=429, headers={"Retry-After": value}))

    assert line.clock.waits == [1.0]


def test_a_retry_after_beyond_five_minutes_ends_the_attempt_and_says_how_long(line: Line) -> None:
    with pytest.raises(RateLimited) as refusal:
        line.get(Reply(status=429, headers={"Retry-After": "900"}))

    assert refusal.value.retry_after == timedelta(minutes=15)
    assert line.clock.waits == []


def test_waiting_again_and_again_ends_after_five_minutes_in_all(line: Line) -> None:
    with pytest.raises(RateLimited):
        line.get(*[Reply(status=429, headers={"Retry-After": "100"})] * 9)

    assert sum(line.clock.waits) <= 300


def test_a_server_that_throttles_with_zero_seconds_is_not_asked_in_a_busy_loop(line: Line) -> None:
    with pytest.raises(RateLimited):
        line.get(*[Reply(status=429, headers={"Retry-After": "0"})] * 900)

    assert len(line.server.asked) <= 401


def test_an_error_inside_a_200_is_taken_as_that_error(line: Line) -> None:
    limited = Reply({"error": {"code": 429, "message": "Limit exceeded"}}, headers={"Retry-After": "3"})

    assert line.get(limited).body == {"fine": True}
    assert line.clock.waits == [3.25]

    with pytest.raises(RequestRefused, match="no such filter"):
        line.get(Reply({"error": {"code": "400", "message": "no such filter"}}))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, CredentialsRejected),
        (403, CredentialsRejected),
        (404, NotFound),
        (406, RequestRefused),
        (409, RequestRefused),
        (413, RequestRefused),
        (422, RequestRefused),
        (302, RequestRefused),
    ],
)
def test_what_cannot_pass_is_not_tried_again(line: Line, status: int, error: type[ConnectorError]) -> None:
    with pytest.raises(error) as raised:
        line.get(Reply(b"<html>no</html>", status=status, headers={"Location": "https://elsewhere.example/"}))

    assert type(raised.value) is error
    assert len(line.server.asked) == 1
    assert line.clock.waits == []


@pytest.mark.parametrize("header", ["X-BambooHR-Error-Message", "x-bamboohr-error-messsage", "X-BAMBOOHR-ERROR-MESSAGE"])
def test_the_reason_in_a_header_reaches_the_reader(line: Line, header: str) -> None:
    with pytest.raises(RequestRefused, match=r"answered 400: Invalid status\."):
        line.get(Reply(status=400, headers={header: "Invalid status"}))


def test_a_rejected_key_comes_with_advice(line: Line) -> None:
    with pytest.raises(CredentialsRejected, match=r"Renew the key\."):
        line.get(Reply(status=401))


def test_html_with_a_200_is_no_answer(line: Line) -> None:
    with pytest.raises(PayloadNotUnderstood, match="login or maintenance page"):
        line.get(Reply(b"<html>Log in</html>"))


@pytest.mark.parametrize("body", [b'{"applications": [{"id": 1', b"", b"[" * 100_000])
def test_broken_json_is_no_answer(line: Line, body: bytes) -> None:
    with pytest.raises(PayloadNotUnderstood, match="broken JSON"):
        line.get(Reply(body))


def test_one_odd_character_does_not_cost_the_whole_answer(line: Line) -> None:
    answer = line.get(Reply(b'{"a": "\\ud800", "b": "x\ty", "c": "\xff", "d": 1}'))

    assert answer.body["d"] == 1


def test_an_answer_cut_short_is_tried_again(line: Line) -> None:
    assert line.get(Reply({"half": True}, cut=True)).body == {"fine": True}


def test_an_answer_too_large_is_not_read_on(line: Line) -> None:
    with pytest.raises(PayloadNotUnderstood, match="more than 1000 bytes"):
        line.get(Reply({"x": "y" * 5000}), max_bytes=1000)


def test_a_small_packed_answer_that_unpacks_to_too_much_is_not_read_on(line: Line) -> None:
    bomb = gzip.compress(b'{"x": "' + b"y" * 50_000_000 + b'"}')
    assert len(bomb) < 100_000

    with pytest.raises(PayloadNotUnderstood, match="more than 1000000 bytes"):
        line.get(Reply(bomb, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000)


def test_a_packed_answer_is_unpacked(line: Line) -> None:
    assert line.get(Reply(gzip.compress(b'{"x": 1}'), headers={"Content-Encoding": "gzip"})).body == {"x": 1}


def test_an_answer_that_drips_forever_is_given_up(line: Line) -> None:
    class Ticking(StoppedClock):
        def monotonic(self) -> float:
            self.seconds += 1  # every look at the clock takes a second
            return self.seconds

    line.clock = Ticking()

    with pytest.raises(ProviderUnavailable, match="took over 5 s"):
        line.get(Reply({"slow": "x" * 50}, drip=0.005), total_timeout=5.0, attempts=1, requests_per_second=1000.0)


def test_a_silent_server_times_out(line: Line) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        client = line.client(base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}", read_timeout=0.05, attempts=2)

        with pytest.raises(ProviderUnavailable, match="did not answer in time"):
            client.get("/things", endpoint="things")
        client.close()

    assert line.clock.waits == [0.5]


def test_nobody_listening_is_provider_unavailable(line: Line) -> None:
    client = line.client(base_url=f"http://127.0.0.1:{closed_port()}", attempts=3)

    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        client.get("/things", endpoint="things")
    client.close()

    assert [report.outcome for report in line.reports] == ["provider_unavailable"] * 3


def test_requests_keep_a_polite_distance(line: Line) -> None:
    client = line.client(requests_per_second=2.0)
    for _ in range(4):
        client.get("/things", endpoint="things")
    client.close()

    assert line.clock.waits == [0.5, 0.5, 0.5]


def test_every_attempt_is_reported_in_bounded_words(line: Line) -> None:
    line.get(Reply(status=500), Reply(status=429, headers={"Retry-After": "1"}))

    assert [(r.provider, r.endpoint, r.outcome) for r in line.reports] == [
        ("bamboohr", "things", "500"),
        ("bamboohr", "things", "429"),
        ("bamboohr", "things", "200"),
    ]


def test_request_ids_are_logged(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="connectors.http"):
        line.get(Reply({}, headers={"X-Request-Id": "req-77"}))

    assert "req-77" in caplog.text


def test_the_key_appears_in_no_log_error_or_repr(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    leaky = {"X-BambooHR-Error-Message": f"bad key {KEY} in {basic(KEY)}", "X-Request-Id": f"id-{KEY}"}
    said: list[str] = []

    with caplog.at_level(logging.DEBUG):
        for status in (400, 401, 500):
            with pytest.raises(ConnectorError) as raised:
                line.get(*[Reply(status=status, headers=leaky)] * 2, attempts=2)
            said.append(f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}")
        client = line.client()
        said.append(repr(client))
        client.close()

    text = caplog.text + " ".join(said)
    assert "[redacted]" in text
    assert KEY not in text
    assert basic(KEY).removeprefix("Basic ") not in text


def test_a_public_name_that_leads_inside_is_hung_up_on_before_a_byte_is_sent(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    inside = socket.create_server(("127.0.0.1", 0))
    listener = threading.Thread(target=_hear, args=(inside, heard.append), daemon=True)
    listener.start()
    port = inside.getsockname()[1]
    resolve = socket.getaddrinfo

    # DNS rebinding: the allowed name resolves to an address of our own network
    def rebound(host: str, asked: int, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    client = line.client(base_url="https://acme.bamboohr.com/api/v1", reach=Reach.PUBLIC)

    with pytest.raises(NotConfigured, match="not a public address"):
        client.get("/things", endpoint="things")

    client.close()
    listener.join(5)
    inside.close()
    assert heard == [b""]


def _hear(server: socket.socket, note: Callable[[bytes], None]) -> None:
    caller, _ = server.accept()
    caller.settimeout(5)
    with caller:
        note(caller.recv(1000))


def test_the_moment_of_an_answer_brackets_it(line: Line) -> None:
    line.clock.at = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

    answer = line.get(Reply(status=500))

    # the failed first try does not widen the bracket of the second
    assert answer.asked_at == answer.answered_at == datetime(2026, 11, 2, 9, 0, 0, 500_000, tzinfo=UTC)
