"""A ticket opens one stream, once, within half a minute: for browsers, which cannot send a token with a WebSocket.

It stands for the session or token it was asked for with, and ends with it. Only its digest is kept, and using it
takes the row away, so what an access log keeps of it opens nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import connection

from realtime.models import Ticket
from realtime.topics import Listener, Topic, withdrawn

LIFETIME = timedelta(seconds=30)


def issue(listener: Listener, *, now: datetime) -> tuple[str, datetime]:
    """A new ticket and when it ends."""
    ticket, expires_at = secrets.token_urlsafe(32), now + LIFETIME
    Ticket.objects.create(
        digest=_digest(ticket),
        user_id=listener.user_id,
        session_key=listener.session_key,
        session_hash=listener.session_hash,
        token_digest=listener.token_digest,
        expires_at=expires_at,
    )
    return ticket, expires_at


def redeem(ticket: str, *, now: datetime) -> Listener | None:
    """The listener behind a ticket, which is then used up. None: unknown, used, too old, or what it stood for has ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            """delete from realtime_ticket where digest = %s and expires_at > %s
               returning user_id, session_key, session_hash, token_digest""",
            [_digest(ticket), now],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    listener = Listener(user_id=row[0], session_key=row[1], session_hash=row[2], token_digest=row[3])
    return None if withdrawn({(listener, Topic(organization_ids=()))}) else listener


def forget_expired(*, now: datetime) -> int:
    deleted, _ = Ticket.objects.filter(expires_at__lte=now).delete()
    return deleted


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "replace")).hexdigest()
