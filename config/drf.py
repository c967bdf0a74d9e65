"""What every endpoint shares: one error shape, cursor pagination, optimistic concurrency, throttling."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

import msgspec
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.db.models import F, Field, Model, Q, QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, patch_cache_control
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.pagination import BasePagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView, set_rollback

from config.problems import PROBLEM, problem_body

logger = logging.getLogger(__name__)


# --- errors --------------------------------------------------------------------------------------
class Conflict(exceptions.APIException):
    """The request is well formed, but the thing is not in a state that allows it."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "The current state does not allow this."
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """Somebody else changed the thing since the client read it."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_detail = "It has changed since you read it; fetch it again and repeat your change."
    default_code = "precondition_failed"


class TooLarge(exceptions.APIException):
    """The body is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE``; what is left of it is not read."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request's body is too large."
    default_code = "too_large"


def problem(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler: every error as RFC 9457 problem+json, the unexpected ones included.

    Members: ``type, title, status, detail, instance``; ``errors`` (field, code, message) where input was wrong.
    No renderer of the view has a hand in it: a view of YAML or CSV fails in the same words.
    """
    request = context.get("request")
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge()
    elif not isinstance(error, exceptions.APIException):
        # the signal is what Sentry, metrics and the log of failed requests listen to
        got_request_exception.send(sender=None, request=getattr(request, "_request", request))
        logger.error("request failed", exc_info=error, extra={"action": "request_failed"})
        error = exceptions.APIException("Something went wrong on our side; it has been recorded.")
    set_rollback()
    body = problem_body(error.status_code, path=getattr(request, "path", ""))
    body |= _details(error)
    return JsonResponse(body, status=error.status_code, headers=_headers(error), content_type=PROBLEM)


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(round(wait))
    return headers


def _details(error: exceptions.APIException) -> dict[str, Any]:
    if not isinstance(error, exceptions.ValidationError):
        return {"detail": str(error.detail)}
    errors = list(_flat(error.detail))
    first = errors[0] if errors else {"field": "", "message": "The input was refused."}
    where = f"{first['field']}: " if first["field"] else ""
    return {"detail": f"{where}{first['message']}", "errors": errors}


def _flat(detail: Any, field: str = "") -> Any:
    """Nested serializer errors as a flat list; nested fields are joined with dots."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _flat(inner, ".".join(part for part in (field, own) if part))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(inner, field)
    else:
        yield {"field": field, "code": getattr(detail, "code", "invalid"), "message": str(detail)}


# --- optimistic concurrency ----------------------------------------------------------------------
def etag(version: int) -> str:
    return f'"{version}"'


def expected_version(request: Request) -> int | None:
    """The version named by If-Match; None where the client does not ask. Raises ``PreconditionFailed`` for a
    tag that was never ours, and for weak tags, which RFC 9110 bars from If-Match."""
    header = request.headers.get("If-Match", "").strip()
    if header in ("", "*"):
        return None
    tag = header.removeprefix('"').removesuffix('"')
    if header != f'"{tag}"' or not tag.isdecimal() or len(tag) > 10:
        raise PreconditionFailed()
    return int(tag)


class QuickJSONRenderer(JSONRenderer):
    """The same JSON, encoded in C: a heatmap of thousands of jobs is ten megabytes."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None or self.get_indent(accepted_media_type or "", renderer_context or {}):
            rendered: bytes = super().render(data, accepted_media_type, renderer_context)
            return rendered
        return msgspec.json.encode(data, enc_hook=JSONEncoder().default)


class Revalidated:
    """A view whose answers carry a tag of their content, and are not sent again to a client that has them (304).

    The tag is made of the answer itself, so a 304 can hide nothing. Nobody but the client may keep an answer, and it has
    to ask every time whether the answer still stands.
    """

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        if request.method not in ("GET", "HEAD") or response.status_code != HTTPStatus.OK:
            return response
        if isinstance(response, Response):
            response.add_post_render_callback(lambda rendered: revalidated(request, rendered))
            return response
        return revalidated(request, response)


def revalidated(request: Request, response: HttpResponse) -> HttpResponse:
    """The answer with its tag, or 304 if the client has it."""
    if not response.has_header("ETag"):
        response["ETag"] = content_tag(response.content)
    patch_cache_control(response, private=True, no_cache=True)
    found: HttpResponse | None = get_conditional_response(request._request, etag=response["ETag"], response=response)
    return found or response


def content_tag(body: bytes) -> str:
    """A weak tag of the content itself: where the tag is the same, so is everything the client would read."""
    return f'W/"{blake2b(body, digest_size=16).hexdigest()}"'


# --- throttling ----------------------------------------------------------------------------------
class Throttle(ScopedRateThrottle):
    """Politeness, not protection: with the cache away it lets everybody through."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return super().allow_request(request, view)
        except RedisError:
            return True


# --- pagination ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Term:
    """One column of an ordering. Empty values come last going forward."""

    name: str
    descending: bool
    field: Field[Any, Any]

    @property
    def nullable(self) -> bool:
        return self.field.null

    def order_by(self, *, backward: bool) -> Any:
        expression, descending = F(self.name), self.descending != backward
        if not self.nullable:  # naming the nulls would keep the planner from the index
            return expression.desc() if descending else expression.asc()
        nulls = {"nulls_first": True} if backward else {"nulls_last": True}
        return expression.desc(**nulls) if descending else expression.asc(**nulls)

    def equals(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def beyond(self, value: Any, *, backward: bool) -> Q | None:
        """Rows strictly after ``value`` in the direction of reading; None if there can be none."""
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if backward else None
        lookup = "lt" if self.descending != backward else "gt"
        rows = Q(**{f"{self.name}__{lookup}": value})
        return rows | Q(**{f"{self.name}__isnull": True}) if self.nullable and not backward else rows


class CursorPagination(BasePagination):
    """Keyset pagination over any ordering: ``{next, previous, results}``.

    The cursor holds the ordering values of the row at the edge of the page, so pages neither skip nor repeat
    rows while others are inserted, and every page costs the same. (DRF's own falls back to offsets among equal
    values and stops at a thousand of them; scores and moments repeat more often than that.)

    A view offers ``ordering`` (default) and ``ordering_fields`` (allowed words of ``?ordering=``).
    """

    default_page_size = 50
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        size = self._page_size(request)
        self.terms = self._terms(queryset, request, view)
        cursor = self._decode(request.query_params.get("cursor"))
        self.backward, position = cursor if cursor else (False, None)
        if position is not None:
            queryset = queryset.filter(self._beyond(position))
        rows = list(queryset.order_by(*(term.order_by(backward=self.backward) for term in self.terms))[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        if self.backward:
            rows.reverse()
        self.has_next = bool(rows) and (more or self.backward)
        self.has_previous = bool(rows) and position is not None and (more or not self.backward)
        self.page = rows
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(self.page[-1], backward=False) if self.has_next else None,
                "previous": self._link(self.page[0], backward=True) if self.has_previous else None,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        parameters = [
            _parameter("cursor", {"type": "string"}, "Position, as found in `next` and `previous`."),
            _parameter(
                "page_size",
                {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.default_page_size},
                "Rows per page.",
            ),
        ]
        if allowed := getattr(view, "ordering_fields", ()):
            words = sorted(word for name in allowed for word in (name, f"-{name}"))
            parameters.append(_parameter("ordering", {"type": "string", "enum": words}, "Order of the rows; `-` reverses it."))
        return parameters

    def _page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return self.default_page_size
        if not text.isdecimal() or not 1 <= int(text[:9]) <= self.max_page_size:
            raise exceptions.ValidationError({"page_size": [f"Must be a whole number from 1 to {self.max_page_size}."]})
        return int(text)

    def _terms(self, queryset: QuerySet[Any], request: Request, view: APIView | None) -> list[Term]:
        names = list(getattr(view, "ordering", ("pk",)))
        if asked := request.query_params.get("ordering"):
            allowed = getattr(view, "ordering_fields", ())
            if asked.removeprefix("-") not in allowed:
                raise exceptions.ValidationError(
                    {"ordering": [f"Must be one of {', '.join(sorted(allowed)) or 'nothing'}, or one with a minus."]}
                )
            names = [asked]
        if names[-1].removeprefix("-") != "pk":
            names.append("pk")
        return [Term(name.removeprefix("-"), name.startswith("-"), _field(queryset, name.removeprefix("-"))) for name in names]

    def _beyond(self, position: list[Any]) -> Q:
        """Rows after the position: greater in the first column, or equal in it and greater in the next, ..."""
        rows, equal = Q(pk__in=[]), Q()
        for term, value in zip(self.terms, position, strict=True):
            beyond = term.beyond(value, backward=self.backward)
            if beyond is not None:
                rows |= equal & beyond
            equal &= term.equals(value)
        return rows

    def _link(self, row: Any, *, backward: bool) -> str:
        values = [_text(getattr(row, term.name)) for term in self.terms]
        token = base64.urlsafe_b64encode(json.dumps([int(backward), *values]).encode()).decode().rstrip("=")
        return replace_query_param(self.request.build_absolute_uri(), "cursor", token)

    def _decode(self, token: str | None) -> tuple[bool, list[Any]] | None:
        if not token:
            return None
        try:
            backward, *values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            if len(values) != len(self.terms) or backward not in (0, 1):
                raise ValueError
            return bool(backward), [self._value(term, value) for term, value in zip(self.terms, values, strict=True)]
        except (ValueError, TypeError, binascii.Error, DjangoValidationError):
            raise exceptions.ValidationError({"cursor": ["Not a cursor of this list; use the links `next` and `previous`."]}) from None

    @staticmethod
    def _value(term: Term, value: Any) -> Any:
        if value is None and term.nullable:
            return None
        if not isinstance(value, str) or "\x00" in value:
            raise ValueError
        return term.field.to_python(value)


def _text(value: Any) -> str | None:
    """An ordering value in a form the column's ``to_python`` reads back exactly."""
    if value is None:
        return None
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _field(queryset: QuerySet[Any], name: str) -> Field[Any, Any]:
    annotation = queryset.query.annotations.get(name)
    if annotation is not None:
        return annotation.output_field
    model: type[Model] = queryset.model
    try:
        field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        raise AssertionError(f"{model.__name__} cannot be ordered by {name}.") from None
    own: Field[Any, Any] = field.target_field if field.is_relation else field
    return own


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
