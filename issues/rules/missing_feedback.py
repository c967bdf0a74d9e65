"""An interview is over and an interviewer has not said what they think."""

from __future__ import annotations

from datetime import datetime

from ats.appointments import Interview
from issues.findings import SILENT, Facts, Finding, Verdict, business_days, calendar_days, fingerprint, pace_of, told_days

NAME = "missing_feedback"
INTERVIEW_STAGE = "interview"
#: the proxy does not know when the interview took place, so it waits this much longer
PROXY_ALLOWANCE = 1.0


def missing_feedback(facts: Facts) -> Verdict:
    """An interview ended at least the limit (1 business day) ago, and feedback of one of its interviewers is absent.

    Conditions, for each interviewer of each interview (an interview without named interviewers expects one feedback):
    - the application is active and its job is open;
    - the interview was not cancelled, and the candidate came;
    - the interviewer has given no feedback on it, or took it back.
    - Where the ATS tells of no interviews and the proxy is switched on: the person has been in an interview stage for a
      business day longer without any comment or rating (``inferred``).

    Clears with the feedback or the cancellation, or when the application ends.
    """
    if not facts.in_play:
        return SILENT
    thresholds = facts.thresholds(NAME)
    limit = thresholds.business_days
    if limit is None:
        return SILENT
    if not facts.tells_interviews and not facts.appointments.interviews:
        return _inferred(facts, limit + PROXY_ALLOWANCE) if thresholds.proxy else SILENT
    found: list[Finding] = []
    moments: list[datetime | None] = []
    for interview in facts.appointments.interviews:
        if interview.end is None or interview.called_off:
            continue
        for interviewer in interview.interviewers or ("",):
            if facts.appointments.has_feedback(interview, interviewer):
                continue
            waited = facts.business_days_since(interview.end)
            if waited < limit:
                moments.append(facts.after(interview.end, limit))
            else:
                found.append(_finding(facts, interview, interview.end, interviewer, waited=waited, limit=limit))
    return Verdict(more=found, ask_again_at=min((moment for moment in moments if moment), default=None))


def _finding(facts: Facts, interview: Interview, ended: datetime, interviewer: str, *, waited: float, limit: float) -> Finding:
    return Finding(
        issue_type=NAME,
        fingerprint=fingerprint(NAME, facts.application_id, interview.key, interviewer),
        pace=pace_of(waited, limit),
        wait_days=calendar_days(ended, facts.as_of),
        sentence=f"Feedback on an interview that ended {business_days(waited)} ago is missing (limit {business_days(limit)}).",
        evidence={
            "interview": interview.key,
            "interviewer": interviewer or None,
            "ended_at": ended.isoformat(),
            "waited": {"value": waited, "unit": "bd"},
            "limit": told_days(limit, source=facts.source_of(NAME)),
            "inferred": False,
        },
    )


def _inferred(facts: Facts, limit: float) -> Verdict:
    if facts.stage_category != INTERVIEW_STAGE:
        return SILENT
    if facts.last_activity_at is not None and facts.last_activity_at > facts.entered_at:
        return SILENT  # somebody has written something since
    waited = facts.business_days_since(facts.entered_at)
    if waited < limit:
        return Verdict(ask_again_at=facts.after(facts.entered_at, limit))
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.application_id, facts.visit_key),
            pace=pace_of(waited, limit),
            wait_days=calendar_days(facts.entered_at, facts.as_of),
            sentence=f"No comment for {business_days(waited)} in {facts.stage_name}. Inferred: the ATS tells of no interviews.",
            evidence={
                "entered_at": facts.entered_at.isoformat(),
                "waited": {"value": waited, "unit": "bd"},
                "limit": told_days(limit, source=facts.source_of(NAME)),
                "inferred": True,
            },
        )
    )
