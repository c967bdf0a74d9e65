"""``/ws/updates`` over a real web process, PostgreSQL and Valkey, spoken to by a client that is not our own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import connection, transaction
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from accounts.models import Membership
from connectors.models import Batch, SyncRun
from realtime import services
from realtime.consumers import CATCH_UPS
from realtime.models import Update
from tests.live import LiveStack
from tests.realtime.latency import seconds_of, within_a_second
from tests.realtime.tenants import session_of, token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dial(address: str) -> Iterator[Callable[..., ClientConnection]]:
    """Opens sockets to one real web process and closes them afterwards."""
    with ExitStack() as open_sockets:

        def dial(query: str = "", *, token: str = "", session: str = "", origin: str | None = None) -> ClientConnection:
            headers = {"Authorization": f"Token {token}"} if token else {}
            if session:
                headers["Cookie"] = f"sessionid={session}"
            url = f"{address.replace('http', 'ws')}/ws/updates{query}"
            return open_sockets.enter_context(connect(url, origin=origin or (address if session else None), additional_headers=headers))

        yield dial


def hear(socket: ClientConnection, *, timeout: float = 30) -> dict[str, Any]:
    """The next message that is more than a sign of life or a part of an update."""
    deadline = time.monotonic() + timeout
    while True:
        message: dict[str, Any] = json.loads(socket.recv(timeout=max(0, deadline - time.monotonic())))
        if message["type"] not in ("ping", "event", "snapshot", "issue", "task"):
            return message


def close_code(socket: ClientConnection, *, timeout: float = 30) -> int | None:
    """Reads to the end of the stream."""
    try:
        while True:
            socket.recv(timeout=timeout)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def push(tenant: Any, *jobs: Any) -> None:
    services.push(organization_id=tenant.organization.pk, job_ids=[job.pk for job in jobs])


def test_a_change_is_told_after_its_commit_with_the_whole_state_of_the_job(acme: Any, dial: Any) -> None:
    job = acme.job("Data Engineer")
    socket = dial(token=token_of(acme.member("alice")))
    assert hear(socket)["type"] == "hello"

    with transaction.atomic():
        services.push_batch(acme.batch(acme.apply(job), acme.apply(job)))
        with pytest.raises(TimeoutError):
            hear(socket, timeout=1)  # nothing is told that has not happened yet
    told = hear(socket)

    assert (told["type"], told["v"], told["number"]) == ("job", 1, 1)
    assert told["job"]["title"] == "Data Engineer"
    review = next(cell for cell in told["cells"] if cell["stage"]["id"] == "review")
    assert review["open"] == 2
    assert sum(review["bands"].values()) == 2
    assert [stage["stage"]["id"] for stage in told["stages"]] == [acme.review.pk]
    assert "Grace" not in json.dumps(told)


def test_a_change_is_told_within_a_second_of_its_commit(acme: Any, dial: Any) -> None:
    job = acme.job()
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    def change_and_hear() -> float:
        push(acme, job)
        return seconds_of(lambda: hear(socket))

    assert within_a_second(change_and_hear)


def test_state_at_connect_plus_updates_is_the_state_fetched_afresh(acme: Any, dial: Any) -> None:
    from django.utils import timezone

    from analytics.cells import Question
    from analytics.selectors import org_heatmap

    jobs = [acme.job(f"Job {n}") for n in range(4)]
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    def state() -> dict[int, list[int]]:
        heatmap = org_heatmap(organization_ids=[acme.organization.pk], question=Question(as_of=timezone.now()))
        return {row["job"]["id"]: [cell["open"] for cell in row["cells"]] for row in heatmap["rows"]}

    held = state()
    for n in range(30):
        services.push_batch(acme.batch(acme.apply(jobs[n * 7 % 4])))
    heard = 0
    while heard < Update.objects.count():
        told = hear(socket)
        heard = told["number"]
        held[told["job"]["id"]] = [cell["open"] for cell in told["cells"]]

    assert held == state()


def test_ten_thousand_changes_are_told_as_a_few_messages_of_which_the_last_is_right(acme: Any, dial: Any) -> None:
    job = acme.job()
    crowd = acme.crowd(job, 10_000)
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    def change() -> None:
        try:
            for n in range(0, 10_000, 50):
                services.push_batch(acme.batch(*crowd[n : n + 50]))
            services.push_batch(acme.batch(acme.apply(job)))
        finally:
            connection.close()

    began = time.monotonic()
    with ThreadPoolExecutor() as threads:
        changing = threads.submit(change)
        heard = [json.loads(socket.recv(timeout=60))]
        while (heard[-1].get("number") or 0) < 201:
            heard.append(json.loads(socket.recv(timeout=60)))
        changing.result()
    spent = time.monotonic() - began

    changes = [message for message in heard if message["type"] != "ping"]
    assert len(changes) < 5 * spent + 10, "a few a second"
    assert (changes[-1]["type"], changes[-1]["open"]) == ("job", 1)


def test_the_progress_of_a_run_is_told_to_everybody_in_the_organization(acme: Any, dial: Any) -> None:
    job = acme.job()
    run = SyncRun.objects.create(connector=acme.connector, mode="full", state="flowing", fetched=7)
    token = token_of(acme.member("alice"))
    sockets = [dial(token=token), dial(f"?jobId={job.pk}", token=token)]
    for socket in sockets:
        hear(socket)
    batch = acme.batch()
    Batch.objects.filter(pk=batch.pk).update(sync_run=run, raw_count=12, created_count=10, skipped_count=1, failed_count=1)

    services.push(organization_id=acme.organization.pk, sync_run_ids=[run.pk])
    for socket in sockets:
        told = hear(socket)
        assert (told["type"], told["sync_run"], told["name"], told["mode"], told["state"]) == ("sync", run.pk, "ats", "full", "flowing")
        assert [told[name] for name in ("fetched", "created", "skipped", "failed", "in_flow")] == [7, 10, 1, 1, 12]

    SyncRun.objects.filter(pk=run.pk).update(state="succeeded")
    services.push_batch(Batch.objects.get(pk=batch.pk))
    assert hear(sockets[0])["state"] == "succeeded"


def test_only_the_named_job_is_told(acme: Any, dial: Any) -> None:
    mine, another = acme.job("Mine"), acme.job("Another")
    socket = dial(f"?jobId={mine.pk}", token=token_of(acme.member("alice")))
    hear(socket)

    push(acme, another)
    push(acme, mine)

    assert hear(socket)["job"]["id"] == mine.pk


def test_nothing_of_another_organization_is_told(acme: Any, other: Any, dial: Any) -> None:
    socket = dial(token=token_of(acme.member("alice")))
    hello = hear(socket)
    assert list(hello["numbers"]) == [str(acme.organization.pk)]

    push(other, other.job("Secret"))
    job = acme.job("Ours")
    push(acme, job)

    assert hear(socket)["job"]["id"] == job.pk


def test_a_foreign_job_and_one_that_does_not_exist_close_alike(acme: Any, other: Any, dial: Any) -> None:
    token = token_of(acme.member("alice"))

    codes = {close_code(dial(f"?jobId={name}", token=token)) for name in (other.job().pk, 987654321, "x", "1%00")}

    assert codes == {4404}


def test_a_foreign_organization_closes(acme: Any, other: Any, dial: Any) -> None:
    assert close_code(dial("?organization=other", token=token_of(acme.member("alice")))) == 4404


def test_a_client_that_resumes_hears_what_it_missed_and_nothing_it_had(acme: Any, dial: Any) -> None:
    first, second = acme.job("First"), acme.job("Second")
    push(acme, first)
    push(acme, second)
    push(acme, second)
    token = token_of(acme.member("alice"))

    socket = dial("?after=1", token=token)
    assert hear(socket)["number"] == 3
    missed = hear(socket)
    push(acme, first)

    # two changes of one job are one state
    assert (missed["number"], missed["job"]["id"]) == (3, second.pk)
    assert hear(socket)["number"] == 4


def test_a_running_stream_can_be_caught_up_by_message(acme: Any, dial: Any) -> None:
    job = acme.job()
    push(acme, job)
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    socket.send(json.dumps({"resume_after": 0}))

    assert hear(socket)["job"]["id"] == job.pk


def test_a_resume_point_the_log_no_longer_reaches_is_told_to_reload(acme: Any, dial: Any) -> None:
    job = acme.job()
    for _ in range(3):
        push(acme, job)
    Update.objects.filter(number__lte=2).delete()
    token = token_of(acme.member("alice"))

    for after in ("1", "99", "nonsense"):
        socket = dial(f"?after={after}", token=token)
        hear(socket)
        told = hear(socket)
        assert (told["type"], told["number"]) == ("reload", 3), after
    socket = dial("?after=2", token=token)
    hear(socket)
    assert hear(socket)["type"] == "job"


def test_too_many_changes_at_once_become_one_reload(acme: Any, dial: Any) -> None:
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    push(acme, *(acme.job() for _ in range(120)))

    assert (told := hear(socket))["type"] == "reload"
    assert told["number"] == 120


def test_who_looks_at_one_job_is_told_of_it_while_the_others_reload(acme: Any, dial: Any) -> None:
    jobs, token = [acme.job() for _ in range(120)], token_of(acme.member("alice"))
    everything, one = dial(token=token), dial(f"?jobId={jobs[7].pk}", token=token)
    hear(everything), hear(one)

    push(acme, *jobs)

    assert (hear(everything)["type"], hear(one)["job"]["id"]) == ("reload", jobs[7].pk)
    push(acme, jobs[8])
    assert hear(everything)["job"]["id"] == jobs[8].pk


def test_an_idle_socket_outlives_the_read_timeout_of_redis_py(acme: Any, dial: Any) -> None:
    """redis-py 8 cuts reads after 5 s unless told otherwise; hints would stop with the subscription."""
    job = acme.job()
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)

    with pytest.raises(TimeoutError):
        hear(socket, timeout=7)

    def change_and_hear() -> float:
        push(acme, job)
        return seconds_of(lambda: hear(socket))

    assert within_a_second(change_and_hear)


def test_a_lost_hint_costs_seconds_and_no_update(acme: Any, dial: Any, monkeypatch: Any) -> None:
    job = acme.job()
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)
    monkeypatch.setattr("realtime.hints.send", lambda *_: None)

    push(acme, job)

    assert hear(socket)["job"]["id"] == job.pk


def test_hints_come_back_when_the_broker_drops_its_connections(acme: Any, dial: Any, stack: LiveStack) -> None:
    job = acme.job()
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)
    stack.broker().client_kill_filter(_type="pubsub")

    push(acme, job)
    assert hear(socket)["type"] == "job"

    def change_and_hear() -> float:
        push(acme, job)
        return seconds_of(lambda: hear(socket))

    assert within_a_second(change_and_hear)


def test_a_session_is_let_in_from_our_own_pages_only(acme: Any, dial: Any) -> None:
    session = session_of(acme.member("alice"))

    assert hear(dial(session=session))["type"] == "hello"
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            dial(session=session, origin=origin)
        assert refused.value.response.status_code == 403


def test_a_cookie_does_not_ride_along_with_a_bad_token(acme: Any, dial: Any) -> None:
    session = session_of(acme.member("alice"))

    with pytest.raises(InvalidStatus):
        dial(session=session, token="0" * 64, origin="http://evil.example")


@pytest.mark.parametrize("proof", [{}, {"token": "0" * 64}, {"session": "nobody"}])
def test_strangers_are_refused_at_the_door(acme: Any, dial: Any, proof: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(**proof)
    assert refused.value.response.status_code == 403


def test_the_stream_ends_when_the_right_to_it_ends(acme: Any, dial: Any) -> None:
    """Membership, token, session, password, account: each on its own, within seconds."""
    people = {name: acme.member(name) for name in ("membership", "token", "session", "password", "account", "untouched")}
    sockets = {
        name: dial(session=session_of(user)) if name in ("session", "password") else dial(token=token_of(user))
        for name, user in people.items()
    }
    for socket in sockets.values():
        hear(socket)

    Membership.objects.filter(user=people["membership"]).delete()
    people["token"].auth_token_set.all().delete()
    from django.contrib.sessions.models import Session

    session = next(one for one in Session.objects.all() if one.get_decoded()["_auth_user_id"] == str(people["session"].pk))
    session.delete()
    people["password"].set_password("another-long-one")
    people["password"].save()
    people["account"].is_active = False
    people["account"].save()

    untouched = sockets.pop("untouched")
    assert {name: close_code(socket) for name, socket in sockets.items()} == dict.fromkeys(sockets, 4401)
    push(acme, job := acme.job())
    assert hear(untouched)["job"]["id"] == job.pk


def test_what_a_client_says_in_error_closes_its_stream(acme: Any, dial: Any) -> None:
    token = token_of(acme.member("alice"))
    for said, code in (
        ("hello", 4400),
        ("[]", 4400),
        ('{"resume_after": null}', 4400),
        ('{"resume_after": true}', 4400),
        ("{" * 20_000, 1009),
    ):
        socket = dial(token=token)
        hear(socket)
        socket.send(said)
        assert close_code(socket) == code


def test_who_asks_to_catch_up_all_the_time_is_sent_away(acme: Any, dial: Any) -> None:
    """Each time costs a reading that the streams of others wait for."""
    socket = dial(token=token_of(acme.member("alice")))
    hear(socket)
    for _ in range(CATCH_UPS):
        socket.send('{"resume_after": 0}')
    push(acme, job := acme.job())
    assert hear(socket)["job"]["id"] == job.pk, "ten times at once is nothing"
    with suppress(ConnectionClosed):
        for _ in range(50 * CATCH_UPS):
            socket.send('{"resume_after": 0}')

    assert close_code(socket) == 4429


def test_a_path_nobody_serves_is_refused(acme: Any, address: str) -> None:
    with pytest.raises(InvalidStatus):
        connect(f"{address.replace('http', 'ws')}/ws/other", origin=address)


@pytest.mark.parametrize(
    ("path", "headers"),
    [(f"/ws/updates?after={'1' * 9_000}", {}), ("/ws/updates", {f"X-{n}": "y" for n in range(130)})],
    ids=["long line", "many headers"],
)
def test_an_opening_request_nobody_can_read_is_answered(address: str, path: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address.replace('http', 'ws')}{path}", additional_headers=headers, open_timeout=30)

    assert refused.value.response.status_code == 400
