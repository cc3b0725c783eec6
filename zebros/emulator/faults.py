"""Injects faults into the calls of the CRM, to test what happens after them.

PUT    /_zebros/faults   {"seed": 7, "rules": [{"service": "dynamodb", "kind": "throttle", …}]}
GET    /_zebros/faults   the rules, each with the number of calls it has hit
DELETE /_zebros/faults   no more faults

Only calls of the CRM's functions and worker are hit, which their user agent names; commands and
tests see the platform as it is. A rule's members:

service    dynamodb, sqs, events, states, s3, secretsmanager, …; * for all
operation  TransactWriteItems, PutEvents, …; * for all (the default). S3 has GET, PUT, …
kind       throttle  the service rejects the call because there are too many
           error     the service fails (500)
           slow      the answer comes `seconds` later (default 1)
           reset     the connection is reset before the call is carried out
           lost      the call is carried out, but its answer never arrives
           partial   of a PutEvents, each entry is rejected by the same share
share      of the calls that are hit, 0 to 1 (default 1)
times      at most so many calls (default: no limit)

The same seed and the same order of calls hit the same calls.
"""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("throttle", "error", "slow", "reset", "lost", "partial")
AGENT = "zebros-crm"
"""The beginning of the user agent (services/kernel/runtime/aws.py)."""
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/aws4_request")
_THROTTLED = {
    "dynamodb": (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
    "s3": (503, "SlowDown"),
}
_MAX_RULES, _LONGEST_S = 50, 60.0

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class WrongRule(ValueError):
    """A rule cannot be used; the message names its member."""


@dataclass(slots=True)
class Rule:
    """Which calls are hit by which fault."""

    service: str
    kind: str
    operation: str = "*"
    share: float = 1.0
    seconds: float = 1.0
    times: int | None = None
    hits: int = 0

    @classmethod
    def parse(cls, document: Any) -> "Rule":
        """Read a rule. Raises WrongRule."""
        if not isinstance(document, dict):
            raise WrongRule("a rule is an object")
        unknown = document.keys() - (cls.__dataclass_fields__.keys() - {"hits"})
        if unknown:
            raise WrongRule(f"a rule has no member {sorted(unknown)[0]}")
        if not isinstance(document.get("service"), str):
            raise WrongRule("service is missing, such as dynamodb, or * for all")
        if document.get("kind") not in KINDS:
            raise WrongRule(f"kind is one of {', '.join(KINDS)}")
        rule = cls(**document)
        if not _is_number(rule.share) or not 0 < rule.share <= 1:
            raise WrongRule("share is greater than 0 and at most 1")
        if not _is_number(rule.seconds) or not 0 < rule.seconds <= _LONGEST_S:
            raise WrongRule(f"seconds is greater than 0 and at most {_LONGEST_S:g}")
        if rule.times is not None and (not isinstance(rule.times, int) or rule.times < 1):
            raise WrongRule("times is at least 1")
        return rule

    def fits(self, service: str, operation: str) -> bool:
        """Whether it may hit a call."""
        return (
            self.service in ("*", service)
            and self.operation in ("*", operation)
            and (self.kind != "partial" or operation == "PutEvents")
            and (self.times is None or self.hits < self.times)
        )


@dataclass(slots=True)
class Faults:
    """The rules in force."""

    rules: list[Rule] = field(default_factory=list)
    _random: random.Random = field(default_factory=random.Random)

    def set(self, document: Any) -> None:
        """Replace the rules. Raises WrongRule, and changes nothing then."""
        listed = document.get("rules") if isinstance(document, dict) else None
        if not isinstance(listed, list) or len(listed) > _MAX_RULES:
            raise WrongRule(f"rules is a list of at most {_MAX_RULES}")
        seed = document.get("seed", 0)
        if not isinstance(seed, int):
            raise WrongRule("seed is a whole number")
        self.rules, self._random = [Rule.parse(one) for one in listed], random.Random(seed)  # noqa: S311

    def document(self) -> dict[str, Any]:
        """The rules with their hits, as JSON."""
        return {"rules": [asdict(rule) for rule in self.rules]}

    def hit(self, service: str, operation: str) -> Rule | None:
        """The first rule that hits a call, or None."""
        for rule in self.rules:
            if rule.fits(service, operation) and self._random.random() < rule.share:
                rule.hits += 1
                return rule
        return None

    async def serve(self, app: App, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Let the emulator answer a request, or inject a fault."""
        rule = self._rule(scope) if self.rules else None
        if rule is None:
            await app(scope, receive, send)
            return
        service, _ = call(scope)
        match rule.kind:
            case "throttle":
                await _drain(receive)
                status, code = _THROTTLED.get(service, (400, "ThrottlingException"))
                await _reject(send, service, status, code)
            case "error":
                await _drain(receive)
                await _reject(send, service, 500, "InternalServerError")
            case "slow":
                await asyncio.sleep(rule.seconds)
                await app(scope, receive, send)
            case "reset":
                await _abort(receive)
            case "lost":
                await app(scope, receive, _swallow)
                await _abort(receive)
            case "partial":
                await self._partial(rule, app, scope, receive, send)

    def _rule(self, scope: dict[str, Any]) -> Rule | None:
        if not _header(scope, b"user-agent").startswith(AGENT):
            return None
        return self.hit(*call(scope))

    async def _partial(
        self, rule: Rule, app: App, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Forward some entries of a PutEvents, and answer that the others are rejected."""
        request = json.loads(await _drain(receive))
        entries = request["Entries"]
        rejected = {n for n in range(len(entries)) if self._random.random() < rule.share}
        request["Entries"] = [one for n, one in enumerate(entries) if n not in rejected]
        accepted: list[Any] = []
        if request["Entries"]:
            answer = await _answer(app, scope, json.dumps(request).encode())
            accepted = list(answer["Entries"])
        code = {"ErrorCode": "ThrottlingException", "ErrorMessage": "injected"}
        results = [code if n in rejected else accepted.pop(0) for n in range(len(entries))]
        await _respond(send, 200, {"FailedEntryCount": len(rejected), "Entries": results})


def call(scope: dict[str, Any]) -> tuple[str, str]:
    """The service and the operation of a request; empty where they are not known."""
    target = _header(scope, b"x-amz-target")
    signed = _SCOPE.search(_header(scope, b"authorization"))
    return signed[1] if signed else "", target.rpartition(".")[2] or str(scope["method"])


def _header(scope: dict[str, Any], name: bytes) -> str:
    return next((v.decode("latin-1") for n, v in scope["headers"] if n.lower() == name), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _drain(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body


async def _answer(app: App, scope: dict[str, Any], body: bytes) -> Any:
    """The emulator's answer to a changed body, as JSON."""
    headers = [(n, v) for n, v in scope["headers"] if n.lower() != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        parts.append(message.get("body", b""))

    await app({**scope, "headers": headers}, receive, send)
    return json.loads(b"".join(parts))


async def _reject(send: Send, service: str, status: int, code: str) -> None:
    if service == "s3":
        text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        await _send(send, status, b"application/xml", text.encode())
    else:
        await _respond(send, status, {"__type": code, "message": "injected"})


async def _respond(send: Send, status: int, document: dict[str, Any]) -> None:
    await _send(send, status, b"application/x-amz-json-1.0", json.dumps(document).encode())


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _swallow(_message: Message) -> None:
    """In place of sending an answer."""


async def _abort(receive: Any) -> None:
    """Reset the connection of a request: uvicorn's cycle, whose method `receive` is, has it."""
    receive.__self__.transport.abort()
    await asyncio.sleep(0)  # then it knows, and does not miss an answer
