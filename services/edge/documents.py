"""The public endpoints: /openapi.json, /asyncapi.json and /health."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kernel.domain.errors import CrmError, MethodNotAllowed, NotFound
from kernel.runtime.settings import OriginSettings, read_settings
from kernel.web.correlation import HEADER, correlation_id
from kernel.web.preconditions import matches_etag
from kernel.web.requests import Headers, headers_of
from kernel.web.responses import PROBLEM_JSON, etag_of, problem_response
from kernel.web.security import NO_STORE, SECURITY_HEADERS

_DOCUMENTS = {"/openapi.json": "openapi.json", "/asyncapi.json": "asyncapi.json"}
_HEALTH = "/health"
PATHS = (*_DOCUMENTS, _HEALTH)
"""The paths that need no token."""
_HERE = Path(__file__).resolve()
# The documents are beside the kernel in the function's artefact, and in docs/ in the repository.
_FOLDERS = (_HERE.parents[1], _HERE.parents[2] / "docs")
_MAX_AGE_SECONDS = 300
_EXPOSED = f"{HEADER},ETag"


@cache
def _document(name: str) -> tuple[str, str]:
    """A document and its ETag."""
    for folder in _FOLDERS:
        if (path := folder / name).is_file():
            text = path.read_text(encoding="utf-8")
            return text, etag_of(text)
    raise FileNotFoundError(f"{name} was not packaged")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda behind the public paths."""
    correlation = correlation_id(event)
    path = str(event.get("resource") or event.get("path", "")).removeprefix("/v1")
    method = str(event.get("httpMethod", "GET"))
    try:
        status, headers, body = _read(path, method, headers_of(event))
    except CrmError as problem:
        refused = problem_response(problem, correlation)
        status, headers, body = refused.status_code, dict(refused.headers), refused.body or ""
        headers["Content-Type"] = PROBLEM_JSON
    origin = read_settings(OriginSettings).allowed_origin
    cors = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}
    return {
        "statusCode": status,
        "headers": {**SECURITY_HEADERS, **headers, HEADER: correlation, **(cors if origin else {})},
        "body": "" if method == "HEAD" else body,
    }


def _read(path: str, method: str, headers: Headers) -> tuple[int, dict[str, Any], str]:
    """Status, headers and body of a document. Raises NotFound, MethodNotAllowed."""
    if path not in PATHS:
        raise NotFound("This path does not exist.")
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed(method, ("GET", "HEAD", "OPTIONS"))
    json_type = {"Content-Type": "application/json"}
    if path == _HEALTH:
        return 200, {**json_type, "Cache-Control": NO_STORE}, json.dumps({"status": "ok"})
    body, etag = _document(_DOCUMENTS[path])
    cached = {"Cache-Control": f"public, max-age={_MAX_AGE_SECONDS}", "ETag": etag}
    if matches_etag(headers.get("if-none-match"), etag):
        return 304, cached, ""
    return 200, {**json_type, **cached}, body
