"""What the OpenAPI document says beside the views: how to log in, and the one shape of errors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from ats.models import choices
from connectors.events import JobStatus, Precision, StageCategory

# names of the word lists; without them the generator makes up its own
JOB_STATUSES = choices(JobStatus)
STAGE_CATEGORIES = choices(StageCategory)
PRECISIONS = choices(Precision)
CLOCKS = ["bd", "cd"]
UNITS = ["bd", "cd", "%", "count"]
LEVELS = ["job", "department", "organization"]
BANDS = ["fresh", "watch", "late", "critical"]
#: what a person may choose; the fifth status is the machine's
TASK_CHOICES = [(word, word) for word in ("open", "in_progress", "done", "dismissed")]

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `errors` names the fields where input was wrong.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
            },
        },
    },
}


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Authorization: Token …`, with a token of `manage.py api_token USERNAME`.",
        }


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    answer = {
        "description": "Anything else.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = answer
    return result
