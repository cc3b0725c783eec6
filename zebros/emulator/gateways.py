"""What the import of a REST API's OpenAPI body leaves out: responses of its own, and any method.

Without this patch: the import of the API's OpenAPI body drops everything but an integration's type
and target. So a rejected token gets a plain JSON response, and a browser's preflight (OPTIONS, a
mock integration) one without CORS headers. (The API calls for these settings work.) The operation
for all methods that a path does not name is not imported. When a function ends without a result,
the caller gets Lambda's error message.

Fix: gateway responses, integration responses and the method ANY are put after the import, before
the API is deployed; a function without a result is an error of the gateway's own, as in AWS.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration-responses.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-any-method.html
"""

from typing import Any

from zebros.emulator.patching import module, replace

_EXTENSION = "x-amazon-apigateway-gateway-responses"
_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"


class _NoResult(Exception):
    """The function of a proxy integration ended without a result."""


def apply() -> None:
    """Apply the extensions of an OpenAPI body."""
    apis = module("services.apigateway_v1")
    original, original_operation = apis._import_rest_api, apis._import_operation
    original_item = apis._import_path_item
    original_response, original_invoke = apis._lambda_proxy_response, apis._invoke_lambda_proxy_v1

    def import_rest_api(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> Any:
        api_id = original(spec, base_data)
        for kind, response in (spec.get(_EXTENSION) or {}).items():
            apis._put_gateway_response(api_id, kind, response)
        return api_id

    def import_path_item(api_id: str, path: str, path_item: dict[str, Any], *more: Any) -> None:
        named = {"any" if method == _ANY else method: one for method, one in path_item.items()}
        original_item(api_id, path, named, *more)

    def import_operation(
        api_id: str, resource_id: str, method: str, operation: dict[str, Any] | None, *more: Any
    ) -> None:
        original_operation(api_id, resource_id, method, operation, *more)
        integration = (operation or {}).get(_INTEGRATION) or {}
        for pattern, response in (integration.get("responses") or {}).items():
            selected_by = {} if pattern == "default" else {"selectionPattern": pattern}
            apis._put_integration_response(
                api_id, resource_id, method, str(response["statusCode"]), response | selected_by
            )

    def proxy_response(result: Any) -> Any:
        response, error = original_response(result)
        if error:
            raise _NoResult
        return response, None

    async def invoke(*arguments: Any, **more: Any) -> Any:
        try:
            return await original_invoke(*arguments, **more)
        except _NoResult:
            return apis._gw_error("API_CONFIGURATION_ERROR", "Internal server error")

    replace(apis, "_lambda_proxy_response", proxy_response)
    replace(apis, "_invoke_lambda_proxy_v1", invoke)
    replace(apis, "_import_rest_api", import_rest_api)
    replace(apis, "_import_operation", import_operation)
    replace(apis, "_import_path_item", import_path_item)
    apis._OPENAPI_HTTP_METHODS.add("any")
