"""Log lines: one id, no foreign words."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from django.test import Client

from config import correlation, logs
from connectors.exceptions import NotConfigured


def record(
    message: str, *args: Any, error: BaseException | None = None, name: str = "connectors.batches", **extra: Any
) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": name, "levelname": "ERROR", "msg": message, "args": args, **extra})
    if error is not None:
        try:
            raise error
        except type(error):
            made.exc_info = sys.exc_info()
    assert logs.Careful().filter(made)
    return made


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_a_line_of_json_says_who_when_and_of_what() -> None:
    with correlation.bound("run-4711"):
        line = json.loads(logs.Json().format(record("step %s failed", 7, action="step_failed", step="ats.normalize", row=object())))

    assert (line["message"], line["level"], line["logger"]) == ("step 7 failed", "ERROR", "connectors.batches")
    assert (line["correlation_id"], line["action"], line["step"]) == ("run-4711", "step_failed", "ats.normalize")
    assert line["time"].endswith("+00:00")
    assert "row" not in line, "objects may hold anything"


def test_a_line_for_people_tells_the_same_particulars() -> None:
    line = logs.Plain().format(record("step failed", action="step_failed", step="ats.normalize", batch=7, row=object()))

    assert line.endswith("connectors.batches step failed action=step_failed step=ats.normalize batch=7")


@pytest.mark.parametrize("style", [logs.Plain, logs.Json])
def test_what_libraries_quote_is_left_out_and_our_own_words_stay(style: type[logging.Formatter]) -> None:
    foreign = style().format(record("failed", error=ValueError("invalid literal: 'Canary'")))
    chained = style().format(record("failed", error=caused(NotConfigured("Set a base URL."), KeyError("Canary"))))

    assert "ValueError" in foreign
    assert "test_logs.py" in foreign, "the place in the code stays"
    assert "Set a base URL." in chained
    assert "KeyError" in chained
    assert "Canary" not in foreign + chained


def test_celerys_report_of_a_failed_task_quotes_nothing() -> None:
    context = {"name": "ats.normalize", "id": "1", "exc": "ValueError('Canary')", "traceback": "… Canary", "args": "[1]", "kwargs": "{}"}
    made = logging.makeLogRecord({"name": "celery.app.trace", "msg": "Task %(name)s raised unexpected: %(exc)s\n%(traceback)s"})
    made.args = context
    logs.Careful().filter(made)

    text = logs.Plain().format(made)

    assert "Task ats.normalize raised unexpected" in text
    assert "Canary" not in text


def test_an_unfinished_coroutine_s_report_stops_at_its_first_line() -> None:
    made = record("Task exception was never retrieved\nfuture: <Task exception=ValueError('Canary')>", name="asyncio")

    assert logs.Plain().format(made).endswith("Task exception was never retrieved")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/ats/candidates/Jane Canary", "/ats/…"),
        ("/ats/candidates/4278", "/ats/candidates/4278"),
        ("/ats/jobs/23/stage/Jane Canary/candidates", "/ats/jobs/23/stage/…/candidates"),
        ("/Jane Canary", "/…"),
        ("/static/Jane Canary", "/static/…"),
        ("/issues", "/issues"),
    ],
)
def test_words_typed_into_an_address_are_not_written_down(path: str, written: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        Client().get(path)

    said = [logs.Plain().format(one) for one in caplog.records if logs.Careful().filter(one)]
    assert any(f" stagewatch.request GET {written} " in line for line in said)
    assert [line for line in said if "Canary" in line] == []


@pytest.mark.django_db
def test_all_that_is_said_of_a_request_carries_its_id(caplog: pytest.LogCaptureFixture) -> None:
    Client().get("/nowhere", headers={"X-Request-ID": "request-4711"})

    said = [json.loads(logs.Json().format(one)) for one in caplog.records]  # the handler has looked at them when they were said
    assert {line["logger"] for line in said} >= {"django.request", "stagewatch.request"}
    assert {line["correlation_id"] for line in said} == {"request-4711"}


def test_ids_end_with_what_they_were_bound_to() -> None:
    with correlation.bound("outer"):
        with correlation.bound("inner"):
            assert correlation.current() == "inner"
        assert correlation.or_new() == "outer"

    assert correlation.current() == ""
    assert len(correlation.or_new()) == 32
