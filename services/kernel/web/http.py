"""HTTP the same way everywhere: routes with typed parameters, problem details, ETags, idempotency.

A route is a function whose parameters are filled by name:
  caller    the verified Caller                     body   a pydantic model read from JSON
  query     a pydantic model read from the query    patch  the RFC 7396 merge patch, a dict
  expected  the version If-Match names (None: `*`); its absence is a 428
  anything else is a part of the path.
Its return annotation says what is shown, and nothing beyond that leaves: a model becomes JSON, a
record gets its version as ETag.
"""

import base64
import inspect
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_type_hints

from aws_lambda_powertools.event_handler.api_gateway import (
    APIGatewayRestResolver,
    CORSConfig,
    Response,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernel.domain.aggregate import invalid
from kernel.domain.auth import Caller, Role
from kernel.domain.errors import (
    CrmError,
    FieldError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from kernel.domain.events import MAX_USER_ID, Snapshot
from kernel.runtime.log import logger
from kernel.storage.dynamo import Table
from kernel.storage.idempotency import Answer, Once, once
from kernel.storage.store import Page
from kernel.web.correlation import HEADER, correlation_id
from kernel.web.faults import explained
from kernel.web.preconditions import expected, unchanged, whatever_is_there

PROBLEM_JSON = "application/problem+json"
MAX_BODY_BYTES = 1_000_000
MAX_PATH_PART = 128
MANY_RESULTS = 207
"""The status of a route that makes many changes, each on its own."""
_SEND_AGAIN = frozenset({"busy", "not-ready", "idempotency-key-in-use"})
_EXPOSED = ["ETag", "Location", HEADER, "Idempotency-Replayed", "Retry-After"]


class Body(BaseModel):
    """Base of request bodies: what is not named here is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Query(BaseModel):
    """Base of query strings: an unknown filter is refused, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def one_of(self, *names: str) -> None:
        """Raise Invalid when more than one of these filters is given: no index serves both."""
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise Invalid(
                f"There is no index for {' and '.join(given)} together; give one of them.",
                errors=tuple(FieldError(name, "give only one of these") for name in given),
                slug="unindexed-filter",
            )

    def only_with(self, other: str, *names: str) -> None:
        """Raise Invalid for filters that work only together with `other`."""
        for name in names:
            if getattr(self, name) is not None:
                raise Invalid(
                    f"{name} filters only together with {other}.",
                    errors=(FieldError(name, f"needs {other}"),),
                    slug="unindexed-filter",
                )


class ListQuery(Query):
    """The query of every list."""

    limit: int = Field(25, ge=1, le=200, description="Records per page.")
    cursor: str | None = Field(
        None, max_length=2000, description="`next_cursor` of the page before."
    )

    def finds_one(self, name: str) -> None:
        """Raise Invalid for a cursor next to a filter that finds one record at most."""
        if getattr(self, name) is not None and self.cursor is not None:
            raise Invalid.field("cursor", f"must be left out: {name} finds one record, on one page")


class ManyResults(BaseModel):
    """Base of what a route answers that makes many changes, each on its own."""

    @property
    def unfinished(self) -> bool:
        """Whether a change failed that may succeed when the same request is sent again."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, as declared; tools/openapi.py and the template tests read it."""

    method: str
    path: str
    """With `{name}` parts, as API Gateway and OpenAPI write it."""
    function: Callable[..., Any]
    status: int
    parameters: dict[str, Any]
    """Parameter annotations by name."""
    returns: Any
    patches: type[BaseModel] | None
    """The fields a merge patch may name."""
    idempotent: bool
    """Whether an Idempotency-Key is honoured (every POST)."""


class Api:
    """The HTTP face of one context."""

    def __init__(self, context: str, table: Callable[[], Table] | None = None) -> None:
        self.context, self._table = context, table
        self.routes: list[Route] = []
        self._resolver = APIGatewayRestResolver(
            cors=CORSConfig(expose_headers=_EXPOSED, max_age=600), strip_prefixes=["/v1"]
        )
        self._resolver.exception_handler(Exception)(self._problem)
        self._resolver.not_found(self._no_route)

    def get(self, path: str) -> Callable[..., Any]:
        """Declare a GET."""
        return partial(self._declare, "GET", path, 200, None)

    def post(self, path: str, status: int = 200) -> Callable[..., Any]:
        """Declare a POST, which honours Idempotency-Key."""
        return partial(self._declare, "POST", path, status, None)

    def patch(self, path: str, fields: type[BaseModel]) -> Callable[..., Any]:
        """Declare a PATCH whose merge patch may name `fields`."""
        return partial(self._declare, "PATCH", path, 200, fields)

    def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """The Lambda handler (API Gateway REST proxy event)."""
        started = time.perf_counter()
        correlation = correlation_id(event)
        event["correlation_id"] = correlation
        answer = self._resolver.resolve(event, context)  # type: ignore[arg-type]
        answer.setdefault("multiValueHeaders", {})[HEADER] = [correlation]
        logger().info(
            "request",
            method=event.get("httpMethod"),
            route=event.get("resource"),
            path=event.get("path"),
            status=answer["statusCode"],
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            correlation_id=correlation,
            tenant=_authorizer(event).get("tenant"),
        )
        return answer

    def _declare[F: Callable[..., Any]](
        self, method: str, path: str, status: int, fields: type[BaseModel] | None, function: F
    ) -> F:
        parameters = get_type_hints(function, include_extras=True)
        returns = parameters.pop("return", None)
        names = list(inspect.signature(function).parameters)
        route = Route(
            method,
            path,
            function,
            status,
            {n: parameters[n] for n in names},
            returns,
            fields,
            method == "POST",
        )
        self.routes.append(route)
        rule = re.sub(r"\{(\w+)\}", r"<\1>", path)

        def serve(**parts: str) -> Response[str]:
            return self._serve(route, **parts)

        self._resolver.route(rule, method, operation_id=function.__name__)(serve)
        return function

    def _serve(self, route: Route, **parts: str) -> Response[str]:
        event = self._resolver.current_event.raw_event
        headers = {k.lower(): v for k, v in (event.get("headers") or {}).items() if v is not None}
        if any(len(part) > MAX_PATH_PART for part in parts.values()):
            raise NotFound("There is nothing under this path.")
        attempt: Once | None = None
        arguments: dict[str, Any] = dict(parts)
        raw = _raw_body(event, route) if route.method in ("POST", "PATCH") else ""
        if "caller" in route.parameters:
            caller = _caller(event)
            key = headers.get("idempotency-key")
            if route.idempotent and key is not None and self._table is not None:
                attempt = once(self._table(), caller, key, route.method, event["path"], raw)
                if kept := attempt.look():
                    return _replayed(kept)
            arguments["caller"] = replace(caller, once=attempt)
        if "expected" in route.parameters:
            arguments["expected"] = expected(headers.get("if-match"))
        if "query" in route.parameters:
            arguments["query"] = _query(route.parameters["query"], event)
        if "body" in route.parameters:
            arguments["body"] = _body(route.parameters["body"], raw, headers)
        if "patch" in route.parameters:
            arguments["patch"] = _patch(raw, headers)
        if attempt is None:
            return _shown(route, _carried_out(route, arguments), headers)
        try:
            if route.status == MANY_RESULTS:
                attempt.claim()
            value = _carried_out(route, arguments)
            response = _shown(route, value, headers)
        except CrmError:
            # Was it refused because the same request, sent twice, was carried out meanwhile? Then
            # its answer is the answer, and not that somebody changed the record.
            if not attempt.committed and (kept := attempt.look()):
                return _replayed(kept)
            raise
        if isinstance(value, ManyResults) and value.unfinished:
            attempt.release()
        elif 200 <= response.status_code < 300:
            shown = {k: str(v) for k, v in response.headers.items()}
            attempt.complete(Answer(response.status_code, shown, response.body or ""))
        return response

    def _problem(self, failure: Exception) -> Response[str]:
        """What went wrong, as RFC 9457 wants it."""
        fault = explained(failure)
        headers = {}
        if fault.slug in _SEND_AGAIN:
            headers["Retry-After"] = "1"
        if fault.slug == Unauthenticated.slug:
            headers["WWW-Authenticate"] = "Bearer"
        problem: dict[str, Any] = {
            "type": fault.type,
            "title": fault.title,
            "status": fault.status,
            "detail": fault.detail,
        }
        if fault.errors:
            problem["errors"] = [{"field": e.field, "message": e.message} for e in fault.errors]
        problem["correlation_id"] = self._resolver.current_event.raw_event.get("correlation_id", "")
        return Response(
            fault.status,
            content_type=PROBLEM_JSON,
            body=json.dumps(problem, ensure_ascii=False),
            headers=headers,
        )

    def _no_route(self, _fault: Exception) -> Response[str]:
        return self._problem(NotFound("There is nothing under this path."))


def _authorizer(event: dict[str, Any]) -> dict[str, Any]:
    return (event.get("requestContext") or {}).get("authorizer") or {}


def _caller(event: dict[str, Any]) -> Caller:
    claims = _authorizer(event)
    if not claims.get("tenant") or not claims.get("user"):
        raise Unauthenticated("Send a bearer token of your tenant's identity provider.")
    for claim, value in (("sub", claims["user"]), ("team", claims.get("team") or "-")):
        # Stored as a UserId, which would be shortened or refused far from here.
        if value != value.strip() or len(value) > MAX_USER_ID:
            raise Forbidden(
                f"The claim {claim} of your token must have 1 to {MAX_USER_ID} characters and no "
                "space around them; ask whoever runs your identity provider to mend it."
            )
    known = {role.value for role in Role}
    return Caller(
        tenant_id=claims["tenant"],
        user_id=claims["user"],
        roles=frozenset(Role(r) for r in str(claims.get("roles", "")).split(",") if r in known),
        name=claims.get("name") or claims["user"],
        team_id=claims.get("team") or None,
        correlation_id=event["correlation_id"],
    )


def _carried_out(route: Route, arguments: dict[str, Any]) -> Any:
    if "expected" in arguments and arguments["expected"] is None:
        return whatever_is_there(lambda: route.function(**arguments))
    return route.function(**arguments)


def _raw_body(event: dict[str, Any], route: Route) -> str:
    raw = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(raw).decode()
        except ValueError as fault:
            raise Malformed("The body is not UTF-8 text.") from fault
    # The gateway's sign for bytes it could not read; of many changes the others are to land.
    if "\ufffd" in raw and route.status != MANY_RESULTS:
        raise Malformed("The body is not UTF-8 text (or has U+FFFD, which stands for such bytes).")
    if len(raw.encode()) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may have {MAX_BODY_BYTES:,} bytes; use batches.")
    return str(raw)


def _media_type(headers: dict[str, str], allowed: tuple[str, ...]) -> None:
    media_type = (headers.get("content-type") or allowed[0]).split(";")[0].strip().lower()
    if media_type not in allowed:
        raise UnsupportedMediaType(f"Send {' or '.join(allowed)}, not {media_type[:80]}.")


def _body(model: type[BaseModel], raw: str, headers: dict[str, str]) -> BaseModel:
    _media_type(headers, ("application/json",))
    try:
        return model.model_validate_json(raw or "{}")
    except ValidationError as fault:
        if fault.errors()[0]["type"] == "json_invalid":
            raise Malformed(
                f"The body is not valid JSON: {fault.errors()[0]['ctx']['error']}."
            ) from fault
        raise invalid(fault) from fault


def _patch(raw: str, headers: dict[str, str]) -> dict[str, Any]:
    _media_type(headers, ("application/merge-patch+json", "application/json"))
    try:
        patch = json.loads(raw)
    except json.JSONDecodeError as fault:
        raise Malformed(f"The body is not valid JSON: {fault}.") from fault
    except (ValueError, RecursionError) as fault:
        raise Malformed("The body has a number too long, or is nested too deeply.") from fault
    if not isinstance(patch, dict):
        raise Malformed("A merge patch is a JSON object with the fields to change.")
    return patch


def _query(model: type[BaseModel], event: dict[str, Any]) -> BaseModel:
    given = event.get("multiValueQueryStringParameters") or {}
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise Invalid.field(twice[0][:80], "is given twice; give it once")
    names = [field.alias or name for name, field in model.model_fields.items()]
    for name in given:
        if name not in names:
            raise Invalid.field(
                name[:80],
                f"is not what this list can be asked for; it knows: {', '.join(sorted(names))}",
            )
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as fault:
        raise invalid(fault) from fault


def _replayed(kept: Answer) -> Response[str]:
    return Response(kept.status, body=kept.body, headers=dict(kept.headers))


def _shown(route: Route, value: Any, headers: dict[str, str]) -> Response[str]:
    """The response for a route's return value, showing what its annotation names and no more."""
    if isinstance(value, Response):
        return value
    if route.returns is None or value is None:
        return Response(204 if route.status == 200 else route.status, body="")
    model: type[BaseModel] = route.returns
    if isinstance(value, Page):
        # The page holds whole aggregates; the annotation shows their public part.
        value = model.model_construct(items=value.items, next_cursor=value.next_cursor)
    out: dict[str, str | list[str]] = {}
    if isinstance(value, Snapshot):
        if value.versioned:
            out["ETag"] = etag = f'"{value.version}"'
            if route.method == "GET" and unchanged(headers.get("if-none-match"), etag):
                return Response(304, body="", headers=out)
        if route.status in (201, 202):
            out["Location"] = f"/v1{route.path}/{value.id}"
    body = model.__pydantic_serializer__.to_json(value, exclude_none=True).decode()
    return Response(route.status, content_type="application/json", body=body, headers=out)
