"""Who may listen to what, asked at subscription and again every few seconds after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from accounts.authentication import TokenAuthentication
from accounts.models import Membership, User
from ats.models import Job
from realtime import messages


class NotYours(Exception):
    """No such job or organization as far as this person may know."""


@dataclass(frozen=True)
class Listener:
    """A person and the proof they came with: exactly one of a session and a token."""

    user_id: int
    session_key: str = ""
    #: changes with the password, which ends every other session
    session_hash: str = ""
    token_digest: str = ""

    def __repr__(self) -> str:
        return f"Listener(user_id={self.user_id})"


@dataclass(frozen=True)
class Topic:
    """What a stream covers: whole organizations, or one job."""

    organization_ids: tuple[int, ...]
    job_id: int | None = None
    #: of ``messages.TYPES``; empty: all
    types: frozenset[str] = frozenset()


def by_session(user: Any, session_key: str | None) -> Listener | None:
    """The listener behind a logged-in session; None for anonymous people."""
    if not getattr(user, "is_authenticated", False) or not user.is_active or not session_key:
        return None
    return Listener(user_id=user.pk, session_key=session_key, session_hash=user.get_session_auth_hash())


def by_token(authorization: bytes) -> Listener | None:
    """The listener behind an ``Authorization: Token …`` header; None if it opens nothing."""
    words = authorization.split()
    if len(words) != 2 or words[0].lower() != b"token":
        return None
    try:
        user, token = TokenAuthentication().authenticate_credentials(words[1])
    except (AuthenticationFailed, UnicodeDecodeError):
        return None
    return Listener(user_id=user.pk, token_digest=token.digest)


class NotATopic(Exception):
    """The question makes no sense; the message says what was wrong with it."""


def topic_for(user_id: int, *, job: str = "", organization: str = "", types: str = "") -> Topic:
    """What ``?jobId=``, ``?organization=`` (id or slug) and ``?types=`` (comma-separated) mean for this person.

    Without either of the first two: all of the person's organizations. Raises ``NotYours`` and ``NotATopic``.
    """
    wanted = frozenset(types.split(",")) if types else frozenset()
    if unknown := wanted - messages.TYPES:
        known = ", ".join(sorted(messages.TYPES))
        raise NotATopic(f"types: {min(unknown)[:40]!r} is no type of message that could be chosen; those are {known}.")
    mine = Membership.objects.filter(user_id=user_id, user__is_active=True)
    if job:
        found = Job.objects.filter(pk=_identifier(job), organization__in=mine.values("organization")).values_list("pk", "organization_id")
        for job_id, organization_id in found:
            return Topic(organization_ids=(organization_id,), job_id=job_id, types=wanted)
        raise NotYours(f"There is no job {job!r}.")
    if "\x00" in organization:
        raise NotYours("There is no such organization.")  # no text in the database holds one, and asking for it is an error there
    if organization:
        mine = mine.filter(Q(organization__slug=organization) | Q(organization=_identifier(organization, default=0)))
    ids = tuple(mine.order_by("organization").values_list("organization", flat=True))
    if not ids:
        raise NotYours("There is no such organization.")
    return Topic(organization_ids=ids, types=wanted)


def _identifier(text: str, *, default: int | None = None) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    if default is None:
        raise NotYours(f"There is no job {text[:40]!r}.")
    return default


def withdrawn(listening: Collection[tuple[Listener, Topic]]) -> set[tuple[Listener, Topic]]:
    """Those whose right has ended since: membership, token, session, password or the account itself.

    Four queries whatever the number of listeners.
    """
    people = {listener.user_id for listener, _ in listening}
    users = {user.pk: user for user in User.objects.filter(pk__in=people, is_active=True).only("password")}
    memberships = set(Membership.objects.filter(user__in=people).values_list("user_id", "organization_id"))
    sessions = _alive_sessions(listener.session_key for listener, _ in listening if listener.session_key)
    tokens = _alive_tokens(listener.token_digest for listener, _ in listening if listener.token_digest)

    def may(listener: Listener, topic: Topic) -> bool:
        user = users.get(listener.user_id)
        if user is None or any((listener.user_id, one) not in memberships for one in topic.organization_ids):
            return False
        if listener.token_digest:
            return listener.token_digest in tokens
        same_password = constant_time_compare(user.get_session_auth_hash(), listener.session_hash)
        return same_password and listener.session_key in sessions

    return {one for one in set(listening) if not may(*one)}


def _alive_sessions(keys: Iterable[str]) -> set[str]:
    return set(Session.objects.filter(session_key__in=set(keys), expire_date__gt=timezone.now()).values_list("session_key", flat=True))


def _alive_tokens(digests: Iterable[str]) -> set[str]:
    alive = Q(expiry=None) | Q(expiry__gt=timezone.now())
    return set(AuthToken.objects.filter(alive, digest__in=set(digests)).values_list("digest", flat=True))
