"""What staff are asked before issues are decided on together."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from issues.decisions import LONGEST_SNOOZE


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For the audit trail. No names of candidates, please.",
    )


class OptionalReasonForm(forms.Form):
    reason = forms.CharField(max_length=2000, required=False, widget=UnfoldAdminTextInputWidget, help_text="For the audit trail.")


class SnoozeForm(OptionalReasonForm):
    until = forms.DateTimeField(
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text="UTC, within a year. Then it is open again if the condition still holds.",
    )
    field_order = ("until", "reason")

    def clean_until(self) -> datetime:
        until: datetime = self.cleaned_data["until"]
        now = timezone.now()
        if not now < until <= now + LONGEST_SNOOZE:
            raise forms.ValidationError("A snooze must end in the future, and within a year.")
        return until
