"""What the setup page asks for."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from accounts.models import Organization
from connectors import registry


def _zones() -> list[tuple[str, str]]:
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones()) if "/" in name)]


class OrganizationForm(forms.Form):
    """A tenant and the zone its working days are counted in."""

    name = forms.CharField(max_length=200, label="Name of your organization")
    time_zone = forms.ChoiceField(choices=_zones, label="Time zone of your office", initial="UTC")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not slugify(name):
            raise ValidationError("Use at least one letter or digit.")
        if Organization.objects.filter(slug=slugify(name)).exists():
            raise ValidationError("There is an organization of this name already; ask its administrator to make you a member.")
        return name


class AccountForm(forms.Form):
    """Where the ATS is, and the key to it. The key is never shown again."""

    provider = forms.ChoiceField(label="System")
    address = forms.CharField(max_length=500, label="Company domain", help_text="acme, acme.bamboohr.com, or the whole address of the API")
    key = forms.CharField(
        max_length=500,
        label="API key",
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}, render_value=False),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        polled = [(one.name, one.label) for one in registry.PROVIDERS.values() if one.capabilities.polls]
        self.fields["provider"].choices = polled  # type: ignore[attr-defined]
        for name in ("address", "key"):
            self.fields[name].widget.attrs |= {"aria-describedby": f"help-{name} error-{name}", "autocapitalize": "none"}

    def clean_address(self) -> str:
        """``acme`` and ``acme.bamboohr.com`` are what people know; the API has a whole address."""
        told: str = self.cleaned_data["address"].strip().rstrip("/")
        if "://" in told:
            return told
        host, slash, path = told.partition("/")
        return f"https://{host if '.' in host else f'{host}.bamboohr.com'}{slash}{path}"
