"""What is kept of a person, and what never leaves the provider module."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from connectors.base import SyncMode
from tests.connectors.bamboohr.harness import RUN_1, Asked, Bamboo, Desk, payload
from tests.connectors.bamboohr.runs import DAY, later, people

# -- what is kept ----------------------------------------------------------------------------------


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in leaves(member)]
    if isinstance(value, list):
        return [leaf for member in value for leaf in leaves(member)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def test_nothing_but_the_allowed_fields_leaves_the_provider(desk: Desk, bamboo: Bamboo) -> None:
    raw = payload("detail")
    bamboo.applications[raw["id"]] = raw
    bamboo.jobs = payload("jobs")

    pages = [*desk.pages(SyncMode.FULL), *desk.pages(SyncMode.FULL, run=later(desk))]

    stored = json.dumps([msgspec.to_builtins(page) for page in pages])
    kept = {
        raw["id"], raw["appliedDate"], raw["rating"], raw["commentCount"], raw["emailCount"], raw["eventCount"],
        *(raw["status"][name] for name in ("id", "label", "dateChanged")),
        raw["status"]["changedByUser"]["id"],
        *(raw["applicant"][name] for name in ("id", "email", "source", "firstName", "lastName")),
        raw["status"]["changedByUser"]["firstName"], raw["status"]["changedByUser"]["lastName"],
        raw["job"]["id"], raw["job"]["title"]["label"], raw["job"]["hiringLead"]["employeeId"],
        raw["attachmentCount"], raw["alsoConsideredForCount"], raw["duplicateApplicationCount"],  # one digit: anywhere
    }  # fmt: skip
    forbidden = set(leaves(raw)) - {str(value) for value in kept}
    assert len(forbidden) > 35
    assert [value for value in forbidden if json.dumps(value)[1:-1] in stored] == []
    assert "anary" not in stored
    # the same, said the other way round: what is allowed did get through
    assert "noor.ahlberg@example.org" in stored
    assert "Petra Lindqvist" in stored


def test_a_person_is_in_payloads_only_never_in_records_checkpoints_or_notes(desk: Desk, bamboo: Bamboo) -> None:
    bamboo.applications[5120] = payload("detail")

    pages = list(desk.pages())

    rest = json.dumps([msgspec.to_builtins(msgspec.structs.replace(page, observations=())) for page in pages])
    assert not any(text in rest for text in ("Noor", "Ahlberg", "noor.ahlberg", "Indeed", "Petra"))


def test_hostile_text_is_stored_as_text(desk: Desk, bamboo: Bamboo) -> None:
    application = bamboo.apply(1, at=RUN_1 - DAY)
    application["applicant"]["firstName"] = "Rob\x00ert'); drop table --"

    (candidate,) = [person for mapped in desk.sync().mapped for person in mapped.candidates]

    assert candidate.name == "Robert'); drop table -- Brandt 1"


def test_every_request_asks_for_json(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2)
    desk.sync()

    assert all(asked_json(asked) for asked in bamboo.server.asked)


def asked_json(asked: Asked) -> bool:
    return asked.headers.get("accept") == "application/json"
