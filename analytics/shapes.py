"""The shapes of the answers, for the OpenAPI document. A test holds real answers against them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ats.models import Job


class StageSerializer(serializers.Serializer[Any]):
    id = serializers.JSONField(help_text="Integer for a job's own stage, the category's word for a canonical stage.")
    name = serializers.CharField()
    category = serializers.CharField()
    order = serializers.IntegerField(allow_null=True, help_text="Place in the pipeline; null while unmapped.")


class BandsSerializer(serializers.Serializer[Any]):
    fresh = serializers.IntegerField()
    watch = serializers.IntegerField()
    late = serializers.IntegerField()
    critical = serializers.IntegerField()


class EstimateSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True, help_text="Null where it is not known, never 0.")
    unit = serializers.ChoiceField(choices=["bd", "cd"])
    n = serializers.IntegerField(help_text="Visits in the sample.")
    n_exits = serializers.IntegerField()
    n_open = serializers.IntegerField(help_text="Visits of the sample without an exit yet.")
    low = serializers.FloatField(allow_null=True, help_text="95 % interval of the median.")
    high = serializers.FloatField(allow_null=True)
    confidence = serializers.ChoiceField(choices=["none", "low", "ok"], help_text="none: under 6 exits; low: 6 to 19; ok: 20 and more.")
    lower_bound = serializers.FloatField(allow_null=True, help_text="The value is at least this, where it is not known.")


class LimitSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    unit = serializers.CharField()
    source = serializers.ChoiceField(choices=["target", "baseline", "default"])  # type: ignore[assignment]
    n = serializers.IntegerField(allow_null=True, help_text="Exits behind a baseline.")
    baseline_level = serializers.ChoiceField(choices=["job", "department", "organization"], allow_null=True)
    is_lower_bound = serializers.BooleanField(help_text="The baseline's p85 is not reached yet: the true limit is higher.")


class DelaySerializer(serializers.Serializer[Any]):
    """The last 30 days beside 180 days of the same category in other jobs, business days."""

    is_delayed = serializers.BooleanField()
    ratio = serializers.FloatField(allow_null=True)
    at_least = serializers.BooleanField(help_text="The median is not reached yet: the true ratio is higher.")
    p50 = serializers.FloatField(allow_null=True, help_text="Of the last 30 days, or what it exceeds.")
    n_exits = serializers.IntegerField(help_text="Exits of the last 30 days.")
    baseline_p50 = serializers.FloatField(allow_null=True)
    baseline_level = serializers.ChoiceField(choices=["department", "organization"], allow_null=True)
    n = serializers.IntegerField(help_text="Exits behind the baseline.")


class PassThroughSerializer(serializers.Serializer[Any]):
    """Of the applications whose first entry lies in the window, in percent."""

    resolved = serializers.FloatField(allow_null=True, help_text="Advanced, of those decided.")
    low = serializers.FloatField(allow_null=True, help_text="Advanced, of all: as if nobody undecided did.")
    high = serializers.FloatField(allow_null=True, help_text="As if everybody undecided did.")
    k = serializers.IntegerField()
    n = serializers.IntegerField()
    interval = serializers.ListField(child=serializers.FloatField(allow_null=True), help_text="Wilson 95 % of `resolved`.")


class DropOffSerializer(serializers.Serializer[Any]):
    """Rejected or withdrawn without having advanced, of those decided, in percent; low and high: Wilson 95 %."""

    resolved = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    k = serializers.IntegerField()
    n = serializers.IntegerField()
    rejected = serializers.IntegerField()
    withdrawn = serializers.IntegerField()


class ObservedSerializer(serializers.Serializer[Any]):
    """A visit, or an application, behind a number."""

    application = serializers.IntegerField()
    stage = serializers.IntegerField(required=False)
    interview = serializers.CharField(required=False)
    visit = serializers.IntegerField(required=False)
    entered_at = serializers.DateTimeField(required=False)
    left_at = serializers.DateTimeField(required=False, allow_null=True)
    days = serializers.FloatField(required=False)
    taken_as = serializers.CharField(required=False, help_text="exit, open or cut_off; for rates what the application counted as.")
    exit_kind = serializers.CharField(required=False, allow_null=True)
    reason = serializers.CharField(required=False, help_text="Why it was left out.")
    age = serializers.FloatField(required=False, help_text="Business days.")
    age_cd = serializers.FloatField(required=False, help_text="Calendar days.")
    band = serializers.CharField(required=False)
    entry_precision = serializers.CharField(required=False)
    idle_days = serializers.FloatField(required=False, help_text="Business days since the last activity of people on either side.")
    days_since_contact = serializers.FloatField(required=False, allow_null=True, help_text="Calendar days; null: no message known.")
    bulk = serializers.BooleanField(required=False, help_text="It ended together with 49 others or more within a minute.")


class ExplainSerializer(serializers.Serializer[Any]):
    included = ObservedSerializer(many=True)
    excluded = ObservedSerializer(many=True)


class ShareExplainSerializer(ExplainSerializer):
    """Of a rate k/n: who is taken as one of `counted_in_k`, of all included but those taken as one of `not_counted_in_n`."""

    counted_in_k = serializers.ListField(child=serializers.CharField(), required=False)
    not_counted_in_n = serializers.ListField(child=serializers.CharField(), required=False)


class CellExplainSerializer(ExplainSerializer):
    """What is behind each number; the lists right here are behind `p50` and `p85`."""

    open = ExplainSerializer(help_text="Behind `open`, `bands`, `heat`, `oldest_age` and `overdue_days`.")
    entered = ExplainSerializer()
    exited = ExplainSerializer()
    completed = ExplainSerializer(help_text="Behind `avg_duration_hours`.")
    applications = ExplainSerializer(help_text="Behind `pass_through` and `drop_off`.")
    recent = ExplainSerializer(help_text="Behind the last 30 days that `delay` looks at.")
    baseline = ExplainSerializer(
        help_text="The cell's own stays of 180 days, in business days. Behind `limit` if its `baseline_level` is `job`; else, together "
        "with those of all stages of the category in the department or organization, behind `limit` and (other jobs only) `delay`."
    )


class CellSerializer(serializers.Serializer[Any]):
    """One heatmap cell. ``bands`` sum to ``open``, the number of people its drilldown lists."""

    stage = StageSerializer()
    open = serializers.IntegerField()
    entered = serializers.IntegerField(help_text="Visits that began in the window.")
    exited = serializers.IntegerField(help_text="Visits that ended in the window.")
    bands = BandsSerializer()
    heat = serializers.ChoiceField(
        choices=["fresh", "watch", "late", "critical"],
        allow_null=True,
        help_text="At least a fifth of the people here have waited this long.",
    )
    avg_duration_hours = serializers.FloatField(allow_null=True, help_text="Mean of completed visits, to reconcile with ATS reports.")
    p50 = EstimateSerializer()
    p85 = EstimateSerializer()
    limit = LimitSerializer()
    delay = DelaySerializer()
    pass_through = PassThroughSerializer()
    drop_off = DropOffSerializer()
    oldest_age = serializers.FloatField(allow_null=True, help_text="Days on `clock`; null if nobody waits.")
    overdue_days = serializers.FloatField(help_text="Business days beyond the limit, summed over the people here.")
    issues_open = serializers.IntegerField(
        help_text="Issues nobody has decided on yet, as `GET /ats/issues?status=open` lists them: a group once."
    )
    explain = CellExplainSerializer(required=False, help_text="With `explain`: who was counted, and who was left out and why.")


class WindowSerializer(serializers.Serializer[Any]):
    days = serializers.FloatField()
    to = serializers.DateTimeField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["from"] = serializers.DateTimeField()  # a keyword in Python
        return fields


class NumberSerializer(serializers.Serializer[Any]):
    """A number with what is needed to judge it."""

    definition_id = serializers.CharField(help_text="M01 to M25, F01, F02: see docs/metrics.md.")
    value = serializers.FloatField(allow_null=True, help_text="Null where it is not known, never 0.")
    unit = serializers.ChoiceField(choices=["bd", "cd", "%", "count"])
    n = serializers.IntegerField()
    n_exits = serializers.IntegerField()
    n_open = serializers.IntegerField()
    confidence = serializers.ChoiceField(choices=["none", "low", "ok"])
    window = WindowSerializer()
    as_of = serializers.DateTimeField()
    explain = ExplainSerializer(required=False)


class StatRateSerializer(NumberSerializer):
    explain = ShareExplainSerializer(required=False)
    k = serializers.IntegerField()
    low = serializers.FloatField(allow_null=True, help_text="Wilson 95 %.")
    high = serializers.FloatField(allow_null=True)


class ConnectorFreshnessSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    status = serializers.CharField()
    fresh_at = serializers.DateTimeField(allow_null=True)
    stale = serializers.BooleanField()


class FreshnessSerializer(serializers.Serializer[Any]):
    fresh_at = serializers.DateTimeField(allow_null=True, help_text="Up to this moment everything is known.")
    stale = serializers.BooleanField(help_text="Some connector has not delivered lately; nothing opens or resolves meanwhile.")
    connectors = ConnectorFreshnessSerializer(many=True)


class JobRefSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    department = serializers.CharField()
    status = serializers.ChoiceField(choices=Job._meta.get_field("status").choices or ())
    organization = serializers.IntegerField()


class AnswerSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    window = WindowSerializer()
    clock = serializers.ChoiceField(choices=["bd", "cd"])
    freshness = FreshnessSerializer()


class RowSerializer(serializers.Serializer[Any]):
    job = JobRefSerializer()
    open = serializers.IntegerField()
    overdue_days = serializers.FloatField()
    issues_open = serializers.IntegerField()
    cells = CellSerializer(many=True, help_text="One per entry of `stages`, in their order.")


class OrgHeatmapSerializer(AnswerSerializer):
    stages = StageSerializer(many=True)
    rows = RowSerializer(many=True)
    total = serializers.IntegerField(help_text="Jobs in all pages.")
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null at the end and without pages.")
    previous = serializers.CharField(allow_null=True)


class JobHeatmapSerializer(AnswerSerializer):
    job = JobRefSerializer()
    open = serializers.IntegerField()
    overdue_days = serializers.FloatField()
    issues_open = serializers.IntegerField()
    stages = CellSerializer(many=True)


class IssueInCellSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    issue_type = serializers.CharField()
    severity = serializers.CharField()
    status = serializers.CharField()
    sentence = serializers.CharField()
    detected_at = serializers.DateTimeField()


class WaitingPersonSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.CharField(allow_blank=True)


class ApplicationInCellSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    external_id = serializers.CharField()
    status = serializers.CharField()
    applied_at = serializers.DateTimeField(allow_null=True)


class StageInCellSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class OwnPaceSerializer(serializers.Serializer[Any]):
    """M05: the share of the baseline's stays of 180 days that were over by this person's age: of the stage's own, or where these
    have fewer than 20 exits of its category in the department, then in the organization. Null where none has as many."""

    definition_id = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    unit = serializers.CharField()
    n = serializers.IntegerField()
    n_exits = serializers.IntegerField()
    n_open = serializers.IntegerField()
    confidence = serializers.ChoiceField(choices=["none", "low", "ok"])
    baseline_level = serializers.ChoiceField(
        choices=["job", "department", "organization"], allow_null=True, help_text="Whose stays `n` counts; null: the stage's own."
    )


class WaitingSerializer(serializers.Serializer[Any]):
    """One person waiting in a stage."""

    candidate = WaitingPersonSerializer()
    application = ApplicationInCellSerializer()
    stage = StageInCellSerializer()
    entered_at = serializers.DateTimeField()
    entry_precision = serializers.ChoiceField(choices=["exact", "bounded", "unknown"])
    age = serializers.FloatField(help_text="Days on `age_unit`.")
    age_unit = serializers.ChoiceField(choices=["bd", "cd"])
    age_is_lower_bound = serializers.BooleanField(help_text="The visit began before we watched: show the age as ≥.")
    band = serializers.ChoiceField(choices=["fresh", "watch", "late", "critical"])
    pace = OwnPaceSerializer()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    last_activity_at = serializers.DateTimeField(allow_null=True)
    last_event_at = serializers.DateTimeField(allow_null=True)
    issues = IssueInCellSerializer(many=True, help_text="Unresolved issues here, worst first.")


class JobOfStaySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()


class BaselineStaySerializer(serializers.Serializer[Any]):
    """One stay of the 180 days: counted as `taken_as` says, or left out for a `reason`."""

    baseline_level = serializers.ChoiceField(
        choices=["job", "department", "organization"], allow_null=True, help_text="Null: no level has 20 exits; the cell's own stays."
    )
    job = JobOfStaySerializer()
    stage = StageInCellSerializer()
    application = serializers.IntegerField()
    visit = serializers.IntegerField()
    entered_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)
    days = serializers.FloatField(allow_null=True, help_text="Business days; null if left out.")
    taken_as = serializers.ChoiceField(choices=["exit", "open", "cut_off"], allow_null=True)
    exit_kind = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="Why it is left out; null if it counts.")
