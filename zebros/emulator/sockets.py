"""WebSocket APIs: refusals of the $connect authorizer, and @connections without an API in the path.

Stock faults: an authorizer that raises "Unauthorized" makes the handshake fail with 500 in
place of 401; and a client of the management API that was given no endpoint of its own, and so
uses AWS_ENDPOINT_URL, reaches nothing.

Fix: 401; and `/@connections/{id}` at the platform's own address finds the connection by its
id.
"""

from contextvars import ContextVar
from typing import Any

from zebros.emulator.seams import module, replace

_authorizing: ContextVar[bool] = ContextVar("authorizing", default=False)
PREFIX = "/@connections/"


class _UnauthorizedError(Exception):
    """What an authorizer raises to refuse a connection."""


def apply() -> None:
    """Refuse handshakes as AWS does."""
    sockets, functions = module("services.apigateway"), module("services.lambda_svc")

    async def authorize(*args: Any, **kwargs: Any) -> Any:
        token = _authorizing.set(True)
        try:
            return await stock_authorize(*args, **kwargs)
        except _UnauthorizedError:
            return (401, "Unauthorized"), None
        finally:
            _authorizing.reset(token)

    def execute(record: dict[str, Any], event: dict[str, Any]) -> Any:
        answer = stock_execute(record, event)
        error = answer["body"] if answer.get("error") else {}
        if _authorizing.get() and error.get("errorMessage") == "Unauthorized":
            raise _UnauthorizedError
        return answer

    stock_authorize = replace(sockets, "_authorize_ws_connect", authorize)
    stock_execute = replace(functions, "_execute_function_with_config_scope", execute)


async def connection(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the management API answers for a connection of whatever API."""
    sockets = module("services.apigateway")
    identifier = path.removeprefix(PREFIX)
    known = sockets._ws_connections.get(identifier) or {}
    answer: tuple[int, dict[str, str], bytes] = await sockets.handle_connections_api(
        method, known.get("apiId", ""), known.get("stage", ""), identifier, body, {}
    )
    return answer
