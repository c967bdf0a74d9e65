"""Erasing a person: irreversible, in one transaction, with a receipt.

What is about the person goes: name, address and source, free text of their events, the raw payloads that told of them,
what polls remember of them, what colleagues noted. What is about the pipeline stays: when an application entered and
left which stage, under the ids of the ATS, so that no count and no percentile changes. The provider's ids stay as well:
by them the person is known as erased, and is not filled in again by the next poll or import. Only where an id spells
the name or the address (an import that used addresses as ids) is it replaced.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from ats.forgetting import LOCK, reduced
from ats.models import Application, Candidate, CandidateEvent, ErasureReceipt
from ats.services import lock_applications
from config import flow
from connectors import batches, erasing
from connectors.erasing import Subject
from connectors.traces import Traces


class NotErased(Exception):
    """The erasure was refused and nothing was changed; the message says what to do."""


def erase_candidate(*, candidate_id: int, reason: str, erased_by: str = "") -> ErasureReceipt:
    """Erase the person. Raises ``NotErased``. Twice is allowed, and finds what has come in meanwhile.

    The inbox is read before anything is locked, for that takes longest; what arrives during it is looked at
    afterwards. Batches of the connector wait for the rest.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        candidate = Candidate.objects.select_related("connector", "organization").filter(pk=candidate_id).first()
        if candidate is None:
            raise NotErased(f"There is no candidate {candidate_id}; the number is the one in the admin and in /ats/candidates/….")
        subject = _subject(candidate)
        if not reason.strip() or subject.traces.are_in(reason):
            raise NotErased("The reason is kept for good: give one without the person's name or address, e.g. the request's number.")
        seen = erasing.last_raw_event()
        raw_ids = erasing.find_raw_events(subject, after=0, upto=seen)

        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [LOCK, candidate.connector_id])
        cursor.execute("select set_config('stagewatch.erasing', 'on', true)")  # the ledger's trigger lets this transaction pass
        applications = sorted(Application.objects.filter(candidate=candidate).values_list("pk", flat=True))
        lock_applications(cursor, applications)
        candidate = Candidate.objects.select_for_update(of=("self",)).select_related("connector").get(pk=candidate_id)
        subject = _subject(candidate)  # what it was told meanwhile is looked for, too
        raw_ids += erasing.find_raw_events(subject, after=seen, upto=erasing.last_raw_event())
        now = timezone.now()
        counts, waiting = _erase(candidate, subject, applications, raw_ids, now)
        # derived rows are recomputed and screens told; where ids were replaced, ties between events may fall otherwise
        batches.start(
            organization_id=candidate.organization_id,
            connector_id=candidate.connector_id,
            step=flow.SNAPSHOT,
            application_ids=applications,
        )
        return ErasureReceipt.objects.create(
            organization_id=candidate.organization_id,
            candidate=candidate,
            reason=reason.strip(),
            erased_at=now,
            erased_by=erased_by,
            counts=dict(counts),
            waiting=waiting,
        )


def namesakes(candidate: Candidate) -> list[int]:
    """Other candidates of the organization with the same address: the same person once more, in many an ATS."""
    if not candidate.email:
        return []
    others = Candidate.objects.filter(organization=candidate.organization_id, email__iexact=candidate.email).exclude(pk=candidate.pk)
    return list(others.order_by("pk").values_list("pk", flat=True))


def _subject(candidate: Candidate) -> Subject:
    return Subject(
        connector=candidate.connector,
        candidate=candidate.external_id,
        applications=frozenset(Application.objects.filter(candidate=candidate).values_list("external_id", flat=True)),
        traces=Traces(name=candidate.name, email=candidate.email),
    )


def _erase(candidate: Candidate, subject: Subject, applications: list[int], raw_ids: list[int], now: datetime) -> tuple[Counter[str], int]:
    """Rows changed by table, and payloads still on the road."""
    counts: Counter[str] = Counter()
    alias = f"erased-{candidate.pk}"
    known = CandidateEvent.objects.filter(application__in=applications).values_list("raw_event_id", flat=True)
    counts["connectors_rawevent"], waiting = erasing.erase_raw_events({*raw_ids, *known})
    counts["connectors_providerrecord"] = erasing.erase_records(subject)
    counts["connectors_syncrun"] = erasing.erase_notes(subject)
    counts["ats_candidateevent"] = _erase_events(applications, subject.traces, alias)
    for application in Application.objects.filter(pk__in=applications).order_by("pk"):
        counts.update(_erase_decisions(application, subject.traces, alias))
        if subject.traces.are_in(application.external_id):
            application.external_id = subject.traces.replaced(application.external_id, alias)
            application.save(update_fields=["external_id"])
            counts["ats_application"] += 1
    candidate.name = candidate.email = candidate.source = ""
    candidate.external_id = subject.traces.replaced(candidate.external_id, alias)
    candidate.erased_at = candidate.erased_at or now
    candidate.save(update_fields=["name", "email", "source", "external_id", "erased_at"])
    counts["ats_candidate"] = 1
    return counts, waiting


def _erase_events(applications: list[int], traces: Traces, alias: str) -> int:
    """The ledger's rows: free text goes, and so does the actor where that is the person; the facts stay."""
    events = list(CandidateEvent.objects.filter(application__in=applications).order_by("pk"))
    for event in events:
        event.metadata = reduced(event.metadata, traces)
        if traces.are_in([event.actor_name or "", event.actor_external_id or ""]):
            event.actor_name = event.actor_external_id = None
        event.provider_event_id = traces.replaced(event.provider_event_id, alias)
    CandidateEvent.objects.bulk_update(events, ["metadata", "actor_name", "actor_external_id", "provider_event_id"], batch_size=500)
    return len(events)


def _erase_decisions(application: Application, traces: Traces, alias: str) -> Counter[str]:
    """What colleagues typed about the person's issues and tasks. Those apps come later and are not imported here: they
    are reached through the relations they declare. An issue's identity holds the key of an event, see ``_erase_events``."""
    counts: Counter[str] = Counter()
    for issue in application.issues.order_by("pk"):
        counts["issues_issuetransition"] += issue.transitions.exclude(actor=None).exclude(reason="").update(reason="")
        counts["triggers_task"] += issue.tasks.exclude(note="").update(note="")
        if traces.are_in(issue.fingerprint):
            issue.fingerprint = traces.replaced(issue.fingerprint, alias)
            issue.save(update_fields=["fingerprint"])
            counts["issues_issue"] += 1
    return counts
