"""Tenants and the people in them."""

from __future__ import annotations

import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name!r} is not an IANA time zone. Use a name such as Europe/Berlin.")


class User(AbstractUser):
    """A person who can log in. What they see follows from their memberships."""


class Organization(models.Model):
    """A tenant: everything else belongs to exactly one."""

    slug = models.SlugField(unique=True, help_text="Short name used on the command line.")
    name = models.CharField(max_length=200)
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[validate_time_zone], help_text="IANA zone of the working calendar."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    ADMIN = "admin", "Administrator"
    RECRUITER = "recruiter", "Recruiter"
    HIRING_MANAGER = "hiring_manager", "Hiring manager"
    INTERVIEWER = "interviewer", "Interviewer"
    COORDINATOR = "coordinator", "Coordinator"
    VIEWER = "viewer", "Viewer"


#: Roles that may change something: decide on issues, take tasks, start a sync.
ACTING_ROLES = frozenset({Role.ADMIN, Role.RECRUITER, Role.HIRING_MANAGER, Role.COORDINATOR})


class Membership(models.Model):
    """A person's role in one organization. Ending it ends access at once."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.organization}"
