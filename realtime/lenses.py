"""Through which lens a page looks: clock, window and moment, all of it in the address so that a link shows the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Organization
from analytics.cells import DEFAULT_WINDOW_DAYS, Question
from analytics.parameters import CommonParameters

#: How far back the slider reaches, days; the date beside it goes further.
SLIDER_DAYS = 180
WINDOWS = (30, 90, 180, 365)
CLOCKS = {"bd": "Business days", "cd": "Calendar days"}


@dataclass(frozen=True)
class Lens:
    question: Question
    clock: str
    window: int
    #: the day looked back to, where the organization is; None: now
    day: date | None
    today: date
    #: the moment as the address names it: a day or a time
    asked_for: str = ""
    #: what was asked for and cannot be answered, in one sentence
    error: str = ""

    @property
    def past(self) -> bool:
        return not self.question.live

    @property
    def days_ago(self) -> int:
        return 0 if self.day is None else (self.today - self.day).days

    @property
    def slider_days(self) -> int:
        return max(SLIDER_DAYS, self.days_ago)

    @property
    def clock_name(self) -> str:
        return CLOCKS[self.clock].lower()

    @property
    def windows(self) -> list[int]:
        return sorted({*WINDOWS, self.window})

    @property
    def clocks(self) -> list[tuple[str, str]]:
        return list(CLOCKS.items())

    @property
    def query(self) -> str:
        """What another page needs to look through the same lens: ``?clock=cd&as_of=2026-10-01``, or nothing."""
        given: dict[str, Any] = {}
        if self.clock != "bd":
            given["clock"] = self.clock
        if self.window != DEFAULT_WINDOW_DAYS:
            given["window"] = self.window
        if self.asked_for:
            given["as_of"] = self.asked_for
        return f"?{urlencode(given)}" if given else ""

    @property
    def more(self) -> str:
        """``query`` as the beginning of a longer one: ``?clock=cd&`` or ``?``."""
        return f"{self.query}&" if self.query else "?"


def lens_of(request: HttpRequest, organization: Organization) -> Lens:
    """The lens an address asks for. What cannot be answered is told, and the page shows now instead."""
    zone = ZoneInfo(organization.time_zone)
    today = timezone.now().astimezone(zone).date()
    given = {name: value for name in ("clock", "window", "as_of") if (value := request.GET.get(name, ""))}
    day = _day(given.get("as_of", ""))
    if day is not None and day >= today:
        given.pop("as_of", None)
    elif day is not None:
        given["as_of"] = end_of(day, zone).isoformat()
    parameters = CommonParameters(data=given)
    if parameters.is_valid():
        clock, window = parameters.validated_data.get("clock", "bd"), parameters.validated_data.get("window", DEFAULT_WINDOW_DAYS)
        question = parameters.question()
        looked_back_to = None if question.live else question.as_of.astimezone(zone).date()
        return Lens(question, clock, window, looked_back_to, today, "" if question.live else request.GET["as_of"])
    told = [f"{name}: {' '.join(map(str, problems))}" for name, problems in parameters.errors.items()]
    plain = Lens(Question(as_of=timezone.now()), "bd", DEFAULT_WINDOW_DAYS, None, today)
    return replace(plain, error=f"The address asks for something that cannot be shown ({'; '.join(told)}). This is how things stand now.")


def _day(text: str) -> date | None:
    """A bare date, which stands for the end of that day; None for anything else."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The last moment of a day where the organization is."""
    return (datetime.combine(day + timedelta(days=1), time(), tzinfo=zone) - timedelta(seconds=1)).astimezone(UTC)
