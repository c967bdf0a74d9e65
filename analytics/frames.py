"""What stands around the cells of all jobs of an organization: its stages, targets, baselines and calendars.

Small, and the same for each job: ``analytics.live`` reads it once and keeps it until the database notes that any of it
has changed. A change to any of these tables is noted as one that concerns all jobs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accounts.models import Organization
from analytics import baselines
from analytics.baselines import Circle, Targets
from analytics.calendars import Definitions
from analytics.samples import Summary
from ats.models import Stage


@dataclass(frozen=True, slots=True)
class Frame:
    """Read in five queries, whatever the number of jobs."""

    organization: Organization
    stages: Mapping[int, Stage]
    targets: Targets
    circles: Mapping[Circle, Summary]
    calendars: Definitions
    _by_connector: Mapping[int, Sequence[Stage]]

    @classmethod
    def of(cls, organization_id: int) -> Frame:
        by_connector: dict[int, list[Stage]] = defaultdict(list)
        organization = Organization.objects.get(pk=organization_id)
        stages = list(Stage.objects.filter(organization=organization_id).order_by("pk"))
        for stage in stages:
            by_connector[stage.connector_id].append(stage)
        return cls(
            organization=organization,
            stages={stage.pk: stage for stage in stages},
            targets=Targets.of([organization_id]),
            circles=baselines.kept_circles([organization_id]),
            calendars=Definitions.read({organization_id: organization}),
            _by_connector=by_connector,
        )

    def stages_of(self, connector_id: int) -> Sequence[Stage]:
        """By id."""
        return self._by_connector.get(connector_id, ())
