"""Whether a webhook is from whom it says: a keyed digest of its very bytes, not older than a few minutes. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_hex

import msgspec

#: between the sender's clock and ours, either way; what is older may be a recording played again
LEEWAY = timedelta(minutes=5)
#: what a delivery to nobody is compared with, so that it takes as long as any other
_NOBODYS = token_hex(32)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it came. ``headers`` are found in any case."""

    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Delivery({len(self.body)} bytes)"


class SignedBy(msgspec.Struct, frozen=True, kw_only=True):
    """``signature = hex(HMAC-SHA256(secret, body + timestamp))``, and the headers the two come in."""

    signature: str
    timestamp: str

    def is_authentic(self, delivery: Delivery, *, secrets: Sequence[str], now: datetime) -> bool:
        """Whether one of the secrets (two while they are being changed) signed it just now."""
        stamp, told = delivery.headers.get(self.timestamp, ""), delivery.headers.get(self.signature, "").strip().lower()
        message = delivery.body + stamp.encode()
        found = [hmac.compare_digest(sign(secret, message).encode(), told.encode()) for secret in secrets or [_NOBODYS]]
        moment = _moment(stamp)
        return bool(secrets) and any(found) and moment is not None and abs(now - moment) <= LEEWAY


def sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, sha256).hexdigest()


def _moment(stamp: str) -> datetime | None:
    """Unix seconds, or ISO 8601 with its offset."""
    try:
        if stamp.isascii() and stamp.isdecimal():
            return datetime.fromtimestamp(int(stamp[:12]), UTC)
        moment = datetime.fromisoformat(stamp)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo is not None else None
