"""Spans of requests, steps and SQL reach the exporter the environment names; without one nothing is even loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from connectors.models import Batch
from tests.live import LiveStack, wait_until
from tests.walking import bring_in, event_row, file_connector

ROOT = Path(__file__).resolve().parent.parent.parent


class Span:
    def __init__(self, service: str, name: str, attributes: dict[str, str]) -> None:
        self.service, self.name, self.attributes = service, name, attributes


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP endpoint on this machine."""
    spans: list[Span] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in told.resource_spans:
                service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        spans.append(Span(service, span.name, {one.key: one.value.string_value for one in span.attributes}))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.stack
def test_requests_steps_and_sql_are_traced_under_one_id(live_stack: LiveStack) -> None:
    with collector() as (endpoint, spans):
        live_stack.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        live_stack.worker()
        web = live_stack.web()
        rows = [event_row("e1", datetime(2026, 9, 1, tzinfo=UTC), stage_to="s", candidate_name="Canary Quillfeather")]
        run = bring_in(file_connector(), rows, walked=False)
        request = urllib.request.Request(f"{web}/login?search=Canary", headers={"X-Request-ID": "request-4711"})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.headers["X-Request-ID"] == "request-4711"
        for typed in ("ats/candidates/Canary%20Quillfeather", "Canary"):
            with pytest.raises(urllib.error.HTTPError, match=r"40[14]"):
                urllib.request.urlopen(f"{web}/{typed}", timeout=30)

        def seen(part: str, **attributes: str) -> bool:
            wanted = {name.replace("_", "."): value for name, value in attributes.items()}
            return any(part in span.name and wanted.items() <= span.attributes.items() for span in spans)

        wait_until(lambda: not Batch.objects.filter(finished_at=None).exists(), timeout=60, what="the end of the road")
        wait_until(lambda: seen("run/realtime.push"), what="the span of the last step")
        wait_until(lambda: any(span.service == "stagewatch-web" for span in spans), what="the span of the request")
        live_stack.stop()

    mine = [span for span in spans if span.attributes.get("stagewatch.correlation_id") == run.correlation_id]
    assert any(span.name == "run/ats.normalize" for span in mine)
    assert any("insert into" in span.attributes.get("db.statement", "") + span.attributes.get("db.query.text", "") for span in mine)
    assert any(span.attributes.get("stagewatch.correlation_id") == "request-4711" for span in spans if span.service == "stagewatch-web"), [
        (span.name, span.attributes) for span in spans if span.service == "stagewatch-web"
    ]
    assert [span.name for span in spans if "Canary" in str(span.attributes) + span.name] == []


def test_without_an_exporter_nothing_is_instrumented_or_loaded_for_it() -> None:
    unwanted = "('opentelemetry.instrumentation', 'opentelemetry.exporter', 'opentelemetry.sdk.trace')"
    code = f"import django, sys; django.setup(); import config.asgi; print([name for name in sys.modules if name.startswith({unwanted})])"

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"
