"""Exports for process mining: every event once, in order, nobody's name."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command

from analytics import exporting
from ats.models import Job
from connectors.events import EventType
from tests.factories.accounts import OrganizationFactory
from tests.factories.ats import ApplicationFactory, CandidateEventFactory, JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
XES = {"xes": "http://www.xes-standard.org/"}


@pytest.fixture
def job() -> Job:
    connector = ConnectorFactory(organization=OrganizationFactory(slug="acme"))
    made: Job = JobFactory(connector=connector, title='=HYPERLINK("Cook & <Baker>")\x07')
    screen = StageFactory(connector=connector, name="Screen")
    for person in range(2):
        application = ApplicationFactory(job=made)
        application.candidate.name, application.candidate.email = f"Alice {person}", f"alice{person}@example.com"
        application.candidate.save()
        for number, (kind, stage) in enumerate([(EventType.APPLICATION_CREATED, screen), (EventType.COMMENT_ADDED, None)]):
            CandidateEventFactory(
                application=application, event_type=kind, stage_to=stage, occurred_at=NOW + timedelta(hours=number),
                actor_external_id="u-1", actor_name="Bob Recruiter", metadata={"text": "Alice is great"},
            )  # fmt: skip
    return made


def exported(form: str, **options: object) -> str:
    out = io.StringIO()
    call_command("export_events", "--organization", "acme", "--format", form, stdout=out, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", exporting.FORMATS)
def test_no_format_holds_anybodys_name_address_or_words(job: Job, form: str) -> None:
    text = exported(form)

    for secret in ("Alice", "alice", "example.com", "Bob", "u-1", "great"):
        assert secret not in text


def test_jsonl_has_every_event_once_by_application_in_order(job: Job) -> None:
    found = [json.loads(line) for line in exported("jsonl").splitlines()]

    assert [one["event_type"] for one in found] == ["application_created", "comment_added"] * 2
    assert found[0]["case"] == found[1]["case"] != found[2]["case"]
    assert found[0]["timestamp"] == "2026-06-01T12:00:00.000+00:00"
    assert (found[0]["stage_to"], found[0]["precision"]) == ("Screen", "exact")


def test_pseudonyms_are_the_same_in_every_export_and_differ_between_organizations(job: Job) -> None:
    other = OrganizationFactory()

    assert exported("jsonl") == exported("jsonl")
    assert exporting.Pseudonyms(job.organization).of("case", 1) != exporting.Pseudonyms(other).of("case", 1)


def test_csv_opens_in_a_spreadsheet_without_running_anything(job: Job) -> None:
    rows = list(csv.DictReader(io.StringIO(exported("csv"))))

    assert len(rows) == 4
    assert rows[0]["job_title"].startswith("'=")


def test_xes_is_well_formed_with_a_trace_per_application(job: Job) -> None:
    log = ElementTree.fromstring(exported("xes"))

    traces = log.findall("xes:trace", XES)
    assert len(traces) == 2
    keys = [{child.get("key"): child.get("value") for child in event} for event in traces[0].findall("xes:event", XES)]
    assert [one["concept:name"] for one in keys] == ["Screen", "comment_added"]
    assert keys[0]["time:timestamp"] == "2026-06-01T12:00:00.000+00:00"
    assert keys[0]["job"] == '=HYPERLINK("Cook & <Baker>")'


#: what may stand in a trace or an event, and how its value reads (IEEE 1849-2016)
TYPES = {
    "string": str,
    "date": datetime.fromisoformat,
    "int": int,
    "float": float,
    "boolean": lambda text: {"true": True, "false": False}[text],
}
A_NAME = re.compile(r"[A-Za-z_:][\w:.\-]*")


def test_xes_holds_what_ieee_1849_asks_of_a_log(job: Job) -> None:
    log = ElementTree.fromstring(exported("xes"))
    kinds = [child.tag.removeprefix(f"{{{XES['xes']}}}") for child in log]

    # extensions, globals, classifiers, attributes, traces: in this order
    order = ["extension", "global", "classifier", *TYPES, "trace"]
    assert [order.index(kind) for kind in kinds] == sorted(order.index(kind) for kind in kinds)
    float(log.attrib["xes.version"])
    declared = {extension.attrib["prefix"] for extension in log.findall("xes:extension", XES)}
    assert all(set(extension.attrib) == {"name", "prefix", "uri"} for extension in log.findall("xes:extension", XES))
    promised = {one.attrib["scope"]: {child.attrib["key"] for child in one} for one in log.findall("xes:global", XES)}
    for classifier in log.findall("xes:classifier", XES):
        assert set(classifier.attrib["keys"].split()) <= promised["event"]
    for scope, element in [("trace", one) for one in log.findall("xes:trace", XES)] + [
        ("event", one) for one in log.iter(f"{{{XES['xes']}}}event")
    ]:
        own = [child for child in element if not child.tag.endswith("}event")]
        assert promised[scope] <= {child.attrib["key"] for child in own}
        assert len({child.attrib["key"] for child in own}) == len(own)
        for child in own:
            kind, key = child.tag.removeprefix(f"{{{XES['xes']}}}"), child.attrib["key"]
            TYPES[kind](child.attrib["value"])
            assert A_NAME.fullmatch(key)
            assert ":" not in key or key.partition(":")[0] in declared


def test_the_events_of_a_trace_are_in_the_order_they_happened(job: Job) -> None:
    log = ElementTree.fromstring(exported("xes"))

    for trace in log.findall("xes:trace", XES):
        moments = [datetime.fromisoformat(one.attrib["value"]) for one in trace.iter(f"{{{XES['xes']}}}date")]
        assert moments == sorted(moments)


def test_one_job_may_be_asked_for_but_only_ones_own(job: Job) -> None:
    with pytest.raises(CommandError, match="has no job"):
        exported("jsonl", job=JobFactory().pk)


def test_another_organization_is_not_exported(job: Job) -> None:
    CandidateEventFactory()

    assert len(exported("jsonl").splitlines()) == 4


def test_a_file_that_cannot_be_written_is_said_in_a_sentence(job: Job, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        exported("csv", output=str(tmp_path / "missing" / "out.csv"))
    exported("csv", output=str(tmp_path / "out.csv"))
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 5
