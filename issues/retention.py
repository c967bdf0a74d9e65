"""Forgetting issues that were resolved long ago, with what was decided about them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from ats.models import Application
from issues.models import Issue

#: issues deleted in one transaction, with their tasks and transitions
CHUNK = 500


def prune(*, before: datetime) -> int:
    """Delete issues resolved before ``before``; returns how many.

    What a person resolved stays as long as its application is in play: the row is what keeps the rule from opening it
    again. Deletes through the models, which know what belongs to an issue, also in the apps after this one.
    """
    in_play = Q(application=None) | Q(application__status__in=[Application.Status.ACTIVE, Application.Status.ON_HOLD])
    over = Issue.objects.filter(status=Issue.Status.RESOLVED, resolved_at__lt=before)
    over = over.exclude(Q(resolved_by=Issue.ResolvedBy.PERSON) & in_play)
    gone = 0
    while True:
        with transaction.atomic():
            held = list(over.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:CHUNK])
            Issue.objects.filter(pk__in=held).delete()
        gone += len(held)
        if len(held) < CHUNK:
            return gone
