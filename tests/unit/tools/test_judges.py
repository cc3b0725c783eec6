"""Findings of the judges need explanations, explanations need findings; what judges are given."""

import pytest

from tests.template.stack import system
from tools.judges import plain
from tools.judges.__main__ import Suppression, suppressions, verdict
from tools.judges.judges import JUDGES, Finding

FOUND = Finding("checkov", "IAM5[Resource::a/*]", "ApiRole", "too wide")


@pytest.mark.parametrize(
    ("judge", "rule", "resource", "covered"),
    [
        ("checkov", "IAM5[Resource::a/*]", "ApiRole", True),
        ("checkov", "IAM5[Resource::*]", "*Role", True),
        ("checkov", "IAM*", "*", True),
        ("cdk-nag", "IAM*", "*", False),
        ("checkov", "IAM4*", "*", False),
        ("checkov", "IAM*", "*Queue", False),
    ],
)
def test_an_explanation_covers_findings_of_its_judge_rule_and_resources(
    judge: str, rule: str, resource: str, covered: bool
) -> None:
    explained = Suppression(judge, rule, resource, "because")
    assert explained.covers(FOUND) is covered
    wrong = [] if covered else 2 * ["?"]
    assert len(verdict({FOUND}, [explained])) == len(wrong)


def test_what_is_wrong_is_named() -> None:
    unused = Suppression("checkov", "S1", "*", "because")
    assert verdict({FOUND}, [unused]) == [
        "checkov IAM5[Resource::a/*] ApiRole: too wide",
        "no finding needs checkov S1 *",
    ]
    assert verdict(set(), []) == []


def test_every_listed_finding_has_a_judge_and_a_reason() -> None:
    for one in suppressions():
        assert one.judge in JUDGES
        assert one.reason.endswith(".")


def test_the_plain_template_has_every_resource_and_text_where_cloudformation_wants_text() -> None:
    resources = plain.template(system())["Resources"]
    assert set(resources) == set(system().resources)
    assert isinstance(resources["ReportFlow"]["Properties"]["DefinitionString"], str)
    assert resources["CustomersTable"]["DeletionPolicy"] == "Retain"
    assert resources["ApiLogging"]["DependsOn"] == ["Api"]


def test_policies_have_arns_in_place_of_references() -> None:
    found = plain.policies(system())
    text = str(found)
    assert "Fn::" not in text
    assert "'Ref'" not in text
    here = "us-east-1:123456789012"
    customers = str(found["CustomersApiRole.0"])
    assert f"'arn:aws:dynamodb:{here}:table/zebros-customers'" in customers
    assert f"'arn:aws:dynamodb:{here}:table/zebros-customers/index/*'" in customers
    assert f"'arn:aws:secretsmanager:{here}:secret:CursorSecret-a1b2c3'" in customers
    assert "'arn:aws:s3:::FilesBucket/reports/*'" in str(found)
    assert "table/zebros-customers/stream/2026'" in str(found["CustomersRelayReadStreams.0"])


def test_a_state_machine_s_definition_is_given_as_it_is() -> None:
    assert plain.definitions(system())["ReportFlow"]["StartAt"] == "Validate"
