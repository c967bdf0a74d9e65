"""A source whose clock runs ahead: what is told as of now is what is told now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Organization
from ats.models import CandidateEvent, Job
from tests.factories.accounts import member
from tests.walking import bring_in, event_row, file_connector

pytestmark = pytest.mark.django_db

CREATED, MOVED = "application_created", "stage_changed"


def cells(organization: Organization, **asked: Any) -> list[Any]:
    client = Client()
    client.force_login(member(organization))
    answer = client.get(f"/ats/jobs/{Job.objects.get().pk}/heatmap", asked).json()
    return [(cell["stage"]["name"], cell["open"], cell["bands"], cell["oldest_age"]) for cell in answer["stages"]]


def test_a_source_that_dates_its_recording_ahead_hides_nothing_from_as_of_now() -> None:
    connector, now = file_connector(), timezone.now()
    ahead = (now + timedelta(days=2)).isoformat()
    rows = [
        event_row("e-1", now - timedelta(days=9), event_type=CREATED, stage_to="new", recorded_at=ahead),
        event_row("e-2", now - timedelta(days=4), event_type=MOVED, stage_to="call", recorded_at=ahead),
    ]
    bring_in(connector, rows)

    assert cells(connector.organization, as_of=timezone.now().isoformat()) == cells(connector.organization)
    assert [cell[:2] for cell in cells(connector.organization)] == [("Stage call", 1), ("Stage new", 0)]
    assert not CandidateEvent.objects.filter(recorded_at__gt=timezone.now()).exists()


def test_a_recording_in_the_past_stays_when_it_was() -> None:
    connector, told = file_connector(), datetime(2026, 3, 2, tzinfo=UTC)
    bring_in(connector, [event_row("e-1", told, event_type=CREATED, stage_to="new", recorded_at=told.isoformat())])

    assert CandidateEvent.objects.get().recorded_at == told
