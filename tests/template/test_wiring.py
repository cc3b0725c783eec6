"""The template and the code say the same: routes, consumers, handlers, problems, outputs."""

import importlib
import json
import re
from typing import Any

import pytest

from kernel.messaging.projection import Projection
from kernel.runtime.contexts import contexts
from tests.template.stack import ROOT, functions, load, resources
from tools.contexts import events


def declared_routes(context: str) -> set[tuple[str, str]]:
    function = functions()[f"{context.capitalize()}Api"]
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for event in function["Events"].values()
    }


@pytest.mark.parametrize("context", contexts())
def test_the_template_has_a_context_s_routes_and_no_others(context: str) -> None:
    api = importlib.import_module(f"{context}.handlers.api").handler
    assert declared_routes(context) == {(r.method, r.path) for r in api.routes}


def test_no_route_is_a_catch_all() -> None:
    """One per operation: throttles, metrics and logs are by route, and the local platform asks."""
    for context in contexts():
        for method, path in declared_routes(context):
            assert method in ("GET", "POST", "PATCH")
            assert "+" not in path


@pytest.mark.parametrize("name", functions())
def test_a_handler_is_there(name: str) -> None:
    module, _, attribute = functions()[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


ORDER = ("customers", "opportunities", "activities", "reporting", "notifications")
CONSUMERS = [n for n in functions() if n.endswith("Events") or n == "ReportingLake"]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_rule_sends_exactly_what_its_consumer_consumes(name: str) -> None:
    rule = resources("AWS::Events::Rule")[f"{name}Rule"]
    pattern = rule["EventPattern"]
    module = importlib.import_module(functions()[name]["Handler"].rpartition(".")[0])
    if name == "ReportingLake":
        assert pattern == {"source": [{"prefix": "zebros."}]}, "the lake takes every event"
    elif isinstance(module.handler, Projection):
        # By record type: sequences run over all events of a subject, whatever their type.
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
    "ActivitiesEvents": [
        {"prefix": f"{name}/"}
        for name in ("account", "contact", "opportunity", "pipeline", "product", "task")
    ],
}


@pytest.mark.parametrize("name", PROJECTIONS)
def test_a_projection_subscribes_to_every_event_of_its_subjects(name: str) -> None:
    """A missing type would look like a gap: so rules name record types, and no event types."""
    pattern = resources("AWS::Events::Rule")[f"{name}Rule"]["EventPattern"]
    assert pattern["detail"] == {"subject": PROJECTIONS[name]}
    accepted = pattern["source"]
    publishers = {one["prefix"] if isinstance(one, dict) else one for one in accepted}
    assert publishers in ({"zebros."}, {"zebros.opportunities"})


def test_outputs_name_everything_the_command_line_needs() -> None:
    outputs: dict[str, Any] = load()["Outputs"]
    for name in functions():
        assert outputs[f"{name}Name"]["Value"] == {"Ref": name}
    for name in resources("AWS::DynamoDB::Table"):
        assert outputs[f"{name}Name"]["Value"] == {"Ref": name}


def test_what_the_gateway_answers_by_itself_is_a_problem_like_any_other() -> None:
    listed = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    for name, response in resources("AWS::Serverless::Api")["Api"]["GatewayResponses"].items():
        headers = response["ResponseParameters"]["Headers"]
        assert headers["Content-Type"] == "'application/problem+json'", name
        assert headers["Access-Control-Allow-Origin"] == "'*'", "or a browser hides the problem"
        assert headers["X-Correlation-Id"] == "context.requestId", "the body's correlation_id"
        assert "X-Correlation-Id" in headers["Access-Control-Expose-Headers"], name
        text = response["ResponseTemplates"]["application/json"]
        problem = json.loads(text)
        assert set(problem) == {"type", "title", "status", "detail", "correlation_id"}
        assert problem["status"] == int(response["StatusCode"])
        slug = problem["type"].removeprefix("urn:zebros:problem:")
        assert re.search(rf"^\| `{slug}` \| {problem['status']} ", listed, re.M), slug


def test_access_logs_are_written_also_in_an_account_without_an_api() -> None:
    """Logs wait for the role that writes them, and that for an API: a new account refuses it."""
    found = load()["Resources"]
    assert found["ApiLogging"]["DependsOn"] == "Api"
    for name in ("ApiAccessLogs", "SocketAccessLogs"):
        assert found[name]["DependsOn"] == "ApiLogging"


def test_the_order_of_the_template_is_the_house_s() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    banners = re.findall(r"^ *# ={90,}\n *# ([A-Z][\w ]+)", text, re.M)
    assert banners[:4] == ["Parameters", "Mappings", "Conditions", "Globals"]
    contexts = [c.capitalize() for c in ORDER]
    assert [b for b in banners[4:-2] if b != "Shared"] == contexts
    assert banners[-2:] == ["Nested stacks", "Outputs"]
    names = list(load()["Resources"])
    for context in contexts:
        roles = [f"{context}{role}" for role in ("Table", "Api", "Events", "Relay")]
        there = [names.index(role) for role in roles if role in names]
        assert there == sorted(there), context
