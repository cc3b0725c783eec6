"""The responses that a REST API itself sends."""

import asyncio
import json
from typing import Any

import pytest

from zebros.emulator import gateways

PROBLEM = {"type": "urn:zebros:problem:unauthenticated", "status": 401}
BODY: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "one", "version": "1"},
    "paths": {},
    "x-amazon-apigateway-gateway-responses": {
        "UNAUTHORIZED": {
            "statusCode": "401",
            "responseParameters": {
                "gatewayresponse.header.Content-Type": "'application/problem+json'",
                "gatewayresponse.header.X-Correlation-Id": "context.requestId",
            },
            "responseTemplates": {"application/json": json.dumps(PROBLEM)},
        }
    },
}


@pytest.fixture
def apis(emulator: Any) -> Any:
    return emulator("services.apigateway_v1")


def answered(apis: Any, api_id: str) -> tuple[int, str, Any]:
    """The response to a request without a token: status, type and body."""
    status, headers, body = whole(apis, api_id)
    return status, headers["Content-Type"], json.loads(body)


def whole(apis: Any, api_id: str) -> tuple[int, dict[str, str], bytes]:
    """The same with all headers."""
    request = {
        "api_id": api_id,
        "stage_name": "v1",
        "stage": {},
        "headers": {},
        "query_params": {},
        "path_params": {},
        "resource_path": "/",
        "request_id": "r",
    }
    fault = apis._GatewayError("UNAUTHORIZED", "Unauthorized")
    found: tuple[int, dict[str, str], bytes] = apis._gateway_error_response(fault, request)
    return found


def test_gateway_responses_of_a_template_are_dropped_when_unpatched(apis: Any) -> None:
    api_id = apis._import_rest_api(BODY)
    assert answered(apis, api_id) == (401, "application/json", {"message": "Unauthorized"})


def test_gateway_responses_of_a_template_are_sent(apis: Any, patched: Any) -> None:
    with patched(gateways.apply):
        api_id = apis._import_rest_api(BODY)
        assert answered(apis, api_id) == (401, "application/problem+json", PROBLEM)
        assert whole(apis, api_id)[1]["X-Correlation-Id"] == "r", "the request's own id"


def test_an_api_without_gateway_responses_is_unchanged(apis: Any, patched: Any) -> None:
    with patched(gateways.apply):
        api_id = apis._import_rest_api({"info": {"title": "two", "version": "1"}, "paths": {}})
        assert answered(apis, api_id)[2] == {"message": "Unauthorized"}


def without_a_result(apis: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a caller of a function that was killed gets."""

    async def call(*_: Any, **__: Any) -> Any:
        payload = {"errorType": "Runtime.ExitError", "errorMessage": "signal 9"}
        return {"error": True, "body": payload, "function_error": "Unhandled"}, None

    monkeypatch.setattr(apis, "_call_lambda_raw", call)
    monkeypatch.setattr(apis, "_build_lambda_event_v1", lambda *_, **__: {})
    invoked = apis._invoke_lambda_proxy_v1({}, "a", "v1", {}, {}, "/", "GET", {}, b"", {}, {})
    return asyncio.run(invoked)


def test_a_function_without_a_result_shows_lambda_s_message_when_unpatched(
    apis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, body = without_a_result(apis, monkeypatch)
    assert (status, b"signal 9" in body) == (502, True)


def test_a_function_without_a_result_is_an_error_of_the_gateway(
    apis: Any, patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with patched(gateways.apply):
        fault = without_a_result(apis, monkeypatch)
    assert isinstance(fault, apis._GatewayError)
    assert (fault.response_type, fault.message) == (
        "API_CONFIGURATION_ERROR",
        "Internal server error",
    )


PREFLIGHT: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "three", "version": "1"},
    "paths": {
        "/accounts": {
            "options": {
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "responses": {
                        "default": {
                            "statusCode": "200",
                            "responseParameters": {
                                "method.response.header.Access-Control-Allow-Methods": "'PATCH'"
                            },
                            "responseTemplates": {"application/json": "{}"},
                        }
                    },
                }
            }
        }
    },
}


def preflight(apis: Any) -> tuple[int, dict[str, str], bytes]:
    """The response of an imported mock integration."""
    api_id = apis._import_rest_api(PREFLIGHT)
    (resource,) = [r for r in apis._resources[api_id].values() if r["path"] == "/accounts"]
    found: tuple[int, dict[str, str], bytes] = apis._invoke_mock_v1(
        resource["resourceMethods"]["OPTIONS"]["methodIntegration"]
    )
    return found


def test_a_preflight_response_has_no_cors_headers_when_unpatched(apis: Any) -> None:
    assert "Access-Control-Allow-Methods" not in preflight(apis)[1]


def test_a_preflight_response_has_the_cors_headers_of_the_template(apis: Any, patched: Any) -> None:
    with patched(gateways.apply):
        status, headers, _ = preflight(apis)
        assert (status, headers["Access-Control-Allow-Methods"]) == (200, "PATCH")
