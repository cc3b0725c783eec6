"""API Gateway's cache of an authorizer's answers can be flushed.

Without this patch: FlushStageAuthorizersCache is unknown (404), so that a suspended tenant's tokens
would be accepted for as long as their answers are cached, which no operator could change.
https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageAuthorizersCache.html

Fix: DELETE /restapis/{id}/stages/{name}/cache/authorizers removes the answers of the stage, 202.
"""

import re
from typing import Any

from zebros.emulator.patching import module, replace

_FLUSH = re.compile(r"/restapis/(?P<api>[^/]+)/stages/(?P<stage>[^/]+)/cache/authorizers/?")


def apply() -> None:
    """Answer the request."""
    apis = module("services.apigateway_v1")

    async def handle_request(method: str, path: str, *more: Any) -> Any:
        found = _FLUSH.fullmatch(path)
        if method == "DELETE" and found:
            return _flush(apis, found["api"], found["stage"])
        return await original(method, path, *more)

    original = replace(apis, "handle_request", handle_request)


def _flush(apis: Any, api: str, stage: str) -> tuple[int, dict[str, str], bytes]:
    for key in [key for key in apis._authorizer_cache if key[2] == api and key[4] == stage]:
        del apis._authorizer_cache[key]
    return 202, {}, b""
