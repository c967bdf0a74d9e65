"""Staff: connectors and their credentials, runs, batches, the inbox and its dead letters."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, StaffAdmin, key_values, pretty, within
from connectors import registry, replaying, services
from connectors.exceptions import ConnectorError
from connectors.models import Batch, Connector, ProviderRecord, RawEvent, SyncRun
from connectors.selectors import with_dead_letters, with_last_run, with_progress

HEALTH_COLOURS = {"fresh": "success", "stale": "danger", "broken": "danger", "paused": "warning", "unknown": "info"}
STATE_COLOURS = {"succeeded": "success", "failed": "danger", "running": "info", "flowing": "info", "settling": "info", "queued": "warning"}
#: seconds between two looks at a run under way
REFRESH = 5
#: reasons listed above the inbox, most frequent first
MOST_REASONS = 12


class ConnectorForm(forms.ModelForm):
    """The credential can be entered and never read back."""

    provider = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    secret = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text="API key. Stored encrypted and never shown; leave empty to keep the one there is.",
    )

    webhook_secret = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text="What its webhooks are signed with, if it sends any. The one before stays valid beside it; empty keeps both.",
    )

    class Meta:
        model = Connector
        fields = ("organization", "provider", "name", "base_url", "secret", "webhook_secret", "settings", "status")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            self.fields["provider"].choices = [(name, one.label) for name, one in registry.PROVIDERS.items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        typed = cleaned.get("secret", "")
        known = self.instance.pk is not None and bool(self.instance.sealed_secret)
        if known and not typed and "base_url" in self.changed_data:
            # else whoever may edit the address could have the key sent somewhere else
            self.add_error("secret", "Enter the credential again: it does not travel to a new address by itself.")
            return cleaned
        try:
            registry.get(self._value("provider")).check_settings(
                base_url=self._value("base_url") or "",
                secret=typed or (self.instance.open_secret() if known else ""),
                settings=self._value("settings") or {},
            )
        except ConnectorError as error:
            raise forms.ValidationError(str(error)) from None
        return cleaned

    def _value(self, name: str) -> Any:
        """What was entered, or what the row has where the field is not on the page."""
        return self.cleaned_data[name] if name in self.cleaned_data else getattr(self.instance, name)


@admin.register(Connector)
class ConnectorAdmin(StaffAdmin):
    form = ConnectorForm
    list_display = ("name", "provider", "organization", "health", "fresh", "last_run", "dead_letters", "has_secret", "sync_button")
    list_filter = ("status", "provider", ("organization", OwnRows))
    search_fields = ("name", "organization__slug")
    list_select_related = ("organization",)
    readonly_fields = ("status_reason", "fresh_at", "created_at", "has_secret", "health", "last_run", "sync_button")
    fields = (
        "organization",
        "provider",
        "name",
        "base_url",
        "secret",
        "has_secret",
        "webhook_secret",
        "settings",
        "status",
        "status_reason",
        "health",
        "fresh_at",
        "last_run",
        "sync_button",
        "created_at",
    )
    actions = ("sync_now", "sync_fully")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        # what is to be connected has not done anything yet
        return fields if obj is not None else [field for field in fields if field not in ("health", "last_run", "sync_button")]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = list(super().get_readonly_fields(request, obj))
        if obj is not None:
            fields += ["organization", "provider"]
        if not getattr(request.user, "is_superuser", False):
            fields.append("settings")  # they can open the fence around outbound addresses
        return fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its ledger is not deleted by a click: pause it

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        return with_dead_letters(with_last_run(super().get_queryset(request)))

    def get_urls(self) -> list[URLPattern]:
        sync_here = path("<int:pk>/sync", self.admin_site.admin_view(self.sync_view), name="connectors_connector_sync")
        return [sync_here, *super().get_urls()]

    def sync_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button of a row, or of its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = self.get_queryset(request).filter(pk=pk)
        if not self.has_change_permission(request) or not found.exists():
            raise PermissionDenied
        self._sync(request, found, SyncRun.Mode.DELTA)
        return HttpResponseRedirect(reverse("admin:connectors_connector_changelist"))

    @display(description="Health", label=HEALTH_COLOURS)
    def health(self, connector: Connector) -> tuple[str, str]:
        if connector.status != Connector.Status.ACTIVE:
            return connector.status, connector.get_status_display()
        if connector.fresh_at is None:
            return "unknown", "No data yet"
        if connector.fresh_at < timezone.now() - settings.STALE_AFTER:
            return "stale", "Stale"
        return "fresh", "Fresh"

    @display(description="Last facts", ordering="fresh_at")
    def fresh(self, connector: Connector) -> str:
        return f"{timesince(connector.fresh_at, depth=1)} ago" if connector.fresh_at else ""

    @display(description="Last run")
    def last_run(self, connector: Any) -> str:
        if not connector.last_run_id:
            return ""
        where = reverse("admin:connectors_syncrun_change", args=[connector.last_run_id])
        return format_html('<a href="{}">#{} {}</a>', where, connector.last_run_id, SyncRun.State(connector.last_run_state).label.lower())

    @display(description="Dead letters")
    def dead_letters(self, connector: Any) -> str:
        if not connector.dead_letters:
            return "0"
        where = reverse("admin:connectors_rawevent_changelist") + f"?state__exact=dead&connector__id__exact={connector.pk}"
        return format_html('<a href="{}"><b>{}</b></a>', where, connector.dead_letters)

    @display(description="Sync")
    def sync_button(self, connector: Connector) -> str:
        if not registry.get(connector.provider).capabilities.polls:
            return "by import"
        where = reverse("admin:connectors_connector_sync", args=[connector.pk])
        # a button of the form it stands in (the list's, or the page's), which holds the token against forgery
        return format_html(
            '<button class="sw-button" type="submit" formaction="{}" formmethod="post" formnovalidate>Sync now</button>', where
        )

    @display(description="Credential", boolean=True)
    def has_secret(self, connector: Connector) -> bool:
        return bool(connector.sealed_secret)

    def save_model(self, request: HttpRequest, obj: Connector, form: Any, change: bool) -> None:
        secret = form.cleaned_data.get("secret")
        if secret and obj.status == Connector.Status.BROKEN:
            obj.status, obj.status_reason = Connector.Status.ACTIVE, ""
        super().save_model(request, obj, form, change)
        if secret:
            obj.set_secret(secret)  # after the first save: the row's id is sealed in
            obj.save(update_fields=["sealed_secret"])
        if webhook_secret := form.cleaned_data.get("webhook_secret"):
            obj.add_webhook_secret(webhook_secret)
            obj.save(update_fields=["sealed_webhook_secrets"])

    @admin.action(description="Sync now", permissions=["change"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._sync(request, queryset, SyncRun.Mode.DELTA)

    @admin.action(description="Sync everything anew (full)", permissions=["change"])
    def sync_fully(self, request: HttpRequest, queryset: QuerySet[Connector]) -> None:
        self._sync(request, queryset, SyncRun.Mode.FULL)

    def _sync(self, request: HttpRequest, queryset: QuerySet[Connector], mode: SyncRun.Mode) -> None:
        for connector in queryset:
            try:
                run = services.request_sync(connector=connector, mode=mode)
            except (ConnectorError, services.SyncInProgress) as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, f"{run} has been asked for.", messages.SUCCESS)


@admin.register(SyncRun)
class SyncRunAdmin(EvidenceAdmin):
    organization_path = "connector__organization"
    list_display = ("__str__", "coloured_state", "meter", "progress", "requested_at", "took", "error_code")
    list_filter = ("state", "mode", ("connector", OwnRows))
    list_select_related = ("connector",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncRun]:
        return with_progress(super().get_queryset(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("connector", "mode", "state", "progress", "requested_at", "started_at", "fetched_at", "finished_at", "attempts",
                "next_attempt_at", "error_code", "error", "noted", "where")  # fmt: skip

    readonly_fields = ("progress", "noted", "where")

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def coloured_state(self, run: SyncRun) -> tuple[str, str]:
        return run.state, run.get_state_display()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if within(SyncRun.objects.exclude(state__in=SyncRun.ENDED), request, self.organization_path).exists():
            response["Refresh"] = str(REFRESH)  # nothing on this page can be typed or ticked, so nothing is lost
        return response

    @display(description="Through the flow")
    def meter(self, run: Any) -> str:
        through, known = run.created + run.skipped + run.failed, run.created + run.skipped + run.failed + run.in_flow
        if run.state in SyncRun.ENDED or not known:
            return ""
        share = 100 * through // known
        return format_html(
            '<span class="sw-meter" role="progressbar" aria-valuenow="{0}" aria-valuemin="0" aria-valuemax="100" aria-label="{0} %">'
            '<i style="width: {0}%"></i></span>',
            share,
        )

    @display(description="Took")
    def took(self, run: SyncRun) -> str:
        if run.started_at is None:
            return ""
        return f"{((run.finished_at or timezone.now()) - run.started_at).total_seconds():.0f} s"

    @display(description="Progress")
    def progress(self, run: Any) -> str:
        counts = ("created", run.created), ("skipped", run.skipped), ("failed", run.failed), ("in flow", run.in_flow)
        return key_values((("fetched", run.fetched), *counts))

    @display(description="Notes")
    def noted(self, run: SyncRun) -> SafeString:
        return pretty(run.notes)

    @display(description="Checkpoint")
    def where(self, run: SyncRun) -> SafeString:
        return pretty(run.checkpoint)


@admin.register(Batch)
class BatchAdmin(LongEvidenceAdmin):
    list_display = ("id", "kind", "step", "coloured_state", "counts", "attempts", "created_at", "finished_at", "connector")
    list_filter = (
        ("failed_at", admin.EmptyFieldListFilter),
        ("finished_at", admin.EmptyFieldListFilter),
        "step",
        "kind",
        ("connector", OwnRows),
    )
    list_select_related = ("connector",)
    exclude = ("application_ids", "job_ids")
    readonly_fields = ("touched",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        return super().get_queryset(request).defer("application_ids", "job_ids")

    @display(description="State", label={"done": "success", "gave up": "danger", "on the road": "info"})
    def coloured_state(self, batch: Batch) -> str:
        if batch.failed_at:
            return "gave up"
        return "done" if batch.finished_at else "on the road"

    @display(description="Events")
    def counts(self, batch: Batch) -> str:
        named = ("raw", batch.raw_count), ("created", batch.created_count), ("skipped", batch.skipped_count), ("dead", batch.failed_count)
        return key_values(named)

    @display(description="Touched")
    def touched(self, batch: Batch) -> str:
        return key_values((("applications", len(batch.application_ids)), ("jobs", len(batch.job_ids))))


@admin.register(RawEvent)
class RawEventAdmin(LongEvidenceAdmin):
    """The inbox. Filter by state for the dead letters."""

    organization_path = "connector__organization"
    list_display = ("id", "kind", "connector", "coloured_state", "error", "received_at", "failed_at")
    list_filter = ("state", ("connector", OwnRows), "kind")
    list_select_related = ("connector",)
    search_fields = ("id__exact",)
    fields = ("connector", "batch", "kind", "state", "error", "received_at", "failed_at", "payload_in_full")
    readonly_fields = ("payload_in_full",)
    actions = ("replay",)
    ordering = ("-id",)
    list_before_template = "admin/connectors/rawevent/reasons.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None and request.GET.get("state__exact") == "dead":
            response.context_data |= {"reasons": self._reasons(request), "may_replay": self.has_replay_permission(request)}
        return response

    def _reasons(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Dead letters by connector and reason: what was mended once can be sent again at once."""
        dead = within(RawEvent.objects.filter(state=RawEvent.State.DEAD), request, self.organization_path)
        counted = dead.order_by().values("connector", "connector__name", "error").annotate(total=Count("pk"), since=Min("failed_at"))
        return list(counted.order_by("-total", "connector", "error")[:MOST_REASONS])

    def get_urls(self) -> list[URLPattern]:
        replay_here = path("replay-dead", self.admin_site.admin_view(self.replay_view), name="connectors_rawevent_replay_dead")
        return [replay_here, *super().get_urls()]

    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """All dead letters of one connector that died of one reason."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = request.POST.get("connector", "")
        connectors = within(Connector.objects.all(), request, "organization")
        connector = connectors.filter(pk=chosen).first() if chosen.isdecimal() else None
        if connector is None or not self.has_replay_permission(request):
            raise PermissionDenied
        dead = RawEvent.objects.filter(connector=connector, state=RawEvent.State.DEAD, error=request.POST.get("error", ""))
        count = replaying.replay(connector=connector, raw_event_ids=list(dead.values_list("pk", flat=True)))
        self.message_user(request, f"{count} raw events are on the road again.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:connectors_rawevent_changelist") + "?state__exact=dead")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RawEvent]:
        rows = super().get_queryset(request)
        # a payload can be long, and a list shows none
        listing = request.resolver_match is not None and (request.resolver_match.url_name or "").endswith("changelist")
        return rows.defer("payload") if listing else rows

    @display(description="State", label={"received": "success", "dead": "danger"}, ordering="state")
    def coloured_state(self, raw: RawEvent) -> tuple[str, str]:
        return raw.state, raw.get_state_display()

    @display(description="Payload")
    def payload_in_full(self, raw: RawEvent) -> SafeString:
        return pretty(raw.payload)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may change connectors may send their events through again; the events themselves nobody changes."""
        return bool(request.user.has_perm("connectors.change_connector"))

    @admin.action(description="Send through the flow again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[RawEvent]) -> None:
        chosen: dict[Connector, list[int]] = defaultdict(list)
        for raw in queryset.select_related("connector"):
            chosen[raw.connector].append(raw.pk)
        count = sum(replaying.replay(connector=connector, raw_event_ids=ids) for connector, ids in chosen.items())
        self.message_user(request, f"{count} raw events are on the road again.", messages.SUCCESS)


@admin.register(ProviderRecord)
class ProviderRecordAdmin(LongEvidenceAdmin):
    """What the last poll saw of each provider object."""

    organization_path = "connector__organization"
    list_display = ("kind", "external_id", "connector", "listed_at", "detailed_at", "missing_runs", "watched")
    list_filter = (("connector", OwnRows), "kind", "watched")
    list_select_related = ("connector",)
    search_fields = ("external_id__exact",)
    fields = ("connector", "kind", "external_id", "listed_at", "detailed_at", "missing_runs", "watched", "seen")
    readonly_fields = ("seen",)
    ordering = ("-id",)

    @display(description="Last seen as")
    def seen(self, record: ProviderRecord) -> SafeString:
        return pretty(record.state)
