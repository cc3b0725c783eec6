"""WebSocket APIs: rejections by the $connect authorizer, and @connections without an API's id.

Without this patch: when the authorizer raises "Unauthorized", the handshake fails with 500 instead
of 401; and a client of the management API without an explicit endpoint, which uses
AWS_ENDPOINT_URL, does not reach the API.

Fix: 401; and `/@connections/{id}` at the platform's own address finds the connection by its id.
"""

from contextvars import ContextVar
from typing import Any

from zebros.emulator.patching import module, replace

_authorizing: ContextVar[bool] = ContextVar("authorizing", default=False)
PREFIX = "/@connections/"


class _UnauthorizedError(Exception):
    """The authorizer rejected a connection."""


def apply() -> None:
    """Reject handshakes as AWS does."""
    sockets, functions = module("services.apigateway"), module("services.lambda_svc")

    async def authorize(*args: Any, **kwargs: Any) -> Any:
        token = _authorizing.set(True)
        try:
            return await original_authorize(*args, **kwargs)
        except _UnauthorizedError:
            return (401, "Unauthorized"), None
        finally:
            _authorizing.reset(token)

    def execute(record: dict[str, Any], event: dict[str, Any]) -> Any:
        answer = original_execute(record, event)
        error = answer["body"] if answer.get("error") else {}
        if _authorizing.get() and error.get("errorMessage") == "Unauthorized":
            raise _UnauthorizedError
        return answer

    original_authorize = replace(sockets, "_authorize_ws_connect", authorize)
    original_execute = replace(functions, "_execute_function_with_config_scope", execute)


async def connection(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """The response of the management API for a connection of any API."""
    sockets = module("services.apigateway")
    identifier = path.removeprefix(PREFIX)
    known = sockets._ws_connections.get(identifier) or {}
    answer: tuple[int, dict[str, str], bytes] = await sockets.handle_connections_api(
        method, known.get("apiId", ""), known.get("stage", ""), identifier, body, {}
    )
    return answer
