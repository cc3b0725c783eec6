"""Builds responses: records with their ETag, stored answers, and problem details (RFC 9457)."""

import json
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler.api_gateway import Response
from pydantic import BaseModel

from kernel.domain.errors import CrmError, MethodNotAllowed, Unauthenticated
from kernel.domain.events import Snapshot
from kernel.storage.idempotency import Answer
from kernel.storage.records import Page
from kernel.web.people import PersonSummary, with_people
from kernel.web.preconditions import matches_etag
from kernel.web.requests import Headers
from kernel.web.routes import Route

PROBLEM_JSON = "application/problem+json"
_SEGMENT = "!$&'()*+,;=:@"
"""What a segment of a path may have besides alphabet, digits and -._~ (RFC 3986, 3.3)."""
type People = dict[str, PersonSummary]
"""By id."""


def response(
    route: Route, value: Any, headers: Headers, path: str, people: People | None = None
) -> Response[str]:
    """The response of a route, with only the fields that its return annotation names.

    `path` is the request's. A GET that names the ETag of this response in If-None-Match gets a 304.
    `people` are those whom the answer names, if the request asks for them.
    """
    if isinstance(value, Response):
        return value
    if route.returns is None or value is None:
        return Response(204 if route.status == 200 else route.status, body="")
    model: type[BaseModel] = route.returns
    if isinstance(value, Page):
        # The page contains whole aggregates; the annotation names their public fields.
        value = model.model_construct(items=value.items, next_cursor=value.next_cursor)
    out: dict[str, str | list[str]] = {}
    if isinstance(value, Snapshot) and value.versioned:
        out["ETag"] = f'"{value.version}{_digest_of(people)}"'
    shown, model = (value, model) if people is None else _with(people, value, model)
    if isinstance(value, Snapshot):
        if value.versioned and _is_known(route, headers, out):
            return Response(304, body="", headers=out)
        if route.status in (201, 202):
            # Relative to the request's URL (RFC 9110, 10.2.2), whose beginning the function does
            # not know: a domain, a stage, or the address of the local platform.
            segment = quote(str(value.id), safe=_SEGMENT)
            out["Location"] = f"{path.rpartition('/')[2]}/{segment}".removeprefix("/")
    # A wrong value of a stored record is shown as it is; the warning would log it.
    serializer = model.__pydantic_serializer__
    body = serializer.to_json(shown, exclude_none=True, warnings=False).decode()
    if route.method == "GET" and "ETag" not in out:
        out["ETag"] = etag_of(body)
        if _is_known(route, headers, out):
            return Response(304, body="", headers=out)
    return Response(route.status, content_type="application/json", body=body, headers=out)


def etag_of(body: str) -> str:
    """The weak ETag of a body that has no version (RFC 9110, 8.8.3)."""
    return f'W/"{_digest(body)}"'


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _digest_of(people: People | None) -> str:
    """What the ETag of a record has after its version: names change without a new version."""
    if people is None:
        return ""
    return f"-{_digest(''.join(f'{one}{who.model_dump_json()}' for one, who in people.items()))}"


def _with(
    people: People, value: BaseModel, model: type[BaseModel]
) -> tuple[BaseModel, type[BaseModel]]:
    """An answer with its people, and its model."""
    whole = with_people(model)
    shown = {name: getattr(value, name) for name in model.model_fields}
    return whole.model_construct(**shown, people=people), whole


def _is_known(route: Route, headers: Headers, out: dict[str, str | list[str]]) -> bool:
    """Whether the caller has this response already."""
    return route.method == "GET" and matches_etag(headers.get("if-none-match"), str(out["ETag"]))


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
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = problem.allow
    return Response(
        problem.status,
        content_type=PROBLEM_JSON,
        body=json.dumps(problem.document(correlation_id), ensure_ascii=False),
        headers=headers,
    )
