from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.utils import timezone
from knox.models import AuthToken

from accounts import tasks
from accounts.models import User
from tests.factories.accounts import UserFactory

pytestmark = pytest.mark.django_db


def test_what_has_expired_goes_and_what_has_not_stays() -> None:
    now = timezone.now()
    for name, ends in (("over", now - timedelta(minutes=1)), ("valid", now + timedelta(minutes=1))):
        Session.objects.create(session_key=name, session_data="", expire_date=ends)
    user = UserFactory()
    valid, _ = AuthToken.objects.create(user=user)
    AuthToken.objects.create(user=user, expiry=timedelta(seconds=-1))

    assert tasks.prune() == 2

    assert Session.objects.get().session_key == "valid"
    assert AuthToken.objects.get() == valid


def test_the_admins_log_is_kept_for_its_time() -> None:
    kind = ContentType.objects.get_for_model(User)
    for days in (10, 800):
        entry = LogEntry.objects.create(user=UserFactory(), content_type=kind, object_id="1", object_repr="x", action_flag=CHANGE)
        LogEntry.objects.filter(pk=entry.pk).update(action_time=timezone.now() - timedelta(days=days))

    assert tasks.prune() == 1
    assert LogEntry.objects.get().action_time > timezone.now() - timedelta(days=20)
