"""Builds responses: records with their ETag, stored answers, and problem details (RFC 9457)."""

import json
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Response
from pydantic import BaseModel

from kernel.domain.errors import CrmError, Unauthenticated
from kernel.domain.events import Snapshot
from kernel.storage.idempotency import Answer
from kernel.storage.records import Page
from kernel.web.preconditions import matches_etag
from kernel.web.requests import Headers
from kernel.web.routes import Route

PROBLEM_JSON = "application/problem+json"


def response(route: Route, value: Any, headers: Headers) -> Response[str]:
    """The response of a route, with only the fields that its return annotation names."""
    if isinstance(value, Response):
        return value
    if route.returns is None or value is None:
        return Response(204 if route.status == 200 else route.status, body="")
    model: type[BaseModel] = route.returns
    if isinstance(value, Page):
        # The page contains whole aggregates; the annotation names their public fields.
        value = model.model_construct(items=value.items, next_cursor=value.next_cursor)
    out: dict[str, str | list[str]] = {}
    if isinstance(value, Snapshot):
        if value.versioned:
            out["ETag"] = etag = f'"{value.version}"'
            if route.method == "GET" and matches_etag(headers.get("if-none-match"), etag):
                return Response(304, body="", headers=out)
        if route.status in (201, 202):
            out["Location"] = f"/v1{route.path}/{value.id}"
    # A wrong value of a stored record is shown as it is; the warning would log it.
    serializer = model.__pydantic_serializer__
    body = serializer.to_json(value, exclude_none=True, warnings=False).decode()
    return Response(route.status, content_type="application/json", body=body, headers=out)


def stored_response(answer: Answer) -> Response[str]:
    """The answer that the same request got before."""
    return Response(answer.status, body=answer.body, headers=dict(answer.headers))


def problem_response(problem: CrmError, correlation_id: str) -> Response[str]:
    """A problem as an RFC 9457 response."""
    headers = {}
    if problem.retryable:
        headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        problem.status,
        content_type=PROBLEM_JSON,
        body=json.dumps(problem.document(correlation_id), ensure_ascii=False),
        headers=headers,
    )
