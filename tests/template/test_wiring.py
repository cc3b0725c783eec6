"""The templates match the code: routes, consumers, handlers, problems."""

import importlib
import json
import re
from typing import Any

import pytest

from kernel.messaging.projection import Projection
from kernel.runtime.contexts import contexts
from tests.template.stack import EVERYTHING, ROOT, functions, load, resources, system, templates
from tools.contexts import events
from zebros.cloudformation import Account, TemplateError, resolve

ANY = "x-amazon-apigateway-any-method"


def paths_of_the_api() -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]]
    found = resources("AWS::ApiGateway::RestApi")["Api"]["Body"]["paths"]
    return found


def declared_routes(context: str) -> set[tuple[str, str]]:
    paths = paths_of_the_api()
    called = f"/functions/${{{context.capitalize()}ApiAliaslive}}/invocations"
    return {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if called in json.dumps(operation) and method != ANY
    }


@pytest.mark.parametrize("context", contexts())
def test_the_template_has_a_context_s_routes_and_no_others(context: str) -> None:
    api = importlib.import_module(f"{context}.handlers.api").handler
    assert declared_routes(context) == {(r.method, r.path) for r in api.routes}


def test_no_route_is_a_catch_all() -> None:
    """Throttles, metrics and logs are per route, so every operation has its own."""
    for context in contexts():
        for method, path in declared_routes(context):
            assert method in ("GET", "POST", "PATCH")
            assert "+" not in path


@pytest.mark.parametrize("name", functions())
def test_every_handler_exists(name: str) -> None:
    module, _, attribute = functions()[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("name", functions())
def test_a_function_has_each_of_its_layers_once(name: str) -> None:
    """AWS rejects a layer that is named twice, and SAM adds a function's own to the common ones."""
    layers = functions()[name]["Layers"]
    own = {"Authorizer": ["AuthLayer"], "ReportingAnalytics": ["AnalyticsLayer"]}
    assert layers == ["DepsLayer", *own.get(name, [])]


def test_sam_local_mounts_the_layer_that_sam_build_made() -> None:
    """`sam local` cannot resolve a layer from a parameter, so contexts name the layer's folder."""
    for name in (name for name in templates() if name.startswith("services/")):
        local = load(name)["Resources"]["LocalDepsLayer"]
        assert local["Condition"] == "IsSamLocal"
        assert local["Metadata"] == {"SkipBuild": True}
        assert local["Properties"] == {"Content": {"Fn::Select": [0, ["../Shared/DepsLayer"]]}}
    assert "LocalDepsLayer" not in system().resources, "nothing of it is deployed"
    local_system = resolve(ROOT / "template.yaml", account=Account(stack_name="local"))
    for name, function in local_system.of_type("AWS::Lambda::Function").items():
        assert {"Ref": "LocalDepsLayer"} in function["Layers"], name


ORDER = ("customers", "opportunities", "activities", "reporting", "imports", "notifications")
CONSUMERS = [n for n in functions() if n.endswith(("Events", "References")) or n == "ReportingLake"]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_rule_sends_exactly_what_its_consumer_consumes(name: str) -> None:
    rule = resources("AWS::Events::Rule")[f"{name}Rule"]
    pattern = rule["EventPattern"]
    module = importlib.import_module(functions()[name]["Handler"].rpartition(".")[0])
    if name == "ReportingLake":
        assert pattern == {"source": [{"prefix": "zebros."}]}, "the lake takes every event"
    elif isinstance(module.handler, Projection):
        # By record type, because a subject's sequence counts events of all types.
        prefixes = {one["prefix"] for one in pattern["detail"]["subject"]}
        assert prefixes == {f"{name}/" for name in module.handler.record_types}
        assert set(pattern) == {"source", "detail"}
    else:
        assert set(pattern["detail-type"]) == set(module.handler.types)
        published = published_by()
        assert set(pattern["source"]) == {f"zebros.{published[t]}" for t in pattern["detail-type"]}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]}
    mapping = resources("AWS::Lambda::EventSourceMapping")[f"{name}Source"]
    assert mapping["FunctionName"] == {"Ref": name}
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}


def published_by() -> dict[str, str]:
    """The context that publishes an event, by the event's name."""
    return {key.split("/")[1].split(".")[0]: key.split("/")[0] for key in events()}


PROJECTIONS = {
    "OpportunitiesEvents": [{"prefix": "opportunity/"}],
    "OpportunitiesReferences": [
        {"prefix": f"{name}/"} for name in ("account", "contact", "person")
    ],
    "ReportingReferences": [{"prefix": "person/"}],
    "ScalingEvents": [
        {"prefix": f"{name}/"}
        for name in (
            *("person", "account", "opportunity", "contact", "task", "pipeline", "product"),
            *("report", "import", "notification"),
        )
    ],
    "ActivitiesEvents": [
        {"prefix": f"{name}/"}
        for name in ("account", "contact", "opportunity", "person", "pipeline", "product", "task")
    ],
}
PUBLISHERS = {
    "OpportunitiesEvents": {"zebros.opportunities"},
    "OpportunitiesReferences": {"zebros.customers"},
    "ReportingReferences": {"zebros.customers"},
}
"""Whose events a rule accepts; else those of every context."""


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_projection_subscribes_to_every_event_of_its_subjects(name: str) -> None:
    """A missing event type would look like a gap, so rules name record types."""
    pattern = resources("AWS::Events::Rule")[f"{name}Rule"]["EventPattern"]
    assert pattern["detail"] == {"subject": PROJECTIONS[name]}
    accepted = pattern["source"]
    publishers = {one["prefix"] if isinstance(one, dict) else one for one in accepted}
    assert publishers == PUBLISHERS.get(name, {"zebros."})


def test_only_what_people_need_is_an_output() -> None:
    outputs = load()["Outputs"]
    assert {"ApiUrl", "SocketUrl", "BusName"} <= set(outputs)
    assert len(outputs) <= 12


def test_the_gateway_validates_nothing_that_handlers_do_not_validate() -> None:
    """A request that API Gateway rejected would get a response in another form."""
    api = resources("AWS::ApiGateway::RestApi")["Api"]
    assert "Models" not in api
    text = json.dumps(api["Body"])
    assert "request-validator" not in text
    assert '"parameters"' not in text


def test_the_api_may_call_a_function_by_one_permission() -> None:
    permissions = resources("AWS::Lambda::Permission")
    called = {f"{context.capitalize()}Api" for context in contexts()} | {"Docs", "Authorizer"}
    of_the_api = {
        name: permission
        for name, permission in permissions.items()
        if "${Api}" in json.dumps(permission["SourceArn"])
    }
    assert {f"{name}Permission" for name in called} == set(of_the_api)
    for name, permission in of_the_api.items():
        function = name.removesuffix("Permission")
        assert permission["FunctionName"] == {"Ref": f"{function}Aliaslive"}
        scope = permission["SourceArn"]["Fn::Sub"].rpartition("${Api}/")[2]
        assert scope == ("authorizers/*" if function == "Authorizer" else "v1/*")


def test_methods_that_a_path_does_not_have_reach_the_function_of_the_ones_that_it_has() -> None:
    for path, operations in paths_of_the_api().items():
        named = [one for method, one in operations.items() if method not in (ANY, "options")]
        assert named, path
        assert all(one == operations[ANY] for one in named), path


def test_a_browser_s_preflight_is_answered_for_every_path() -> None:
    for path, operations in paths_of_the_api().items():
        preflight = operations["options"]
        assert "security" not in preflight, "a browser sends no token with it"
        (answer,) = preflight["x-amazon-apigateway-integration"]["responses"].values()
        headers = answer["responseParameters"]
        assert headers["method.response.header.Access-Control-Allow-Origin"] == f"'{ORIGIN}'"
        allowed = headers["method.response.header.Access-Control-Allow-Methods"]
        named = {method.upper() for method in operations if method != ANY} | {"HEAD"}
        assert named <= set(allowed.strip("'").split(",")), path
        sent = headers["method.response.header.Access-Control-Allow-Headers"]
        for header in ("Authorization", "If-Match", "Idempotency-Key"):
            assert header in sent


ORIGIN = EVERYTHING["AllowedOrigin"]


def test_pages_of_the_named_origin_alone_may_call_the_api() -> None:
    for origin in ("", "*", "http://localhost:5173", ORIGIN):
        found = system(AllowedOrigin=origin)
        body = found.of_type("AWS::ApiGateway::RestApi")["Api"]["Body"]
        responses = body["x-amazon-apigateway-gateway-responses"].values()
        given = [
            one["responseParameters"].get("gatewayresponse.header.Access-Control-Allow-Origin")
            for one in responses
        ]
        for operations in body["paths"].values():
            (answer,) = operations["options"]["x-amazon-apigateway-integration"][
                "responses"
            ].values()
            name = "method.response.header.Access-Control-Allow-Origin"
            given.append(answer["responseParameters"].get(name))
        assert set(given) == {f"'{origin}'" if origin else None}
        for name, function in functions(AllowedOrigin=origin).items():
            variables = function["Environment"]["Variables"]
            answers = name == "Docs" or name.endswith("Api")
            assert variables.get("ALLOWED_ORIGIN") == (origin if answers else None), name
    assert load()["Parameters"]["AllowedOrigin"]["Default"] == "", "none by default"


@pytest.mark.parametrize(
    "origin", ["app.example.com", "http://app.example.com", "https://a.example,https://b.example"]
)
def test_a_wrong_origin_is_rejected(origin: str) -> None:
    with pytest.raises(TemplateError, match="AllowedOrigin"):
        resolve(ROOT / "template.yaml", {**EVERYTHING, "AllowedOrigin": origin})


SECURITY = {
    "Cache-Control": "'no-store'",
    "Referrer-Policy": "'no-referrer'",
    "Strict-Transport-Security": "'max-age=63072000'",
    "X-Content-Type-Options": "'nosniff'",
    "X-Frame-Options": "'DENY'",
}


def test_responses_of_api_gateway_are_problems_like_any_other() -> None:
    listed = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    body = resources("AWS::ApiGateway::RestApi")["Api"]["Body"]
    for name, response in body["x-amazon-apigateway-gateway-responses"].items():
        headers = {
            header.removeprefix("gatewayresponse.header."): value
            for header, value in response["responseParameters"].items()
        }
        assert headers["Content-Type"] == "'application/problem+json'", name
        assert headers["Access-Control-Allow-Origin"] == f"'{ORIGIN}'", (
            "otherwise a browser hides the problem"
        )
        assert headers["X-Correlation-Id"] == "context.requestId", "the body's correlation_id"
        assert {name: headers[name] for name in SECURITY} == SECURITY, name
        assert "X-Correlation-Id" in headers["Access-Control-Expose-Headers"], name
        text = response["responseTemplates"]["application/json"]
        problem = json.loads(text)
        assert set(problem) == {"type", "title", "status", "detail", "correlation_id"}
        assert problem["status"] == int(response["statusCode"])
        slug = problem["type"].removeprefix("urn:zebros:problem:")
        assert re.search(rf"^\| `{slug}` \| {problem['status']} ", listed, re.M), slug


def test_access_logs_are_written_also_in_an_account_without_an_api() -> None:
    """The stage depends on the logging role, and the role on an API, as a new account requires."""
    found = system().resources
    assert found["ApiLogging"].depends_on == ("Api",)
    assert found["ApiAccessLogs"].depends_on == ("ApiLogging",)
    assert "SocketAccessLogs" in system().in_stack("zebros/WebSocket")
    assert load()["Resources"]["WebSocket"]["DependsOn"] == "RestApi"


def test_a_context_owns_its_stack() -> None:
    for context in contexts():
        stack = f"zebros/{context.capitalize()}"
        assert system().stacks[stack] == ROOT / "services" / context / "template.yaml"
        own = [name for name in functions() if name.startswith(context.capitalize())]
        assert set(own) <= set(system().in_stack(stack))


def test_every_template_is_part_of_the_system() -> None:
    assert {ROOT / name for name in templates()} == set(system().stacks.values())


def test_the_root_template_is_short() -> None:
    assert len((ROOT / "template.yaml").read_text(encoding="utf-8").splitlines()) < 400


def test_sections_of_a_template_are_in_the_agreed_order() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    banners = re.findall(r"^ *# ={90,}\n *# ([A-Z][\w ]+)", text, re.M)
    assert banners == ["Parameters", "Rules", "Conditions", "Nested stacks", "Outputs"]
    contexts = [c.capitalize() for c in ORDER]
    assert [name for name in load()["Resources"] if name in contexts] == contexts
    for context in contexts:
        names = list(load(f"services/{context.lower()}/template.yaml")["Resources"])
        roles = [f"{context}{role}" for role in ("Store", "Api", "Events", "Relay")]
        there = [names.index(role) for role in roles if role in names]
        assert there == sorted(there), context
