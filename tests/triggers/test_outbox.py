"""The outbox: who is told what, when, and never twice; with receivers that really listen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Organization, Role, User
from config import flow
from issues.models import Issue
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.issues import IssueFactory
from tests.factories.triggers import ChannelFactory, NotificationFactory, TaskFactory
from tests.live import LiveStack, wait_until
from tests.receivers import WebReceiver, mail_receiver, web_receiver
from triggers import outbox
from triggers.decisions import assign_issue, edit_task
from triggers.models import Channel, Notification, Task

pytestmark = pytest.mark.django_db

WEDNESDAY = datetime(2026, 6, 3, 9, tzinfo=UTC)
DAY = timedelta(days=1)
State = Notification.State


@pytest.fixture(autouse=True)
def _private(settings: Any) -> None:
    settings.NOTIFY_PRIVATE_ADDRESSES = True


@pytest.fixture
def acme() -> Organization:
    organization: Organization = OrganizationFactory(slug="acme")
    return organization


@pytest.fixture
def rita(acme: Organization) -> User:
    return member(acme, Role.RECRUITER, username="rita")


@pytest.fixture
def receiver() -> Iterator[WebReceiver]:
    with web_receiver() as listening:
        yield listening


def task_of(acme: Organization, person: User | None = None, **fields: Any) -> Task:
    task: Task = TaskFactory(issue=IssueFactory(organization=acme), assignee=person, **fields)
    return task


def announce(acme: Organization, *tasks: Task, now: datetime = WEDNESDAY) -> None:
    with transaction.atomic():
        outbox.announce(acme, [(task, task.assignee_id) for task in tasks], now=now)


def deliver(now: datetime = WEDNESDAY) -> None:
    for pk in Notification.objects.order_by("pk").values_list("pk", flat=True):
        outbox.deliver(pk, sender="me", now=lambda: now)


def states() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("state", flat=True))


# --- who is told ----------------------------------------------------------------------------------
def test_a_room_hears_of_everything_in_one_message(acme: Organization, rita: User, receiver: WebReceiver) -> None:
    ChannelFactory(organization=acme, address=receiver.address)

    announce(acme, task_of(acme, rita, title="Ring"), task_of(acme, title="Write"))
    deliver()

    ((_, _, payload),) = receiver.heard
    assert payload["title"] == "Stagewatch: 2 new tasks"
    assert "Ring (" in payload["message"]
    assert "rita" in payload["message"]
    row = Notification.objects.get()
    assert (row.state, row.attempts, row.subject) == (State.SENT, 1, payload["title"])


def test_a_message_of_one_task_leads_to_it_and_of_many_to_the_list(
    acme: Organization, rita: User, receiver: WebReceiver, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://stagewatch.example"
    ChannelFactory(organization=acme, address=receiver.address)
    one = task_of(acme, rita)

    announce(acme, one)
    deliver()
    announce(acme, task_of(acme, rita), task_of(acme, rita))
    deliver()

    first, second = (payload["message"].splitlines()[-1] for _, _, payload in receiver.heard)
    assert (first, second) == (f"https://stagewatch.example/tasks/{one.pk}", "https://stagewatch.example/tasks")


def test_mail_goes_to_each_person_and_only_theirs(acme: Organization, rita: User, settings: Any) -> None:
    henry = member(acme, username="henry")
    ChannelFactory(organization=acme, kind="email")
    with mail_receiver() as mailbox:
        settings.SMTP_URL = f"smtp://127.0.0.1:{mailbox.port}"
        announce(acme, task_of(acme, rita, title="Ring"), task_of(acme, henry, title="Write"), task_of(acme, title="Nobody's"))
        deliver()

    assert sorted((to, "Ring" in text, "Write" in text) for _, to, _, text in mailbox.letters) == [
        (["henry@example.org"], False, True),
        (["rita@example.org"], True, False),
    ]


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}])
def test_who_cannot_be_written_to_is_not(acme: Organization, rita: User, change: dict[str, Any]) -> None:
    ChannelFactory(organization=acme, kind="email")
    announce(acme, task_of(acme, rita))
    User.objects.filter(pk=rita.pk).update(**change)

    deliver()

    assert states() == [State.DROPPED]


def test_who_left_the_organization_hears_nothing_more(acme: Organization, rita: User) -> None:
    ChannelFactory(organization=acme, kind="email")
    announce(acme, task_of(acme, rita))
    rita.memberships.all().delete()

    deliver()

    assert states() == [State.DROPPED]


def test_channels_of_others_silent_ones_and_unimportant_tasks_make_no_row(acme: Organization, rita: User) -> None:
    ChannelFactory()
    ChannelFactory(organization=acme, enabled=False)
    ChannelFactory(organization=acme, at_once=False)
    ChannelFactory(organization=acme, min_priority="critical")

    announce(acme, task_of(acme, rita, priority="high"))

    assert states() == []


def test_without_a_channel_it_costs_one_query(acme: Organization, rita: User) -> None:
    tasks = [task_of(acme, rita) for _ in range(5)]

    with CaptureQueriesContext(connection) as asked:
        outbox.announce(acme, [(task, rita.pk) for task in tasks], now=WEDNESDAY)

    assert len(asked) == 1


def test_a_person_who_is_given_a_task_hears_of_it_and_one_who_takes_it_does_not(acme: Organization, rita: User) -> None:
    henry = member(acme, username="henry")
    ChannelFactory(organization=acme, kind="email")
    task = task_of(acme)

    edit_task(task_id=task.pk, changes={"assignee": rita}, now=WEDNESDAY, actor=rita)
    assert states() == []
    edit_task(task_id=task.pk, changes={"assignee": henry}, now=WEDNESDAY, actor=rita)
    assert Notification.objects.get().recipient == henry
    assign_issue(issue_id=IssueFactory(organization=acme).pk, assignee=henry, now=WEDNESDAY, actor=rita)
    assert len(Notification.objects.get().task_ids) == 2, "what still waits is added to"


# --- when -----------------------------------------------------------------------------------------
def test_quiet_hours_collect_into_one_message(acme: Organization, rita: User, receiver: WebReceiver) -> None:
    ChannelFactory(organization=acme, address=receiver.address, quiet_from=time(20), quiet_until=time(7))
    evening = WEDNESDAY.replace(hour=21)

    for hours in range(3):
        announce(acme, task_of(acme, rita), now=evening + timedelta(hours=hours))
    deliver(evening + timedelta(hours=3))
    assert receiver.heard == []
    deliver(WEDNESDAY.replace(hour=7) + DAY)

    ((_, _, payload),) = receiver.heard
    assert payload["title"] == "Stagewatch: 3 new tasks"


def test_what_was_done_overnight_is_not_told_in_the_morning(acme: Organization, rita: User, receiver: WebReceiver) -> None:
    ChannelFactory(organization=acme, address=receiver.address, quiet_from=time(20), quiet_until=time(7))
    announce(acme, task_of(acme, rita), now=WEDNESDAY.replace(hour=21))
    Task.objects.update(status=Task.Status.OBSOLETE)

    deliver(WEDNESDAY + DAY)

    assert (states(), receiver.heard) == ([State.DROPPED], [])


def test_urgent_things_may_wake_people_where_the_channel_says_so(acme: Organization, rita: User) -> None:
    for urgent_anyway in (False, True):
        ChannelFactory(organization=acme, quiet_from=time(20), quiet_until=time(7), urgent_anyway=urgent_anyway)
    night = WEDNESDAY.replace(hour=22)

    announce(acme, task_of(acme, rita, priority="critical"), now=night)

    due = Notification.objects.order_by("channel").values_list("next_attempt_at", flat=True)
    assert list(due) == [WEDNESDAY.replace(hour=7) + DAY, night]


# --- the day's list -------------------------------------------------------------------------------
def test_the_day_s_list_comes_once_a_day_at_its_time(acme: Organization, rita: User) -> None:
    ChannelFactory(organization=acme, kind="email", at_once=False, digest_at=time(8))
    task_of(acme, rita)

    assert outbox.digest(acme, WEDNESDAY.replace(hour=7, minute=59)) == 0
    assert [outbox.digest(acme, WEDNESDAY.replace(hour=8)) for _ in range(2)] == [1, 0]
    assert outbox.digest(acme, WEDNESDAY + DAY) == 1
    assert set(Notification.objects.values_list("kind", "recipient")) == {("digest", rita.pk)}


def test_it_is_silent_where_there_is_nothing(acme: Organization, rita: User) -> None:
    henry = member(acme, username="henry")
    ChannelFactory(organization=acme, kind="email", digest_at=time(8))
    ChannelFactory(organization=acme, digest_at=time(8))
    task_of(acme, rita, status="done", ended_at=WEDNESDAY)
    snoozed = task_of(acme, henry)
    Issue.objects.filter(pk=snoozed.issue_id).update(status="snoozed")

    assert outbox.digest(acme, WEDNESDAY) == 0
    assert states() == []


def test_it_is_silent_on_days_off(acme: Organization, rita: User) -> None:
    ChannelFactory(organization=acme, kind="email", digest_at=time(8))
    task_of(acme, rita)

    assert outbox.digest(acme, WEDNESDAY + 3 * DAY) == 0, "Saturday"
    assert outbox.digest(acme, WEDNESDAY + 5 * DAY) == 1


def test_it_follows_the_organization_s_clock(acme: Organization, rita: User) -> None:
    acme.time_zone = "America/New_York"
    acme.save()
    ChannelFactory(organization=acme, kind="email", digest_at=time(8))
    task_of(acme, rita)

    assert outbox.digest(acme, WEDNESDAY.replace(hour=11, minute=59)) == 0
    assert outbox.digest(acme, WEDNESDAY.replace(hour=12)) == 1


# --- how it ends ----------------------------------------------------------------------------------
def test_a_failure_waits_longer_each_time_and_the_channel_with_it(acme: Organization, rita: User) -> None:
    with web_receiver(503) as receiver:
        channel = ChannelFactory(organization=acme, address=receiver.address)
        NotificationFactory.create_batch(2, channel=channel, next_attempt_at=WEDNESDAY)
        deliver()
        assert len(receiver.heard) == 1, "the second one spares itself the trouble"
        deliver(WEDNESDAY + timedelta(seconds=29))
        assert len(receiver.heard) == 1
        deliver(WEDNESDAY + timedelta(seconds=30))
        assert len(receiver.heard) == 2
        first = Notification.objects.order_by("pk")[0]

    channel.refresh_from_db()
    assert (channel.failures, channel.last_error) == (2, "The receiver answered 503.")
    assert (first.state, first.attempts) == (State.WAITING, 2)
    assert first.next_attempt_at == WEDNESDAY + timedelta(seconds=30 + 60)


def test_it_is_given_up_after_so_many_attempts_and_a_person_can_have_it_sent_again(acme: Organization, rita: User) -> None:
    with web_receiver(*[500] * outbox.MAX_ATTEMPTS, 200) as receiver:
        ChannelFactory(organization=acme, address=receiver.address)
        announce(acme, task_of(acme, rita))
        now = WEDNESDAY
        for _ in range(outbox.MAX_ATTEMPTS + 3):
            deliver(now)
            now += outbox.LONGEST_PAUSE
        assert (states(), len(receiver.heard)) == ([State.DEAD], outbox.MAX_ATTEMPTS)

        row = Notification.objects.get()
        assert outbox.send_again(row, now=now)
        deliver(now)

    assert states() == [State.SENT]
    assert len(set(receiver.keys)) == 1, "whatever happens, one key"
    assert not outbox.send_again(row, now=now), "what was sent is not sent again"


def test_a_refusal_ends_at_once(acme: Organization, rita: User) -> None:
    with web_receiver(410) as receiver:
        ChannelFactory(organization=acme, address=receiver.address)
        announce(acme, task_of(acme, rita))
        deliver()

    row = Notification.objects.get()
    assert (row.state, row.error) == (State.DEAD, "The receiver answered 410; check the channel's address.")


def test_an_address_that_no_key_opens_is_said_and_ends(acme: Organization, rita: User) -> None:
    stolen = ChannelFactory(organization=acme, address="https://one.example/")
    channel = ChannelFactory(organization=acme, address="https://two.example/")
    Channel.objects.filter(pk=channel.pk).update(sealed_address=stolen.sealed_address)
    row = NotificationFactory(channel=channel)

    outbox.deliver(row.pk, sender="me")

    row.refresh_from_db()
    assert row.state == State.DEAD
    assert "sealed for another one" in row.error


def test_two_who_send_send_once(acme: Organization, rita: User, receiver: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message came twice: while one sends, and after it has sent."""
    ChannelFactory(organization=acme, address=receiver.address)
    announce(acme, task_of(acme, rita))
    honest = outbox.channels.deliver

    def with_a_double(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(outbox.channels, "deliver", honest)
        deliver()
        honest(*arguments, **named)

    monkeypatch.setattr(outbox.channels, "deliver", with_a_double)
    deliver()
    deliver()

    assert (len(receiver.heard), states()) == (1, [State.SENT])


@pytest.mark.parametrize(("kind", "after", "heard"), [("webhook", State.SENT, 2), ("slack", State.UNCLEAR, 1), ("email", State.UNCLEAR, 1)])
def test_who_dies_while_sending_nags_nobody_twice(
    acme: Organization, kind: str, after: str, heard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again only where the receiver can tell a repetition by its key; else a person decides."""
    keys: list[str] = []
    channel = ChannelFactory(organization=acme, kind=kind, address="team@example.org")
    NotificationFactory(channel=channel, next_attempt_at=WEDNESDAY)

    def dying(*_: Any, key: str) -> None:
        keys.append(key)
        if len(keys) == 1:
            raise KeyboardInterrupt  # nothing catches it on the way out, as nothing catches SIGKILL

    monkeypatch.setattr(outbox.channels, "deliver", dying)
    with pytest.raises(KeyboardInterrupt):
        deliver()
    assert states() == [State.SENDING]
    outbox.sweep(WEDNESDAY + outbox.LEASE - timedelta(seconds=1))
    assert states() == [State.SENDING], "somebody may still be at it"

    outbox.sweep(WEDNESDAY + outbox.LEASE)
    deliver(WEDNESDAY + timedelta(minutes=10))

    assert (states(), len(keys), len(set(keys))) == ([after], heard, 1)


def test_the_sweep_offers_one_per_channel_and_none_of_a_resting_one(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[tuple[object, ...]] = []
    monkeypatch.setattr(flow, "send", lambda *arguments: offered.append(arguments))
    kinds: tuple[dict[str, Any], ...] = ({}, {"held_until": WEDNESDAY + DAY}, {"enabled": False})
    busy, resting, off = (ChannelFactory(organization=acme, **fields) for fields in kinds)
    first, *_ = (NotificationFactory(channel=channel, next_attempt_at=WEDNESDAY) for channel in (busy, busy, resting, off))
    NotificationFactory(channel=ChannelFactory(organization=acme), next_attempt_at=WEDNESDAY + DAY)

    assert outbox.sweep(WEDNESDAY) == 1
    assert offered == [("triggers.deliver", first.pk)]


def test_the_words_stay_the_same_from_the_first_attempt_on(acme: Organization, rita: User) -> None:
    with web_receiver(500, 200) as receiver:
        ChannelFactory(organization=acme, address=receiver.address)
        announce(acme, task_of(acme, rita, title="Ring"))
        deliver()
        Task.objects.update(title="Something else")
        deliver(WEDNESDAY + DAY)

    first, second = (payload["message"] for _, _, payload in receiver.heard)
    assert first == second


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(acme: Organization) -> None:
    channel = ChannelFactory(organization=acme)
    long_ago = WEDNESDAY - outbox.KEPT - DAY
    NotificationFactory(channel=channel, state=State.SENT, ended_at=long_ago)
    kept = [
        NotificationFactory(channel=channel, state=State.SENT, ended_at=WEDNESDAY - DAY),
        NotificationFactory(channel=channel, created_at=long_ago),
    ]

    assert outbox.prune(WEDNESDAY) == 1
    assert set(Notification.objects.all()) == set(kept)


# --- with a real worker ---------------------------------------------------------------------------
@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_sending_and_writing_it_down(live_stack: LiveStack, tmp_path: Path, receiver: WebReceiver) -> None:
    acme = OrganizationFactory()
    live_stack.environment |= {"NOTIFY_PRIVATE_ADDRESSES": "true", "DEATHS": str(tmp_path)}
    command = [sys.executable, "-m", "celery", "-A", "tests.mortal", "worker", "-Q", "tasks", "-c", "1", "-n", "mortal@%h", "-l", "INFO"]
    live_stack.spawn("mortal", *command).wait_for_line(" ready.")
    webhook = ChannelFactory(organization=acme, address=receiver.address)

    with transaction.atomic():
        row = outbox.try_out(webhook, recipient=member(acme), now=timezone.now())
    receiver.wait_for(1)
    wait_until((tmp_path / "sent:notification").exists, what="the death")
    wait_until(lambda: states() == [State.SENDING], what="the row left behind")

    # the message comes again at once (the child was lost), and finds a lease; the sweep finds it run out
    outbox.sweep(timezone.now() + outbox.LEASE)
    assert states() == [State.WAITING]
    Channel.objects.update(held_until=None)
    Notification.objects.update(next_attempt_at=timezone.now())
    outbox.sweep(timezone.now())
    receiver.wait_for(2)
    wait_until(lambda: states() == [State.SENT], what="the end")

    assert receiver.keys == [row.key, row.key], "sent again, and the receiver can tell"
