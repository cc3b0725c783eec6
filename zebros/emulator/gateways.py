"""What a REST API answers by itself (no token, no such route, a preflight), as the template says.

Stock fault: what SAM writes into the API's OpenAPI body is dropped at import, save an integration's
kind and target. So a refused token is answered as plain JSON, and a browser's preflight (OPTIONS, a
mock integration) without a word of what it may send. (Each call of the API's own works.)

Mended: gateway responses are put right after the import, and the responses of an integration with
it, before the API is deployed.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration-responses.html
"""

from typing import Any

from zebros.emulator.seams import module, replace

_EXTENSION = "x-amazon-apigateway-gateway-responses"
_INTEGRATION = "x-amazon-apigateway-integration"


def apply() -> None:
    """Read the extensions of a body."""
    apis = module("services.apigateway_v1")
    stock, stock_operation = apis._import_rest_api, apis._import_operation

    def import_rest_api(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> Any:
        api_id = stock(spec, base_data)
        for kind, response in (spec.get(_EXTENSION) or {}).items():
            apis._put_gateway_response(api_id, kind, response)
        return api_id

    def import_operation(
        api_id: str, resource_id: str, method: str, operation: dict[str, Any] | None, *more: Any
    ) -> None:
        stock_operation(api_id, resource_id, method, operation, *more)
        integration = (operation or {}).get(_INTEGRATION) or {}
        for pattern, response in (integration.get("responses") or {}).items():
            selected_by = {} if pattern == "default" else {"selectionPattern": pattern}
            apis._put_integration_response(
                api_id, resource_id, method, str(response["statusCode"]), response | selected_by
            )

    replace(apis, "_import_rest_api", import_rest_api)
    replace(apis, "_import_operation", import_operation)
