"""The SAM transform, by AWS's own translator (aws-sam-translator)."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.load import Template, marked

_S3 = "s3://artefacts/"
_LOCAL_PATHS = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
_APPLICATION, _STACK = "AWS::Serverless::Application", "AWS::CloudFormation::Stack"
"""The translator accepts applications of a repository only; in a stack it resolves references."""
_TRANSFORM = "AWS::Serverless-2016-10-31"
_ADDS_ONLY = "AWS::SecretsManager-2024-09-16"
"""It adds Secrets Manager's own function beside a HostedRotationLambda; ours stays as it is."""


def transformed(template: Template, path: Path) -> Template:
    """The template with SAM's resources replaced by CloudFormation's, as `sam deploy` sends it.

    Local paths of code become objects in S3 (the translator accepts no others). State machines
    keep their definition, as data.
    """
    wanted = template.get("Transform", [])
    transforms = wanted if isinstance(wanted, list) else [wanted]
    if unknown := [one for one in transforms if one not in (_TRANSFORM, _ADDS_ONLY)]:
        raise TemplateError(f"{path.name}: the transform {unknown[0]} is not supported")
    if _TRANSFORM not in transforms:
        return template
    known = _KNOWN.get(path)
    if known is None or known[0] is not template:
        known = _KNOWN[path] = (template, _transformed(template, path))
    return known[1]


def forget(path: Path) -> None:
    """Forget a transformed template: for a program that changes a loaded template in place."""
    _KNOWN.pop(path, None)


_KNOWN: dict[Path, tuple[Template, Template]] = {}
"""The last template of each path, and what it was transformed to."""


def _transformed(original: Template, path: Path) -> Template:
    template: Template = json.loads(json.dumps(original))
    nested = []
    for name, resource in list(template["Resources"].items()):
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case kind if kind == _APPLICATION:
                nested.append(name)
                resource["Type"] = _STACK
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                definition = path.parent / properties.pop("DefinitionUri")
                properties["Definition"] = json.loads(definition.read_text(encoding="utf-8"))
            case kind if kind in _LOCAL_PATHS:
                _send_to_s3(properties, _LOCAL_PATHS[kind])
    _send_to_s3(template.get("Globals", {}).get("Function", {}), "CodeUri")
    template = _translate(template, path)
    for name in nested:
        template["Resources"][name]["Type"] = _APPLICATION
    return dict(marked(template))


def _send_to_s3(properties: dict[str, Any], key: str) -> None:
    if isinstance(properties.get(key), str):
        properties[key] = _S3 + (properties[key].strip("./") or "code")


def _translate(template: Template, path: Path) -> Template:
    # Imported here, because they take a second.
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # The translator publishes no metrics here, and has no list of features, of which it warns.
    for name in ("samtranslator.metrics", "samtranslator.feature_toggle"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        translated: Template = Translator(None, Parser(), boto_session=_Session()).translate(
            sam_template=copy.deepcopy(template), parameter_values={}
        )
    except InvalidDocumentException as error:
        causes = "; ".join(str(cause.message) for cause in error.causes)
        raise TemplateError(f"{path.name}: the SAM transform failed: {causes}") from error
    return translated


class _Session:
    """The part of a session of boto3 that the translator uses."""

    region_name = "us-east-1"

    def get_partition_for_region(self, _region: str) -> str:
        """The partition is filled in later, as all pseudo parameters are."""
        return "aws"
