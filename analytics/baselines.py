"""What a cell is compared with: its own past, its department's, its organization's; and other jobs of its kind.

A **limit** comes from the first of these with 20 exits in 180 days: same job and stage, same department and
category, same category anywhere. A **delay** compares the last 30 days with the same category of *other* jobs,
in the department or else anywhere: a job must not be compared with itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import Organization
from analytics import courses
from analytics.bands import Yardstick, yardstick
from analytics.estimators import ENOUGH_EXITS, MIN_EXITS, Curve, Unit
from analytics.models import Baseline, BaselineRun, CategoryMetric, StageMetric, StageTarget
from analytics.samples import NO_SUMMARY, Summary
from analytics.stays import Stays
from ats.models import Job
from connectors.events import StageCategory

BD = Unit.BUSINESS_DAYS
#: baselines are computed again after this at the latest
STALE = timedelta(hours=1)
#: and may take this share of the time
SHARE = 0.02
#: (job, stage) pairs read in one run for comparisons with other jobs; the longest-waiting first, the rest next time
PAIRS_AT_ONCE = 200_000

_LOCK = 7303

#: held in the road's own order
_KEEP_OTHERS = """
with told as materialized (
    select * from unnest(%(ids)s::bigint[], %(levels)s::text[], %(n)s::bigint[], %(exits)s::bigint[], %(p50)s::float8[])
        as o(id, level, n, n_exits, p50)
), held as materialized (
    select id from analytics_stagemetric where id in (select id from told) order by job_id, stage_id for no key update
)
update analytics_stagemetric m
set others_at = %(as_of)s, others_level = o.level, others_n = o.n, others_n_exits = o.n_exits, others_p50 = o.p50
from held h join told o on o.id = h.id
where m.id = h.id
"""

#: (organization, department or None for all of it, category)
Circle = tuple[int, str | None, str]


@dataclass(frozen=True, slots=True)
class Usual:
    """A baseline with the level it was found at."""

    level: Baseline.Level
    summary: Summary


@dataclass(frozen=True, slots=True)
class Course:
    """The whole curve of a baseline with the level it was found at; None: a cell's own, with too few exits, where no level has enough."""

    level: Baseline.Level | None
    curve: Curve


@dataclass(slots=True)
class Peers:
    """All cells of some organizations by department and category."""

    _of: dict[Circle, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, organization_ids: Iterable[int]) -> Peers:
        peers = cls()
        for organization, job, stage, department, category in (
            StageMetric.objects.filter(organization__in=list(organization_ids))
            .exclude(stage__category=StageCategory.UNMAPPED)
            .order_by()
            .values_list("organization_id", "job_id", "stage_id", "job__department", "stage__category")
        ):
            peers._of[organization, None, category].append((job, stage))
            if department:
                peers._of[organization, department, category].append((job, stage))
        return peers

    def circles(self) -> list[Circle]:
        return list(self._of)

    def cells(self, circle: Circle, *, without: int | None = None) -> list[tuple[int, int]]:
        """(job, stage) pairs; ``without`` a job's own."""
        return [pair for pair in self._of.get(circle, ()) if pair[0] != without]


def circles_of(job: Job, category: str) -> list[tuple[Baseline.Level, Circle]]:
    """Where to look for a baseline beyond the job itself, nearest first."""
    found: list[tuple[Baseline.Level, Circle]] = [(Baseline.Level.ORGANIZATION, (job.organization_id, None, category))]
    if job.department:
        found.insert(0, (Baseline.Level.DEPARTMENT, (job.organization_id, job.department, category)))
    return found


def nearest(own: Summary | None, job: Job, category: str, known: Mapping[Circle, Summary]) -> Usual | None:
    """The first baseline with enough exits."""
    if own is not None and own.n_exits >= ENOUGH_EXITS:
        return Usual(Baseline.Level.JOB, own)
    for level, circle in circles_of(job, category):
        summary = known.get(circle)
        if summary is not None and summary.n_exits >= ENOUGH_EXITS:
            return Usual(level, summary)
    return None


@dataclass(slots=True)
class Targets:
    """What some organizations ask for; as it stands today, also for a question about the past."""

    _days: dict[tuple[int, int | None, int | str], float] = field(default_factory=dict)

    @classmethod
    def of(cls, organization_ids: Iterable[int]) -> Targets:
        rows = StageTarget.objects.filter(organization__in=list(organization_ids)).order_by()
        return cls({(row.organization_id, row.job_id, row.stage_id or row.category): row.business_days for row in rows})

    def target(self, job: Job, stage_ids: Sequence[int], category: str) -> float | None:
        """In business days. Several stages in one cell have a target only by their category."""
        subjects: list[int | str] = [*(stage_ids if len(stage_ids) == 1 else ()), category]
        for job_id in (job.pk, None):
            for subject in subjects:
                if (days := self._days.get((job.organization_id, job_id, subject))) is not None:
                    return days
        return None


def measure_with(usual: Usual | None, category: str, target: float | None = None) -> Yardstick:
    """What was asked for, else the yardstick a baseline gives, else the default of the category."""
    if target is not None:
        return yardstick(target=target)
    if usual is None:
        return yardstick(category=category)
    return yardstick(baseline_p50=usual.summary.median(BD), baseline_p85=usual.summary.upper(BD), category=category)


def comparable(recent: Summary) -> bool:
    """Whether a cell has enough recent exits for a comparison with others."""
    return recent.n_exits >= MIN_EXITS[0][1]


# --- computed for any moment -----------------------------------------------------------------------
def circles_at(
    circles: Iterable[Circle], peers: Peers, as_of: datetime, *, known_by: datetime | None = None, stays: Stays | None = None
) -> dict[Circle, Summary]:
    """The baselines of some circles as of a moment. ``stays``: where those of all their cells have been read already."""
    circles = list(circles)
    if stays is None:
        stays = Stays.at({cell for circle in circles for cell in peers.cells(circle)}, as_of, known_by=known_by)
    found: dict[Circle, Summary] = {}
    for whole in (True, False):  # departments do not overlap, but each lies in its organization
        level = [circle for circle in circles if (circle[1] is None) is whole]
        found |= zip(level, stays.curves([peers.cells(circle) for circle in level]), strict=True)
    return found


def wider_courses_at(job: Job, categories: Collection[str], as_of: datetime, *, known_by: datetime | None) -> dict[str, Course]:
    """By category the curve of the nearest baseline beyond the job itself; missing where nowhere 20 exits are found."""
    if not categories:
        return {}
    peers, found = Peers.of([job.organization_id]), {}
    circles = {category: circles_of(job, category) for category in categories}
    stays = Stays.at({cell for own in circles.values() for _, circle in own for cell in peers.cells(circle)}, as_of, known_by=known_by)
    for category, own in circles.items():
        curves = ((level, stays.course(peers.cells(circle))) for level, circle in own)
        enough = next((Course(level, curve) for level, curve in curves if curve.n_exits >= ENOUGH_EXITS), None)
        if enough is not None:
            found[category] = enough
    return found


def others_at(
    wanted: Sequence[tuple[Job, str]],
    peers: Peers,
    as_of: datetime,
    *,
    known_by: datetime | None = None,
    stays: Stays | None = None,
) -> dict[tuple[int, str], Usual]:
    """Per (job, category) how long the category takes in other jobs; missing where nowhere 20 exits are found."""
    found: dict[tuple[int, str], Usual] = {}
    for level in (Baseline.Level.DEPARTMENT, Baseline.Level.ORGANIZATION):
        asking: dict[Circle, list[int]] = defaultdict(list)
        for job, category in wanted:
            circle = dict(circles_of(job, category)).get(level)
            if circle is not None and (job.pk, category) not in found:
                asking[circle].append(job.pk)
        read = stays or Stays.at({cell for circle in asking for cell in peers.cells(circle)}, as_of, known_by=known_by)
        for circle, jobs in asking.items():
            for job_id, summary in read.curves_without(peers.cells(circle), jobs).items():
                if summary.n_exits >= ENOUGH_EXITS:
                    found[job_id, circle[2]] = Usual(level, summary)
    return found


# --- kept ------------------------------------------------------------------------------------------
def kept_wider_courses(job: Job, categories: Collection[str]) -> dict[str, Course]:
    """By category the curve of the nearest baseline beyond the job itself; missing where nowhere 20 exits are kept."""
    if not categories:
        return {}
    rows = Baseline.objects.filter(organization=job.organization_id, category__in=categories, n_exits__gte=ENOUGH_EXITS)
    of_department = Q(level=Baseline.Level.DEPARTMENT, department=job.department) if job.department else Q(pk=None)
    # a row from before curves were kept has none until it is computed again, within the hour
    wanted = rows.filter(of_department | Q(level=Baseline.Level.ORGANIZATION)).exclude(course=b"")
    nearest_ids = wanted.order_by("category", "level").distinct("category").values("pk")  # the department comes first
    found = {}
    for row in Baseline.objects.filter(pk__in=nearest_ids):
        counted = {"n": row.n, "n_exits": row.n_exits, "n_open": row.n_open}
        curve = courses.unpacked(bytes(row.course), **counted, longest=row.longest)
        found[row.category] = Course(Baseline.Level(row.level), curve)
    return found


def kept_circles(organization_ids: Iterable[int]) -> dict[Circle, Summary]:
    rows = Baseline.objects.filter(organization__in=list(organization_ids)).defer("course").order_by()
    return {
        (row.organization_id, row.department if row.level == Baseline.Level.DEPARTMENT else None, row.category): Summary(
            n=row.n, n_exits=row.n_exits, n_open=row.n_open, p50=row.p50, p85=row.p85, longest=row.longest
        )
        for row in rows
    }


def refresh_due(organization_id: int, *, now: datetime | None = None) -> bool:
    """Compute an organization's baselines again if their time has come; True if so.

    That is when cells have been refreshed since, as often as ``SHARE`` allows; otherwise when ``STALE``.
    """
    now = now or timezone.now()
    run = BaselineRun.objects.filter(organization=organization_id).first()
    if run is not None:
        age = now - run.computed_at
        if age < min(max(timedelta(seconds=run.seconds / SHARE), timedelta(seconds=30)), STALE):
            return False
        if age < STALE and not StageMetric.objects.filter(organization=organization_id, computed_at__gt=run.computed_at).exists():
            return False
    return refresh(organization_id, as_of=now)


def refresh_all_due() -> None:
    """Every organization's, where their time has come."""
    for organization_id in Organization.objects.order_by("pk").values_list("pk", flat=True):
        refresh_due(organization_id)


@transaction.atomic
def refresh(organization_id: int, *, as_of: datetime, stays: Stays | None = None) -> bool:
    """Compute all baselines of an organization as of a moment; False: somebody else is at it.

    ``stays``: those of all its cells as of that moment, where they have been read already.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", [_LOCK, organization_id])
        if not cursor.fetchone()[0]:
            return False
    started = perf_counter()
    peers = Peers.of([organization_id])
    circles = peers.circles()
    stays = stays or Stays.at({cell for circle in circles for cell in peers.cells(circle)}, as_of)
    summaries = circles_at(circles, peers, as_of, stays=stays)
    fields = ("n", "n_exits", "n_open", "p50", "p85", "longest")
    Baseline.objects.filter(organization=organization_id).exclude(computed_at=as_of).update(
        computed_at=as_of, n=0, n_exits=0, n_open=0, p50=None, p85=None, longest=None, course=b""
    )
    Baseline.objects.bulk_create(
        [
            Baseline(
                organization_id=organization_id,
                level=Baseline.Level.ORGANIZATION if department is None else Baseline.Level.DEPARTMENT,
                department=department or "",
                category=category,
                computed_at=as_of,
                course=courses.packed(stays.course(peers.cells((organization_id, department, category)))),
                **{name: getattr(summary, name) for name in fields},
            )
            for (_, department, category), summary in sorted(summaries.items(), key=lambda item: (item[0][1] or "", item[0][2]))
        ],
        update_conflicts=True,
        unique_fields=["organization", "level", "department", "category"],
        update_fields=["computed_at", "course", *fields],
    )
    _refresh_others(organization_id, peers, stays, as_of)
    BaselineRun.objects.update_or_create(
        organization_id=organization_id, defaults={"computed_at": as_of, "seconds": perf_counter() - started}
    )
    return True


def _refresh_others(organization_id: int, peers: Peers, stays: Stays, as_of: datetime) -> None:
    """Comparisons of cells with recent exits, those not looked at for longest first, as many as one run may read.

    Also of stages that have enough of them only together with the others of their category.
    """
    enough = Q(recent_n_exits__gte=MIN_EXITS[0][1])
    pools = CategoryMetric.objects.filter(enough, job=OuterRef("job"), category=OuterRef("stage__category"))
    waiting = (
        StageMetric.objects.filter(enough | Exists(pools), organization=organization_id)
        .exclude(stage__category=StageCategory.UNMAPPED)
        .select_related("job", "stage")
        .order_by("others_at", "job_id", "stage_id")
    )
    chosen: list[StageMetric] = []
    wanted: dict[tuple[int, str], tuple[Job, str]] = {}
    pairs = 0
    for metric in waiting.iterator(chunk_size=500):
        key = metric.job_id, metric.stage.category
        if key not in wanted:
            pairs += sum(len(peers.cells(circle)) for _, circle in circles_of(metric.job, metric.stage.category))
            if pairs > PAIRS_AT_ONCE and chosen:
                break
            wanted[key] = (metric.job, metric.stage.category)
        chosen.append(metric)
    found = others_at(list(wanted.values()), peers, as_of, stays=stays)
    usual = [found.get((metric.job_id, metric.stage.category)) for metric in chosen]
    summaries = [each.summary if each else NO_SUMMARY for each in usual]
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP_OTHERS,
            {
                "as_of": as_of,
                "ids": [metric.pk for metric in chosen],
                "levels": [each and each.level for each in usual],
                "n": [summary.n for summary in summaries],
                "exits": [summary.n_exits for summary in summaries],
                "p50": [summary.p50 for summary in summaries],
            },
        )
