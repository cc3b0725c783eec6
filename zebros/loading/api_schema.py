"""The schema of a batch item, from the OpenAPI document of the API."""

from typing import Any

from zebros.client.api import Client
from zebros.errors import ApiError, NotReady


def fetch_schema(client: Client, path: str) -> dict[str, Any] | None:
    """The schema of one item of `POST <path>/batch`; None when the API does not publish it."""
    try:
        document = client.get("/openapi.json")
    except (NotReady, ApiError):
        return None
    return published_schema(document, path) if isinstance(document, dict) else None


def published_schema(document: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The schema of one item in an OpenAPI 3.1 document, with the components it refers to.

    OpenAPI 3.1 schemas are JSON Schema 2020-12
    (https://spec.openapis.org/oas/v3.1.1.html#schema-object).
    """
    for suffix in (f"{path}/batch", path):
        for known, operations in document.get("paths", {}).items():
            if not known.endswith(suffix) or "post" not in operations:
                continue
            content = operations["post"].get("requestBody", {}).get("content", {})
            schema = _resolved(content.get("application/json", {}).get("schema", {}), document)
            if suffix.endswith("/batch"):
                items = schema.get("properties", {}).get("items", {})
                schema = _resolved(items.get("items", {}), document)
            if schema.get("properties"):
                return {**schema, "components": document.get("components", {})}
    return None


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A schema, with its own `$ref` replaced."""
    for _ in range(10):
        reference = schema.get("$ref", "")
        if not reference.startswith("#/"):
            return schema
        target: Any = document
        for part in reference[2:].split("/"):
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        schema = target
    return schema
