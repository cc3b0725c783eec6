"""Reads of tables through DAX, where it is configured; DynamoDB itself answers when DAX does not.

Only eventually consistent reads come here (`Table`). DAX returns an item for up to two seconds and
a page for up to five after they changed (infra/dax.yaml): this application writes past it, and its
pages are not invalidated by writes in any case.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from kernel.cache.circuit import CircuitBreaker
from kernel.runtime.aws import client, session
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.settings import DaxSettings, read_settings

_CONNECT_S = 0.3
_ANSWER_S = 0.5


class DaxReads:
    """`get_item` and `query` of a DynamoDB client, answered by DAX as long as it answers."""

    def __init__(
        self, connect: Callable[[], Any], dynamodb: Any, breaker: CircuitBreaker | None = None
    ) -> None:
        self._connect, self._dynamodb = cache(connect), dynamodb
        self._breaker = breaker or CircuitBreaker()

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """GetItem."""
        return self._read("get_item", arguments)

    def query(self, **arguments: Any) -> dict[str, Any]:
        """Query."""
        return self._read("query", arguments)

    def _read(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._breaker.allows():
            try:
                answer: dict[str, Any] = getattr(self._connect(), operation)(**arguments)
                self._breaker.succeeded()
                return answer
            # Whatever it is, DynamoDB answers; if the request itself is wrong, with the same error.
            except Exception as fault:
                self._breaker.failed()
                logger().warning("DAX fault", fault=describe(fault))
        direct: dict[str, Any] = getattr(self._dynamodb, operation)(**arguments)
        return direct


@cache
def dax_reads() -> DaxReads | None:
    """The process's reads through DAX, or None where it is not configured."""
    endpoint = read_settings(DaxSettings).dax_endpoint
    return DaxReads(lambda: _connected(endpoint), client("dynamodb")) if endpoint else None


def _connected(endpoint: str) -> Any:
    # Not at the top: a deployment without DAX must not import its client.
    from amazondax import AmazonDaxClient
    from botocore.config import Config

    config = Config(connect_timeout=_CONNECT_S, read_timeout=_ANSWER_S, retries={"max_attempts": 0})
    return AmazonDaxClient(session=session(), endpoint_url=endpoint, config=config)
