"""One row of everything in one organization, for tests that walk over all pages or all endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.models import Membership, Organization, Role, User
from analytics.models import (
    Baseline,
    BaselineRun,
    CalendarSegment,
    CategoryMetric,
    Change,
    StageMetric,
    StageTarget,
    StageVisit,
    WorkingCalendar,
)
from ats.models import Application, Job, Stage
from connectors.models import Batch, Connector, ProviderRecord, RawEvent, SyncRun
from issues.models import Backtest, CellWatch, Issue, RuleInputs, RuleSetting
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.analytics import waiting
from tests.factories.ats import ErasureReceiptFactory, FormerPlaceFactory, JobFactory, StageFactory
from tests.factories.connectors import BatchFactory, ConnectorFactory, ProviderRecordFactory, RawEventFactory, SyncRunFactory
from tests.factories.issues import IssueTransitionFactory, WatchFactory, issue_about
from tests.factories.realtime import TicketFactory, UpdateCounterFactory, UpdateFactory
from tests.factories.triggers import (
    AbsenceFactory,
    ChannelFactory,
    EscalationStepFactory,
    NotificationFactory,
    SavedFilterFactory,
    TaskChangeFactory,
    TaskFactory,
    TriggerRuleFactory,
)
from triggers.models import Task


@dataclass(frozen=True, kw_only=True)
class World:
    """Every row belongs to ``organization``. ``recruiter`` may act there, ``viewer`` may only look."""

    organization: Organization
    recruiter: User
    viewer: User
    connector: Connector
    run: SyncRun
    batch: Batch
    raw: RawEvent
    record: ProviderRecord
    job: Job
    stage: Stage
    visit: StageVisit
    issue: Issue
    task: Task
    others: tuple[object, ...]

    @property
    def rows(self) -> dict[type, object]:
        """One row per model, by model."""
        application: Application = self.visit.application
        metric = StageMetric.objects.get(job=self.job, stage=self.stage)
        membership = Membership.objects.get(user=self.recruiter)
        found = (
            self.organization, self.recruiter, membership, self.connector, self.run, self.batch, self.raw, self.record, self.job,
            self.stage, self.visit, metric, application, application.candidate, self.visit.entry_event, self.issue, self.task, *self.others,
        )  # fmt: skip
        return {type(row): row for row in found}


def _yardsticks(organization: Organization, job: Job) -> tuple[object, ...]:
    calendar = WorkingCalendar.objects.create(organization=organization)
    began = datetime(2000, 1, 1, tzinfo=UTC)
    return (
        calendar,
        CalendarSegment.objects.create(calendar=calendar, starts_at=began, ends_at=began, bd_before=0, bd_per_second=0),
        CategoryMetric.objects.create(organization=organization, job=job, category="screen"),
        Baseline.objects.create(organization=organization, level=Baseline.Level.ORGANIZATION, category="screen"),
        StageTarget.objects.create(organization=organization, category="offer", business_days=3),
        BaselineRun.objects.create(organization=organization, computed_at=began, seconds=0),
        Change.objects.create(organization=organization, job_ids=[job.pk], xid=0, at=began),
    )


def _triggers(organization: Organization, recruiter: User, task: Task) -> tuple[object, ...]:
    task.rule = rule = TriggerRuleFactory(organization=organization, name=f"{organization.slug} rule")
    task.save()
    long_ago = datetime(2000, 1, 1, tzinfo=UTC).date()
    channel = ChannelFactory(organization=organization, name=f"{organization.slug} room", enabled=False)
    return (
        rule,
        channel,
        NotificationFactory(channel=channel, subject=f"{organization.slug} subject"),
        EscalationStepFactory(rule=rule),
        AbsenceFactory(organization=organization, user=recruiter, first_day=long_ago),
        TaskChangeFactory(task=task),
        SavedFilterFactory(owner=recruiter, name=f"{organization.slug} filter"),
    )


def _patience(organization: Organization, job: Job, stage: Stage) -> tuple[object, ...]:
    return (
        RuleSetting.objects.create(organization=organization, rule="idle_candidate", job=job, stage=stage, business_days=4),
        CellWatch.objects.create(
            organization=organization, job=job, stage=stage, connector_id=job.connector_id, due_at=datetime(2100, 1, 1, tzinfo=UTC),
            idle_days=3, stuck_days=12, limit_days=7, limit_source="default", mark="",
        ),
        RuleInputs.objects.create(organization=organization, mark=""),
        Backtest.objects.create(
            organization=organization, rule="idle_candidate", job=job, stage=stage, business_days=4, state=Backtest.State.DONE,
            asked_at=datetime(2026, 1, 1, tzinfo=UTC), answer={"sentences": [f"{organization.slug} answer"], "rows": [], "examples": {}},
        ),
    )  # fmt: skip


def make_world(name: str) -> World:
    organization = OrganizationFactory(slug=name)
    connector = ConnectorFactory(organization=organization, name=f"{name}-bamboo", base_url=f"https://{name}.bamboohr.com")
    run = SyncRunFactory(connector=connector)
    batch = BatchFactory(connector=connector, sync_run=run)
    job = JobFactory(connector=connector, title=f"{name} engineer")
    stage = StageFactory(connector=connector, name=f"{name} screen")
    visit = waiting(job, stage, days=30)
    visit.application.candidate.name = f"{name} candidate"
    visit.application.candidate.save()
    issue = issue_about(visit, sentence=f"{name} sentence")
    recruiter = member(organization, Role.RECRUITER, username=f"{name}-recruiter")
    task = TaskFactory(issue=issue, title=f"{name} task")
    return World(
        organization=organization,
        recruiter=recruiter,
        viewer=member(organization, Role.VIEWER, username=f"{name}-viewer"),
        connector=connector,
        run=run,
        batch=batch,
        raw=RawEventFactory(batch=batch, payload={"canary": f"{name} payload"}),
        record=ProviderRecordFactory(connector=connector, external_id=f"{name}-record"),
        job=job,
        stage=stage,
        visit=visit,
        issue=issue,
        task=task,
        others=(
            *_yardsticks(organization, job),
            *_patience(organization, job, stage),
            IssueTransitionFactory(issue=issue),
            WatchFactory(application=visit.application),
            UpdateFactory(organization=organization),
            UpdateCounterFactory(organization=organization),
            TicketFactory(user=recruiter),
            *_triggers(organization, recruiter, task),
            ErasureReceiptFactory(candidate=visit.application.candidate),
            FormerPlaceFactory(stage=stage),
        ),
    )
