"""Visits and events of an organization for process mining: JSONL, CSV and XES, without anybody's name.

People and applications appear under pseudonyms: a keyed digest of their id, the same in every export of one
organization and meaningless outside. Actors are told as such, by a pseudonym too; free text is left out.

XES follows IEEE 1849-2016: one trace per application, events with ``concept:name``, ``time:timestamp`` and
``lifecycle:transition``, in an order process-mining tools take.
"""

from __future__ import annotations

import csv
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import IO
from xml.sax.saxutils import quoteattr

from django.conf import settings

from accounts.models import Organization
from analytics.models import StageVisit
from ats.models import CandidateEvent

FORMATS = ("jsonl", "csv", "xes")
#: rows read at once
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """One event of one application. ``case`` and ``person`` and ``actor`` are pseudonyms; stages and jobs keep their names."""

    case: str
    person: str
    job: str
    job_title: str
    department: str
    event_type: str
    timestamp: datetime
    recorded_at: datetime
    precision: str
    stage_from: str
    stage_to: str
    category_to: str
    actor: str
    #: of the visit that this event began
    visit_left_at: datetime | None
    visit_exit_kind: str
    visit_bd: float | None


class Pseudonyms:
    """Keyed with the installation's secret and the organization: nobody can find the key back by trying ids."""

    def __init__(self, organization: Organization) -> None:
        self._key = f"{settings.SECRET_KEY}:export:{organization.pk}".encode()

    def of(self, kind: str, value: object) -> str:
        return f"{kind}-{hmac.new(self._key, f'{kind}:{value}'.encode(), sha256).hexdigest()[:16]}"


def lines(organization: Organization, *, job_id: int | None = None) -> Iterator[Line]:
    """All events of applications in the order of application and fold; constant memory. ``job_id``: of who was ever in it."""
    names = Pseudonyms(organization)
    events = CandidateEvent.objects.filter(organization=organization, application__isnull=False)
    if job_id is not None:
        events = events.filter(application__in=StageVisit.objects.order_by().filter(job=job_id).values("application_id"))
    rows = events.select_related("job", "stage_from", "stage_to", "visit").order_by("application_id", *CandidateEvent.FOLD_ORDER)
    # the candidate is read beside the event: a join through the application, whose row says no name
    for event in rows.select_related("application").iterator(chunk_size=CHUNK):
        yield _line(event, names)


def _line(event: CandidateEvent, names: Pseudonyms) -> Line:
    visit: StageVisit | None = getattr(event, "visit", None)
    application, job, to = event.application, event.job, event.stage_to
    assert application is not None, "events about jobs are not exported"
    return Line(
        case=names.of("case", application.pk),
        person=names.of("person", application.candidate_id),
        job="" if job is None else str(job.pk),
        job_title="" if job is None else str(job),
        department="" if job is None else job.department,
        event_type=event.event_type,
        timestamp=event.occurred_at,
        recorded_at=event.recorded_at,
        precision=event.precision,
        stage_from="" if event.stage_from is None else str(event.stage_from),
        stage_to="" if to is None else str(to),
        category_to="" if to is None else to.category,
        actor=names.of("actor", event.actor_external_id) if event.actor_external_id else "",
        visit_left_at=visit.left_at if visit else None,
        visit_exit_kind=(visit.exit_kind or "") if visit else "",
        visit_bd=visit.bd if visit else None,
    )


def write(found: Iterable[Line], to: IO[str], form: str) -> int:
    """Write in one of ``FORMATS``; returns the number of events. Raises ``ValueError`` for another format."""
    if form == "jsonl":
        return _jsonl(found, to)
    if form == "csv":
        return _csv(found, to)
    if form == "xes":
        return _xes(found, to)
    raise ValueError(f"There is no export format {form!r}; use one of {', '.join(FORMATS)}.")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _plain(line: Line) -> dict[str, object]:
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in asdict(line).items()}


def _jsonl(found: Iterable[Line], to: IO[str]) -> int:
    count = 0
    for count, line in enumerate(found, start=1):  # noqa: B007 (the last number is the answer)
        to.write(json.dumps(_plain(line), ensure_ascii=False) + "\n")
    return count


def _csv(found: Iterable[Line], to: IO[str]) -> int:
    writer, count = csv.writer(to, lineterminator="\n"), 0
    writer.writerow([field.name for field in fields(Line)])
    for count, line in enumerate(found, start=1):  # noqa: B007
        writer.writerow([spreadsheet_safe(value) for value in _plain(line).values()])
    return count


def spreadsheet_safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula, quoted (OWASP: CSV injection)."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value


XES_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
  <extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
  <global scope="trace"><string key="concept:name" value=""/></global>
  <global scope="event">
    <string key="concept:name" value=""/><date key="time:timestamp" value="1970-01-01T00:00:00.000+00:00"/>
    <string key="lifecycle:transition" value="complete"/>
  </global>
  <classifier name="Activity" keys="concept:name"/>
"""


def _xes(found: Iterable[Line], to: IO[str]) -> int:
    count = 0
    to.write(XES_HEAD)
    for case, own in groupby(found, key=lambda line: line.case):
        to.write(f'  <trace>\n    <string key="concept:name" value={quoteattr(case)}/>\n')
        for line in own:
            count += 1
            to.write(_xes_event(line))
        to.write("  </trace>\n")
    to.write("</log>\n")
    return count


def _xes_event(line: Line) -> str:
    # where somebody went is the activity; what goes nowhere is one itself
    activity = line.stage_to or line.event_type
    texts = {
        "concept:name": activity,
        "lifecycle:transition": "complete",
        "org:resource": line.actor,
        "event_type": line.event_type,
        "job": line.job_title,
        "department": line.department,
        "stage_from": line.stage_from,
        "category": line.category_to,
        "precision": line.precision,
    }
    told = "".join(f"      <string key={quoteattr(key)} value={quoteattr(printable(value))}/>\n" for key, value in texts.items() if value)
    when = f'      <date key="time:timestamp" value="{_iso(line.timestamp)}"/>\n'
    return f"    <event>\n{told}{when}    </event>\n"


def printable(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(
        letter for letter in text if letter in "\t\n\r" or " " <= letter <= "\ud7ff" or "\ue000" <= letter <= "\ufffd" or letter > "\uffff"
    )
