"""Notifications on their way: written with what causes them, claimed by one sender, ended once.

The rows are the record and the broker a hint, as on the main road. Before anything is sent, "being sent" is committed;
afterwards, how it ended. Who dies in between leaves a row whose lease runs out: it is sent again with the same key where
the receiver can tell a repetition, and becomes *unclear* where it cannot, for nobody is to be nagged twice.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import Organization, User
from analytics.calendars import calendar_of
from config import flow
from connectors.exceptions import NotConfigured
from triggers import channels, wording
from triggers.models import Channel, Notification, Task
from triggers.playbook import SEVERITIES
from triggers.quiet import QuietHours, speak_at
from triggers.selectors import with_subjects
from triggers.wording import Message, Told

logger = logging.getLogger(__name__)

State = Notification.State

#: longer than any send may take
LEASE = timedelta(seconds=90)
MAX_ATTEMPTS = 8
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
#: offered to the workers by one sweep
AT_ONCE = 200
#: ended notifications are kept this long
KEPT = timedelta(days=30)
#: tasks one notification can name; wording shows fewer
MOST_TASKS = 500


# --- writing --------------------------------------------------------------------------------------
def announce(organization: Organization, given: Iterable[tuple[Task, int | None]], *, now: datetime) -> None:
    """Tell of tasks: (task, who has got it or is to know of it). Inside the transaction that gave them.

    Each person hears of all their tasks in one message per channel; what still waits (quiet hours) is added to.
    """
    listening = list(Channel.objects.filter(organization=organization, enabled=True, at_once=True).order_by("pk"))
    if not listening:
        return
    given = sorted(given, key=lambda pair: pair[0].pk)
    for channel in listening:
        by_person: dict[int | None, list[Task]] = defaultdict(list)
        for task, person_id in given:
            if SEVERITIES.index(task.priority) < SEVERITIES.index(channel.min_priority):
                continue
            if channel.is_personal and person_id is None:
                continue
            by_person[person_id if channel.is_personal else None].append(task)
        for recipient_id, tasks in by_person.items():
            _put(channel, recipient_id, tasks, now)


def _put(channel: Channel, recipient_id: int | None, tasks: list[Task], now: datetime) -> None:
    urgent = channel.urgent_anyway and any(task.priority == SEVERITIES[-1] for task in tasks)
    quiet = QuietHours(channel.quiet_from, channel.quiet_until, channel.rest_on_days_off)
    at = now if urgent else speak_at(now, quiet, calendar_of(channel.organization))
    ids = [task.pk for task in tasks]
    waiting = Notification.objects.filter(channel=channel, recipient=recipient_id, kind=Notification.Kind.TASKS, state=State.WAITING)
    known = waiting.filter(attempts=0).order_by("pk").select_for_update(skip_locked=True).first()
    if known is not None:
        known.task_ids = list(dict.fromkeys([*known.task_ids, *ids]))[:MOST_TASKS]
        known.next_attempt_at = min(known.next_attempt_at, at)
        known.save(update_fields=["task_ids", "next_attempt_at"])
        _offer_if_due(known, now)
        return
    _create(channel, recipient_id, Notification.Kind.TASKS, key=f"tasks-{uuid4()}", task_ids=ids[:MOST_TASKS], at=at, now=now)


def _create(
    channel: Channel, recipient_id: int | None, kind: Notification.Kind, *, key: str, task_ids: list[int], at: datetime, now: datetime
) -> Notification:
    row, made = Notification.objects.get_or_create(
        key=key,
        defaults={
            "organization_id": channel.organization_id, "channel": channel, "recipient_id": recipient_id, "kind": kind,
            "task_ids": task_ids, "next_attempt_at": at, "created_at": now,
        },
    )  # fmt: skip
    if made:
        _offer_if_due(row, now)
    return row


def _offer_if_due(row: Notification, now: datetime) -> None:
    if row.next_attempt_at <= now:
        flow.send_after_commit("triggers.deliver", row.pk)


def digest(organization: Organization, now: datetime) -> int:
    """The day's lists whose time has come; nobody with an empty list gets one. Returns how many were written."""
    calendar, written = calendar_of(organization), 0
    local = now.astimezone(ZoneInfo(calendar.zone))
    if calendar.open_span(local.date()) is None:
        return 0
    due = Channel.objects.filter(organization=organization, enabled=True, digest_at__lte=local.time())
    for channel in due.filter(Q(digested_on=None) | Q(digested_on__lt=local.date())).order_by("pk"):
        with transaction.atomic():
            mine = Channel.objects.filter(pk=channel.pk).exclude(digested_on=local.date()).update(digested_on=local.date())
            if not mine:  # another sweep was faster
                continue
            for recipient_id, ids in _desks(channel, now).items():
                key = f"digest-{channel.pk}-{recipient_id or 'all'}-{local.date()}"
                _create(channel, recipient_id, Notification.Kind.DIGEST, key=key, task_ids=ids[:MOST_TASKS], at=now, now=now)
                written += 1
    return written


def _desks(channel: Channel, now: datetime) -> dict[int | None, list[int]]:
    """Unfinished tasks of the organization, by who has them; those of a snoozed issue are left in peace."""
    tasks = Task.objects.filter(organization=channel.organization_id).exclude(status__in=Task.ENDED).exclude(issue__status="snoozed")
    desks: dict[int | None, list[int]] = defaultdict(list)
    for task_id, assignee_id in tasks.order_by("due_at", "pk").values_list("pk", "assignee_id"):
        if not channel.is_personal:
            desks[None].append(task_id)
        elif assignee_id is not None:
            desks[assignee_id].append(task_id)
    return desks


def try_out(channel: Channel, *, recipient: User, now: datetime) -> Notification:
    """A test message, to whoever asks for it where the channel is personal."""
    person = recipient.pk if channel.is_personal else None
    return _create(channel, person, Notification.Kind.TEST, key=f"test-{uuid4()}", task_ids=[], at=now, now=now)


def send_again(row: Notification, *, now: datetime) -> bool:
    """A person wants what was given up, or may have arrived, sent once more. False: it is in no such state."""
    again = Notification.objects.filter(pk=row.pk, state__in=[State.DEAD, State.UNCLEAR])
    if not again.update(state=State.WAITING, attempts=0, next_attempt_at=now, ended_at=None, error="", claimed_by=""):
        return False
    Channel.objects.filter(pk=row.channel_id).update(held_until=None)
    flow.send_after_commit("triggers.deliver", row.pk)
    return True


# --- sending --------------------------------------------------------------------------------------
def deliver(notification_id: int, *, sender: str, now: Callable[[], datetime] = timezone.now) -> None:
    """Claim a notification, send it, write down how it ended. Nothing happens where it is not to be sent now."""
    claimed = _claim(notification_id, sender, now())
    if claimed is None:
        return
    row, message = claimed
    try:
        channels.deliver(_address(row), message, key=row.key)
    except channels.Refused as error:
        _end(row, sender, now(), State.DEAD, str(error))
    except channels.NotSent as error:
        _again(row, sender, now(), str(error))
    except channels.Unclear as error:
        _unclear(row, sender, now(), str(error))
    except NotConfigured as error:
        _end(row, sender, now(), State.DEAD, str(error))
    else:
        _end(row, sender, now(), State.SENT, "")


@transaction.atomic
def _claim(notification_id: int, sender: str, now: datetime) -> tuple[Notification, Message] | None:
    """Commit "being sent", with the words, before anything is. One message of a channel at a time: its row is the queue."""
    channels_free = Channel.objects.select_for_update(skip_locked=True, of=("self",)).select_related("organization")
    channel = channels_free.filter(pk__in=Notification.objects.filter(pk=notification_id).values("channel")).first()
    if channel is None or not channel.enabled or (channel.held_until is not None and channel.held_until > now):
        return None
    if channel.notifications.filter(state=State.SENDING, next_attempt_at__gt=now).exists():
        return None
    rows = Notification.objects.select_for_update(skip_locked=True, of=("self",)).select_related("recipient")
    row = rows.filter(pk=notification_id, state=State.WAITING, next_attempt_at__lte=now).first()
    if row is None:
        return None
    row.channel = channel
    message = Message(subject=row.subject, body=row.body) if row.body else _compose(row, now)
    if message is None or not _reachable(row):
        row.state, row.ended_at = State.DROPPED, now
        row.save(update_fields=["state", "ended_at"])
        return None
    row.subject, row.body = message.subject[:300], message.body
    row.state, row.attempts, row.claimed_by, row.next_attempt_at = State.SENDING, row.attempts + 1, sender, now + LEASE
    row.save(update_fields=["subject", "body", "state", "attempts", "claimed_by", "next_attempt_at"])
    return row, message


def _reachable(row: Notification) -> bool:
    """Whether the person still works there and can be written to."""
    person = row.recipient
    if person is None:
        return True
    return person.is_active and bool(person.email) and person.memberships.filter(organization=row.organization_id).exists()


def _compose(row: Notification, now: datetime) -> Message | None:
    """The words, from how the tasks stand now: what is done, or somebody else's meanwhile, is not told. None: nothing is left."""
    if row.kind == Notification.Kind.TEST:
        return wording.TEST
    tasks = with_subjects(Task.objects.filter(pk__in=row.task_ids).exclude(status__in=Task.ENDED)).order_by("pk")
    told = [_told(task) for task in tasks]
    if not told:
        return None
    compose = wording.digest_message if row.kind == Notification.Kind.DIGEST else wording.tasks_message
    place = f"/tasks/{told[0].task_id}" if len(told) == 1 else "/tasks"
    link = f"{settings.PUBLIC_URL}{place}" if settings.PUBLIC_URL else ""
    return compose(told, now=now, zone=row.channel.organization.time_zone, link=link, named=row.recipient_id is None)


def _told(task: Task) -> Told:
    whose = task.assignee.get_username() if task.assignee else ""
    return Told(task_id=task.pk, title=task.title_now, priority=task.priority, due_at=task.due_at, assignee=whose)


def _address(row: Notification) -> channels.Address:
    if row.recipient is not None:
        return channels.Address(kind=row.channel.kind, mailboxes=(row.recipient.email,))
    address = row.channel.open_address()
    if row.channel.kind == Channel.Kind.EMAIL:
        return channels.Address(kind=row.channel.kind, mailboxes=channels.mailboxes(address))
    return channels.Address(kind=row.channel.kind, url=address)


# --- how it ended ---------------------------------------------------------------------------------
@transaction.atomic
def _end(row: Notification, sender: str, now: datetime, state: State, error: str) -> None:
    if not _mine(row, sender).update(state=state, error=error, ended_at=now):
        return
    rows = Channel.objects.filter(pk=row.channel_id)
    if state == State.SENT:
        rows.update(failures=0, held_until=None, last_error="", last_sent_at=now)
    else:
        rows.update(failures=F("failures") + 1, last_error=error)
    logger.info("notification ended", extra={"action": "notification_ended", "notification": row.pk, "state": str(state)})
    _next_in_line(row.channel_id, now)


@transaction.atomic
def _again(row: Notification, sender: str, now: datetime, error: str) -> None:
    """Later, and the whole channel with it; given up after ``MAX_ATTEMPTS``."""
    if row.attempts >= MAX_ATTEMPTS:
        _end(row, sender, now, State.DEAD, error)
        return
    later = now + pause_after(row.attempts)
    if _mine(row, sender).update(state=State.WAITING, error=error, next_attempt_at=later):
        Channel.objects.filter(pk=row.channel_id).update(failures=F("failures") + 1, held_until=later, last_error=error)


def _unclear(row: Notification, sender: str, now: datetime, error: str) -> None:
    if row.channel.kind in Channel.REPEATABLE:
        _again(row, sender, now, error)
    else:
        _end(row, sender, now, State.UNCLEAR, error)


def pause_after(attempts: int) -> timedelta:
    """Doubling from half a minute to an hour: the last of eight attempts comes about an hour after the first."""
    doubled: timedelta = FIRST_PAUSE * 2 ** (attempts - 1)
    return min(doubled, LONGEST_PAUSE)


def _mine(row: Notification, sender: str) -> QuerySet[Notification]:
    return Notification.objects.filter(pk=row.pk, state=State.SENDING, claimed_by=sender)


def _next_in_line(channel_id: int, now: datetime) -> None:
    """What waited for this one goes next, without waiting for the sweep."""
    waiting = Notification.objects.filter(channel=channel_id, state=State.WAITING, next_attempt_at__lte=now).order_by(
        "next_attempt_at", "pk"
    )
    if (following := waiting.values_list("pk", flat=True).first()) is not None:
        flow.send_after_commit("triggers.deliver", following)


# --- the sweep ------------------------------------------------------------------------------------
def sweep(now: datetime) -> int:
    """End what was left in the middle, offer what is due: one per channel, the rest follows. Returns how many were offered."""
    for row in Notification.objects.filter(state=State.SENDING, next_attempt_at__lte=now).select_related("channel")[:AT_ONCE]:
        _unclear(row, row.claimed_by, now, "The process died while sending.")
    free = Q(channel__held_until=None) | Q(channel__held_until__lte=now)
    due = Notification.objects.filter(free, state=State.WAITING, next_attempt_at__lte=now, channel__enabled=True)
    first = due.order_by("channel_id", "next_attempt_at", "pk").distinct("channel_id").values_list("pk", flat=True)[:AT_ONCE]
    offered = list(first)
    for notification_id in offered:
        flow.send("triggers.deliver", notification_id)
    return len(offered)


def prune(now: datetime) -> int:
    """Forget what ended longer ago than ``KEPT``. Returns how many rows went."""
    return Notification.objects.filter(ended_at__lt=now - KEPT).delete()[0]


def organizations_with_digests() -> Iterable[Organization]:
    return Organization.objects.filter(channels__enabled=True, channels__digest_at__isnull=False).distinct().order_by("pk")
