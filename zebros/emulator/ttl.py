"""Time to live, recovery, encryption and deletion protection of a table in a template.

Without this patch: CloudFormation creates the table (`Table` or `GlobalTable`) and ignores them, so
items never expire, DescribeTable shows no encryption, and a protected GlobalTable can be deleted.
(The API call UpdateTimeToLive works.)

Fix: they are set after create and after update; for a GlobalTable, recovery and protection are
those of the replica in this region. The emulator deletes expired items once a minute; until then
they can be read, as in AWS. An expiry writes no stream record.
"""

from typing import Any

from zebros.emulator.patching import module, settle_after

_TYPES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


def apply() -> None:
    """Apply these settings of the template to the table."""
    for kind in _TYPES:
        _apply(kind)


def _apply(kind: str) -> None:
    tables, scope = module("services.dynamodb"), module("core.responses")

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

    settle_after(kind, settle)
