"""A stage of a job takes much longer than the same kind of stage elsewhere."""

from __future__ import annotations

from datetime import timedelta

from analytics.clocks import TOLERANCE
from issues.findings import OPEN, SILENT, CellFacts, Finding, Verdict, business_days, fingerprint

NAME = "stage_delay"
#: two sweeps lie at least this far apart (they come every ten minutes); a sweep run twice counts once
ANOTHER_SWEEP = timedelta(minutes=9)


def stage_delay(facts: CellFacts) -> Verdict:
    """The median stay of the last 30 days is at least ``factor`` (1.5) times the usual (M19).

    Conditions:
    - the job is open;
    - delay ratio >= factor, and at least the limit (1 business day) more than usual. A median that is not reached
      stands in with its lower bound;
    - at least ``people`` (6) exits, and even the low end of the median's interval lies above the usual;
    - the usual comes from other jobs of the department, else of the organization: a job is not compared with itself.

    Clears when the ratio was below ``clear_factor`` (1.25) on two sweeps. In between, and while there are too few exits
    to tell, it neither opens nor clears; it does when nobody has been in the stage lately.
    """
    if facts.job_status != OPEN:
        return SILENT
    thresholds = facts.thresholds(NAME)
    p50, usual = facts.recent.at_least, facts.usual.value
    if p50 is None or not usual:
        return SILENT if not facts.open and not facts.recent_n else Verdict(undecided=True)
    ratio = p50 / usual
    if (
        ratio >= thresholds.factor - TOLERANCE
        and p50 - usual >= (thresholds.business_days or 0.0) - TOLERANCE
        and facts.recent.n_exits >= thresholds.people
        and facts.recent.low is not None
        and facts.recent.low > usual
    ):
        return Verdict(finding=_finding(facts, p50, usual, ratio, thresholds.factor))
    if ratio >= thresholds.clear_factor - TOLERANCE or not facts.delay_known:
        return Verdict(undecided=True)
    if facts.calm_since is None or facts.as_of - facts.calm_since < ANOTHER_SWEEP:
        return Verdict(undecided=True, calm_since=facts.calm_since or facts.as_of)
    return SILENT


def _finding(facts: CellFacts, p50: float, usual: float, ratio: float, factor: float) -> Finding:
    at_least = facts.recent.value is None
    more = "at least " if at_least else ""
    return Finding(
        issue_type=NAME,
        fingerprint=fingerprint(NAME, facts.job_id, facts.stage_id),
        pace=ratio / factor,
        people=max(facts.open, 1),
        sentence=f"{facts.stage_name} takes {more}{business_days(p50)} (median), {more}{ratio:.1f} times the usual {business_days(usual)}.",
        evidence={
            "p50": {"value": p50, "unit": "bd", "n_exits": facts.recent.n_exits, "low": facts.recent.low, "at_least": at_least},
            "baseline": {"value": usual, "unit": "bd", "level": facts.baseline_level, "n": facts.usual.n_exits},
            "ratio": ratio,
            "limit": {"value": factor, "unit": "times the usual"},
            "people": facts.open,
        },
    )
