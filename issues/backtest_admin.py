"""Staff: what other thresholds would have meant. Asking writes a row; a worker answers it while the page looks again by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display

from accounts.models import Organization, User
from accounts.staff import EvidenceAdmin, OwnRows, within
from ats.models import Application, Job, Stage
from issues import backtests
from issues.backtesting import NOT_REPLAYABLE, REPLAYABLE
from issues.models import RULE_LABELS, Backtest, RuleSetting
from issues.whatif import CHANGEABLE, SAID, WrongQuestion

STATE_COLOURS = {"waiting": "info", "running": "info", "done": "success", "failed": "danger"}
#: seconds after which the page of an unanswered question looks again
LOOK_AGAIN = 2
KINDS = {
    "added": "Issues it would have added",
    "spared": "Issues it would have spared you",
    "opened": "The newest of them",
}


class QuestionForm(forms.ModelForm):
    class Meta:
        model = Backtest
        fields = ("organization", "rule", "job", "stage", "days", "business_days", "factor", "people", "proxy")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = cast(forms.ChoiceField, self.fields["rule"])
        rule.choices = [("", "Choose a rule"), *((name, RULE_LABELS[name]) for name in REPLAYABLE)]
        rule.help_text = _what_can_be_tried()
        self.fields["proxy"].widget.choices = [("unknown", "As it is"), ("true", "Yes"), ("false", "No")]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors:
            try:
                backtests.question_of(Backtest(**given))
            except WrongQuestion as error:
                raise forms.ValidationError(str(error)) from None
        return given


def _what_can_be_tried() -> str:
    """Which rules cannot be replayed, and why."""
    why: dict[str, list[str]] = {}
    for rule, reason in NOT_REPLAYABLE.items():
        why.setdefault(reason, []).append(RULE_LABELS[rule].lower())
    return "Cannot be replayed: " + "; ".join(f"{' and '.join(rules)}, for {reason}" for reason, rules in why.items()) + "."


@admin.register(Backtest)
class BacktestAdmin(EvidenceAdmin):
    """Questions about the past, newest first. None of them changes a setting."""

    change_form_template = "admin/issues/backtest/page.html"
    add_form_template = "admin/issues/backtest/ask.html"
    list_display = ("asked", "coloured_state", "title", "place", "in_short", "asked_by")
    list_display_links = ("asked", "title")
    list_filter = ("state", "rule", ("organization", OwnRows))
    list_select_related = ("organization", "job", "stage", "asked_by")
    autocomplete_fields = ("job", "stage")
    fieldsets = (
        ("Which rule, and where", {"fields": ("organization", "rule", "job", "stage")}),
        ("What if it went by", {"fields": ("business_days", "factor", "people", "proxy")}),
        ("How far back", {"fields": ("days",)}),
    )

    # --- asking ---
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("issues.add_backtest"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | ({} if change else {"form": QuestionForm}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the page that led here was about; the organization where there is no choice."""
        asked: dict[str, Any] = super().get_changeform_initial_data(request)
        own = list(within(Organization.objects.all(), request, "self").values_list("pk", flat=True)[:2])
        return ({"organization": own[0]} if len(own) == 1 else {}) | asked

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False, "title": "Try another limit"}
        response: HttpResponse = super().add_view(request, form_url, (extra_context or {}) | buttons)
        return response

    def save_model(self, request: HttpRequest, obj: Backtest, form: Any, change: bool) -> None:
        backtests.ask(obj, asked_by=cast(User, request.user), now=timezone.now())

    def response_add(self, request: HttpRequest, obj: Backtest, post_url_continue: str | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:issues_backtest_change", args=[obj.pk]))

    # --- the list ---
    @display(description="Asked", ordering="asked_at")
    def asked(self, row: Backtest) -> str:
        return row.asked_at.strftime("%d %b, %H:%M")

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def coloured_state(self, row: Backtest) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @display(description="What if", ordering="rule")
    def title(self, row: Backtest) -> str:
        tried = [f"{SAID[name]}: {value:g}" for name in CHANGEABLE[row.rule] if (value := getattr(row, name)) not in (None, True, False)]
        tried += ["the proxy" if row.proxy else "no proxy"] if row.proxy is not None else []
        return f"{row.get_rule_display()}, {', '.join(tried) or 'as it is'}"

    @display(description="Where")
    def place(self, row: Backtest) -> str:
        return " · ".join(str(one) for one in (row.job, row.stage) if one) or "everywhere"

    @display(description="Answer")
    def in_short(self, row: Backtest) -> str:
        if row.answer is None:
            return row.error
        return " instead of ".join(str(one["issues"]) for one in row.answer["rows"]) + f" issues in {row.days} days"

    # --- one answer ---
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        rows = self.get_queryset(request).select_related("organization", "job", "stage", "asked_by")
        row = rows.filter(pk=unquote(object_id)).first() if unquote(object_id).isdecimal() else None
        about = self._about(row) if row else {}
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})
        if row is not None and not row.is_over:
            response["Refresh"] = str(LOOK_AGAIN)
        return response

    def _about(self, row: Backtest) -> dict[str, Any]:
        return {
            "backtest": row,
            "title": self.title(row),
            "place": self.place(row),
            "state_label": STATE_COLOURS[row.state],
            "examples": _examples(row),
            "again": _asked_again(row),
            "setting": _where_to_set(row),
        }


def _examples(row: Backtest) -> list[dict[str, Any]]:
    """With the people and places as they are known today; who has been erased since has no name."""
    told = (row.answer or {}).get("examples", {})
    ids = {name: {one[name] for kind in told.values() for one in kind["newest"] if one[name]} for name in ("application", "job", "stage")}
    people = Application.objects.filter(organization=row.organization_id).select_related("candidate").in_bulk(ids["application"])
    jobs = Job.objects.filter(organization=row.organization_id).in_bulk(ids["job"])
    stages = Stage.objects.filter(organization=row.organization_id).in_bulk(ids["stage"])

    def shown(one: dict[str, Any]) -> dict[str, Any]:
        return {
            "application": people.get(one["application"]),
            "place": [place for place in (jobs.get(one["job"]), stages.get(one["stage"])) if place],
            "job": jobs.get(one["job"]),
            "at": datetime.fromisoformat(one["at"]),
            "cleared_at": datetime.fromisoformat(one["cleared_at"]) if one["cleared_at"] else None,
        }

    return [
        {"title": KINDS[kind], "total": group["total"], "newest": [shown(one) for one in group["newest"]]} for kind, group in told.items()
    ]


def address_of_question(*, rule: str | None = None, **given: Any) -> str:
    """The form, filled in; ``None`` leaves a field empty."""
    given["rule"] = rule if rule in REPLAYABLE else None
    return reverse("admin:issues_backtest_add") + "?" + urlencode({name: value for name, value in given.items() if value is not None})


def _asked_again(row: Backtest) -> str:
    tried = {name: getattr(row, name) for name in CHANGEABLE[row.rule]}
    return address_of_question(organization=row.organization_id, rule=row.rule, job=row.job_id, stage=row.stage_id, days=row.days, **tried)


def _where_to_set(row: Backtest) -> str:
    """The page on which the thresholds that were tried can be set."""
    place = {"organization": row.organization_id, "rule": row.rule, "job": row.job_id, "stage": row.stage_id}
    known = RuleSetting.objects.filter(**place).first()
    if known is not None:
        return reverse("admin:issues_rulesetting_change", args=[known.pk])
    tried = {name: getattr(row, name) for name in CHANGEABLE[row.rule]}
    given = {name: value for name, value in (place | tried).items() if value is not None}
    return reverse("admin:issues_rulesetting_add") + "?" + urlencode(given)
