"""Staff: how people are told, and what was told. Addresses can be entered and never read back."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.models import User
from accounts.staff import LongEvidenceAdmin, OwnRows, StaffAdmin
from triggers import outbox
from triggers.channels import check_address
from triggers.models import Channel, Notification

STATE_COLOURS = {"waiting": "info", "sending": "info", "sent": "success", "unclear": "warning", "dead": "danger"}


class ChannelForm(forms.ModelForm):
    """The address of a Slack room or a webhook is its secret."""

    address = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text="Slack: the webhook's URL. Webhook: an https:// URL. E-mail: a shared mailbox, or empty for everybody's own. "
        "Stored encrypted and never shown; leave empty to keep the one there is.",
    )
    forget_address = forms.BooleanField(required=False, help_text="E-mail: from now on to everybody's own address.")

    class Meta:
        model = Channel
        fields = (
            "organization", "name", "kind", "enabled", "at_once", "min_priority", "digest_at", "quiet_from", "quiet_until",
            "rest_on_days_off", "urgent_anyway",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        kind = cleaned.get("kind") or self.instance.kind
        address = cleaned.get("address", "")
        if not address and kind != Channel.Kind.EMAIL and (not self.instance.sealed_address or cleaned.get("forget_address")):
            self.add_error("address", "A Slack room or a webhook needs its address.")
        if address:
            try:
                check_address(kind, address)
            except ValueError as error:
                self.add_error("address", str(error))
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_until") is None):
            self.add_error("quiet_until", "Give both ends of the quiet hours, or neither.")
        return cleaned


@admin.register(Channel)
class ChannelAdmin(StaffAdmin):
    form = ChannelForm
    list_display = ("name", "kind", "enabled", "health", "at_once", "min_priority", "digest_at", "quiet", "last_sent_at", "organization")
    list_filter = ("kind", "enabled", ("organization", OwnRows))
    list_select_related = ("organization",)
    fieldsets = (
        (None, {"fields": ("organization", "name", "kind", "enabled", "address", "forget_address", "has_address")}),
        ("What is told", {"fields": ("at_once", "min_priority", "digest_at")}),
        ("When", {"fields": ("quiet_from", "quiet_until", "rest_on_days_off", "urgent_anyway")}),
        ("Health", {"fields": ("last_sent_at", "failures", "last_error", "held_until")}),
    )
    readonly_fields = ("has_address", "last_sent_at", "failures", "last_error", "held_until")
    actions = ("send_test",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # an address belongs to its kind and its organization
        return [*super().get_readonly_fields(request, obj), *(("organization", "kind") if obj is not None else ())]

    @display(description="Address", boolean=True)
    def has_address(self, channel: Channel) -> bool:
        return bool(channel.sealed_address)

    @display(description="Health", label={"ok": "success", "not used yet": "info"})
    def health(self, channel: Channel) -> tuple[str, str] | str:
        if channel.failures:
            return "failing", f"{channel.failures} failed: {channel.last_error}"[:80]
        return "ok" if channel.last_sent_at else "not used yet"

    @display(description="Quiet")
    def quiet(self, channel: Channel) -> str:
        return f"{channel.quiet_from:%H:%M} to {channel.quiet_until:%H:%M}" if channel.quiet_from and channel.quiet_until else ""

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        address = form.cleaned_data.get("address")
        if address or form.cleaned_data.get("forget_address"):
            obj.set_address(address or "")  # after the first save: the row's id is sealed in
            obj.failures, obj.last_error, obj.held_until = 0, "", None
            obj.save(update_fields=["sealed_address", "failures", "last_error", "held_until"])

    @admin.action(description="Send a test", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset.select_related("organization"):
            outbox.try_out(channel, recipient=cast(User, request.user), now=timezone.now())
            self.message_user(request, f"A test is on its way by {channel}; see Notifications.", messages.SUCCESS)


@admin.register(Notification)
class NotificationAdmin(LongEvidenceAdmin):
    """The outbox: what was told, what waits, what could not be told and why."""

    list_display = ("id", "channel", "told_to", "kind", "coloured_state", "subject", "attempts", "next_attempt_at", "ended_at", "error")
    list_filter = ("state", "kind", ("channel", OwnRows))
    list_select_related = ("channel", "recipient")
    fields = (
        "channel", "recipient", "kind", "state", "subject", "body", "task_ids", "attempts", "next_attempt_at", "error", "created_at",
        "ended_at", "key",
    )  # fmt: skip
    actions = ("send_again",)
    ordering = ("-id",)

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def coloured_state(self, row: Notification) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @display(description="To")
    def told_to(self, row: Notification) -> str:
        return str(row.recipient) if row.recipient else "everybody there"

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whoever may change channels may use them again; what was told nobody changes."""
        return bool(request.user.has_perm("triggers.change_channel"))

    @admin.action(description="Send again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        again = sum(outbox.send_again(row, now=timezone.now()) for row in queryset)
        rest = queryset.count() - again
        self.message_user(request, f"{again} are on their way again.", messages.SUCCESS)
        if rest:
            self.message_user(request, f"{rest} were not: only what gave up or may have arrived is sent again.", messages.WARNING)
