"""Holds real answers against docs/openapi.yaml: what the document promises is what is served."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    for schema in found["components"]["schemas"].values():
        # an undocumented key is a difference, too
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    return found


def assert_as_documented(response: Any, operation_id: str) -> None:
    """The answer's status is documented for the operation and its body has the documented shape."""
    operation = next(
        operation
        for operations in document()["paths"].values()
        for operation in operations.values()
        if operation["operationId"] == operation_id
    )
    answers = operation["responses"]
    content = answers.get(str(response.status_code), answers["default"])["content"]
    media_type = response.headers["Content-Type"].split(";")[0]
    assert media_type in content, f"{operation_id} answered {response.status_code} as {media_type}, documented is {list(content)}"
    validator = Draft202012Validator({**content[media_type]["schema"], "components": document()["components"]})
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(response.json())]
    assert not problems, f"{operation_id} {response.status_code}: {problems}"
