"""Time to live, point-in-time recovery and encryption of a table in a template.

Stock fault: CloudFormation creates the table and drops all three, so items never expire
although the template says so, and DescribeTable shows an unencrypted one. (UpdateTimeToLive by
API works.)

Mended: they are set after create and after update. The emulator looks for expired items once a
minute, and as in AWS an expired item may be read until it is swept. An expiry writes no stream
record.
"""

from typing import Any

from zebros.emulator.seams import module, register

_TYPE = "AWS::DynamoDB::Table"


def apply() -> None:
    """Carry these settings from the template to the table."""
    tables = module("services.dynamodb")
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    stock = handlers[_TYPE]

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
        backups = props.get("PointInTimeRecoverySpecification") or {}
        tables._pitr_settings[name] = (
            str(backups.get("PointInTimeRecoveryEnabled", False)).lower() == "true"
        )
        encryption = props.get("SSESpecification")
        if encryption and str(encryption.get("SSEEnabled", False)).lower() == "true":
            tables._tables[name]["SSEDescription"] = tables._sse_description_from_spec(
                {"Enabled": True, **encryption}
            )

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        made = stock["create"](logical_id, props, stack)
        settle(made[0], props)
        return made

    def update(
        name: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> Any:
        made = stock["update"](name, old, new, stack, logical_id)
        settle(made[0], new)
        return made

    register(handlers, _TYPE, {**stock, "create": create, "update": update})
