"""Where a request went, as it may be written down: people type names not only into search boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest

#: in the place of words that came from outside
LEFT_OUT = "…"


def told(request: HttpRequest) -> str:
    """The request's path: what leads somewhere with its ids and without other words it holds, nothing of what leads nowhere."""
    match = request.resolver_match
    path: str = request.path
    if match is None:
        return f"/static/{LEFT_OUT}" if path.startswith("/static/") else f"/{LEFT_OUT}"
    for value in (*match.args, *match.kwargs.values()):
        if isinstance(value, str) and value and not value.isdecimal():
            before, _, after = path.rpartition(value)
            path = f"{before}{LEFT_OUT}{after}"
    return path
