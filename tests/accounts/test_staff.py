"""The admin as a whole: every page opens, and nobody but operators sees across organizations."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from unfold.admin import ModelAdmin

from accounts.models import User
from accounts.staff import StaffAdmin
from realtime.models import Ticket
from tests.factories.accounts import UserFactory, member
from tests.factories.worlds import World, make_world
from triggers.models import SavedFilter

pytestmark = pytest.mark.django_db

OURS = ("accounts", "connectors", "ats", "analytics", "issues", "triggers", "realtime")
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]


def address(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def globex() -> World:
    return make_world("globex")


@pytest.fixture
def staff(acme: World) -> Client:
    """Staff of acme with every permission Django knows, and yet no superuser."""
    user: User = member(acme.organization, is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_has_a_list_a_page_and_a_search(operator: Client, acme: World, model: Any) -> None:
    assert admin.site.is_registered(model)
    page = operator.get(address(model, "change", acme.rows[model].pk))  # type: ignore[attr-defined]
    listed = operator.get(address(model, "changelist"))

    assert (page.status_code, listed.status_code) == (200, 200)
    if admin.site._registry[model].search_fields:
        assert operator.get(address(model, "changelist"), {"q": "acme"}).status_code == 200
    if admin.site._registry[model].has_add_permission(listed.wsgi_request):
        assert operator.get(address(model, "add")).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_lists_do_not_query_per_row(operator: Client, model: Any, django_assert_max_num_queries: Any) -> None:
    for name in ("acme", "globex", "initech", "umbrella"):
        make_world(name)
    with django_assert_max_num_queries(12):  # session, user, filters' choices, the page
        operator.get(address(model, "changelist"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_staff_of_one_organization_see_nothing_of_another(staff: Client, acme: World, globex: World, model: Any) -> None:
    listed = staff.get(address(model, "changelist"))
    foreign = staff.get(address(model, "change", globex.rows[model].pk))  # type: ignore[attr-defined]

    assert listed.status_code == 200
    assert "globex" not in listed.content.decode().lower()
    assert foreign.status_code == 302, "a foreign row must be as unknown as none"
    # people may belong to several organizations, and tickets are people's: operators only; filters are their owner's
    if model not in (User, SavedFilter, Ticket):
        own = staff.get(address(model, "change", acme.rows[model].pk))  # type: ignore[attr-defined]
        assert own.status_code == 200
        assert "globex" not in own.content.decode().lower()


@pytest.mark.parametrize("model", [model for model in MODELS if "TriggerRule" in model.__name__], ids=lambda model: model._meta.label)
def test_staff_cannot_write_a_row_into_another_organization(staff: Client, acme: World, globex: World, model: Any) -> None:
    fields = {
        "issue_type": "",
        "min_severity": "low",
        "title_template": "{sentence}",
        "assignee_role": "recruiter",
        "due_in_business_days": 1,
        "order": 100,
        "ladder-TOTAL_FORMS": 0,
        "ladder-INITIAL_FORMS": 0,
    }

    refused = staff.post(address(model, "add"), {**fields, "organization": globex.organization.pk})
    taken = staff.post(address(model, "add"), {**fields, "organization": acme.organization.pk})

    assert refused.status_code == 200  # the form again, with an error
    assert model.objects.filter(organization=globex.organization).count() == 1
    assert taken.status_code == 302


def test_people_who_are_not_staff_stay_outside(acme: World) -> None:
    client = Client()
    client.force_login(acme.recruiter)

    assert client.get(reverse("admin:index")).status_code == 302


def test_the_landing_page_names_the_product_in_its_corner_as_every_page_does(operator: Client) -> None:
    home = f'href="{reverse("admin:index")}"'
    for page in ("admin:index", "admin:issues_issue_changelist"):
        corner, _, _ = operator.get(reverse(page)).content.decode().partition("The day&#x27;s numbers")
        assert "Stagewatch" in corner.split("<body", 1)[1], page
        assert home in corner, page


def test_evidence_cannot_be_edited(operator: Client, acme: World) -> None:
    for model in (type(acme.raw), type(acme.visit), type(acme.visit.entry_event), type(acme.run), type(acme.issue), type(acme.batch)):
        row = acme.rows[model]
        assert operator.post(address(model, "change", row.pk), {}).status_code == 403  # type: ignore[attr-defined]
        assert operator.get(address(model, "add")).status_code == 403
        assert operator.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403  # type: ignore[attr-defined]


def test_every_page_is_dressed_by_unfold() -> None:
    for model, registered in admin.site._registry.items():
        if model._meta.app_label in OURS:
            assert isinstance(registered, StaffAdmin), model
        if model._meta.app_label in (*OURS, "auth", "django_celery_beat"):
            assert isinstance(registered, ModelAdmin), model


def test_api_tokens_are_not_shown() -> None:
    assert "knox" not in {model._meta.app_label for model in admin.site._registry}


@pytest.mark.parametrize("model", [m for m in apps.get_app_config("django_celery_beat").get_models() if admin.site.is_registered(m)])
def test_schedules_can_be_listed_and_added(operator: Client, model: Any) -> None:
    assert operator.get(address(model, "changelist")).status_code == 200
    assert operator.get(address(model, "add")).status_code == 200
