"""The batch use cases of the contexts that own records, called through the functions of their APIs.

A call is an invocation of the function with the event that API Gateway would send. So the rights of
the requester, its quota, validation and Idempotency-Key apply as to any other request
(docs/adr/0068-imports-are-jobs-that-call-the-owning-context.md).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from imports.model import ImportRun
from kernel.domain.clock import Clock
from kernel.runtime.faults import describe

_VALID_SECONDS = 300
"""How long the claims of a call are valid: longer than any function of an API may run."""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to a batch: the results (207), or a problem."""

    status: int
    document: Mapping[str, Any]
    retry_after_s: float | None = None


class FunctionFailed(Exception):
    """A function did not answer: it failed, was throttled, or cannot be reached."""


class Collections(Protocol):
    """The collections of records; several threads may call them."""

    def send_batch(
        self, run: ImportRun, collection: str, body: str, idempotency_key: str | None
    ) -> BatchAnswer:
        """Send a batch as the requester of a run. Raises FunctionFailed."""


class FunctionCollections:
    """Collections behind Lambda functions; `functions` has their ARNs by collection."""

    def __init__(self, functions_client: Any, functions: Mapping[str, str], now: Clock) -> None:
        self._client, self._functions, self._now = functions_client, functions, now

    def send_batch(
        self, run: ImportRun, collection: str, body: str, idempotency_key: str | None
    ) -> BatchAnswer:
        """Send a batch as the requester of a run. Raises FunctionFailed."""
        headers = {"content-type": "application/json", "x-correlation-id": run.correlation_id}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        event = {
            "httpMethod": "POST",
            "path": f"/v1/{collection}/batch",
            "resource": f"/{collection}/batch",
            "headers": headers,
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "body": body,
            "isBase64Encoded": False,
            "requestContext": {"authorizer": self._claims(run), "requestId": run.id},
        }
        return _answer(self._invoked(self._functions[collection], event))

    def _claims(self, run: ImportRun) -> dict[str, str]:
        """What the authorizer would say about the requester of a run."""
        requester = run.requester
        return {
            "tenant": run.tenant_id,
            "user": run.created_by,
            "roles": ",".join(requester.roles),
            "name": requester.name,
            "team": requester.team_id or "",
            "plan": requester.plan,
            "country": requester.country or "",
            "time_zone": requester.time_zone,
            "expires": str(int(self._now().timestamp()) + _VALID_SECONDS),
        }

    def _invoked(self, function: str, event: dict[str, Any]) -> Any:
        """What a function returns. Raises FunctionFailed."""
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            answer = self._client.invoke(FunctionName=function, Payload=payload)
            returned = answer["Payload"].read()
        except (ClientError, BotoCoreError) as fault:
            raise FunctionFailed(describe(fault)) from fault
        if error := answer.get("FunctionError"):
            raise FunctionFailed(f"the function ended with an error ({error})")
        return json.loads(returned)


def _answer(returned: Any) -> BatchAnswer:
    """The answer in what a function returned. Raises FunctionFailed when it has none."""
    try:
        headers = returned.get("multiValueHeaders") or {}
        first = {name.lower(): values[0] for name, values in headers.items() if values}
        retry_after = first.get("retry-after")
        return BatchAnswer(
            int(returned["statusCode"]),
            json.loads(returned["body"]),
            float(retry_after) if retry_after else None,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as fault:
        raise FunctionFailed(f"the function's answer cannot be read: {describe(fault)}") from fault
