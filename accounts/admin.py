"""Staff: organizations, people, roles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import Membership, Organization, User
from accounts.staff import OwnRows, StaffAdmin


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    raw_id_fields = ("user", "organization")


@admin.register(Organization)
class OrganizationAdmin(StaffAdmin):
    organization_path = "self"
    list_display = ("name", "slug", "time_zone", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a tenant's ledger is not deleted by a click

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        # people of other organizations are none of a tenant's business, so operators hand out memberships
        return self.inlines if getattr(request.user, "is_superuser", False) else ()


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StaffAdmin):
    """Operators only: one account may belong to several organizations."""

    organization_path = ""
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "organizations", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("memberships__organization")

    @display(description="Organizations")
    def organizations(self, user: User) -> str:
        return ", ".join(f"{one.organization} ({one.get_role_display()})" for one in user.memberships.all())


@admin.register(Membership)
class MembershipAdmin(StaffAdmin):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = (("organization", OwnRows), "role")
    search_fields = ("user__username", "user__email", "organization__slug")
    list_select_related = ("user", "organization")
    raw_id_fields = ("user", "organization")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if getattr(request.user, "is_superuser", False) else ("user", "organization", "created_at")
