"""What is wrong with the data rather than with the hiring: times that cannot be, unmapped statuses, bulk moves, gaps.

None of these accuses anybody. They say which numbers to trust less, and whom to ask.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from issues.findings import (
    ROUNDING,
    SILENT,
    CellFacts,
    Facts,
    Finding,
    SourceFacts,
    Verdict,
    business_days,
    calendar_days,
    fingerprint,
    told_days,
)

CLOCK_SKEW = "clock_skew"
BACKDATED_EDIT = "backdated_edit"
UNMAPPED_STATUS = "unmapped_status"
BULK_CHANGE = "bulk_change"
POLL_GAP = "poll_gap"

#: two clocks may differ so much without anybody being wrong
SKEW_TOLERANCE = timedelta(minutes=5)
#: what happened once (a bulk move, a gap) stays on the list for so long
TOLD_FOR = timedelta(days=7)


def clock_skew(facts: Facts) -> Verdict:
    """The entry into the stage lies more than 5 minutes in the future.

    Its age counts as 0. Clears when that moment comes, or when the source corrects it.
    """
    told = facts.entered_as_told
    if told is None or told <= facts.as_of + SKEW_TOLERANCE:
        return SILENT
    ahead = (told - facts.as_of).total_seconds() / 3600
    return Verdict(
        finding=Finding(
            issue_type=CLOCK_SKEW,
            fingerprint=fingerprint(CLOCK_SKEW, facts.application_id, facts.visit_key),
            pace=1.0,
            sentence=f"The entry into {facts.stage_name} is dated {ahead:.1f} hours in the future; its age counts as 0.",
            evidence={"entered_at": told.isoformat(), "seen_at": facts.as_of.isoformat(), "hours_ahead": round(ahead, 2)},
        ),
        ask_again_at=told - SKEW_TOLERANCE,
    )


def backdated_edit(facts: Facts) -> Verdict:
    """The entry into the stage was dated back: ages, charts and limits changed with it.

    Conditions, one of:
    - the source's own dates contradict each other (a status date went back, a status is older than the application);
    - the source itself learned of the entry the limit (5 business days) or more after the date it gives.

    Clears when the visit ends.
    """
    limit = facts.thresholds(BACKDATED_EDIT).business_days
    if not facts.in_play or limit is None:
        return SILENT
    late = 0.0
    if facts.entry_recorded_at is not None and facts.entry_recorded_at > facts.entered_at:
        late = facts.calendar.bd(facts.entered_at, min(facts.entry_recorded_at, facts.as_of), holds=facts.holds)
    if not facts.anomaly and late < limit:
        return SILENT
    why = facts.anomaly.replace("_", " ") if facts.anomaly else f"entered {business_days(late)} after the date it was given"
    return Verdict(
        finding=Finding(
            issue_type=BACKDATED_EDIT,
            fingerprint=fingerprint(BACKDATED_EDIT, facts.application_id, facts.visit_key),
            pace=1.0,
            sentence=f"The entry into {facts.stage_name} was dated back ({why}); charts have changed with it.",
            evidence={
                "entered_at": facts.entered_at.isoformat(),
                "recorded_at": facts.entry_recorded_at.isoformat() if facts.entry_recorded_at else None,
                "late": {"value": late, "unit": "bd"},
                "limit": told_days(limit, source=facts.source_of(BACKDATED_EDIT)),
                "anomaly": facts.anomaly or None,
            },
        )
    )


def unmapped_status(facts: CellFacts) -> Verdict:
    """People are in a status nobody has mapped to a stage category, so its limits are guesses.

    One issue per status, over all jobs. Clears when it is mapped, or when nobody is in it any more.
    """
    if facts.stage_category != "unmapped" or facts.people_in_stage < facts.thresholds(UNMAPPED_STATUS).people:
        return SILENT
    people = facts.people_in_stage
    who = "1 person is" if people == 1 else f"{people} people are"
    return Verdict(
        finding=Finding(
            issue_type=UNMAPPED_STATUS,
            fingerprint=fingerprint(UNMAPPED_STATUS, facts.stage_id),
            pace=1.0,
            people=people,
            sentence=f"The status {facts.stage_name} is not mapped to a stage; {who} in it.",
            evidence={"stage": facts.stage_name, "people": people},
        )
    )


def bulk_change(facts: CellFacts) -> Verdict:
    """At least 50 people left a stage of a job within one minute: valid, but it moves every chart.

    One issue per such minute of the last 7 days. Clears after these.
    """
    found, moments = [], []
    least = max(facts.thresholds(BULK_CHANGE).people, 1)
    for minute, people in facts.bulks:
        if people < least or minute + TOLD_FOR <= facts.as_of:
            continue
        moments.append(minute + TOLD_FOR)
        found.append(
            Finding(
                issue_type=BULK_CHANGE,
                fingerprint=fingerprint(BULK_CHANGE, facts.job_id, facts.stage_id, minute.strftime("%Y%m%dT%H%MZ")),
                pace=people / least,
                people=people,
                sentence=f"{people} people left {facts.stage_name} within one minute.",
                evidence={"minute": minute.isoformat(), "people": people, "limit": {"value": least, "unit": "people"}},
            )
        )
    return Verdict(more=found, ask_again_at=min(moments, default=None))


def poll_gap(facts: SourceFacts) -> Verdict:
    """Between two runs of a connector lay at least the limit (1 business day): what changed then is dated only roughly.

    Such entries are left out of estimates. Clears 7 days after the gap.
    """
    limit = facts.thresholds(POLL_GAP).business_days
    if not facts.polls or limit is None:
        return SILENT
    found, moments = [], []
    for since, until in facts.gaps:
        wide = facts.calendar.bd(since, until)
        if wide >= limit and until + TOLD_FOR > facts.as_of:
            found.append(_gap(facts, since, until, wide, limit))
            moments.append(until + TOLD_FOR)
    return Verdict(more=found, ask_again_at=min(moments, default=None))


def _gap(facts: SourceFacts, since: datetime, until: datetime, wide: float, limit: float) -> Finding:
    return Finding(
        issue_type=POLL_GAP,
        fingerprint=fingerprint(POLL_GAP, facts.connector_id, until.strftime("%Y%m%dT%H%M%SZ")),
        pace=wide / max(limit, ROUNDING),
        wait_days=calendar_days(since, until),
        sentence=f"{facts.name} was not read for {business_days(wide)}; changes of that time are dated only roughly.",
        evidence={"since": since.isoformat(), "until": until.isoformat(), "gap": {"value": wide, "unit": "bd"}, "limit": told_days(limit)},
    )
