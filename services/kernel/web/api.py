"""The HTTP API of a context: routes with typed parameters, problem details, ETags.

A route is a function whose arguments are found by name:
  request   the RequestContext of a read             body   a pydantic model read from JSON
  unit      the UnitOfWork of a change               query  a pydantic model read from the query
  if_match  the Version in If-Match, None for `*`;   patch  the RFC 7396 merge patch, a dict
            a request without it gets a 428          any other name is a part of the path
The response contains only the fields of the return annotation; a record's ETag is its version.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import (
    APIGatewayRestResolver,
    CORSConfig,
    Response,
)
from pydantic import ValidationError

from kernel.cache.usage import cache_usage
from kernel.domain.clock import utc_now
from kernel.domain.errors import CrmError, MethodNotAllowed, NotFound
from kernel.domain.money import STORED
from kernel.domain.time_zones import in_business_hours
from kernel.runtime.log import logger
from kernel.runtime.metrics import FAULTS, REQUEST_LATENCY, REQUESTS, memory_utilization, together
from kernel.runtime.settings import OriginSettings, read_settings
from kernel.runtime.work import working_on
from kernel.storage.idempotency import REPLAYED, Answer, Committed, IdempotentRequest, in_use
from kernel.storage.records import RecordStore
from kernel.storage.retries import retry_when_stale
from kernel.storage.table import Table
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.correlation import HEADER, correlation_id
from kernel.web.models import MultiStatus
from kernel.web.people import PeopleDirectory, PersonSummary, people_of
from kernel.web.preconditions import read_if_match
from kernel.web.problems import problem_of
from kernel.web.quotas import FIELDS, quota_fields, take_from_quota
from kernel.web.requests import (
    Event,
    Headers,
    body_text,
    claims_of,
    country_of,
    headers_of,
    read_body,
    read_patch,
    read_query,
    request_context,
    time_zone_of,
    verified_claims,
)
from kernel.web.responses import problem_response, response, stored_response
from kernel.web.routes import Route, Routes
from kernel.web.security import SECURITY_HEADERS

MAX_PATH_PART = 128
_TEMPLATE, _PARTS = "route_template", "route_parts"
_NO_ROUTE = "other"
"""The route of requests that no route matches, in metrics."""
_STAGE = "/v1"
_GET, _HEAD, _OPTIONS = "GET", "HEAD", "OPTIONS"
_SECURITY = {name: [value] for name, value in SECURITY_HEADERS.items()}
_EXPOSED_HEADERS = ["ETag", "Location", HEADER, "Idempotency-Replayed", "Retry-After", *FIELDS]


class Api:
    """The HTTP API of one context; its table also stores the idempotency keys."""

    def __init__(
        self,
        context: str,
        table: Callable[[], Table],
        *routes: Routes,
        people: Callable[[], PeopleDirectory] | None = None,
        stores: Callable[[], Sequence[RecordStore[Any]]] = tuple,
    ) -> None:
        """`stores` are those of every type of record that the routes change."""
        self.context, self._table, self._people = context, table, people
        self._stores = stores
        self.routes = [route for one in routes for route in one.declared]
        self._resolver = APIGatewayRestResolver(
            cors=_cors(read_settings(OriginSettings).allowed_origin), strip_prefixes=[_STAGE]
        )
        self._resolver.exception_handler(Exception)(self._problem)
        self._resolver.not_found(self._no_route)
        for route in self.routes:
            self._register(route)

    def __call__(self, event: Event, context: object) -> dict[str, Any]:
        """The Lambda handler (API Gateway REST proxy event)."""
        started = time.perf_counter()
        event["correlation_id"] = correlation = correlation_id(event)
        with working_on(partial(_described, event)):
            answer = self._resolve(event, context)
        answer.setdefault("multiValueHeaders", {})[HEADER] = [correlation]
        answer["multiValueHeaders"] |= _SECURITY | quota_fields(event)
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        self._log(event, context, answer["statusCode"], milliseconds)
        return answer

    def _resolve(self, event: Event, context: object) -> dict[str, Any]:
        """The answer; that of a HEAD is that of a GET without its body (RFC 9110, 9.3.2)."""
        is_head = event.get("httpMethod") == _HEAD
        if is_head:
            event["httpMethod"] = _GET
        answer = self._resolver.resolve(event, context)  # type: ignore[arg-type]
        if is_head:
            event["httpMethod"] = _HEAD  # as the log shows it
            answer["body"] = ""
        return answer

    def _log(self, event: Event, context: object, status: int, milliseconds: float) -> None:
        """Write the line of a request, with its metrics."""
        megabytes = int(getattr(context, "memory_limit_in_mb", 0))  # none outside of Lambda
        usage, kinds = cache_usage(self.context)
        working = "yes" if in_business_hours(utc_now(), time_zone_of(event)) else "no"
        metrics = together(
            REQUEST_LATENCY.fields(milliseconds, self.context, event.get(_TEMPLATE, _NO_ROUTE)),
            REQUESTS.fields(1, working),
            self._fault(context, status),
            memory_utilization(f"{self.context}-api", megabytes) if megabytes else {},
            *usage,
        )
        logger().info(
            "request",
            method=event.get("httpMethod"),
            route=event.get("resource"),
            path=event.get("path"),
            status=status,
            milliseconds=milliseconds,
            correlation_id=event["correlation_id"],
            tenant=claims_of(event).get("tenant"),
            **kinds,
            **metrics,
        )

    def _fault(self, context: object, status: int) -> dict[str, Any]:
        """A failed request, counted for the version that answered it: an alarm takes it back."""
        version = getattr(context, "function_version", "")  # none outside of Lambda
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR and version
        return FAULTS.fields(1, self.context, version) if failed else {}

    def _register(self, route: Route) -> None:
        def serve(**parts: str) -> Response[str]:
            event = self._resolver.current_event.raw_event
            event[_TEMPLATE], event[_PARTS] = f"{route.method} {route.path}", parts
            return self._serve(route, event, parts)

        rule = re.sub(r"\{(\w+)\}", r"<\1>", route.path)
        operation_id = route.function.__name__
        self._resolver.route(rule, route.method, operation_id=operation_id)(serve)

    def _serve(self, route: Route, event: Event, parts: dict[str, str]) -> Response[str]:
        verified_claims(event)
        take_from_quota(event)
        headers = headers_of(event)
        if any(len(part) > MAX_PATH_PART for part in parts.values()):
            raise NotFound("This path does not exist.")
        body = ""
        if route.method in ("POST", "PATCH"):
            body = body_text(event, allow_replaced_bytes=route.makes_many_changes)
        idempotent = self._idempotent_request(route, event, headers, body)
        if idempotent is None:
            arguments = self._arguments(route, event, headers, parts, body, None)
            value = _call(route, arguments)
            return response(route, value, headers, event["path"], self._named(arguments, value))
        if stored := idempotent.stored_answer():
            return _replayed(route, stored, event, idempotent)
        arguments = self._arguments(route, event, headers, parts, body, idempotent)
        return _serve_once(route, arguments, event, idempotent)

    def _named(self, arguments: dict[str, Any], value: Any) -> dict[str, PersonSummary] | None:
        """The people whom an answer names, if the request asks for them."""
        if self._people is None or getattr(arguments.get("query"), "include", None) is None:
            return None
        return people_of(self._people(), arguments["request"].tenant_id, value)

    def _idempotent_request(
        self, route: Route, event: Event, headers: Headers, body: str
    ) -> IdempotentRequest | None:
        key = headers.get("idempotency-key")
        if key is None or not route.idempotent:
            return None
        principal = request_context(event).principal
        # With a domain the path has the stage in front: a retry by another URL is the same request.
        path = event["path"].removeprefix(_STAGE)
        return IdempotentRequest.of(self._table(), principal, key, route.method, path, body)

    def _arguments(
        self,
        route: Route,
        event: Event,
        headers: Headers,
        parts: dict[str, str],
        body: str,
        idempotent: IdempotentRequest | None,
    ) -> dict[str, Any]:
        """The route's arguments. Raises a CrmError when the request is wrong."""
        read: dict[str, Callable[[], Any]] = {
            "request": lambda: request_context(event),
            "unit": lambda: self._unit(event, idempotent),
            "if_match": lambda: read_if_match(headers.get("if-match")),
            "query": lambda: read_query(route.parameters["query"], event),
            "body": lambda: read_body(route.parameters["body"], body, headers, country_of(event)),
            "patch": lambda: read_patch(body, headers),
        }
        return {**parts, **{name: read[name]() for name in read if name in route.parameters}}

    def _unit(self, event: Event, idempotent: IdempotentRequest | None) -> UnitOfWork:
        return UnitOfWork(request_context(event), idempotent, complete_record=self._complete_record)

    def _complete_record(self, key: str) -> None:
        """Complete a record that has arrived in part. Raises Conflict when that fails."""
        # Not at the top: only a system with two regions needs it, after one was lost.
        from kernel.storage.replicated import complete_one

        complete_one(self._stores(), key)

    def _problem(self, error: Exception) -> Response[str]:
        correlation = self._resolver.current_event.raw_event.get("correlation_id", "")
        return problem_response(problem_of(error), correlation)

    def _no_route(self, _error: Exception) -> Response[str]:
        event = self._resolver.current_event.raw_event
        methods = {one.method for one in self.routes if one.path == event.get("resource")}
        if not methods:
            return self._problem(NotFound("This path does not exist."))
        # API Gateway answers OPTIONS itself.
        implied = {_HEAD, _OPTIONS} if _GET in methods else {_OPTIONS}
        return self._problem(MethodNotAllowed(event["httpMethod"], methods | implied))


def _described(event: Event) -> Mapping[str, Any]:
    """What warnings and errors say of a request."""
    return {
        "correlation_id": event["correlation_id"],
        "tenant": claims_of(event).get("tenant"),
        "record": _record_of(event.get(_PARTS, {})),
    }


def _record_of(parts: Mapping[str, str]) -> str:
    """The record that a path names: `opportunity/<id>`, as the subjects of events; or nothing."""
    if "record_type" in parts:
        return f"{parts['record_type']}/{parts['record_id']}"[:MAX_PATH_PART]
    for name, value in parts.items():
        if name.endswith("_id"):
            return f"{name.removesuffix('_id')}/{value}"[:MAX_PATH_PART]
    return ""


def _cors(origin: str) -> CORSConfig | None:
    """What pages of this origin may read; API Gateway answers their preflight requests."""
    if not origin:
        return None
    return CORSConfig(allow_origin=origin, expose_headers=_EXPOSED_HEADERS, max_age=600)


def _call(route: Route, arguments: dict[str, Any]) -> Any:
    if "if_match" in arguments and arguments["if_match"] is None:
        return retry_when_stale(lambda: route.function(**arguments))
    return route.function(**arguments)


def _serve_once(
    route: Route, arguments: dict[str, Any], event: Event, idempotent: IdempotentRequest
) -> Response[str]:
    """Carry out a request with an Idempotency-Key and store its answer."""
    try:
        if route.makes_many_changes:
            idempotent.claim()
        value = _call(route, arguments)
        answer = response(route, value, {}, event["path"])
    except CrmError:
        # Another copy of this request may have succeeded meanwhile; return its answer then, instead
        # of reporting that someone changed the record.
        if not idempotent.committed and (stored := idempotent.stored_answer()):
            return _replayed(route, stored, event, idempotent)
        raise
    if isinstance(value, MultiStatus) and value.unfinished:
        idempotent.release()
    elif 200 <= answer.status_code < 300:
        out = {name: str(text) for name, text in answer.headers.items()}
        idempotent.store_answer(Answer(answer.status_code, out, answer.body or ""))
    return answer


def _replayed(
    route: Route, stored: Answer | Committed, event: Event, idempotent: IdempotentRequest
) -> Response[str]:
    """The stored answer, or the one of the change that was made.

    Raises IdempotencyKeyInUse when there is neither.
    """
    if isinstance(stored, Answer):
        return stored_response(stored)
    state = idempotent.committed_state(stored)
    if state is None:
        raise in_use()
    try:
        value = (
            None
            if route.returns is None
            else route.returns.model_validate_json(state, context=STORED)
        )
    except ValidationError as error:  # a later release has made the change
        raise in_use() from error
    answer = response(route, value, {}, event["path"])
    answer.headers |= REPLAYED
    return answer
