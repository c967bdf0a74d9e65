"""The page of tasks: in which order they ask for somebody."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from issues.models import Issue
from triggers.models import Task

pytestmark = pytest.mark.django_db


def test_what_is_due_comes_first_and_of_those_due_together_the_gravest(acme: Any) -> None:
    now = timezone.now()
    soon = now + timedelta(days=1)
    for number, (title, priority, due_at) in enumerate(
        [("Low", "low", soon), ("Critical", "critical", soon), ("Medium", "medium", soon), ("High", "high", soon), ("Due", "low", now)]
    ):
        issue = Issue.objects.create(
            organization=acme.organization, issue_type="stuck", fingerprint=f"f{number}", job=acme.job(title), severity=priority, score=1.0,
            sentence="Waits too long.", detected_at=now, opened_at=now, last_seen_at=now,
        )  # fmt: skip
        Task.objects.create(organization=acme.organization, issue=issue, title=title, priority=priority, due_at=due_at, created_at=now)
    client = Client()
    client.force_login(acme.member("alice"))

    shown = client.get("/tasks").content.decode()

    assert "Now: Waits too long." in shown, "a title is as old as its task"
    assert re.findall(r"<strong><a [^>]+>(.+?)</a></strong>", shown) == ["Due", "Critical", "High", "Medium", "Low"]
