"""Live, the company goes on from where its past ended, never ahead of the clock."""

from __future__ import annotations

from collections import Counter

from connectors.sandbox.account import Account
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.statuses import STATUSES, JobStatusId, Role
from tests.connectors.sandbox.conftest import UNTIL, charter


def live(account: Account, ticks: int, seconds: int = 4) -> list[Change]:
    made: list[Change] = []
    for _ in range(ticks):
        account.clock.advance(seconds)
        made += account.tick()
    return made


def test_a_tick_changes_something_now_and_only_now(account: Account) -> None:
    account.clock.script(UNTIL + 1000)

    made = account.tick(5)

    assert len(made) >= 5
    assert {change.at for change in made} == {UNTIL + 1000}
    assert made == account.changes[-len(made) :]


def test_live_changes_follow_one_another_without_gaps_at_any_hour(account: Account) -> None:
    account.clock.script(UNTIL + 6 * 86_400)  # a Sunday: simulated office time goes on, nights and weekends are skipped

    made = live(account, 300)

    kinds = Counter(change.kind for change in made)
    assert kinds[Kind.STATUS] > 50
    assert kinds[Kind.APPLIED] > 20
    assert [change.seq for change in account.changes] == list(range(1, len(account.changes) + 1))


def test_no_application_changes_status_twice_in_one_second_however_fast_it_goes(account: Account) -> None:
    made = account.tick(400)  # the clock stands still

    keys = Counter((change.application_id, change.at) for change in made if change.kind is Kind.STATUS)
    assert max(keys.values()) == 1


def test_a_company_left_alone_for_hours_neither_dries_up_nor_overflows() -> None:
    account = Account(charter())
    account.clock.script(UNTIL)

    live(account, 4000)

    active = sum(item.active for item in account.state.applications.values())
    open_jobs = sum(job.status == JobStatusId.OPEN for job in account.state.jobs.values())
    assert 250 <= active <= 900
    assert open_jobs >= 8
    assert len(account.state.jobs) > 40, "closed jobs are followed by new ones"


def test_a_change_by_hand_voids_what_was_planned_and_the_application_goes_on_from_there(account: Account) -> None:
    account.tick()
    item = next(item for item in account.state.applications.values() if item.status == 1)
    account.clock.advance(60)

    account.set_status(item, 6, actor=2410)

    assert (item.status, item.status_by, item.status_at) == (6, 2410, UNTIL + 60)
    later = [change for change in live(account, 600) if change.application_id == item.id and change.kind is Kind.STATUS]
    assert later
    assert later[0].status_from == 6


def test_a_change_by_hand_may_lie_in_the_past(account: Account) -> None:
    item = next(item for item in account.state.applications.values() if item.status == 1)

    change = account.change(Kind.STATUS, at=UNTIL - 5000, application_id=item.id, status_from=1, status_to=2, actor=None)

    assert change.at == UNTIL - 5000 == item.status_at
    assert account.tick()[0].at == UNTIL, "the clock is as before"


def test_removed_applications_are_gone_and_the_company_goes_on(account: Account) -> None:
    active = [item.id for item in account.state.applications.values() if item.active]

    for number in active[:10]:
        account.remove(number)

    assert not set(active[:10]) & set(account.state.applications)
    live(account, 200)


def test_hiring_ends_in_the_job_being_filled(account: Account) -> None:
    job = next(job for job in account.state.jobs.values() if job.status == JobStatusId.OPEN)
    job.openings = job.hires + 1
    item = next(item for item in account.state.applications.values() if item.job_id == job.id and item.active)
    account.clock.advance(60)
    account.simulation.set_status(account.simulation.now, item, 15)

    live(account, 500)

    assert job.status == JobStatusId.FILLED
    left = [other for other in account.state.applications.values() if other.job_id == job.id and other.active]
    assert all(STATUSES[other.status].category == "offer" or STATUSES[other.status].role is Role.STAGE for other in left)
