"""What is counted, and what never reaches an error report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery.signals import task_postrun, task_prerun
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import REGISTRY

from config.telemetry import init_sentry, scrubbed


class _Task:
    name = "ats.normalize"


def test_a_task_is_timed_by_its_name_and_outcome() -> None:
    labels = {"task": "ats.normalize", "outcome": "success"}
    before = REGISTRY.get_sample_value("stagewatch_task_seconds_count", labels) or 0

    task_prerun.send(sender=_Task, task_id="t1", task=_Task())
    task_postrun.send(sender=_Task, task_id="t1", task=_Task(), state="SUCCESS")
    task_postrun.send(sender=_Task, task_id="never started", task=_Task(), state="SUCCESS")

    assert REGISTRY.get_sample_value("stagewatch_task_seconds_count", labels) == before + 1


def test_an_error_report_holds_no_person_no_secret_and_no_row() -> None:
    event: dict[str, Any] = {
        "request": {
            "url": "http://localhost/ats/jobs",
            "query_string": "search=canary",
            "cookies": {"sessionid": "canary"},
            "data": {"name": "canary"},
            "env": {"REMOTE_ADDR": "canary"},
            "headers": {"Authorization": "Token canary", "Cookie": "canary", "X-Forwarded-For": "canary", "Host": "localhost"},
        },
        "user": {"username": "canary"},
        "exception": {
            "values": [
                {"type": "IntegrityError", "module": "django.db.utils", "value": "duplicate key\nDETAIL:  Key (email)=(canary) exists."},
                {"type": "ValueError", "value": "invalid literal: 'canary'"},
                {"type": "NotConfigured", "module": "connectors.exceptions", "value": "Set a base URL."},
            ]
        },
    }

    report = scrubbed(event, {})

    assert "canary" not in json.dumps(report)
    assert [one["value"] for one in report["exception"]["values"]] == ["", "", "Set a base URL."]
    assert report["request"]["headers"] == {"Host": "localhost"}


@pytest.mark.parametrize(
    "wrong", ["https://sentry.example.com/1", "https://hunter2@sentry.example.com/", "https://hunter2@sentry.example.com/x"]
)
def test_an_address_that_is_no_dsn_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN is no DSN: ") as refused:
        init_sentry(wrong)

    assert "hunter2" not in str(refused.value)
