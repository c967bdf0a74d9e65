"""The shape of a job's statistics, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from analytics.forecast_shapes import ForecastSerializer
from analytics.shapes import AnswerSerializer, ExplainSerializer, JobRefSerializer, NumberSerializer, StageSerializer, StatRateSerializer


class StatEstimateSerializer(NumberSerializer):
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    lower_bound = serializers.FloatField(allow_null=True)


class SlaSerializer(StatEstimateSerializer):
    target = serializers.FloatField(help_text="Business days.")
    source = serializers.ChoiceField(choices=["target", "baseline", "default"])  # type: ignore[assignment]
    baseline_level = serializers.CharField(allow_null=True)


class StatPassThroughSerializer(StatRateSerializer):
    bound_low = serializers.FloatField(allow_null=True, help_text="As if nobody undecided advanced.")
    bound_high = serializers.FloatField(allow_null=True, help_text="As if everybody undecided did.")


class OfferAcceptanceSerializer(StatRateSerializer):
    open = serializers.IntegerField()
    rescinded = serializers.IntegerField()
    declined = serializers.IntegerField()
    accepted = serializers.IntegerField()


class QuantilesSerializer(serializers.Serializer[Any]):
    p50 = StatEstimateSerializer()
    p85 = StatEstimateSerializer()
    explain = ExplainSerializer(required=False)


class BothClocksSerializer(serializers.Serializer[Any]):
    bd = QuantilesSerializer()
    cd = QuantilesSerializer()


class ChanceSerializer(NumberSerializer):
    by = serializers.IntegerField(help_text="Days.")


class OpeningSerializer(serializers.Serializer[Any]):
    application = serializers.IntegerField()
    accepted_at = serializers.DateTimeField()
    days = serializers.FloatField(help_text="Calendar days since the job was opened, outside its holds.")


class FillSerializer(NumberSerializer):
    """Of the newest opening that was filled; each hire that stands fills one."""

    reason = serializers.CharField(allow_null=True, help_text="Why there is no value: evergreen_job, opening_not_known, not_filled.")
    opened_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    on_hold_days = serializers.FloatField(allow_null=True, help_text="Left out of the value.")
    openings = OpeningSerializer(many=True, help_text="Every filled opening, oldest first.")
    wanted = serializers.IntegerField(allow_null=True, help_text="Openings in all; null: not known.")


class RhythmSerializer(NumberSerializer):
    per_days = serializers.IntegerField()


class FlowSerializer(NumberSerializer):
    reason = serializers.CharField(allow_null=True, help_text="Why there is no value.")
    arrivals = serializers.IntegerField()
    exits = serializers.IntegerField()
    average_open = serializers.FloatField(allow_null=True)


class StageFunnelSerializer(serializers.Serializer[Any]):
    stage = StageSerializer()
    entered = NumberSerializer()
    pass_through = StatPassThroughSerializer()
    drop_off = StatRateSerializer()
    rejected = StatRateSerializer()
    withdrawn = StatRateSerializer()
    re_entry = StatRateSerializer()
    moved_back = StatRateSerializer()
    skipped = StatRateSerializer()


class DropOffPointSerializer(serializers.Serializer[Any]):
    stage = StageSerializer()
    lost = serializers.IntegerField()
    drop_off = StatRateSerializer()


class StageDelaySerializer(NumberSerializer):
    """The median of the last 30 days in percent of that of other jobs; business days."""

    is_delayed = serializers.BooleanField()
    at_least = serializers.BooleanField(help_text="The median is not reached yet: the true ratio is higher.")
    p50 = serializers.FloatField(allow_null=True)
    baseline_p50 = serializers.FloatField(allow_null=True)
    baseline_level = serializers.CharField(allow_null=True)
    baseline_n = serializers.IntegerField()


class VelocitySerializer(serializers.Serializer[Any]):
    stage = StageSerializer()
    p50 = StatEstimateSerializer()
    p85 = StatEstimateSerializer()
    p95 = StatEstimateSerializer()
    time_to_advance = StatEstimateSerializer()
    time_to_reject = StatEstimateSerializer()
    chance_to_advance = ChanceSerializer(many=True)
    sla = SlaSerializer(allow_null=True)
    delay = StageDelaySerializer(allow_null=True)
    explain = ExplainSerializer(required=False)


class AgesSerializer(NumberSerializer):
    """Of those waiting now: `value` is their median."""

    highest = serializers.FloatField(allow_null=True)


class PaceSerializer(StatEstimateSerializer):
    """The share of the baseline's stays of 180 days that were over by the age of whoever has waited longest: the stage's own, or where
    these have fewer than 20 exits its category's in the department, then in the organization."""

    age = serializers.FloatField(allow_null=True, help_text="Business days.")
    baseline_level = serializers.ChoiceField(choices=["job", "department", "organization"], allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="Why there is no value: nobody_waits, too_few_exits.")


class OnTimeSerializer(StatRateSerializer):
    target = serializers.FloatField(help_text="Business days.")
    source = serializers.ChoiceField(choices=["target", "baseline", "default"])  # type: ignore[assignment]
    baseline_level = serializers.CharField(allow_null=True)


class OverdueSerializer(NumberSerializer):
    target = serializers.FloatField(help_text="Business days.")
    source = serializers.ChoiceField(choices=["target", "baseline", "default"])  # type: ignore[assignment]
    baseline_level = serializers.CharField(allow_null=True)


class StageWaitingSerializer(serializers.Serializer[Any]):
    """Who waits in a stage; `explain` is behind `open`, `age`, `idle`, `since_contact`, `on_time` and `overdue_days`."""

    stage = StageSerializer()
    open = NumberSerializer()
    arrivals = NumberSerializer()
    exits = NumberSerializer()
    net = NumberSerializer()
    age = AgesSerializer(help_text="Business days.")
    pace = PaceSerializer()
    idle = AgesSerializer(help_text="Business days since the last activity of people on either side.")
    since_contact = AgesSerializer(help_text="Calendar days since the last message to the candidate, of those with one.")
    flow = FlowSerializer()
    on_time = OnTimeSerializer(allow_null=True)
    overdue_days = OverdueSerializer(allow_null=True)
    explain = ExplainSerializer(required=False)


class FactsAgeSerializer(NumberSerializer):
    fresh_at = serializers.DateTimeField(allow_null=True)


class EntryPrecisionSerializer(serializers.Serializer[Any]):
    exact = StatRateSerializer()
    bounded = StatRateSerializer()
    unknown = StatRateSerializer()


class DataQualitySerializer(serializers.Serializer[Any]):
    """How far the facts can be trusted; counts are of all visits of the job."""

    age = FactsAgeSerializer(help_text="Calendar days since everything was known; null about the past.")
    entry_precision = EntryPrecisionSerializer(help_text="Of the visits begun in the window.")
    unmapped_stages = StageSerializer(many=True)
    in_unmapped_stages = NumberSerializer(help_text="Who waits where nobody has said what the stage is.")
    already_running = NumberSerializer(help_text="Begun before the account was watched: aged and counted, but in no duration statistic.")
    entry_gap_over_a_day = NumberSerializer(help_text="Counted, but in no duration statistic.")
    under_a_minute = NumberSerializer(help_text="Passed through: reached, but in no duration statistic.")
    entered_in_the_future = NumberSerializer(help_text="A skewed clock; their age is 0.")
    ended_in_bulk = NumberSerializer(help_text="Together with 49 others or more within a minute.")


class FeedbackSerializer(QuantilesSerializer):
    """Business days from the end of an interview to each interviewer's feedback; whoever owes one counts as waiting."""

    debt = NumberSerializer(help_text="Interviews that are over, by interviewer, without feedback.")
    reason = serializers.CharField(allow_null=True, help_text="no_interviews_known: the ATS tells of none.")


class ThroughputSerializer(serializers.Serializer[Any]):
    hires = RhythmSerializer()
    exits = RhythmSerializer()


class SourceSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    rankable = serializers.BooleanField(help_text="False under 20 applications: not to be compared.")
    entered = NumberSerializer()
    reached_interview = StatRateSerializer()
    hired = StatRateSerializer()


class JobStatsSerializer(AnswerSerializer):
    job = JobRefSerializer()
    funnel = StageFunnelSerializer(many=True, help_text="In pipeline order.")
    drop_off_points = DropOffPointSerializer(many=True, help_text="Where most are lost, at most three.")
    velocity = VelocitySerializer(many=True)
    waiting = StageWaitingSerializer(many=True)
    time_to_first_action = BothClocksSerializer()
    time_to_hire = QuantilesSerializer()
    time_to_fill = FillSerializer()
    time_to_offer = QuantilesSerializer()
    decision_on_offer = QuantilesSerializer()
    offer_acceptance = OfferAcceptanceSerializer()
    feedback = FeedbackSerializer()
    throughput = ThroughputSerializer()
    flow = FlowSerializer()
    sources = SourceSerializer(many=True)
    forecast = ForecastSerializer()
    data_quality = DataQualitySerializer()
