"""`AWS::Events::Archive` in a template.

Without this patch: the API archives and replays events, but CloudFormation rejects the resource
type ("Unrecognized resource types"), so a template with an archive cannot be deployed.

Fix: a handler that calls the emulator's CreateArchive, UpdateArchive and DeleteArchive.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-archive.html
"""

import json
from typing import Any

from zebros.emulator.patching import module, register

_TYPE = "AWS::Events::Archive"
_NAME_LIMIT = 48


def apply() -> None:
    """Add the resource type to CloudFormation."""
    events = module("services.eventbridge")
    provisioners = module("services.cloudformation.provisioners")

    def arn(name: str) -> dict[str, str]:
        return {"Arn": events._archives[name]["ArchiveArn"]}

    def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name = props.get("ArchiveName") or provisioners._physical_name(
            stack, logical_id, max_len=_NAME_LIMIT
        )
        _accepted(events._create_archive(_request(name, props)))
        return name, arn(name)

    def update(
        name: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> tuple[str, dict[str, str]]:
        # Name and source cannot be updated: a change of them replaces the archive.
        moved = any(old.get(key) != new.get(key) for key in ("ArchiveName", "SourceArn"))
        if moved or name not in events._archives:
            if old.get("ArchiveName") == new.get("ArchiveName"):
                delete(name, old)
                return create(logical_id, new, stack)
            replacement = create(logical_id, new, stack)
            delete(name, old)
            return replacement
        _accepted(events._update_archive(_request(name, new)))
        return name, arn(name)

    def delete(name: str, _props: dict[str, Any]) -> None:
        if name in events._archives:
            _accepted(events._delete_archive({"ArchiveName": name}))

    register(
        provisioners._RESOURCE_HANDLERS,
        _TYPE,
        {"create": create, "update": update, "update_with_logical_id": True, "delete": delete},
    )


def _request(name: str, props: dict[str, Any]) -> dict[str, Any]:
    pattern = props.get("EventPattern") or ""
    return {
        "ArchiveName": name,
        "EventSourceArn": props.get("SourceArn", ""),
        "Description": props.get("Description", ""),
        "EventPattern": pattern if isinstance(pattern, str) else json.dumps(pattern),
        "RetentionDays": int(props.get("RetentionDays", 0)),
    }


def _accepted(answer: tuple[int, dict[str, str], bytes]) -> None:
    """Raise ValueError, which CloudFormation reports as the resource's failure, for an error."""
    status, _, body = answer
    if status >= 400:
        raise ValueError(f"{_TYPE}: {json.loads(body).get('message', body)}")
