"""A resolved system as one plain CloudFormation template, and its policies with sample ARNs."""

import json
from collections.abc import Iterator
from typing import Any

from zebros.cloudformation import Resource, System
from zebros.cloudformation.checks import dicts
from zebros.cloudformation.texts import is_reference, joined, pieces_of

_REGION, _ACCOUNT = "us-east-1", "123456789012"
_HERE = f"{_REGION}:{_ACCOUNT}"
_ARNS = {
    "AWS::DAX::Cluster": f"arn:aws:dax:{_HERE}:cache/%s",
    "AWS::DynamoDB::GlobalTable": f"arn:aws:dynamodb:{_HERE}:table/%s",
    "AWS::ECS::Cluster": f"arn:aws:ecs:{_HERE}:cluster/%s",
    "AWS::ECS::Service": f"arn:aws:ecs:{_HERE}:service/cluster/%s",
    "AWS::Events::EventBus": f"arn:aws:events:{_HERE}:event-bus/%s",
    "AWS::IAM::Role": f"arn:aws:iam::{_ACCOUNT}:role/%s",
    "AWS::Lambda::Alias": f"arn:aws:lambda:{_HERE}:function:f:%s",
    "AWS::Lambda::Function": f"arn:aws:lambda:{_HERE}:function:%s",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{_HERE}:log-group:%s:*",
    "AWS::S3::Bucket": "arn:aws:s3:::%s",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:%s",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{_HERE}:secret:%s-a1b2c3",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{_HERE}:stateMachine:%s",
}
_REF_IS_ARN = {
    "AWS::Lambda::Alias",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
}


def template(system: System) -> dict[str, Any]:
    """The system as one template without parameters, conditions or nested stacks."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: _resource(system, resource)
            for name, resource in system.resources.items()
            if not resource.type.startswith("AWS::Serverless::")
        },
    }


def _resource(system: System, resource: Resource) -> dict[str, Any]:
    properties = dict(resource.properties)
    if isinstance(properties.get("DefinitionString"), dict):
        properties["DefinitionString"] = json.dumps(properties["DefinitionString"])
    found = {
        "Type": resource.type,
        "Properties": properties,
        "DeletionPolicy": resource.deletion_policy,
        "UpdateReplacePolicy": resource.update_replace_policy,
    }
    if waits := [name for name in resource.depends_on if name in system.resources]:
        found["DependsOn"] = waits
    return found


def definitions(system: System) -> dict[str, Any]:
    """The definition of every state machine, by logical id."""
    machines = system.of_type("AWS::StepFunctions::StateMachine").items()
    return {name: machine["DefinitionString"] for name, machine in machines}


def policies(system: System) -> dict[str, Any]:
    """Every policy of an identity, with an ARN in place of each reference, by a name."""
    return {
        f"{name}.{index}": _sampled(system, document)
        for name, resource in system.resources.items()
        if resource.type.startswith("AWS::IAM::")
        for index, document in enumerate(_documents(resource.properties))
    }


def _documents(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in dicts(properties):
        if "PolicyDocument" in part:
            yield part["PolicyDocument"]


def _sampled(system: System, value: Any) -> Any:
    if is_reference(value):
        return joined(_sample(system, piece) for piece in pieces_of(value))
    if isinstance(value, dict):
        return {key: _sampled(system, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_sampled(system, one) for one in value]
    return value


def _sample(system: System, piece: Any) -> str:
    match piece:
        case str():
            return piece
        case {"Ref": str(name)}:
            kind = system.resources[name].type
            return _ARNS[kind] % name if kind in _REF_IS_ARN else name
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            resource = system.resources[name]
            arn = _ARNS.get(resource.type, "%s") % resource.properties.get("TableName", name)
            if attribute == "StreamArn":
                return f"{arn}/stream/2026"
            if attribute.endswith("SecretArn"):
                return _ARNS["AWS::SecretsManager::Secret"] % name
            return arn if attribute == "Arn" else name
    return "*"
