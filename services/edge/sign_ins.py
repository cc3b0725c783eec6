"""Sends people whom a token names to the people directory, best effort (docs/adr/0040).

A process sends each person once, and again when their name or team has changed. API Gateway asks
the authorizer once in 300 s for each token, so no request of a cached answer comes here. What is
lost is sent again by the next process.

Of two regions only the one that writes sends people, because the directory's consumer in the other
one could not store them (docs/adr/0059).
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ulid import ULID

from kernel.cache.circuit import CircuitBreaker
from kernel.domain.clock import Clock, rfc3339
from kernel.runtime.faults import describe
from kernel.runtime.log import logger

_MAX_PEOPLE = 10_000
"""The people that a process remembers; the one that was sent longest ago is forgotten."""


class SignIns:
    """The queue of people who have signed in."""

    def __init__(
        self,
        client: Callable[[], Any],
        queue_url: str,
        now: Clock,
        breaker: CircuitBreaker | None = None,
        region_writes: Callable[[], bool] = lambda: True,
    ) -> None:
        self._region_writes = region_writes
        self._client, self._queue_url, self._now = client, queue_url, now
        self._breaker = breaker or CircuitBreaker()
        self._sent: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def report(self, caller: dict[str, Any]) -> None:
        """Send a caller, unless they are a machine or were sent; raises nothing."""
        person = tuple(str(caller[name]) for name in ("tenant", "user", "name", "team"))
        known = person in self._sent
        if not self._queue_url or caller["machine"] or known or not self._breaker.allows():
            return
        if not self._region_writes():
            # It is asked as rarely as a queue that fails: somebody waits for the answer.
            self._breaker.failed()
            return
        try:
            body = json.dumps({"detail": self._event(caller)}, ensure_ascii=False)
            self._client().send_message(QueueUrl=self._queue_url, MessageBody=body)
        except (BotoCoreError, ClientError) as fault:
            self._breaker.failed()
            logger().warning("sign-in not sent", tenant=person[0], fault=describe(fault))
            return
        self._breaker.succeeded()
        self._sent[person] = None
        if len(self._sent) > _MAX_PEOPLE:
            self._sent.popitem(last=False)

    def _event(self, caller: dict[str, Any]) -> dict[str, Any]:
        """An envelope, although it is on no bus: its consumer is one of events."""
        return {
            "specversion": "1.0",
            "id": str(ULID()),  # kernel.domain.ids would import pydantic at every cold start
            "source": "zebros.edge",
            "type": "UserSignedIn",
            "subject": f"person/{caller['user']}",
            "time": rfc3339(self._now()),
            "tenantid": caller["tenant"],
            "sequence": "1",
            "sequencetype": "Integer",
            "actor": "system",
            "origin": "system",
            "data": {"name": caller["name"], "team_id": caller["team"]},
        }
