"""A real browser beside a test: Debian's Chromium, driven over its DevTools protocol.

Nothing but the browser itself has to be installed. A page is asked to do what a person would do and what it then
shows is read back.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from config import processes

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: no first-run pages, no calls home: the machine may have no network but itself
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


def find() -> str | None:
    """The browser's path; None if none is installed (scripts/install-test-tools.sh installs one)."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class PageError(AssertionError):
    """The page threw, or never came to show what was waited for."""


class Page:
    """One tab. Errors the page's own scripts throw are kept in ``errors``."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("id") == number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["source"] == "security":
            self.errors.append(message["params"]["entry"]["text"])  # what the page's own policy refused

    def log_in(self, address: str, session: str) -> None:
        self.call("Network.setCookie", name="sessionid", value=session, url=address, httpOnly=True)

    def size(self, width: int, height: int, *, mobile: bool = False, scale: float = 1) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def prefer(self, **features: str) -> None:
        """Media features, e.g. ``prefer(color_scheme="dark", reduced_motion="reduce")``."""
        wanted = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=wanted)

    def open(self, url: str) -> None:
        """Go there and wait until the document and its scripts have loaded."""
        mark = f"left-{next(self._ids)}"
        self.run(f"window.__mark = {mark!r}")
        self.call("Page.navigate", url=url)
        self.wait_for(f"window.__mark !== {mark!r} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression (a promise is awaited). Raises ``PageError`` if it throws."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageError(f"{script}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    def wait_for(self, script: str, *, timeout: float = 30) -> Any:
        """The first truthy value of the expression, asked again at every frame of the page."""
        deadline = time.monotonic() + timeout
        value = None
        while time.monotonic() < deadline:
            try:
                value = self.run(f"new Promise(done => setTimeout(() => done({script}), 20))")
            except PageError as error:
                # the page is being replaced by the next one
                if not any(words in str(error) for words in ("context", "navigated", "Cannot find", "null")):
                    raise
                continue
            if value:
                return value
        raise PageError(f"not within {timeout:.0f} s: {script}; errors: {self.errors}")

    def load_beside(self, script: Path) -> None:
        """Have a script of the tests at hand in every page opened from now on."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script.read_text())

    def type(self, text: str) -> None:
        """Into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def close(self) -> None:
        """Forget who is logged in and leave: the next tab starts as a stranger."""
        self.call("Network.clearBrowserCookies")
        self.call("Page.navigate", url="about:blank")

    def press(self, key: str, *, modifiers: int = 0) -> None:
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = {"code": key} if len(key) > 1 else {}
        for kind in ("keyDown", "keyUp"):
            extra = text | code if kind == "keyDown" else code
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers, **_KEY_CODES.get(key, {}), **extra)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))


_KEY_CODES = {
    name: {"windowsVirtualKeyCode": number}
    for name, number in {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}.items()
}


class Browser:
    """A browser with an empty profile; ``with Browser() as browser: page = browser.page()``."""

    def __init__(self) -> None:
        path = find()
        assert path is not None, "no Chromium on this machine; run scripts/install-test-tools.sh"
        self._profile = tempfile.TemporaryDirectory(prefix="stagewatch-browser-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=processes.child_setup(signal.SIGKILL),  # noqa: PLW1509  (it only asks the kernel to end it with us)
        )
        self._sockets = ExitStack()
        self._port = self._read_port()

    def _read_port(self) -> int:
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line.decode(errors="replace"))
            if "DevTools listening on" in said[-1]:
                return int(said[-1].split("127.0.0.1:")[1].split("/")[0])
        raise AssertionError(f"the browser did not start: {''.join(said)[-2000:]}")

    def page(self) -> Page:
        tab = requests.put(f"http://127.0.0.1:{self._port}/json/new?about:blank", timeout=15).json()
        address = tab["webSocketDebuggerUrl"]
        # no bounds: events nobody reads must not hold up the answers behind them
        return Page(self._sockets.enter_context(connect(address, max_size=None, max_queue=None, compression=None)))

    def close(self) -> None:
        self._sockets.close()
        os.killpg(self._process.pid, signal.SIGKILL)  # its profile is thrown away: nothing to say good-bye to
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._profile.cleanup()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
