"""Pages that are not ours: the example of the guide, and an event stream opened from another origin."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from realtime import services
from tests.browser import Browser, Page
from tests.live import ROOT, LiveStack, free_port, start
from tests.realtime.tenants import session_of, token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def foreign(chromium: Browser) -> Iterator[Page]:
    """A browser nobody has logged in with."""
    page = chromium.page()
    yield page
    page.close()


def waiting(job: Any) -> str:
    return f"document.querySelector('tr[data-job=\"{job.pk}\"] td:nth-child(2)')?.textContent"


def test_the_page_of_the_guide_follows_and_catches_up_after_the_web_process_was_killed(
    acme: Any, live_stack: LiveStack, foreign: Page
) -> None:
    job = acme.job("Watchmaker")
    acme.apply(job)
    address = live_stack.web()
    environment = {
        "PATH": os.environ["PATH"],
        "STAGEWATCH_URL": address,
        "STAGEWATCH_TOKEN": token_of(acme.member("alice")),
    }
    server = start("example", sys.executable, "docs/examples/live_page.py", str(free_port()), cwd=ROOT, environment=environment)
    try:
        foreign.open(server.wait_for_line("http://"))
        foreign.wait_for(f"{waiting(job)} === '1'")
        foreign.wait_for("document.getElementById('line').textContent === 'Live'")

        services.push_batch(acme.batch(acme.apply(job), acme.apply(job)))
        foreign.wait_for(f"{waiting(job)} === '3'")

        live_stack.running[-1].process.send_signal(signal.SIGKILL)
        foreign.wait_for("document.getElementById('line').textContent.startsWith('Off')")
        services.push_batch(acme.batch(acme.apply(job)))
        services.push_batch(acme.batch(acme.apply(new := acme.job("New job"))))
        live_stack.web(port=int(address.rpartition(":")[2]))

        foreign.wait_for(f"{waiting(job)} === '4' && {waiting(new)} === '1'")
    finally:
        server.process.terminate()
        server.finish()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A page of another site; ``localhost`` is one to a browser that knows us as 127.0.0.1."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_an_event_stream_is_read_from_another_site_by_ticket_and_not_by_a_session(
    acme: Any, address: str, foreign: Page, elsewhere: str
) -> None:
    headers = {"Authorization": f"Token {token_of(alice := acme.member('alice'))}"}
    ticket = requests.post(f"{address}/realtime/tickets", headers=headers, timeout=10).json()["ticket"]
    foreign.log_in(address, session_of(alice))
    foreign.open(elsewhere)
    ask = """new Promise(done => {{ const stream = new EventSource({address!r}, {{ withCredentials: {cookies} }});
        stream.onmessage = ({{ data }}) => {{ stream.close(); done(JSON.parse(data).type); }};
        stream.onerror = () => {{ stream.close(); done("refused"); }}; }})"""

    by_ticket = foreign.run(ask.format(address=f"{address}/realtime/updates?ticket={ticket}", cookies="false"))
    by_session = foreign.run(ask.format(address=f"{address}/realtime/updates", cookies="true"))

    assert (by_ticket, by_session) == ("hello", "refused")
