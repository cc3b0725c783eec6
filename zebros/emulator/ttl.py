"""Time to live, recovery, encryption and deletion protection of a table in a template.

Without this patch: CloudFormation creates the table (`Table` or `GlobalTable`) and ignores them, so
items never expire, DescribeTable shows no encryption, and a protected GlobalTable can be deleted.
(The API call UpdateTimeToLive works.)

Fix: they are set after create and after update; for a GlobalTable, recovery and protection are
those of the replica in this region. The emulator deletes expired items once a minute; until then
they can be read, as in AWS. An expiry writes no stream record.
"""

from typing import Any

from zebros.emulator.patching import module, register

_TYPES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


def apply() -> None:
    """Apply these settings of the template to the table."""
    for kind in _TYPES:
        _apply(kind)


def _apply(kind: str) -> None:
    tables, scope = module("services.dynamodb"), module("core.responses")
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    original = handlers[kind]

    def here(props: dict[str, Any]) -> dict[str, Any]:
        """The properties of the replica in this region, or of a Table itself."""
        replicas = props.get("Replicas", [])
        return next((one for one in replicas if one["Region"] == scope.get_region()), props)

    def settle(name: str, props: dict[str, Any]) -> None:
        spec = props.get("TimeToLiveSpecification")
        if spec:
            on = str(spec.get("Enabled", False)).lower() == "true"
            tables._ttl_settings[name] = {
                "TimeToLiveStatus": "ENABLED" if on else "DISABLED",
                "AttributeName": spec.get("AttributeName"),
            }
        else:
            tables._ttl_settings.pop(name, None)
        replica = here(props)
        tables._tables[name]["DeletionProtectionEnabled"] = (
            str(replica.get("DeletionProtectionEnabled", False)).lower() == "true"
        )
        backups = replica.get("PointInTimeRecoverySpecification") or {}
        tables._pitr_settings[name] = (
            str(backups.get("PointInTimeRecoveryEnabled", False)).lower() == "true"
        )
        encryption = props.get("SSESpecification")
        if encryption and str(encryption.get("SSEEnabled", False)).lower() == "true":
            tables._tables[name]["SSEDescription"] = tables._sse_description_from_spec(
                {"Enabled": True, **encryption}
            )

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        result = original["create"](logical_id, props, stack)
        settle(result[0], props)
        return result

    def update(
        name: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> Any:
        more = (logical_id,) if original.get("update_with_logical_id") else ()
        result = original["update"](name, old, new, stack, *more)
        settle(result[0], new)
        return result

    fixed = {"create": create, "update": update, "update_with_logical_id": True}
    register(handlers, kind, {**original, **fixed})
