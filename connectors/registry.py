"""One line per provider. Adding an ATS means a folder beside this file and a line in ``PROVIDERS``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from connectors.bamboohr.provider import BambooHR
from connectors.base import ERASED_PAYLOAD, Provider
from connectors.events import Mapped
from connectors.exceptions import NotConfigured, PayloadNotUnderstood
from connectors.files.provider import KIND as IMPORT_ROW
from connectors.files.provider import FilesProvider, map_row

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (BambooHR(), FilesProvider())}

_decode = msgspec.json.Decoder(dict).decode

#: what an erased payload means
NOTHING = Mapped(observed_at=datetime(1970, 1, 1, tzinfo=UTC))


def get(name: str) -> Provider:
    """The provider called ``name``. Raises ``NotConfigured``."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise NotConfigured(f"There is no provider called {name!r}; known are {', '.join(sorted(PROVIDERS))}.") from None


def mapper(provider_name: str) -> Callable[[str, str], Mapped]:
    """``(kind, payload as JSON text) → Mapped`` for a connector of this provider; raises ``PayloadNotUnderstood``.

    Rows imported from a file keep their own mapping whichever connector they were imported into. What an erasure left
    of a payload means nothing.
    """
    provider = get(provider_name)

    def map_raw(kind: str, payload: str) -> Mapped:
        if payload == ERASED_PAYLOAD:
            return NOTHING
        if kind == IMPORT_ROW:
            return map_row(payload, provider_name)
        try:
            return provider.map(kind, _decode(payload))
        except PayloadNotUnderstood:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # a provider that trusts a payload too much must not stop its neighbours
            raise PayloadNotUnderstood(f"A {kind} payload has an unexpected shape ({type(error).__name__}).") from error

    return map_raw
