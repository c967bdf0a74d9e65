"""Derived state is a function of the ledger: whatever is made to differ is found, told, and mended."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from analytics import rebuilding, services, suspect_cells, suspects
from analytics.models import StageMetric, StageVisit
from analytics.rebuilding import rebuild
from ats.models import Application, Candidate
from config import flow
from connectors.models import Batch, Connector
from tests.canonical import differences, dump
from tests.oracles.histories import START, seeded_history
from tests.walking import bring_in, file_connector, row_of

#: within ninety days of most of the history
T = START + timedelta(days=60)

pytestmark = pytest.mark.django_db


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Connector:
    monkeypatch.setattr(timezone, "now", lambda: T)
    connector = file_connector()
    bring_in(connector, [row_of(event) for event in seeded_history(11, applications=20).events])
    return connector


def check(connector: Connector) -> Any:
    return rebuild(organization_id=connector.organization_id, check=True)


def one(model: Any, **where: Any) -> Any:
    """A single row of many, to be changed behind everybody's back."""
    return model.objects.filter(pk=model.objects.filter(**where).order_by("pk").values("pk")[:1])


DAMAGE: dict[str, tuple[str, Callable[[], object]]] = {
    "a status": ("snapshots", lambda: one(Application, status="active").update(status="hired")),
    "a stage": ("snapshots", lambda: one(Application, current_stage__isnull=False).update(current_stage=None)),
    "an activity": (
        "snapshots",
        lambda: one(Application, last_activity_at__isnull=False).update(last_activity_at=F("last_activity_at") - timedelta(days=1)),
    ),
    "a person's stage": ("snapshots", lambda: one(Candidate, current_stage__isnull=False).update(current_stage=None)),
    "a moment": ("visits", lambda: one(StageVisit, left_at__isnull=False).update(left_at=F("left_at") + timedelta(seconds=1))),
    "an exit": ("visits", lambda: one(StageVisit, exit_kind="lateral").update(exit_kind="advanced")),
    "an ordinal": ("visits", lambda: one(StageVisit, n=1).update(n=9)),
    "a visit too few": ("visits", lambda: one(StageVisit).delete()),
    "a counter": ("counters", lambda: one(StageMetric, job__isnull=False).update(open=F("open") + 1)),
    "a sum": ("counters", lambda: one(StageMetric).update(completed_seconds=F("completed_seconds") + 1)),
    "a cell too few": ("counters", lambda: one(StageMetric, entered__gt=0).delete()),
    "a percentile": ("percentiles", lambda: one(StageMetric, p50__isnull=False, dirty=False).update(p50=F("p50") + 1)),
    "a window": ("percentiles", lambda: one(StageMetric, dirty=False).update(window_entered=F("window_entered") + 1)),
}


def test_what_the_flow_made_has_not_drifted(connector: Connector) -> None:
    drift = check(connector)

    assert not drift
    assert str(drift) == "snapshots 0, visits 0, counters 0, percentiles 0"


@pytest.mark.parametrize("what", DAMAGE)
def test_any_difference_is_found_named_and_mended(connector: Connector, what: str) -> None:
    kind, damage = DAMAGE[what]
    before = dump(connector.organization, as_of=T)
    damage()
    damaged = dump(connector.organization, as_of=T)

    found = check(connector)
    assert getattr(found, kind) > 0, found
    assert differences(damaged, dump(connector.organization, as_of=T)) == {}, "a check changes nothing"

    rebuild(organization_id=connector.organization_id)
    assert not check(connector)
    assert differences(before, dump(connector.organization, as_of=T)) == {}


@pytest.mark.django_db(transaction=True)
def test_from_nothing_but_the_ledger_everything_comes_back_on_several_connections(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(connector.organization, as_of=T)
    StageVisit.objects.all().delete()
    StageMetric.objects.all().delete()
    Application.objects.update(status="active", current_stage=None, applied_at=None, last_event_at=None, last_activity_at=None, job=None)
    monkeypatch.setattr(rebuilding, "CHUNK", 7)
    monkeypatch.setattr(rebuilding, "JOBS_AT_ONCE", 1)
    told: list[int] = []

    rebuild(organization_id=connector.organization_id, progress=told.append)

    assert sorted(told) == sorted([7, 7, Application.objects.count() - 14])
    assert not check(connector)
    after = dump(connector.organization, as_of=T)
    assert {part for part in before if before[part] != after[part]} <= {"issues"}, "an issue's visit was deleted with it"


def test_another_organization_is_left_alone(connector: Connector) -> None:
    other = file_connector()
    one(StageMetric, entered__gt=0).update(open=99)

    assert not check(other)
    rebuild(organization_id=other.organization_id)
    assert check(connector).counters == 1


def test_cells_still_to_be_refreshed_are_no_drift(connector: Connector) -> None:
    StageMetric.objects.update(dirty=True, p50=99, window_entered=99)

    assert not check(connector)


def test_the_command_says_so_and_ends_accordingly(connector: Connector) -> None:
    def said(*options: str) -> str:
        out = io.StringIO()
        call_command("rebuild", "--organization", connector.organization.slug, *options, stdout=out)
        return out.getvalue()

    number = Application.objects.count()
    assert said("--check") == f"no drift in {number} applications\n"
    one(StageMetric, entered__gt=0).update(open=F("open") + 1)
    with pytest.raises(CommandError, match=r"Drift found: snapshots 0, visits 0, counters 1, .* Mend it with: manage.py rebuild") as raised:
        said("--check")
    assert raised.value.returncode == 1
    assert said() == "mended: snapshots 0, visits 0, counters 1, percentiles 0\n"
    assert said("--check") == f"no drift in {number} applications\n"
    with pytest.raises(CommandError, match="There is no organization 'nobody'"):
        call_command("rebuild", "--organization", "nobody")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("checking", [True, False])
def test_no_statement_over_everything_has_only_the_time_of_a_step(
    connector: Connector, checking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = re.compile(r"(\s*--[^\n]*\n)*\s*(insert|update|delete|with)\b|.*\bfull join\b", re.IGNORECASE | re.DOTALL)
    allowed: list[tuple[int, str]] = []

    def note(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if large.match(statement):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute("select extract(epoch from current_setting('statement_timeout')::interval)::int")
                allowed.append((cursor.fetchone()[0], statement))
        return execute(statement, params, many, context)

    def suspect_all(module: Any, look: str) -> None:
        """Whoever is looked at is suspected, so that the statements of the road go over everybody."""
        original = getattr(module, look)

        def looking(*arguments: Any, **named: Any) -> Any:
            seen = original(*arguments, **named)
            with connection.cursor() as cursor:
                cursor.execute("select extract(epoch from current_setting('statement_timeout')::interval)::int")
                allowed.append((cursor.fetchone()[0], look))
            everybody = next(each for each in arguments if isinstance(each, list))
            return (everybody, seen[1]) if isinstance(seen, tuple) else replace(seen, jobs=everybody)

        monkeypatch.setattr(module, look, looking)

    suspect_all(suspects, "among")
    suspect_all(suspect_cells, "look")
    organization_id = connector.organization_id
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = '5s'")
    try:
        with connection.execute_wrapper(note):
            assert not rebuild(organization_id=organization_id, check=checking)
        with connection.cursor() as cursor:
            cursor.execute("show statement_timeout")
            assert cursor.fetchone()[0] == "5s", "only the rebuild's own transactions have more"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("reset statement_timeout")

    assert len(allowed) > 15
    assert {"among", "look"} < {what for _, what in allowed}
    assert [told for told in allowed if told[0] < 3600] == []


# --- refreshing cells --------------------------------------------------------------------------------------------------


def test_only_dirty_cells_are_refreshed_and_only_once(connector: Connector) -> None:
    StageMetric.objects.update(dirty=False)
    dirty = StageMetric.objects.filter(entered__gt=0)[:3]
    StageMetric.objects.filter(pk__in=[cell.pk for cell in dirty]).update(dirty=True)

    refreshed = services.refresh_cells(organization_id=connector.organization_id, as_of=T + timedelta(seconds=1), aged=False)

    assert set(refreshed) == {(cell.job_id, cell.stage_id) for cell in dirty}
    assert services.refresh_cells(organization_id=connector.organization_id, as_of=T, aged=False) == []
    assert set(StageMetric.objects.filter(computed_at=T + timedelta(seconds=1)).values_list("pk", flat=True)) == {cell.pk for cell in dirty}


def test_cells_that_time_changes_grow_old_and_others_do_not(connector: Connector) -> None:
    StageMetric.objects.update(dirty=False, computed_at=T)
    empty = StageMetric.objects.filter(open=0).order_by("pk")[:1]
    StageMetric.objects.filter(pk__in=[cell.pk for cell in empty]).update(own_n=0, window_entered=0, window_exited=0)
    moving = set(StageMetric.objects.exclude(pk__in=[cell.pk for cell in empty]).values_list("job_id", "stage_id"))
    assert empty
    assert {True, False} == set(StageMetric.objects.filter(own_n__gt=0).values_list(Q(open__gt=0), flat=True)), "with people and without"

    young = services.refresh_cells(organization_id=connector.organization_id, as_of=T + timedelta(minutes=59))
    old = services.refresh_cells(organization_id=connector.organization_id, as_of=T + timedelta(minutes=61))

    assert (young, set(old)) == ([], moving)


def test_so_many_cells_at_once_and_the_rest_next_time(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CELLS_AT_ONCE", 4)
    StageMetric.objects.update(dirty=True)
    turns = []

    while found := services.refresh_cells(organization_id=connector.organization_id, as_of=T):
        turns.append(len(found))

    assert sum(turns) == StageMetric.objects.count()
    assert max(turns) == 4


def test_refreshing_tells_the_screens_once_per_organization(connector: Connector) -> None:
    StageMetric.objects.update(dirty=True)

    assert services.refresh_dirty(aged=False) == StageMetric.objects.count()
    assert services.refresh_dirty(aged=False) == 0

    batch = Batch.objects.get(finished_at=None)
    assert (batch.step, batch.organization) == (flow.PUSH, connector.organization)
    assert set(batch.job_ids) == set(StageMetric.objects.values_list("job_id", flat=True))
