"""What a benchmark prints: what was measured, the figure, and how it compares within the same run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    what: str
    figure: str
    verdict: str = ""


def print_table(title: str, lines: Sequence[tuple[str, str, str]]) -> None:
    width = max(len(line[0]) for line in lines)
    print(f"\n{title}")
    for what, figure, verdict in lines:
        print(f"  {what:<{width}}  {figure:>24}  {verdict}".rstrip())


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
