"""OpenTelemetry spans of requests, Celery steps and SQL, where the environment names an exporter; else none is loaded, nothing patched.

The variables are OpenTelemetry's own: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER and so on. Statements are
exported as the code has them, with placeholders; their values are not. Each span carries the correlation id.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from config import correlation, env, places

if TYPE_CHECKING:
    from django.http import HttpRequest
    from opentelemetry.sdk.trace import TracerProvider


def wanted() -> bool:
    return bool(env.text("OTEL_EXPORTER_OTLP_ENDPOINT"))


def start() -> TracerProvider | None:
    """Instrument this process, once Django's settings are there and before its handler is. None: no exporter is named."""
    if not wanted():
        return None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Correlating(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if identity := correlation.current():
                span.set_attribute("stagewatch.correlation_id", identity)

    os.environ.setdefault("OTEL_SERVICE_NAME", f"stagewatch-{env.text('STAGEWATCH_PROCESS', 'manage')}")
    provider = TracerProvider(resource=Resource.create())
    provider.add_span_processor(Correlating())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(request_hook=_without_query, response_hook=_without_words)
    CeleryInstrumentor().instrument()
    PsycopgInstrumentor().instrument()
    return provider


def _without_query(span: Any, request: HttpRequest) -> None:
    """People search for names."""
    told = getattr(span, "attributes", None) or {}
    for name in ("http.url", "http.target", "url.full"):
        if name in told:
            span.set_attribute(name, str(told[name]).partition("?")[0])
    if "url.query" in told:
        span.set_attribute("url.query", "")


def _without_words(span: Any, request: HttpRequest, response: Any) -> None:
    """Nor are names in paths for others: known once it is known where the path leads."""
    told = getattr(span, "attributes", None) or {}
    for name in ("http.url", "http.target", "url.full", "url.path"):
        if name in told:
            address = str(told[name]).replace(request.path, quote(request.path))
            span.set_attribute(name, address.replace(quote(request.path), places.told(request)))


def mark(correlation_id: str) -> None:
    """Put the id on the span that is open now: a step learns it from its batch, after its span has begun."""
    if wanted():
        from opentelemetry import trace

        trace.get_current_span().set_attribute("stagewatch.correlation_id", correlation_id)
