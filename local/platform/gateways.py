"""What a REST API answers by itself (no token, no such route), as the template says.

Stock fault: the gateway responses that SAM writes into the API's OpenAPI body are dropped at
import, so a refused token is answered as plain JSON. (PutGatewayResponse by API works.)

Mended: they are put right after the import, before the API is deployed.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
"""

from typing import Any

from local.platform.seams import module, replace

_EXTENSION = "x-amazon-apigateway-gateway-responses"


def apply() -> None:
    """Read the extension of a body."""
    apis = module("services.apigateway_v1")
    stock = apis._import_rest_api

    def import_rest_api(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> Any:
        api_id = stock(spec, base_data)
        for kind, response in (spec.get(_EXTENSION) or {}).items():
            apis._put_gateway_response(api_id, kind, response)
        return api_id

    replace(apis, "_import_rest_api", import_rest_api)
