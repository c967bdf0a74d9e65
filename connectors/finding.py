"""Which connector a person means on the command line."""

from __future__ import annotations

from connectors.exceptions import NotConfigured
from connectors.models import Connector


def find_connector(word: str, *, organization: str | None = None) -> Connector:
    """By id, ``name`` or ``organization/name``. Raises ``NotConfigured`` saying which there are."""
    connectors = Connector.objects.select_related("organization")
    if organization is None and "/" in word:
        organization, word = word.split("/", 1)
    if organization is not None:
        connectors = connectors.filter(organization__slug=organization)
    found = list(connectors.filter(name=word))
    if not found and word.isdigit():
        found = list(connectors.filter(pk=int(word)))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{connector.organization.slug}/{connector.name}" for connector in found)
        raise NotConfigured(f"There are several connectors called {word}: {names}. Name one of them in full.")
    known = ", ".join(f"{c.organization.slug}/{c.name}" for c in connectors.order_by("pk")[:20]) or "none yet (manage.py connect makes one)"
    raise NotConfigured(f"There is no connector called {word}. Known: {known}.")
