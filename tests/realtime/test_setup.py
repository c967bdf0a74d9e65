"""First steps, as requests: who may take them, and that what goes wrong is told without telling the key."""

from __future__ import annotations

import html
import re
import sys
from typing import Any

import pytest
from django.test import Client

from accounts.models import Membership, Organization, Role, User
from ats.models import Stage
from connectors.models import Connector, SyncRun

pytestmark = pytest.mark.django_db

KEY = "a-key-nobody-may-see"


@pytest.fixture
def admin(acme: Any) -> Client:
    client = Client()
    client.force_login(acme.member("root", role=Role.ADMIN))
    return client


def test_the_first_member_of_staff_founds_the_organization() -> None:
    client = Client()
    client.force_login(User.objects.create_user("founder", is_staff=True))
    assert "Whose hiring is it?" in client.get("/").content.decode()

    response = client.post("/setup", {"name": "Acme Rockets", "time_zone": "Europe/Berlin"})

    assert response["Location"] == "/setup?organization=acme-rockets"
    made = Organization.objects.get()
    assert (made.name, made.time_zone) == ("Acme Rockets", "Europe/Berlin")
    assert Membership.objects.get().role == Role.ADMIN
    assert "Connect the system you hire with" in client.get("/").content.decode()


def test_a_superuser_is_led_to_what_the_command_line_has_made(acme: Any) -> None:
    """``connect`` makes the organization and no member."""
    client = Client()
    boss = User.objects.create_superuser("boss")
    client.force_login(boss)

    page = client.get("/").content.decode()

    (way,) = re.findall(r'href="(/admin/accounts/membership/add/[^"]+)">Acme</a>', page)
    form = client.get(html.unescape(way)).context["adminform"].form
    assert (int(form["organization"].value()), int(form["user"].value()), form["role"].value()) == (
        acme.organization.pk,
        boss.pk,
        Role.ADMIN,
    )


def test_other_members_of_staff_do_not_hear_of_foreign_organizations(acme: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("founder", is_staff=True))

    assert "Acme" not in client.get("/").content.decode()


def test_an_organization_that_exists_is_not_joined_by_founding_it(acme: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("intruder", is_staff=True))

    response = client.post("/setup", {"name": "Acme", "time_zone": "UTC"})

    assert response.status_code == 400
    assert "already" in response.content.decode()
    assert not Membership.objects.exists()


def test_people_who_are_not_staff_cannot_found_one() -> None:
    client = Client()
    client.force_login(User.objects.create_user("visitor"))

    client.post("/setup", {"name": "Mine", "time_zone": "UTC"})

    assert not Organization.objects.exists()


def test_connecting_seals_the_key_and_asks_for_the_first_sync(acme: Any, admin: Client) -> None:
    acme.connector.delete()

    response = admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acme", "key": KEY})

    assert response["Location"] == "/setup?organization=acme"
    made = Connector.objects.get()
    assert (made.base_url, made.open_secret()) == ("https://acme.bamboohr.com", KEY)
    assert SyncRun.objects.get().mode == "full"
    page = admin.get("/setup").content.decode()
    assert "The first data is on its way" in page
    assert KEY not in page


def test_commands_name_the_python_of_the_installation(acme: Any, admin: Client, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    acme.connector.delete()

    def shown() -> str:
        return admin.get("/setup").content.decode()

    monkeypatch.setattr(sys, "executable", str(settings.BASE_DIR / ".venv" / "bin" / "python"))
    assert "\n.venv/bin/python manage.py connect bamboohr" in shown()
    monkeypatch.setattr(sys, "executable", "/usr/local/bin/python3")
    assert "\npython manage.py connect bamboohr" in shown()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"address": "https://evil.example.com"}, "is not one of *.bamboohr.com"),
        ({"address": "http://127.0.0.1:1"}, "a key only travels over https"),
        ({"key": "with blanks in it"}, "copy the key again, without blanks"),
        ({"key": ""}, "This field is required."),
        ({"address": ""}, "This field is required."),
        ({"provider": "files"}, "not one of the available choices"),
    ],
)
def test_what_cannot_work_is_told_and_nothing_is_kept(acme: Any, admin: Client, given: dict[str, str], told: str) -> None:
    acme.connector.delete()

    response = admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acme", "key": KEY} | given)

    page = response.content.decode()
    assert response.status_code == 400
    assert told in page
    assert KEY not in page
    assert "with blanks" not in page
    assert not Connector.objects.exists()


def test_a_rejected_key_can_be_corrected_on_the_page(acme: Any, admin: Client) -> None:
    acme.connector.delete()
    admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acme", "key": "wrong"})
    run = SyncRun.objects.get()
    run.state, run.error = "failed", "The API key is wrong."
    run.save()
    Connector.objects.update(status="broken", status_reason="The API key is wrong.")

    page = admin.get("/setup").content.decode()
    assert "That did not work yet" in page
    assert "The API key is wrong." in page
    assert 'value="https://acme.bamboohr.com"' in page

    admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acme", "key": KEY})
    connector = Connector.objects.get()
    assert (connector.status, connector.open_secret()) == ("active", KEY)
    assert SyncRun.objects.count() == 2


def test_a_run_waiting_to_try_the_wrong_address_again_makes_way_for_the_right_one(acme: Any, admin: Client) -> None:
    acme.connector.delete()
    admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acne", "key": KEY})
    SyncRun.objects.update(error="acne.bamboohr.com does not answer.")

    admin.post("/setup", {"step": "connect", "provider": "bamboohr", "address": "acme", "key": KEY})

    assert list(SyncRun.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "queued"]


def test_stages_are_mapped_where_they_were_changed(acme: Any, admin: Client) -> None:
    acme.apply(acme.job())
    assert "check the stages" in admin.get("/setup").content.decode()

    response = admin.post("/setup", {"step": "stages", f"stage-{acme.review.pk}": "screen", f"stage-{acme.interview.pk}": "interview"})

    assert response["Location"] == "/?organization=acme"
    assert dict(Stage.objects.values_list("name", "category")) == {"Review": "screen", "Interview": "interview"}
    assert dict(Stage.objects.values_list("name", "mapped_by_person")) == {"Review": True, "Interview": False}


@pytest.mark.parametrize("step", ["connect", "sync", "stages"])
def test_only_administrators_set_up(acme: Any, step: str) -> None:
    client = Client()
    client.force_login(acme.member("alice"))

    response = client.post(
        "/setup", {"step": step, "provider": "bamboohr", "address": "acme", "key": KEY, f"stage-{acme.review.pk}": "offer"}
    )

    assert response.status_code == 403
    assert not SyncRun.objects.exists()
    acme.review.refresh_from_db()
    assert acme.review.category == "review"


def test_nobody_sets_up_another_organization(acme: Any, other: Any, admin: Client) -> None:
    assert admin.post("/setup?organization=other", {"step": "sync", "connector": other.connector.pk}).status_code == 404
    assert admin.post("/setup", {"step": "sync", "connector": other.connector.pk}).status_code == 404
    admin.post("/setup", {"step": "stages", f"stage-{other.review.pk}": "offer"})
    other.review.refresh_from_db()
    assert other.review.category == "review"
