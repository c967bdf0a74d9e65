"""What an endpoint costs at the least: signed in, through the same stack, and the answer is there already."""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Constant(APIView):
    """A small constant."""

    def get(self, request: Request) -> Response:
        return Response({"constant": True})


class ConstantOfSize(APIView):
    """So many bytes, made once and past the renderer."""

    def get(self, request: Request, size: int) -> HttpResponse:
        return HttpResponse(constant(size), content_type="application/json")


@lru_cache(maxsize=2)
def constant(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


urlpatterns = [
    path("constant", Constant.as_view()),
    path("constant/<int:size>", ConstantOfSize.as_view()),
    path("", include("config.urls")),
]
