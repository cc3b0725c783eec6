"""Functions take signed code only, when a code signing configuration is given (docs/signing.md)."""

import re
import subprocess

import pytest

from tests.template.stack import ROOT, functions, load, resources, system
from zebros.cloudformation import TemplateError

PREFIX = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-"
ARN = f"{PREFIX}0a1b2c3d4e5f60718"


def test_every_function_has_the_configuration() -> None:
    found = functions(CodeSigningConfigArn=ARN)
    assert {name: one.get("CodeSigningConfigArn") for name, one in found.items()} == dict.fromkeys(
        functions(), ARN
    )


def test_without_a_configuration_functions_take_any_code() -> None:
    assert load()["Parameters"]["CodeSigningConfigArn"]["Default"] == ""
    assert not any("CodeSigningConfigArn" in one for one in functions().values())


@pytest.mark.parametrize(
    "arn", [ARN.replace("arn:aws:", "arn:aws-cn:"), ARN.replace("csc-", "csc-z")[:-1]]
)
def test_an_arn_of_any_partition_is_accepted(arn: str) -> None:
    assert functions(CodeSigningConfigArn=arn)["Authorizer"]["CodeSigningConfigArn"] == arn


@pytest.mark.parametrize(
    "wrong",
    [
        "csc-0a1b2c3d4e5f60718",
        f"{ARN}0",
        ARN[:-1],
        ARN.upper(),
        f" {ARN}",
        ARN.replace("code-signing-config", "function"),
        ARN.replace("123456789012", "1"),
    ],
)
def test_what_is_no_configuration_is_rejected(wrong: str) -> None:
    with pytest.raises(TemplateError, match="it must be the ARN of a code signing configuration"):
        system(CodeSigningConfigArn=wrong)


def test_the_documented_command_signs_every_function_and_layer() -> None:
    text = (ROOT / "docs" / "signing.md").read_text(encoding="utf-8")
    command = re.search(r"^signed=\$\((.*)\)$", text, re.MULTILINE)
    assert command is not None
    printed = subprocess.run(
        ["sh", "-c", command[1]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    layers = {re.sub(r"[0-9a-f]{10}$", "", name) for name in resources("AWS::Lambda::LayerVersion")}
    assert sorted(printed) == sorted(f"{name}=zebros" for name in {*functions(), *layers})
