"""What every page has: whose data it is, how fresh, where it stands in the stream; found among the person's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from accounts.models import Organization
from accounts.selectors import may_act
from analytics.csv_rendering import flat, to_csv
from ats.models import Job
from ats.selectors import jobs_of
from realtime import presenting, selectors

View = Callable[..., HttpResponseBase]

#: Pages load nothing from elsewhere and hold nothing inline, so that what somebody's name smuggles in stays text.
POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
    )
)  # fmt: skip


def guarded(view: View) -> View:
    """Have the browser refuse whatever is not this page's own."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response

    return answered


def readable(view: View) -> View:
    """Refuse an address with a NUL in it: no text in the database holds one, and asking for one is an error there."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if any("\x00" in value for value in request.GET.values()):
            raise BadRequest("The address holds a NUL.")
        return view(request, *args, **kwargs)

    return answered


def looked_at(view: View) -> View:
    """A page for people with an account: read only, never cached, compressed (the stream beside it never is)."""
    wrapped: View = never_cache(gzip_page(login_required(require_safe(readable(guarded(view))))))
    return wrapped


def page(request: HttpRequest, template: str, organization: Organization, **context: Any) -> HttpResponse:
    """Render with what every page has: whose data it is and how fresh.

    ``position`` is where the live stream goes on. The caller takes it before it reads the state it shows.
    """
    _, own = selectors.organization_for(request.user, "")
    frame = {
        "organization": organization,
        "organizations": own,
        "sync": selectors.sync_state(organization),
        "bands": presenting.BANDS,
        "may_act": may_act(request.user, organization.pk),
        # asked for by few pages
        "may_set_up": lambda: selectors.may_set_up(request.user, organization),
    }
    return render(request, template, frame | context)


def own_organization(request: HttpRequest) -> Organization | None:
    """The one asked for, else the first; None for a person without any. A foreign one does not exist."""
    asked = request.GET.get("organization", "")
    found, own = selectors.organization_for(request.user, asked)
    if found is None and (asked or own):
        raise Http404("There is no such organization.")
    return found


def own_job(request: HttpRequest, job_id: int) -> Job:
    return get_object_or_404(jobs_of(request.user).select_related("organization", "connector"), pk=job_id)


def as_csv(name: str, rows: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """What is on the screen as a file for spreadsheets."""
    response = HttpResponse(to_csv(flat(row) for row in rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def wants_csv(request: HttpRequest) -> bool:
    return request.GET.get("format") == "csv"
