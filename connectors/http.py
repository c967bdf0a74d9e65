"""The shared HTTP client of all providers: polite, patient, suspicious and silent about secrets.

One client serves one connector for the length of one run. It paces requests, retries what may pass,
waits as long as the provider asks (within reason), reads only as much as it should, and turns every
foreign error into one of ours. Time is injected, so nothing here needs a real clock to be tested.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import msgspec
import requests
import urllib3

from config import telemetry
from connectors.exceptions import (
    ConnectorError,
    CredentialsRejected,
    NotFound,
    PayloadNotUnderstood,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from connectors.outbound import GuardedAdapter, Reach

logger = logging.getLogger(__name__)

THROTTLED = 429
#: passing faults; 598 is a proxy's "network read timeout". Any other 5xx is taken the same way.
TRANSIENT = frozenset({408, 500, 502, 503, 504, 598})
CHUNK_BYTES = 65_536
#: the shortest wait after a refusal, so that "Retry-After: 0" cannot become a busy loop
SHORTEST_WAIT = 0.5


class Clock:
    """Real time. Tests hand in one whose ``sleep`` only moves its own hands."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, for telemetry. All words are bounded: no path, no id, no address."""

    provider: str
    endpoint: str
    #: HTTP status as text, or the code of the error that came instead
    outcome: str
    seconds: float


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a client behaves. Times in seconds."""

    requests_per_second: float = 2.0
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    #: of one whole answer: a peer that drips a byte at a time never trips the read timeout
    total_timeout: float = 120.0
    max_bytes: int = 20 * 2**20
    #: tries of one request that meets passing faults
    attempts: int = 5
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    #: the most one request waits because the provider asks it to
    patience: float = 300.0


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between providers on the wire. Header names are compared without case."""

    provider: str
    #: headers in which the provider gives the reason of a refusal
    reason_headers: tuple[str, ...] = ()
    request_id_headers: tuple[str, ...] = ("x-request-id", "request-id")
    user_agent: str = "Stagewatch"
    #: a sentence per status telling a person what to do
    advice: Mapping[int, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON answer, and the interval in which the provider looked: nothing told is newer than
    ``asked_at`` guarantees, nothing is later than ``answered_at``."""

    body: Any
    asked_at: datetime
    answered_at: datetime


class HttpClient:
    """GET JSON from one account. Raises only ``ConnectorError``; its repr and errors hold no secret."""

    def __init__(
        self,
        *,
        dialect: Dialect,
        base_url: str,
        authorization: str,
        secret: str,
        reach: Reach = Reach.PUBLIC,
        policy: Policy | None = None,
        clock: Clock | None = None,
        on_call: Callable[[CallReport], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._dialect = dialect
        self._policy = policy or Policy()
        self._clock = clock or Clock()
        self._on_call = on_call or _count
        self._jitter = jitter
        self._redaction = _redaction(secret, authorization)
        self._next_start = 0.0
        self._session = requests.Session()
        # Neither proxies nor ~/.netrc of the machine may redirect or replace the connector's key.
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": dialect.user_agent,
                "Authorization": authorization,
            }
        )
        self._session.mount("https://", GuardedAdapter(reach))
        self._session.mount("http://", GuardedAdapter(reach))

    def __repr__(self) -> str:
        return f"HttpClient({self._dialect.provider}, {urlsplit(self.base_url).hostname})"

    def close(self) -> None:
        self._session.close()

    def now(self) -> datetime:
        return self._clock.now()

    def get(self, path: str, *, endpoint: str, params: Mapping[str, str] | None = None, attempts: int | None = None) -> Answer:
        """GET ``base_url + path``. ``endpoint`` is the bounded word used in telemetry.

        Passing faults are tried ``attempts`` times. A throttled request waits as told until the
        policy's patience is used up, then ``RateLimited`` tells how long the provider still wants.
        """
        failures, throttles, waited = 0, 0, 0.0
        while True:
            try:
                return self._attempt(path, endpoint, params or {})
            except RateLimited as refusal:
                throttles += 1
                wait = self._wait_asked(refusal, throttles)
                if waited + wait > self._policy.patience:
                    raise
                waited += wait
                telemetry.PROVIDER_WAIT_SECONDS.labels(provider=self._dialect.provider, reason="throttled").inc(wait)
            except ProviderUnavailable:
                failures += 1
                if failures >= (attempts or self._policy.attempts):
                    raise
                wait = self._backoff(failures)
                telemetry.PROVIDER_WAIT_SECONDS.labels(provider=self._dialect.provider, reason="failed").inc(wait)
            self._clock.sleep(wait)

    # -- one attempt ---------------------------------------------------------------------------

    def _attempt(self, path: str, endpoint: str, params: Mapping[str, str]) -> Answer:
        self._pace()
        asked_at, started = self._clock.now(), self._clock.monotonic()
        outcome, request_id = "unknown", ""
        try:
            with self._send(path, params) as response:
                outcome, request_id = str(response.status_code), self._request_id(response)
                content = self._read(response, started, path)
                body = self._understand(response, content, path)
            return Answer(body=body, asked_at=asked_at, answered_at=self._clock.now())
        except ConnectorError as error:
            outcome = outcome if outcome not in ("unknown", "200") else error.code
            raise
        finally:
            seconds = self._clock.monotonic() - started
            self._on_call(CallReport(provider=self._dialect.provider, endpoint=endpoint, outcome=outcome, seconds=seconds))
            logger.info(
                "%s GET %s: %s in %d ms, request id %s",
                self._dialect.provider,
                path,
                outcome,
                seconds * 1000,
                request_id or "none",
            )

    def _send(self, path: str, params: Mapping[str, str]) -> requests.Response:
        timeouts = (self._policy.connect_timeout, self._policy.read_timeout)
        try:
            return self._session.get(self.base_url + path, params=params, timeout=timeouts, allow_redirects=False, stream=True)
        # ``from None`` throughout: the foreign exception carries the request, and so the key.
        except requests.exceptions.Timeout:
            raise ProviderUnavailable(f"{self._who(path)} did not answer in time.") from None
        except requests.exceptions.SSLError:
            raise ProviderUnavailable(f"{self._who(path)} failed to prove its identity (TLS); check the host.") from None
        except requests.exceptions.RequestException as error:
            raise ProviderUnavailable(f"{self._who(path)} cannot be reached ({type(error).__name__}).") from None

    def _read(self, response: requests.Response, started: float, path: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            # read1 returns after one read from the socket, so the deadline is checked however slowly it drips
            while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > self._policy.max_bytes:
                    raise PayloadNotUnderstood(f"{self._who(path)} sent more than {self._policy.max_bytes} bytes; not read on.")
                if self._clock.monotonic() - started > self._policy.total_timeout:
                    raise ProviderUnavailable(f"{self._who(path)} took over {self._policy.total_timeout:g} s to answer.")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ProviderUnavailable(f"{self._who(path)} cut its answer short ({type(error).__name__}).") from None
        return b"".join(parts)

    def _understand(self, response: requests.Response, content: bytes, path: str) -> Any:
        """The JSON body of a 200; for anything else the fitting error. Status first, then type, then parse."""
        if response.status_code != 200:
            self._refuse(response.status_code, self._reason(response), response, path)
        kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind and "json" not in kind:
            raise PayloadNotUnderstood(
                f"{self._who(path)} answered 200 with {self._clean(kind)} where JSON was due: "
                "a login or maintenance page; check the base URL and the company domain."
            )
        body = self._decode(content, path)
        if isinstance(body, dict) and (problem := body.get("error")):
            self._refuse(*_documented_error(problem), response, path)
        return body

    def _decode(self, content: bytes, path: str) -> Any:
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, RecursionError, ValueError):
            pass
        try:
            # Slower but lenient: lone surrogates, raw control characters and bad UTF-8 in one record
            # must not cost its neighbours; the strings are cleaned where records are read.
            return json.loads(content.decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            raise PayloadNotUnderstood(f"{self._who(path)} answered 200 with broken JSON ({len(content)} bytes).") from None

    def _refuse(self, status: int, reason: str, response: requests.Response, path: str) -> NoReturn:
        told = _retry_after(response.headers, self._clock.now())
        text = f"{self._who(path)} answered {status}{': ' + self._clean(reason) if reason else ''}."
        if advice := self._dialect.advice.get(status):
            text = f"{text} {advice}"
        if status == THROTTLED or (status == 503 and told is not None):
            raise RateLimited(text, retry_after=told)
        if status in TRANSIENT or status >= 500:
            raise ProviderUnavailable(text)
        if status in (401, 403):
            raise CredentialsRejected(text)
        if status == 404:
            raise NotFound(text)
        if 300 <= status < 400:
            raise RequestRefused(f"{text} Redirects are not followed; check the base URL.")
        raise RequestRefused(text)

    # -- waiting -------------------------------------------------------------------------------

    def _pace(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_start:
            self._clock.sleep(self._next_start - now)
            now = self._next_start
        self._next_start = now + 1 / self._policy.requests_per_second

    def _backoff(self, failures: int) -> float:
        """Doubling with jitter: between half and the whole of the step, so that clients spread out."""
        step: float = min(self._policy.backoff_base * 2.0 ** (failures - 1), self._policy.backoff_cap)
        return step * (0.5 + self._jitter() / 2)

    def _wait_asked(self, refusal: RateLimited, throttles: int) -> float:
        if refusal.retry_after is None:
            return max(self._backoff(throttles + 1), SHORTEST_WAIT)
        # a little later than told, never earlier: others were told the same second
        return max(refusal.retry_after.total_seconds(), SHORTEST_WAIT) + self._jitter() * 0.25

    # -- words ---------------------------------------------------------------------------------

    def _who(self, path: str) -> str:
        return f"{self._dialect.provider} ({urlsplit(self.base_url).hostname}, GET {self._clean(path)})"

    def _reason(self, response: requests.Response) -> str:
        return next((response.headers[name] for name in self._dialect.reason_headers if response.headers.get(name)), "")

    def _request_id(self, response: requests.Response) -> str:
        names = self._dialect.request_id_headers
        return self._clean(next((response.headers[name] for name in names if response.headers.get(name)), ""))[:80]

    def _clean(self, text: str) -> str:
        """Foreign text made fit for logs and people: one short printable line without the secret."""
        line = "".join(char if char.isprintable() else " " for char in text)
        return self._redaction.sub("[redacted]", line)[:200]


def _count(report: CallReport) -> None:
    telemetry.provider_called(provider=report.provider, endpoint=report.endpoint, outcome=report.outcome, seconds=report.seconds)


def basic(key: str) -> str:
    """The Authorization header of HTTP Basic with an API key as the user; providers ignore the password."""
    return "Basic " + base64.b64encode(f"{key}:x".encode()).decode()


def bearer(token: str) -> str:
    return f"Bearer {token}"


def _redaction(secret: str, authorization: str) -> re.Pattern[str]:
    forms = {secret, quote(secret, safe=""), authorization.partition(" ")[2]} - {""}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or r"(?!)")


def _documented_error(problem: Any) -> tuple[int, str]:
    """Status and reason of a 200 whose body is ``{"error": {"code": …, "message": …}}``."""
    if not isinstance(problem, dict):
        return 400, problem if isinstance(problem, str) else ""
    code, message = problem.get("code"), problem.get("message")
    try:
        status = int(code) if isinstance(code, int | str) else 400
    except ValueError:
        status = 400
    return (status if 400 <= status < 600 else 400), message if isinstance(message, str) else ""


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Seconds or an HTTP date (RFC 9110 §10.2.3); None if absent or unreadable. Never negative.

    A date is measured against the answer's own Date header where there is one: two clocks disagree.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return timedelta(seconds=float(value))
    until, sent = _http_date(value), _http_date(headers.get("Date", ""))
    return None if until is None else max(until - (sent or now), timedelta())


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
