"""What can go wrong between us and a provider: one small tree, foreign errors mapped at the edge.

The class says whether trying again can help; the message is for a person: it names the thing, what
was wrong and what to do, and never holds a secret or a person's data.
"""

from __future__ import annotations

from datetime import timedelta


class ConnectorError(Exception):
    """Base of everything a connector raises."""

    #: stable word stored on the SyncRun and used as a metric label
    code = "connector_error"
    #: whether the same call may succeed later without anybody's help
    retryable = False


class ProviderUnavailable(ConnectorError):
    """The provider does not answer, or answers with a passing fault (408, 5xx, cut connection)."""

    code = "provider_unavailable"
    retryable = True


class RateLimited(ConnectorError):
    """The provider asks us to slow down and the polite waiting inside one run is used up."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CredentialsRejected(ConnectorError):
    """The key is wrong, revoked or lacks rights: a person has to act, so the connector stops."""

    code = "credentials_rejected"


class RequestRefused(ConnectorError):
    """The provider understood us and said no (400, 404 of a whole endpoint, 409, 422): our mistake."""

    code = "request_refused"


class NotFound(RequestRefused):
    """The one thing asked for is not there (404): of an object's own address, a hint that it is gone."""

    code = "not_found"


class PayloadNotUnderstood(ConnectorError):
    """An answer or record that cannot be read; the record is set aside, its neighbours go on."""

    code = "payload_not_understood"


class PagingBroken(ConnectorError):
    """Paging does not end, repeats itself, or points to a foreign host."""

    code = "paging_broken"


class NotConfigured(ConnectorError):
    """A setting of the connector is missing or unusable."""

    code = "not_configured"
