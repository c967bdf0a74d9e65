"""Where a client says it left off: ``17``, or ``3:17,5:40`` (organization:number) when it follows several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def parse(text: str, organization_ids: Sequence[int]) -> dict[int, int] | None:
    """Numbers by organization id. None for no text; ``{}`` for one that is not understood (which leads to a reload)."""
    text = text.strip()
    if not text:
        return None
    if _is_number(text):
        return {organization_ids[0]: int(text)} if len(organization_ids) == 1 else {}
    numbers: dict[int, int] = {}
    for part in text.split(",")[:1000]:
        organization, _, number = part.partition(":")
        if not (_is_number(organization) and _is_number(number)):
            return {}
        numbers[int(organization)] = int(number)
    return numbers


def render(numbers: Mapping[int, int]) -> str:
    """What ``parse`` reads back, in its shortest form."""
    if len(numbers) == 1:
        return str(next(iter(numbers.values())))
    return ",".join(f"{organization}:{number}" for organization, number in sorted(numbers.items()))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
