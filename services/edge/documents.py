"""The public endpoints: /openapi.json, /asyncapi.json and /health."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kernel.domain.errors import NotFound
from kernel.runtime.settings import OriginSettings, read_settings
from kernel.web.correlation import HEADER, correlation_id
from kernel.web.security import NO_STORE, SECURITY_HEADERS

_DOCUMENTS = {"/openapi.json": "openapi.json", "/asyncapi.json": "asyncapi.json"}
_HEALTH = "/health"
PATHS = (*_DOCUMENTS, _HEALTH)
"""The paths that need no token."""
_HERE = Path(__file__).resolve()
# The documents are beside the kernel in the function's artefact, and in docs/ in the repository.
_FOLDERS = (_HERE.parents[1], _HERE.parents[2] / "docs")
_MAX_AGE_SECONDS = 300


@cache
def _document(name: str) -> str:
    for folder in _FOLDERS:
        if (path := folder / name).is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"{name} was not packaged")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda behind the public paths."""
    correlation = correlation_id(event)
    path = str(event.get("resource") or event.get("path", "")).removeprefix("/v1")
    if name := _DOCUMENTS.get(path):
        return _answer(200, _document(name), f"public, max-age={_MAX_AGE_SECONDS}", correlation)
    if path == _HEALTH:
        return _answer(200, json.dumps({"status": "ok"}), NO_STORE, correlation)
    problem = NotFound("This path does not exist.")
    body = json.dumps(problem.document(correlation))
    return _answer(problem.status, body, NO_STORE, correlation, "application/problem+json")


def _answer(
    status: int,
    body: str,
    cache_control: str,
    correlation: str,
    content_type: str = "application/json",
) -> dict[str, Any]:
    origin = read_settings(OriginSettings).allowed_origin
    cors = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": HEADER}
    return {
        "statusCode": status,
        "headers": {
            **SECURITY_HEADERS,
            "Content-Type": content_type,
            "Cache-Control": cache_control,
            HEADER: correlation,
            **(cors if origin else {}),
        },
        "body": body,
    }
