"""First steps in the browser: name the organization, connect its ATS, follow the first sync, check what its stages are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import Organization
from accounts.selectors import organizations_to_join
from accounts.services import found_organization
from analytics.models import StageMetric
from ats.mapping import map_stage
from ats.models import Job, Stage
from connectors import registry
from connectors.events import StageCategory
from connectors.exceptions import ConnectorError
from connectors.models import Connector, SyncRun
from connectors.selectors import progress_of_runs
from connectors.services import SyncInProgress, connect, give_up_retrying, request_sync
from realtime import selectors
from realtime.frame import guarded, own_organization, page
from realtime.setup_forms import AccountForm, OrganizationForm

CATEGORIES = [(word.value, word.value.capitalize()) for word in StageCategory]


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def setup(request: HttpRequest) -> HttpResponse:
    """``/setup``: the step that comes next, with what went wrong in the one before."""
    organization = own_organization(request)
    if organization is None:
        return first_organization(request)
    if request.method == "POST":
        if not selectors.may_set_up(request.user, organization):
            raise PermissionDenied
        return _act(request, organization)
    return steps(request, organization)


def first_organization(request: HttpRequest) -> HttpResponse:
    """Somebody without any organization: staff found one and become its administrator, or hear of those made elsewhere."""
    if not getattr(request.user, "is_staff", False):
        return render(request, "realtime/nowhere.html")
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = found_organization(founder=request.user, **form.cleaned_data)  # type: ignore[arg-type]
        return redirect(f"/setup?organization={made.slug}")
    context = {"form": form, "others": organizations_to_join(request.user)[:10]}
    return render(request, "realtime/found.html", context, status=400 if form.is_bound else 200)


def _act(request: HttpRequest, organization: Organization) -> HttpResponse:
    step = request.POST.get("step")
    if step == "connect":
        return _connect(request, organization)
    if step == "sync":
        return _sync(organization, request.POST.get("connector", ""))
    if step == "stages":
        return _map(request, organization)
    raise Http404("There is no such step.")


def _connect(request: HttpRequest, organization: Organization) -> HttpResponse:
    form = AccountForm(request.POST)
    if not form.is_valid():
        return steps(request, organization, form=form, status=400)
    given = form.cleaned_data
    try:
        connector = connect(
            organization=organization,
            provider=given["provider"],
            name=given["provider"],
            base_url=given["address"],
            secret=given["key"],
            settings={"insecure_http": True} if _is_local(given["address"]) else {},
        )
        give_up_retrying(connector=connector)
        request_sync(connector=connector, mode=SyncRun.Mode.FULL)
    except SyncInProgress:
        pass
    except ConnectorError as error:
        form.add_error(None, str(error))
        return steps(request, organization, form=form, status=400)
    return redirect(f"/setup?organization={organization.slug}")


def _is_local(address: str) -> bool:
    """A provider on this very machine, e.g. the sandbox: only where the operator lets the setup page do that."""
    return settings.ALLOW_LOCAL_PROVIDERS and urlsplit(address).scheme == "http"


def _sync(organization: Organization, connector_id: str) -> HttpResponse:
    if not connector_id.isascii() or not connector_id.isdecimal():
        raise Http404("There is no such connector.")
    connector = Connector.objects.filter(organization=organization, pk=connector_id).first()
    if connector is None:
        raise Http404("There is no such connector.")
    try:
        request_sync(connector=connector, mode=SyncRun.Mode.FULL)
    except (SyncInProgress, ConnectorError):
        pass  # the page shows the run, or why there can be none
    return redirect(f"/setup?organization={organization.slug}")


def _map(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Set what was changed; a stage left as it was keeps following the provider's suggestion."""
    for stage in Stage.objects.filter(organization=organization).order_by("pk"):
        wanted = request.POST.get(f"stage-{stage.pk}", stage.category)
        if wanted in set(StageCategory) and wanted != stage.category:
            map_stage(stage=stage, category=StageCategory(wanted), position=stage.position)
    return redirect(f"/?organization={organization.slug}")


def steps(request: HttpRequest, organization: Organization, *, form: AccountForm | None = None, status: int = 200) -> HttpResponse:
    """How far an organization has got, and what comes next."""
    position = selectors.position_of(organization)
    connectors = list(Connector.objects.filter(organization=organization).order_by("pk"))
    runs = [SyncRun.objects.filter(connector=connector).order_by("-pk").first() for connector in connectors]
    progress = progress_of_runs([run.pk for run in runs if run is not None])
    accounts = [_account(connector, run, progress) for connector, run in zip(connectors, runs, strict=True)]
    has_jobs = Job.objects.filter(organization=organization).exists()
    mended = next((one["connector"] for one in accounts if one["error"] and one["polls"]), None)
    if form is None and (not connectors or mended is not None):
        initial = {"provider": mended.provider, "address": mended.base_url} if mended else {}
        form = AccountForm(initial=initial)
    response = page(
        request,
        "realtime/setup.html",
        organization,
        position=position,
        accounts=accounts,
        form=form,
        mended=mended,
        has_jobs=has_jobs,
        stages=_stages(organization) if has_jobs else [],
        categories=CATEGORIES,
        python=_python(),
        underway=any(one["running"] and one["first"] for one in accounts),
    )
    response.status_code = status
    return response


def _python() -> str:
    """The Python of this installation as somebody in its folder would type it; without its folder where it is elsewhere."""
    running = Path(sys.executable)
    return str(running.relative_to(settings.BASE_DIR)) if running.is_relative_to(settings.BASE_DIR) else "python"


def _account(connector: Connector, run: SyncRun | None, progress: dict[int, Any]) -> dict[str, Any]:
    running = run is not None and run.state not in SyncRun.ENDED
    error = connector.status_reason if connector.status == Connector.Status.BROKEN else run.error if run is not None else ""
    return {
        "connector": connector,
        "label": registry.get(connector.provider).label,
        "polls": registry.get(connector.provider).capabilities.polls,
        "run": run,
        "progress": progress.get(run.pk) if run is not None else None,
        "running": running,
        # until it has been read once, a run is what the heatmap waits for; after that it is one among many
        "first": connector.fresh_at is None,
        "error": error,
        "again_at": run.next_attempt_at if run is not None and running and error else None,
    }


def _stages(organization: Organization) -> list[dict[str, Any]]:
    """In pipeline order, those nobody has mapped first: they need a person."""
    waiting = dict(StageMetric.objects.filter(organization=organization).order_by().values_list("stage").annotate(Sum("open")))
    found = Stage.objects.filter(organization=organization)
    ordered = sorted(found, key=lambda stage: (stage.order is not None, stage.order or 0, stage.pk))
    return [{"stage": stage, "waiting": waiting.get(stage.pk, 0)} for stage in ordered]
