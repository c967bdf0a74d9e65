"""A page of figures about the simulated organization, to judge by eye whether it could be a real one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from math import ceil

from connectors.sandbox.account import Account
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.office_hours import BERLIN
from connectors.sandbox.organization import DAY, Quirk
from connectors.sandbox.statuses import JOB_STATUS_LABELS, ON_HOLD, STAGE_IDS, STATUSES, Role


def describe(account: Account) -> str:
    sections = (_headline, _months, _week, _outcomes, _stages, _jobs, _specials)
    return "\n\n".join("\n".join(section(account)) for section in sections)


def quantile(values: list[float], share: float) -> float:
    """The ⌈share·n⌉-th smallest value."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def _headline(account: Account) -> Iterable[str]:
    charter, state = account.charter, account.state
    yield f"seed {charter.seed}, {_day(charter.start)} to {_day(charter.until)}"
    yield f"{len(state.jobs)} jobs, {len(state.applications)} applications, {sum(a.active for a in state.applications.values())} active"
    kinds = Counter(change.kind.value for change in account.changes)
    yield f"{len(account.changes)} changes: " + ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())


def _months(account: Account) -> Iterable[str]:
    months = Counter(f"{_local(c.at):%Y-%m}" for c in account.changes if c.kind is Kind.APPLIED)
    peak = max(months.values(), default=1)
    yield "applications by month"
    for month, number in sorted(months.items()):
        yield f"  {month}  {number:5d}  {'#' * round(40 * number / peak)}"


def _week(account: Account) -> Iterable[str]:
    """Applicants write at any hour, staff during theirs."""
    for title, chosen in (("applications", (Kind.APPLIED,)), ("status changes", (Kind.STATUS,))):
        moments = [_local(c.at) for c in account.changes if c.kind in chosen]
        days, total = Counter(f"{m:%a}" for m in moments), max(len(moments), 1)
        office = sum(m.weekday() < 5 and 9 <= m.hour < 18 for m in moments) / total
        week = "  ".join(f"{day} {100 * days[day] / total:.0f} %" for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        yield f"{title} by weekday: {week}   in office hours {100 * office:.0f} %"


def _outcomes(account: Account) -> Iterable[str]:
    applications = account.state.applications.values()
    roles = Counter(STATUSES[a.status].role.value for a in applications)
    yield "now: " + ", ".join(f"{role} {number} ({100 * number / len(applications):.1f} %)" for role, number in roles.most_common())


def _stages(account: Account) -> Iterable[str]:
    reached, stays, waiting = Counter[int](), defaultdict[int, list[float]](list), Counter[int]()
    hours = account.simulation.hours
    for status, since, until in _stays(account.changes):
        reached[status] += 1
        if until is None:
            waiting[status] += 1
        else:
            stays[status].append(hours.between(since, until))
    yield f"{'stage':24} {'entered':>8} {'open':>5} {'p50 bd':>7} {'p85 bd':>7}"
    for status in sorted(STAGE_IDS | {ON_HOLD}):
        if stays[status]:
            p50, p85 = quantile(stays[status], 0.5), quantile(stays[status], 0.85)
            yield f"{STATUSES[status].name:24} {reached[status]:8d} {waiting[status]:5d} {p50:7.1f} {p85:7.1f}"


def _stays(changes: list[Change]) -> Iterable[tuple[int, int, int | None]]:
    current: dict[int, tuple[int, int]] = {}
    for change in changes:
        if change.kind is Kind.STATUS and change.application_id in current:
            yield (*current[change.application_id], change.at)
        if change.kind in (Kind.APPLIED, Kind.STATUS) and change.status_to is not None:
            current[change.application_id] = (change.status_to, change.at)
        elif change.kind is Kind.REMOVED:
            current.pop(change.application_id, None)
    yield from ((status, since, None) for status, since in current.values())


def _jobs(account: Account) -> Iterable[str]:
    state, until = account.state, account.charter.until
    applied = Counter(a.job_id for a in state.applications.values())
    active = Counter(a.job_id for a in state.applications.values() if a.active)
    interview = Counter(a.job_id for a in state.applications.values() if a.status == 6)
    yield f"{'job':4} {'title':30} {'department':18} {'status':9} {'days':>5} {'applied':>8} {'active':>7} {'at 6':>5} {'hired':>6}  quirk"
    for job in state.jobs.values():
        yield (
            f"{job.id:4d} {job.title[:30]:30} {(job.department or '-')[:18]:18} {JOB_STATUS_LABELS[job.status]:9} "
            f"{(until - job.opened_at) // DAY:5d} {applied[job.id]:8d} {active[job.id]:7d} {interview[job.id]:5d} {job.hires:6d}  "
            f"{job.quirk}"
        )


def _specials(account: Account) -> Iterable[str]:
    """The things a monitor should notice or survive."""
    changes, state = account.changes, account.state
    moves = [c for c in changes if c.kind is Kind.STATUS]
    rejections = Counter((c.job_id, c.at // 60) for c in moves if STATUSES[c.status_to or 1].role is Role.REJECTED)
    reopened = sum(STATUSES[c.status_from or 1].role is not Role.STAGE and c.status_to in STAGE_IDS for c in moves)
    yield f"largest number of rejections in one minute: {max(rejections.values(), default=0)}"
    yield f"mis-clicks: {misclicks(changes)}, reopened: {reopened}"
    unlisted = sum(not STATUSES[a.status].listed for a in state.applications.values())
    disabled = sum(a.active and not STATUSES[a.status].enabled for a in state.applications.values())
    moved = sum(a.moved_to is not None for a in state.applications.values())
    yield f"active in a disabled status: {disabled}, in an unlisted one: {unlisted}, moved to another job: {moved}"
    frozen = [job.id for job in state.jobs.values() if job.quirk == Quirk.FROZEN]
    waiting = sum(a.active and a.job_id in frozen for a in state.applications.values())
    yield f"waiting in the frozen job: {waiting}"


def misclicks(changes: list[Change]) -> int:
    """Moves undone within ten minutes: from A to B and back to A."""
    last: dict[int, Change] = {}
    found = 0
    for change in changes:
        if change.kind is not Kind.STATUS:
            continue
        before = last.get(change.application_id)
        undone = before is not None and before.status_from == change.status_to and change.at - before.at < 600
        found += undone
        last[change.application_id] = change
    return found


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(BERLIN)


def _day(at: int) -> str:
    return f"{_local(at):%Y-%m-%d}"
