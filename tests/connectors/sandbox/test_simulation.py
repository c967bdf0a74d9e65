"""The simulated company is deterministic, consistent, and looks like a company."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from connectors.sandbox.account import Account
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.describe import describe, misclicks, quantile
from connectors.sandbox.office_hours import BERLIN, OfficeHours, easter
from connectors.sandbox.organization import Quirk, found
from connectors.sandbox.simulation import simulate
from connectors.sandbox.state import State
from connectors.sandbox.statuses import HIRED, INTERVIEWED, NEW, OFFER, STAGE_IDS, STATUSES, JobStatusId, Role
from tests.connectors.sandbox.conftest import DAY, UNTIL, charter


def statuses(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.kind is Kind.STATUS]


def stays(changes: list[Change], job_ids: set[int], status: int) -> list[tuple[int, int]]:
    entered: dict[int, int] = {}
    found = []
    for change in changes:
        if change.kind not in (Kind.STATUS, Kind.APPLIED) or change.job_id not in job_ids:
            continue
        if change.application_id in entered:
            found.append((entered.pop(change.application_id), change.at))
        if change.status_to == status:
            entered[change.application_id] = change.at
    return found


def test_the_same_seed_gives_the_same_past_and_another_seed_another() -> None:
    def past(seed: int) -> list[Change]:
        plan = charter(seed=seed, jobs=8, applications=300)
        return simulate(found(seed=seed, start=plan.start, until=plan.until, jobs=8), 300)

    assert past(3) == past(3)
    assert past(3) != past(4)


def test_changes_are_numbered_without_gaps_and_in_the_order_of_time(company: Account) -> None:
    changes = company.changes

    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert all(earlier.at <= later.at for earlier, later in pairwise(changes))
    assert changes[-1].at <= UNTIL


def test_every_status_change_continues_from_the_status_before_and_no_key_is_used_twice(company: Account) -> None:
    current: dict[int, tuple[int, int]] = {}
    for change in company.changes:
        if change.kind is Kind.APPLIED:
            current[change.application_id] = (NEW, change.at)
        elif change.kind is Kind.STATUS:
            status, since = current[change.application_id]
            assert change.status_from == status != change.status_to
            assert change.at > since, "two changes of one application in one second would share a key"
            current[change.application_id] = (change.status_to or 0, change.at)

    keys = Counter((change.application_id, change.status_to, change.at) for change in statuses(company.changes))
    assert max(keys.values()) == 1


def test_the_state_is_a_fold_and_can_be_asked_for_any_moment(company: Account) -> None:
    changes = company.changes
    half = changes[len(changes) // 2].at

    then = State.fold(changes, until=half)

    by_hand = State()
    for change in changes:
        if change.at > half:
            break
        by_hand.apply(change)
    assert then == by_hand
    assert State.fold(changes) == company.state


def test_sizes_are_as_asked_from_tiny_to_full(company: Account) -> None:
    assert 5950 <= len(company.state.applications) <= 6050
    assert len(company.state.jobs) == 40
    for jobs, applications in ((1, 0), (1, 10), (5, 60), (12, 200)):
        small = Account(charter(jobs=jobs, applications=applications, months=3))
        assert len(small.state.jobs) == jobs
        assert abs(len(small.state.applications) - applications) <= max(0.05 * applications, 2 if applications else 0)


def test_a_full_organization_has_a_believable_number_of_people_waiting(company: Account) -> None:
    by_role = Counter(STATUSES[item.status].role for item in company.state.applications.values())
    total = len(company.state.applications)

    assert 350 <= by_role[Role.STAGE] + by_role[Role.HOLD] <= 850
    assert 0.007 <= by_role[Role.HIRED] / total <= 0.03
    assert 0.70 <= by_role[Role.REJECTED] / total <= 0.90
    assert 0.04 <= by_role[Role.WITHDRAWN] / total <= 0.15
    assert len({job.department for job in company.state.jobs.values() if job.department}) == 7


def test_people_apply_most_in_january_and_september_least_in_december_and_little_on_weekends() -> None:
    # Jobs come and go, which blurs one company's seasons: three together show them.
    months, weekdays = Counter[int](), Counter[int]()
    for seed in (1, 2, 3):
        for change in Account(charter(seed=seed, until=UNTIL + 87 * DAY)).changes:
            if change.kind is Kind.APPLIED:
                moment = datetime.fromtimestamp(change.at, UTC).astimezone(BERLIN)
                weekdays[moment.weekday()] += 1
                if moment >= datetime(2026, 1, 1, tzinfo=BERLIN):
                    months[moment.month] += 1

    assert months[1] > 1.1 * months[2]
    assert months[9] > 1.3 * months[8]
    assert months[12] < 0.7 * months[10]
    assert max(weekdays[5], weekdays[6]) < 0.6 * min(weekdays[day] for day in range(5))


def test_staff_work_in_office_hours_on_working_days(company: Account) -> None:
    moments = [datetime.fromtimestamp(change.at, UTC).astimezone(BERLIN) for change in statuses(company.changes)]

    in_office = sum(moment.weekday() < 5 and 9 <= moment.hour < 18 for moment in moments)
    weekend = sum(moment.weekday() >= 5 for moment in moments)

    assert in_office > 0.93 * len(moments)
    assert 0 < weekend < 0.03 * len(moments)
    assert not [moment for moment in moments if (moment.month, moment.day) in ((12, 25), (5, 1)) and moment.hour < 18]


def test_stage_times_are_skewed_as_waiting_times_are(company: Account) -> None:
    hours = company.simulation.hours
    days = [hours.between(*stay) for stay in stays(company.changes, set(company.state.jobs), NEW)]

    p50, p85 = quantile(days, 0.5), quantile(days, 0.85)

    assert 2 < p50 < 7
    assert p85 > 2 * p50


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_stuck_interviewer_takes_far_longer_and_people_pile_up_before_him(seed: int) -> None:
    account = Account(charter(seed=seed))
    hours = account.simulation.hours
    stuck = {job.id for job in account.state.jobs.values() if job.quirk == Quirk.STUCK_INTERVIEWER}
    others = set(account.state.jobs) - stuck

    his, theirs = ([hours.between(*stay) for stay in stays(account.changes, jobs, INTERVIEWED)] for jobs in (stuck, others))
    waiting = Counter(item.job_id for item in account.state.applications.values() if item.status == INTERVIEWED)

    assert quantile(his, 0.5) > 2.5 * quantile(theirs, 0.5)
    assert waiting[next(iter(stuck))] >= 10
    assert waiting[next(iter(stuck))] > 2 * max(waiting[job] for job in others)


def test_the_frozen_job_stands_still_with_people_waiting(company: Account) -> None:
    frozen = next(job for job in company.state.jobs.values() if job.quirk == Quirk.FROZEN)
    since = next(c.at for c in company.changes if c.kind is Kind.JOB_STATUS and c.job_id == frozen.id)

    afterwards = [c for c in statuses(company.changes) if c.job_id == frozen.id and c.at > since]

    assert frozen.status == JobStatusId.ON_HOLD
    assert UNTIL - since > 21 * DAY
    assert sum(item.active for item in company.state.applications.values() if item.job_id == frozen.id) >= 15
    # only those who give up themselves, slips corrected in the minutes after, and a contract undone
    moves = [
        c for c in afterwards if STATUSES[c.status_to or 0].role is not Role.WITHDRAWN and c.at > since + 600 and c.status_from != HIRED
    ]
    assert not moves


def test_a_closing_job_turns_down_more_than_fifty_people_within_a_minute(company: Account) -> None:
    job = next(job for job in company.state.jobs.values() if job.quirk == Quirk.CLEAN_UP)
    rejections = sorted(c.at for c in statuses(company.changes) if c.job_id == job.id and c.status_to == 10)

    largest = max(sum(start <= at < start + 60 for at in rejections) for start in rejections)

    assert job.status == JobStatusId.FILLED
    assert largest >= 50


def test_every_rare_case_occurs(company: Account) -> None:
    changes, applications = company.changes, company.state.applications
    kinds = Counter(change.kind for change in changes)
    moves = statuses(changes)
    created = {c.application_id: c for c in changes if c.kind is Kind.APPLIED}

    assert all(kinds[kind] for kind in Kind), "each kind of change happens"
    assert misclicks(changes) > 20
    assert any(item.status == OFFER for item in applications.values()), "someone sits in a disabled status"
    assert any(not STATUSES[item.status].listed for item in applications.values())
    assert any(c.status_from == 7 and c.status_to in STAGE_IDS for c in moves), "back from hold"
    assert any(STATUSES[c.status_from or 0].role is Role.REJECTED and c.status_to in STAGE_IDS for c in moves)
    assert any(c.status_from == HIRED and c.status_to in STAGE_IDS for c in moves), "hired, moved back"
    assert any(c.actor is None for c in moves)
    assert any(item.applied_at < created[item.id].at for item in applications.values()), "backdated"
    first_move: dict[int, int] = {}
    for c in moves:
        first_move.setdefault(c.application_id, c.at)
    assert any(item.applied_at > first_move.get(item.id, item.applied_at) for item in applications.values()), "postdated"
    pairs = [(item, applications.get(item.moved_to)) for item in applications.values() if item.moved_to]
    assert pairs
    assert all(copy is None or (copy.moved_from == item.id and copy.job_id != item.job_id) for item, copy in pairs)
    assert any(job.posted_at > job.opened_at for job in company.state.jobs.values()), "posted again"


def test_a_small_organization_has_rare_cases_too() -> None:
    account = Account(charter(jobs=5, applications=60, months=4))
    kinds = Counter(change.kind for change in account.changes)

    assert kinds[Kind.REMOVED]
    assert kinds[Kind.REASSIGNED]
    assert any(item.moved_to for item in account.state.applications.values())
    assert {job.quirk for job in account.state.jobs.values()} >= {Quirk.STUCK_INTERVIEWER, Quirk.FROZEN, Quirk.CLEAN_UP}


def test_ids_of_applications_applicants_and_people_are_never_the_same_number_line(company: Account) -> None:
    applications = company.state.applications.values()

    assert len({item.applicant_id for item in applications}) == len(applications)
    assert len({item.applicant_id - item.id for item in applications}) > 100, "no fixed distance to guess one from the other"
    emails = Counter(item.email for item in applications if item.email)
    assert 30 < sum(count > 1 for count in emails.values()) < 500, "some people apply twice, under two applicant ids"
    assert all(email.endswith("@example.org") and email.isascii() for email in emails)


def test_hires_never_exceed_the_openings(company: Account) -> None:
    hired = defaultdict(int)
    for change in statuses(company.changes):
        hired[change.job_id] += (change.status_to == HIRED) - (change.status_from == HIRED)
        assert hired[change.job_id] <= company.state.jobs[change.job_id].openings


def test_office_time_skips_weekends_holidays_and_clock_changes() -> None:
    hours = OfficeHours(datetime(2026, 3, 2, tzinfo=UTC).date())
    friday = datetime(2026, 3, 27, 17, tzinfo=BERLIN).timestamp()
    monday_noon = datetime(2026, 3, 30, 12, tzinfo=BERLIN).timestamp()  # clocks went forward in between

    assert hours.between(friday, monday_noon) == pytest.approx(4 / 9)
    assert hours.after(friday, 4 / 9) == pytest.approx(monday_noon)
    thursday = datetime(2026, 4, 2, 9, tzinfo=BERLIN).timestamp()
    tuesday = datetime(2026, 4, 7, 9, tzinfo=BERLIN).timestamp()  # Good Friday and Easter Monday between
    assert hours.between(thursday, tuesday) == pytest.approx(1.0)


def test_easter_falls_on_the_known_sundays() -> None:
    known = {2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2027: (3, 28), 2038: (4, 25)}

    assert {year: (easter(year).month, easter(year).day) for year in known} == known


def test_the_description_names_every_job_and_stage(company: Account) -> None:
    text = describe(company)

    assert all(job.title[:30] in text for job in company.state.jobs.values())
    assert "Take-home Review" in text
    assert "2026-09" in text
