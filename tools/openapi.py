"""Generates docs/openapi.json (OpenAPI 3.1) from the handlers' routes. `--check` fails on drift."""

import copy
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from kernel.domain.errors import (
    MAX_DETAIL,
    MAX_ERRORS,
    MAX_FIELD,
    MAX_MESSAGE,
    MAX_TITLE,
    MAX_TYPE,
)
from kernel.web.api import MAX_PATH_PART
from kernel.web.models import PeopleQuery
from kernel.web.people import with_people
from kernel.web.routes import Route
from tools.contexts import apis
from tools.drift import ROOT, as_json, main
from tools.openapi_bounds import bounded
from tools.openapi_headers import HEADERS, always, header, of_problem

FILE = ROOT / "docs" / "openapi.json"
_REF = "#/components/schemas/{model}"
_GATEWAY = frozenset({400, 401, 403, 429, 500, 503})
"""The statuses that API Gateway itself may send for any operation (tools/gateway_responses.py)."""
_FIRST_PROBLEM = 400

_PROBLEM = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {
            "type": "string",
            "maxLength": MAX_TYPE,
            "description": "Stable: `urn:zebros:problem:<slug>`.",
        },
        "title": {"type": "string", "maxLength": MAX_TITLE},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "maxLength": MAX_DETAIL},
        "errors": {
            "type": "array",
            "maxItems": MAX_ERRORS,
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "maxLength": MAX_FIELD},
                    "message": {"type": "string", "maxLength": MAX_MESSAGE},
                },
                "required": ["field", "message"],
            },
        },
        "correlation_id": {"type": "string", "maxLength": 128},
    },
    "required": ["type", "title", "status", "detail"],
}
_STATUS_TEXT = {
    200: "Success",
    201: "Created",
    202: "Accepted; poll Location",
    204: "Success",
    207: "One result per item",
    304: "Not changed: If-None-Match has the current ETag",
    400: "The request cannot be read",
    401: "No valid token",
    403: "The caller's role does not allow it",
    404: "No such record in this tenant",
    405: "The path does not have this method; Allow lists the ones that it has",
    409: "Conflict with another record or another request",
    412: "If-Match names an older version",
    413: "Body too large",
    415: "The body is not JSON",
    422: "A field is wrong, or the record's state does not allow it",
    428: "If-Match is missing",
    429: "Too many requests; send the request again",
    500: "Internal error",
    503: "A service does not answer; send the request again",
}


def _models(routes: list[Route]) -> tuple[list[type[BaseModel]], list[type[BaseModel]]]:
    """The models of request bodies and queries, and those of responses."""

    def distinct(values: Iterable[Any]) -> list[type[BaseModel]]:
        models = (m for m in values if inspect.isclass(m) and issubclass(m, BaseModel))
        return list(dict.fromkeys(models))

    bodies = distinct(m for r in routes for m in (r.parameters.get("body"), r.patches))
    return bodies, distinct(_answer(route) for route in routes)


def _answer(route: Route) -> Any:
    """The model of a route's answer, with `people` where the request can ask for them."""
    query = route.parameters.get("query")
    if inspect.isclass(query) and issubclass(query, PeopleQuery):
        return with_people(route.returns)
    return route.returns


def _header(name: str, description: str, required: bool, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": schema,
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": part,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_PATH_PART},
        }
        for part in re.findall(r"{(\w+)}", route.path)
    ]
    query = route.parameters.get("query")
    if query is not None:
        schema = query.model_json_schema()
        definitions = schema.get("$defs", {})
        for name, field in schema["properties"].items():
            description = field.pop("description", "")
            parameters.append(
                {
                    "name": name,
                    "in": "query",
                    "required": name in schema.get("required", []),
                    **({"description": description} if description else {}),
                    "schema": _inlined(_not_null(field), definitions),
                }
            )
    if "if_match" in route.parameters:
        parameters.append(
            _header(
                "If-Match",
                "The ETag of the version you saw, or `*`.",
                True,
                {"type": "string", "pattern": r'^(\*|(W/)?"\d{1,12}(-[0-9a-f]{24})?")$'},
            )
        )
    if route.idempotent:
        parameters.append(
            _header(
                "Idempotency-Key",
                "A request that is sent again with the same key takes effect once.",
                False,
                {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
            )
        )
    return parameters


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    """The schema of a query parameter, which may be absent but never null."""
    options = [o for o in field.get("anyOf", []) if o.get("type") != "null"]
    rest = {k: v for k, v in field.items() if k not in ("anyOf", "default", "title")}
    if len(options) == 1:
        return {**rest, **options[0]}
    return {**rest, **({"anyOf": options} if options else {})}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, dict):
        if ref := schema.get("$ref"):
            return _inlined(definitions[ref.rsplit("/", 1)[1]], definitions)
        return {k: _inlined(v, definitions) for k, v in schema.items()}
    if isinstance(schema, list):
        return [_inlined(v, definitions) for v in schema]
    return schema


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _responses(route: Route, schemas: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    ok: dict[str, Any] = {"description": _STATUS_TEXT[route.status]}
    headers = always()
    answer = _answer(route)
    if answer in schemas:
        ok["content"] = _content("application/json", schemas[answer])
        if route.method == "GET" or getattr(route.returns, "versioned", False):
            headers |= header("ETag")
    if route.status in (201, 202):
        headers |= header("Location")
    ok["headers"] = headers
    responses = {str(route.status): ok}
    problems = {*_GATEWAY, 405, 422}
    if "{" in route.path:
        problems.add(404)
    if route.method != "GET":
        problems |= {409, 413, 415}
    if "if_match" in route.parameters:
        problems |= {412, 428}
    if route.method == "GET" and "ETag" in headers:
        unchanged = {**always(), **header("ETag")}
        responses["304"] = {"description": _STATUS_TEXT[304], "headers": unchanged}
    for status in sorted(problems):
        responses[str(status)] = {"$ref": f"#/components/responses/{_problem_name(status)}"}
    return responses


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _problem_responses() -> dict[str, Any]:
    """The response for every problem status, by its name in `components`."""
    problem = _content("application/problem+json", {"$ref": _REF.format(model="Problem")})
    return {
        _problem_name(status): {
            "description": text,
            "headers": of_problem(status),
            "content": problem,
        }
        for status, text in _STATUS_TEXT.items()
        if status >= _FIRST_PROBLEM
    }


def _operation(
    context: str,
    route: Route,
    inputs: dict[type[BaseModel], dict[str, Any]],
    outputs: dict[type[BaseModel], dict[str, Any]],
) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(route.function) or "").partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.function.__name__,
        "summary": summary,
        "description": " ".join(description.split()),
        "tags": [context],
        "parameters": _parameters(route),
        "responses": _responses(route, outputs),
        "security": [{"bearer": []}],
    }
    if body := route.parameters.get("body"):
        operation["requestBody"] = {
            "required": True,
            "content": _content("application/json", inputs[body]),
        }
    if route.patches:
        name = f"{route.patches.__name__}Patch"
        operation["requestBody"] = {
            "required": True,
            "description": "JSON merge patch (RFC 7396): null removes a field.",
            "content": _content("application/merge-patch+json", {"$ref": _REF.format(model=name)}),
        }
    return operation


def _patch_schema(model: type[BaseModel], whole: dict[str, Any]) -> dict[str, Any]:
    """The merge patch of a model: every field is optional, removable ones are nullable."""
    schema = copy.deepcopy(whole)
    required = set(schema.pop("required", []))
    schema["title"] = f"{model.__name__}Patch"
    for name, field in schema["properties"].items():
        if name not in required and not any(
            option.get("type") == "null" for option in field.get("anyOf", [])
        ):
            title = field.pop("title", name)
            field.pop("default", None)
            schema["properties"][name] = {"title": title, "anyOf": [field, {"type": "null"}]}
    return schema


def render() -> dict[Path, str]:
    """The document's text."""
    by_api = apis()
    routes = [route for api in by_api for route in api.routes]
    bodies, answers = _models(routes)
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in bodies),
        *((model, "serialization") for model in answers),
    ]
    keys, definitions = models_json_schema(models, ref_template=_REF)
    inputs = {model: keys[model, "validation"] for model in bodies}
    outputs = {model: keys[model, "serialization"] for model in answers}
    schemas = dict(definitions["$defs"])
    schemas["Problem"] = _PROBLEM
    whole = {route.parameters.get("body") for route in routes}
    for route in routes:
        if route.patches:
            name = inputs[route.patches]["$ref"].rsplit("/", 1)[1]
            schemas[f"{route.patches.__name__}Patch"] = _patch_schema(route.patches, schemas[name])
            if route.patches not in whole:
                schemas.pop(name)
    paths: dict[str, dict[str, Any]] = {}
    for api in by_api:
        for route in api.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(
                api.context, route, inputs, outputs
            )
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Zebros CRM",
            "version": "1",
            "description": "Accounts, contacts, products, pipelines, opportunities, tasks, "
            "timelines, reports and notifications. The token determines the tenant.\n\n"
            "All requests of a tenant share one quota, so that no tenant slows down the others: "
            "`RateLimit-Policy` has its size, `RateLimit` what is left. A request beyond it gets "
            "a 429 of type `urn:zebros:problem:quota-exceeded` with `Retry-After`, and changes "
            "nothing. A batch counts as one request.\n\n"
            "Every path that has GET also has HEAD. A GET whose `If-None-Match` names the current "
            "ETag gets a 304. A method that a path does not have gets a 405 with `Allow`.\n\n"
            "New notifications are also pushed over a WebSocket, which `/asyncapi.json` "
            "describes, its sign-in too.\n\n"
            "Instants are in UTC. A tenant has a time zone, which decides what today is: the day "
            "on which an opportunity is closed by default, which tasks are overdue, and the days "
            "of a report's named period. The identity provider puts it into tokens as the claim "
            "`zoneinfo` (a name of the IANA database); without a known name it is Etc/UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/v1", "x-internal": False}],
        "tags": [{"name": api.context} for api in by_api],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "headers": HEADERS,
            "responses": _problem_responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of your tenant's identity provider, verified "
                    "as RFC8725 asks: one algorithm (RS256), and the issuer, audience, type and "
                    "expiry that this API expects.",
                }
            },
        },
    }
    return {FILE: as_json(bounded(document))}


if __name__ == "__main__":
    main(render(), "make contracts")
