"""The shape of a job's forecast, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from analytics.shapes import ExplainSerializer, NumberSerializer, StageSerializer, StatRateSerializer


class HitRateSerializer(StatRateSerializer):
    """How many of the past forecasts, 28 days apart, held what came."""

    reason = serializers.CharField(allow_null=True, help_text="Why there is no value: too_few_past_forecasts.")
    expected = serializers.IntegerField(help_text="What the range is made to reach, percent.")


class RangeSerializer(serializers.Serializer[Any]):
    low = serializers.FloatField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class DatesSerializer(serializers.Serializer[Any]):
    low = serializers.DateTimeField(allow_null=True)
    value = serializers.DateTimeField(allow_null=True)
    high = serializers.DateTimeField(allow_null=True)


class ForecastNumberSerializer(NumberSerializer):
    """``low``, ``value`` and ``high``: 10, 50 and 90 % of the simulated futures lie at or below."""

    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(
        allow_null=True,
        help_text="Why there is no value: job_not_open, job_on_hold, all_openings_filled, evergreen_job, nobody_in_the_pipeline, "
        "too_few_exits, no_hire_to_learn_from.",
    )
    hit_rate = HitRateSerializer()


class FillForecastSerializer(ForecastNumberSerializer):
    """Days until the next hire."""

    lower_bound = serializers.FloatField(allow_null=True, help_text="The median lies beyond this.")
    dates = DatesSerializer(help_text="The same as moments.")


class HiresForecastSerializer(ForecastNumberSerializer):
    """Hires within the next 28 days."""

    mean = serializers.FloatField(allow_null=True)
    chance_of_a_hire = serializers.FloatField(allow_null=True, help_text="Percent of the futures with a hire in these days.")
    per_days = serializers.IntegerField()


class HeldAgainstSerializer(RangeSerializer):
    actual = serializers.FloatField(allow_null=True, help_text="What came; null: nobody hired yet.")
    hit = serializers.BooleanField(allow_null=True, help_text="Null: still undecided.")


class PastForecastSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    hires = HeldAgainstSerializer()
    fill = HeldAgainstSerializer()


class StageBasisSerializer(serializers.Serializer[Any]):
    stage = StageSerializer()
    baseline_level = serializers.ChoiceField(
        choices=["job", "department", "organization"],
        allow_null=True,
        help_text="Where it was learnt; null: too few exits anywhere.",
    )
    n = serializers.IntegerField()
    n_exits = serializers.IntegerField()
    n_open = serializers.IntegerField()


class BasisSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField()
    horizon_days = serializers.IntegerField()
    people = serializers.IntegerField(help_text="In a stage of the job now.")
    people_taken_to_stay = serializers.IntegerField(help_text="Of these, in a stage that too little is known of.")
    arrivals = serializers.IntegerField(help_text="Newcomers of the last 90 days (or since the job was opened).")
    arrivals_per_day = serializers.FloatField()
    openings = serializers.IntegerField(allow_null=True, help_text="People to be hired in all; null: not known.")
    stages = StageBasisSerializer(many=True)


class LearntStaySerializer(serializers.Serializer[Any]):
    application = serializers.IntegerField()
    days = serializers.FloatField(help_text="Calendar days.")
    taken_as = serializers.ChoiceField(choices=["exit", "open", "cut_off"])
    whereto = serializers.CharField(allow_null=True, help_text="hired, out, or the id of the next stage; null unless an exit.")


class LearntStageSerializer(serializers.Serializer[Any]):
    stage = serializers.IntegerField()
    included = LearntStaySerializer(many=True)


class ForecastExplainSerializer(serializers.Serializer[Any]):
    people = ExplainSerializer()
    stages = LearntStageSerializer(many=True)


class ForecastSerializer(serializers.Serializer[Any]):
    """Simulated from the stages' own curves; deterministic for a job and a day."""

    fill = FillForecastSerializer()
    hires = HiresForecastSerializer()
    past = PastForecastSerializer(many=True, help_text="Forecasts of 28, 56, .. days ago, each beside what came.")
    basis = BasisSerializer()
    explain = ForecastExplainSerializer(required=False)
