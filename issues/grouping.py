"""Many people with one trouble in one stage are one trouble: a group issue with members.

A pure function of who has that trouble now: from ``group_from`` unresolved issues of one type in a stage of a job on,
there is a group; below, there is none. Members keep their own lives; whoever lists troubles shows the group instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from accounts.models import Organization
from ats.models import Job, Stage
from issues.changes import Changes, Said, Subject
from issues.findings import Finding, fingerprint
from issues.models import CellWatch, Issue
from issues.rules import RULES
from issues.thresholds import RuleBook

GROUPED = frozenset(rule.name for rule in RULES if rule.grouped)

#: (issue type, job, stage)
Key = tuple[str, int, int]

WORDS = {
    "stuck": "are stuck",
    "idle_candidate": "have been left idle",
    "waiting_on_us": "wait for our answer",
    "clock_skew": "have an entry dated in the future",
    "backdated_edit": "have an entry that was dated back",
}


def group_fingerprint(key: Key) -> str:
    return fingerprint("group", *key)


def regroup(organization: Organization, keys: Iterable[Key], book: RuleBook, now: datetime) -> Changes:
    """Make, keep or dissolve the groups of these cells; returns what changed."""
    changes = Changes(organization.pk, now)
    wanted = _worth_a_look(organization, sorted(key for key in keys if key[0] in GROUPED), book)
    if not wanted:
        return changes
    jobs, stages = ({key[place] for key in wanted} for place in (1, 2))
    # one at a time, or two workers would each miss the members the other has just found
    list(CellWatch.objects.select_for_update().filter(job_id__in=jobs, stage_id__in=stages).order_by("pk").values_list("pk"))
    known = Issue.objects.select_for_update().filter(organization=organization, fingerprint__in=[group_fingerprint(key) for key in wanted])
    groups = {issue.fingerprint: issue for issue in known.order_by("pk")}
    names = dict(Stage.objects.filter(pk__in=stages).values_list("pk", "name"))
    held = set(Job.objects.filter(pk__in=jobs).exclude(status="open").values_list("pk", flat=True))
    for key in wanted:
        issue_type, job_id, stage_id = key
        members = _members(key)
        thresholds = book.of(issue_type, job_id, stage_id)
        findings = []
        if len(members) >= thresholds.group_from and job_id not in held:
            findings = [_finding(key, members, names.get(stage_id) or "an unnamed stage")]
        subject = Subject(job_id=job_id, stage_id=stage_id, worst_member=max((member.score for member in members), default=0.0))
        group = groups.get(group_fingerprint(key))
        changes.compare(Said.of(subject, findings, on_hold=job_id in held), [group] if group else [])
    changes.write()
    for key in wanted:
        # who joined or left a group: their tasks follow
        changes.applications |= _join(organization, key)
    return changes


def _worth_a_look(organization: Organization, keys: list[Key], book: RuleBook) -> list[Key]:
    """Those with enough members for a group, and those that have one; in two statements for any number of keys."""
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """select k.issue_type, k.job_id, k.stage_id, count(i.id)
               from unnest(%s::text[], %s::bigint[], %s::bigint[]) as k(issue_type, job_id, stage_id)
               left join lateral (select id from issues_issue i
                                  where i.job_id = k.job_id and i.stage_id = k.stage_id and i.issue_type = k.issue_type
                                    and i.status <> 'resolved' and i.application_id is not null offset 0) i on true
               group by 1, 2, 3""",
            [list(values) for values in zip(*keys, strict=True)],
        )
        enough = {(word, job, stage) for word, job, stage, people in cursor.fetchall() if people >= book.of(word, job, stage).group_from}
    known = Issue.objects.filter(organization=organization, fingerprint__in=[group_fingerprint(key) for key in keys])
    grouped = set(known.values_list("fingerprint", flat=True))
    return [key for key in keys if key in enough or group_fingerprint(key) in grouped]


def _members(key: Key) -> list[Issue]:
    issue_type, job_id, stage_id = key
    unresolved = Issue.objects.exclude(status=Issue.Status.RESOLVED)
    return list(
        unresolved.filter(job=job_id, stage=stage_id, issue_type=issue_type, application__isnull=False)
        .only("pk", "score", "detected_at")
        .order_by("-score", "pk")
    )


def _finding(key: Key, members: list[Issue], stage: str) -> Finding:
    issue_type = key[0]
    oldest = min(member.detected_at for member in members)
    return Finding(
        issue_type=issue_type,
        fingerprint=group_fingerprint(key),
        pace=1.0,
        people=len(members),
        sentence=f"{len(members)} people {WORDS[issue_type]} in {stage}.",
        evidence={"people": len(members), "since": oldest.isoformat(), "worst_score": members[0].score},
    )


def _join(organization: Organization, key: Key) -> set[int]:
    """Members point at their group as long as it is unresolved. Returns the applications for which that changed."""
    groups = Issue.objects.filter(organization=organization, fingerprint=group_fingerprint(key))
    issue_type, job_id, stage_id = key
    alive = groups.exclude(status=Issue.Status.RESOLVED).values_list("pk", flat=True).first()
    unresolved = Issue.objects.exclude(status=Issue.Status.RESOLVED)
    joining = unresolved.filter(job=job_id, stage=stage_id, issue_type=issue_type, application__isnull=False).exclude(group=alive)
    members = Issue.objects.filter(group__in=groups.values_list("pk", flat=True))
    leaving = members if alive is None else members.filter(status=Issue.Status.RESOLVED)
    moved = {pk for pk in leaving.values_list("application_id", flat=True) if pk is not None}
    leaving.update(group=None)
    if alive is not None:
        moved |= {pk for pk in joining.values_list("application_id", flat=True) if pk is not None}
        joining.update(group=alive)
    return moved
