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


class FillSerializer(NumberSerializer):
    reason = serializers.CharField(allow_null=True, help_text="Why there is no value.")
    opened_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)


class RhythmSerializer(NumberSerializer):
    per_days = serializers.IntegerField()


class FlowSerializer(NumberSerializer):
    reason = serializers.CharField(allow_null=True, help_text="Why there is no value.")
    arrivals = serializers.IntegerField(required=False)
    exits = serializers.IntegerField(required=False)
    average_open = serializers.FloatField(required=False)


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


class VelocitySerializer(serializers.Serializer[Any]):
    stage = StageSerializer()
    p50 = StatEstimateSerializer()
    p85 = StatEstimateSerializer()
    time_to_advance = StatEstimateSerializer()
    time_to_reject = StatEstimateSerializer()
    chance_to_advance = ChanceSerializer(many=True)
    sla = SlaSerializer(allow_null=True)
    explain = ExplainSerializer(required=False)


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
    time_to_first_action = BothClocksSerializer()
    time_to_hire = QuantilesSerializer()
    time_to_fill = FillSerializer()
    time_to_offer = QuantilesSerializer()
    decision_on_offer = QuantilesSerializer()
    offer_acceptance = OfferAcceptanceSerializer()
    throughput = ThroughputSerializer()
    flow = FlowSerializer()
    sources = SourceSerializer(many=True)
    forecast = ForecastSerializer()
