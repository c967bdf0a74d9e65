"""Where a text or a JSON value gives a person away by name or address. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

#: "ada.lovelace" and "LOVELACE, Ada" are found, the Ada in "Canada" is not
WORD_BEGINS, BETWEEN, WORD_ENDS = r"(?<![^\W_])", r"[\W_]*", r"(?![^\W_])"


class Traces:
    """What to look for after one person: the full name, in either order and however its parts are joined, and the address.

    Upper and lower case are one. An empty name or address is looked for nowhere. First or last names alone are not
    looked for: they are words of other people and of stages, too.
    """

    def __init__(self, *, name: str, email: str) -> None:
        parts = re.findall(r"\w+", name)
        orders = {tuple(parts), (*parts[-1:], *parts[:-1])} if parts else set()
        patterns = [WORD_BEGINS + BETWEEN.join(map(re.escape, order)) + WORD_ENDS for order in sorted(orders)]
        self._pattern = re.compile("|".join([*([re.escape(email)] if email else []), *patterns]) or r"(?!)", re.IGNORECASE)
        self._texts = [text for text in (name, email) if text]

    def __repr__(self) -> str:
        return "Traces(…)"  # a person's data belongs in no log

    def are_in(self, value: Any) -> bool:
        """Whether any text in a JSON value, keys included, holds the name or the address."""
        if isinstance(value, str):
            return self._pattern.search(value) is not None
        if isinstance(value, dict):
            return any(self.are_in(key) or self.are_in(inner) for key, inner in value.items())
        return isinstance(value, list | tuple) and any(self.are_in(inner) for inner in value)

    def replaced(self, text: str, by: str) -> str:
        return self._pattern.sub(lambda _: by, text)

    def needles(self) -> list[str]:
        """Lower-case pieces of JSON text, one of which a payload that holds the name or the address as written also holds."""
        return needles(self._texts)


def needles(texts: list[str]) -> list[str]:
    """Each text as JSON may write it, in lower case: with its characters as they are, and with escapes."""
    return sorted({json.dumps(text, ensure_ascii=escaped)[1:-1].lower() for text in texts for escaped in (False, True)})
