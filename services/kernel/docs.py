"""The published contracts and a health answer: /openapi.json, /asyncapi.json, /health."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_DOCUMENTS = {"/openapi.json": "openapi.json", "/asyncapi.json": "asyncapi.json"}
_HERE = Path(__file__).resolve()
# In the function's artefact the documents lie beside the kernel; in the repository in docs/.
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
    path = str(event.get("resource") or event.get("path", "")).removeprefix("/v1")
    if name := _DOCUMENTS.get(path):
        return _answer(200, _document(name), f"public, max-age={_MAX_AGE_SECONDS}")
    if path == "/health":
        return _answer(200, json.dumps({"status": "ok"}), "no-store")
    problem = {
        "type": "urn:zebros:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing under this path.",
    }
    return _answer(404, json.dumps(problem), "no-store", "application/problem+json")


def _answer(
    status: int, body: str, cache_control: str, content_type: str = "application/json"
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {
            "Content-Type": content_type,
            "Cache-Control": cache_control,
            "Access-Control-Allow-Origin": "*",
        },
        "body": body,
    }
