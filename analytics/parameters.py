"""The common query parameters of heatmaps and drilldowns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from analytics.bands import Band
from analytics.behind import Behind
from analytics.cells import DEFAULT_WINDOW_DAYS, Question
from analytics.drilldown import Wanted
from analytics.estimators import Unit
from analytics.heatmap import Window
from analytics.paging import MAX_PAGE_SIZE, Paging

#: Earlier moments are typing errors, later ones cannot be answered.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: How far a client's clock may be ahead of ours.
CLOCK_SKEW = timedelta(minutes=5)


class Moment(serializers.DateTimeField):
    """ISO 8601. An unescaped ``+`` of an offset arrives as a space, and is taken for what it was."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value.strip().replace(" ", "+") if isinstance(value, str) else value)
        if not EARLIEST <= moment <= timezone.now() + CLOCK_SKEW:
            raise serializers.ValidationError("Must lie between the year 2000 and now.")
        return moment


class Words(serializers.ListField):
    """Several words in one parameter: repeated or comma-separated."""

    def get_value(self, dictionary: Any) -> Any:
        values = dictionary.getlist(self.field_name) if hasattr(dictionary, "getlist") else dictionary.get(self.field_name, [])
        return [word for value in values for word in value.split(",") if word] or serializers.empty


class CommonParameters(serializers.Serializer[Any]):
    as_of = Moment(required=False, help_text="Answer as things stood then. Default: now.")
    window = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        help_text=f"Days before `as_of` that statistics look at. Default: {DEFAULT_WINDOW_DAYS}.",
    )
    clock = serializers.ChoiceField(
        choices=["bd", "cd"],
        required=False,
        help_text="Clock of durations and ages: business or calendar days. Default: bd. Bands, limits and overdue days are always in bd.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["from"] = Moment(required=False, help_text="Start of the window, with `to` instead of `window`.")  # a keyword in Python
        fields["to"] = Moment(required=False, help_text="End of the window (exclusive). Default: `as_of`.")
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "window" in attrs and ("from" in attrs or "to" in attrs):
            raise serializers.ValidationError({"window": ["Give either window, or from and to."]})
        if "to" in attrs and "from" not in attrs:
            raise serializers.ValidationError({"to": ["Give from as well."]})
        until = attrs.get("to") or attrs.get("as_of") or timezone.now()
        if "from" in attrs and attrs["from"] >= until:
            raise serializers.ValidationError({"from": ["Must lie before the end of the window."]})
        return attrs

    @property
    def clock_asked(self) -> str:
        return str(self.validated_data.get("clock", Unit.BUSINESS_DAYS.value))

    def question(self, live_at: datetime | None = None) -> Question:
        """The parsed parameters; call after ``is_valid``. ``live_at``: the moment of an answer about now."""
        given, now = self.validated_data, timezone.now()
        as_of = min(given["as_of"], now) if "as_of" in given else live_at or now
        window = None
        if "from" in given:
            window = Window(given["from"], given.get("to", as_of))
        elif given.get("window", DEFAULT_WINDOW_DAYS) != DEFAULT_WINDOW_DAYS:
            window = Window.of_days(given["window"], as_of)
        return Question(as_of=as_of, live="as_of" not in given, clock=self.clock_asked, window=window)


class ExplainableParameters(CommonParameters):
    explain = serializers.BooleanField(
        required=False, default=False, help_text="Also list who was counted, and who was left out with the reason."
    )


class OrgHeatmapParameters(ExplainableParameters):
    page_size = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_PAGE_SIZE, help_text="Jobs per page. Default: all jobs in one answer."
    )
    cursor = serializers.CharField(
        required=False,
        max_length=2000,
        help_text="Position, as found in `next` and `previous`; pages of one ranking neither skip nor repeat.",
    )

    def paging(self) -> Paging:
        """Raises ``ValidationError`` for a cursor of something else."""
        return Paging.of(self.validated_data)


class BaselineParameters(CommonParameters):
    behind = serializers.ChoiceField(
        choices=[str(word) for word in Behind],
        required=False,
        default=Behind.LIMIT.value,
        help_text="The stays behind the cell's `limit` and its people's pace, or those behind its `delay` (other jobs only).",
    )


class DrilldownParameters(CommonParameters):
    severity = Words(
        child=serializers.ChoiceField(choices=["low", "medium", "high", "critical"]),
        required=False,
        help_text="Only people with an unresolved issue of this severity.",
    )
    issue_type = Words(
        child=serializers.CharField(max_length=32), required=False, help_text="Only people with an unresolved issue of this type."
    )
    min_age = serializers.FloatField(required=False, min_value=0, max_value=100_000, help_text="Days in the stage at least, on `clock`.")
    max_age = serializers.FloatField(required=False, min_value=0, max_value=100_000, help_text="Days in the stage at most, on `clock`.")
    band = Words(
        child=serializers.ChoiceField(choices=[str(band) for band in Band]), required=False, help_text="Only people in this age band."
    )

    def wanted(self) -> Wanted:
        given = self.validated_data
        return Wanted(
            bands=given.get("band", ()),
            min_age=given.get("min_age"),
            max_age=given.get("max_age"),
            severities=given.get("severity", ()),
            issue_types=given.get("issue_type", ()),
        )
