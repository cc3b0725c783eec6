"""The template and the code say the same: routes, consumers, handlers, environment."""

import importlib
import re
from typing import Any

import pytest

from tests.template.stack import ROOT, functions, resources
from tools.contexts import CONTEXTS, apis


def declared_routes(context: str) -> set[tuple[str, str]]:
    function = functions()[f"{context.capitalize()}Api"]
    return {
        (event["Properties"]["Method"], event["Properties"]["Path"])
        for event in function["Events"].values()
    }


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_template_has_a_context_s_routes_and_no_others(context: str) -> None:
    (api,) = [api for api in apis() if api.context == context]
    assert declared_routes(context) == {(r.method, r.path) for r in api.routes}


@pytest.mark.parametrize("name", functions())
def test_a_handler_is_there(name: str) -> None:
    module, _, attribute = functions()[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


CONSUMERS = [n for n in functions() if n.endswith("Events") or n == "ReportingLake"]


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_rule_sends_exactly_what_its_consumer_consumes(name: str) -> None:
    rule = resources("AWS::Events::Rule")[f"{name}Rule"]
    pattern = rule["EventPattern"]
    module = importlib.import_module(functions()[name]["Handler"].rpartition(".")[0])
    if name == "ReportingLake":
        assert pattern == {"source": [{"prefix": "zebros."}]}, "the lake takes every fact"
    else:
        assert set(pattern["detail-type"]) == set(module.handler.types)
        published = published_by()
        assert set(pattern["source"]) == {f"zebros.{published[t]}" for t in pattern["detail-type"]}
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]}
    (event,) = functions()[name]["Events"].values()
    assert event["Properties"]["Queue"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}


def published_by() -> dict[str, str]:
    from tools.contexts import events

    return {key.split("/")[1].split(".")[0]: key.split("/")[0] for key in events()}


def test_a_projection_subscribes_to_every_fact_of_its_subjects() -> None:
    """Sequences run over all facts of a subject: a missing type would look like a gap."""
    from tools.contexts import events

    subjects = {
        "OpportunitiesEvents": {("opportunities", "Opportunity")},
        "ActivitiesEvents": {
            ("customers", "Account"),
            ("customers", "Contact"),
            ("opportunities", "Opportunity"),
            ("activities", "Task"),
        },
    }
    for name, wanted in subjects.items():
        expected = {
            key.split("/")[1].split(".")[0]
            for key in events()
            if any(key.startswith(f"{context}/{kind}") for context, kind in wanted)
        }
        rule = resources("AWS::Events::Rule")[f"{name}Rule"]
        assert set(rule["EventPattern"]["detail-type"]) == expected, name


READS = re.compile(r'os\.environ(?:\.get\(|\[)"([A-Z_]+)"')


def modules_of(name: str) -> list[str]:
    context = functions()[name]["Handler"].split(".")[0]
    if context == "kernel":
        return [functions()[name]["Handler"].rpartition(".")[0]]
    handler = functions()[name]["Handler"].rpartition(".")[0]
    return [handler, f"{context}.bootstrap"]


@pytest.mark.parametrize("name", functions())
def test_a_function_has_the_environment_its_handler_reads(name: str) -> None:
    properties = functions()[name]
    given: set[str] = set(properties.get("Environment", {}).get("Variables", {}))
    handler = ROOT / "services" / properties["Handler"].rpartition(".")[0].replace(".", "/")
    text = handler.with_suffix(".py").read_text(encoding="utf-8")
    assert set(READS.findall(text)) <= given, name


def test_outputs_name_everything_the_command_line_needs() -> None:
    from tests.template.stack import load

    outputs: dict[str, Any] = load()["Outputs"]
    for name in functions():
        assert outputs[f"{name}Name"]["Value"] == {"Ref": name}
    for name in resources("AWS::DynamoDB::Table"):
        assert outputs[f"{name}Name"]["Value"] == {"Ref": name}
