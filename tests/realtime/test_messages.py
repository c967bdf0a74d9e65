"""What the messages hold: the published schema, every kind of thing that changes, and nobody's name."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from issues.decisions import decide
from issues.lifecycle import Action
from issues.models import Issue
from realtime import log, messages, services
from realtime.models import Update
from tests.factories.accounts import UserFactory
from tests.live import wait_until
from tests.walking import bring_in, event_row, file_connector
from triggers.decisions import edit_task
from triggers.models import Task

SCHEMA = Path(settings.BASE_DIR) / "docs" / "realtime.schema.json"


def told_since(organization_id: int, number: int) -> list[dict[str, Any]]:
    return [json.loads(one.text) for one in log.read(organization_id, after=number).told]


@pytest.fixture
def connector(db: Any) -> Any:
    """Somebody who has waited for half a year, and the issue and task about it."""
    made = file_connector()
    long_ago = timezone.now() - timedelta(days=180)
    row = event_row("e-1", long_ago, event_type="application_created", stage_to="s", candidate_name="Grace Hopper")
    bring_in(made, [row])
    return made


def last_number(connector: Any) -> int:
    return log.last_numbers([connector.organization_id])[connector.organization_id]


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(messages.schema())), "run: make schema"


def test_one_fact_is_told_as_event_snapshot_cells_issue_task_and_progress(connector: Any) -> None:
    told = told_since(connector.organization_id, 0)

    assert {message["type"] for message in told} == messages.TYPES
    by_type = {message["type"]: message for message in told}
    assert by_type["event"]["events"][0]["event_type"] == "application_created"
    assert by_type["event"]["events"][0]["stage_to"]["id"] == by_type["snapshot"]["applications"][0]["current_stage"]["id"]
    assert by_type["issue"]["issues"][0]["issue_type"] in ("stuck", "idle_candidate")
    assert by_type["task"]["tasks"][0]["issue"] in [issue["id"] for issue in by_type["issue"]["issues"]]
    assert by_type["job"]["complete"] is True
    assert by_type["sync"]["state"] == "succeeded"


def test_every_message_fits_the_schema_and_names_nobody(connector: Any) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    own = [log.hello({1: 2}, heartbeat=15), log.ping({1: 2}), log.reload(1, 2, "Much has changed.")]
    texts = [one.text for one in own] + [messages.encode(messages.Reconnect(retry_ms=5))]
    texts += [one.text for one in log.read(connector.organization_id, after=0).told]

    for text in texts:
        validator.validate(json.loads(text))
        assert "Grace" not in text
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"type": "event", "v": 1})


def test_the_parts_of_an_update_come_before_the_message_that_completes_it(connector: Any) -> None:
    """A client resumes after the highest number it heard: a part that was heard alone must not count."""
    told = log.read(connector.organization_id, after=0).told
    kinds = [one.type for one in told if one.job_id is not None]

    assert kinds[-1] == "job"
    assert set(kinds[:-1]) == {"event", "snapshot", "issue", "task"}
    assert all(not one.numbers for one in told if one.type in kinds[:-1])
    assert all(json.loads(one.text)["number"] is None for one in told if one.type in kinds[:-1])


def test_only_what_the_batch_brought_is_told_as_new(connector: Any) -> None:
    before = last_number(connector)

    bring_in(connector, [event_row("e-2", timezone.now() - timedelta(days=1), stage_to="t")])
    told = told_since(connector.organization_id, before)

    assert [event["event_type"] for message in told if message["type"] == "event" for event in message["events"]] == ["stage_changed"]


def test_too_many_people_at_once_are_told_as_cells_that_say_so(connector: Any) -> None:
    before = last_number(connector)
    rows = [
        event_row(
            f"m-{n}", timezone.now() - timedelta(days=1), event_type="application_created", stage_to="s", application_external_id=f"m-{n}"
        )
        for n in range(services.MOST_DETAILS + 1)
    ]

    bring_in(connector, rows)
    told = told_since(connector.organization_id, before)

    assert {message["type"] for message in told} == {"job", "sync"}
    assert all(message["complete"] is False for message in told if message["type"] == "job")


def test_a_decision_is_told_by_its_own_transaction(connector: Any) -> None:
    """Not by the step that follows it: the road may be long when much is on it."""
    issue, person, before = Issue.objects.get(issue_type="stuck"), UserFactory(), last_number(connector)

    decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=person, now=timezone.now())
    told = told_since(connector.organization_id, before)

    assert [(message["type"], message.get("issues", [{}])[0].get("status")) for message in told] == [
        ("issue", "acknowledged"),
        ("job", None),
    ]


def test_a_task_is_told_by_the_transaction_that_changes_it_or_not_at_all(connector: Any) -> None:
    task, before = Task.objects.get(issue__issue_type="stuck", issue__is_group=False), last_number(connector)

    with transaction.atomic():
        edit_task(task_id=task.pk, changes={"status": "in_progress"}, now=timezone.now())
        assert last_number(connector) > before
        transaction.set_rollback(True)
    assert told_since(connector.organization_id, before) == []
    edit_task(task_id=task.pk, changes={"note": "Called Grace Hopper"}, now=timezone.now())

    told = told_since(connector.organization_id, before)
    assert [(message["type"], message.get("tasks", [{}])[0].get("id")) for message in told] == [("task", task.pk), ("job", None)]
    assert "Grace" not in json.dumps(told)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outcome", ["commits", "is rolled back"])
def test_a_number_is_only_seen_after_all_below_it(acme: Any, outcome: str) -> None:
    """A long transaction has its number and has not committed. Another that wants one waits; were it let through, a
    client would hear the higher number, resume after it, and never hear the lower."""
    first, second = acme.job().pk, acme.job().pk
    organization = acme.organization.pk

    def push_second() -> None:
        try:
            services.push(organization_id=organization, job_ids=[second])
        finally:
            connection.close()

    other = threading.Thread(target=push_second)
    with transaction.atomic():
        services.push(organization_id=organization, job_ids=[first])
        other.start()
        wait_until(somebody_waits, what="the other transaction to wait")
        assert log.last_numbers([organization]) == {organization: 1}
        if outcome != "commits":
            transaction.set_rollback(True)
    other.join(timeout=20)

    expected = [(1, first), (2, second)] if outcome == "commits" else [(1, second)]
    assert list(Update.objects.order_by("number").values_list("number", "job_id")) == expected


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_locks where not granted")
        return bool(cursor.fetchone()[0])
