"""The HTTP map. Unknown addresses of the API answer in its own error shape, not with a page."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health, openapi  # noqa: F401  (registers how the document describes tokens)
from config.problems import API_PREFIXES, problem_response
from connectors.webhooks import Webhook
from realtime.frame import guarded


@csrf_exempt
def no_such_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    return problem_response(request, 404, "There is nothing at this address; see /ats/docs.")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", guarded(LoginView.as_view(redirect_authenticated_user=True)), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("ats/schema", SpectacularAPIView.as_view(), name="schema"),
    path("ats/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("ats/", include("connectors.urls")),
    path("ats/", include("ats.urls")),
    path("ats/", include("analytics.urls")),
    path("ats/", include("issues.urls")),
    path("ats/", include("triggers.urls")),
    path("", include("realtime.urls")),
    path("webhooks/<str:provider>/<int:connector_id>", Webhook.as_view(), name="webhook"),
    re_path(r"^(?:ats|webhooks)(?:/(?P<rest>.*))?$", no_such_address, name="no-such-address"),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PREFIXES):
        return problem_response(request, 400, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PREFIXES):
        return problem_response(request, 403)
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PREFIXES):
        return problem_response(request, 404)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API_PREFIXES):
        return problem_response(request, 500, "Something went wrong on our side; it has been recorded.")
    return defaults.server_error(request)
