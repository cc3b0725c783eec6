"""Keycloak in a second region: a copy of the database, and tasks that wait for a failover."""

from typing import Any

import pytest

from tests.template.stack import EVERYTHING, ROOT, SECONDARY, resources, statements_of, system
from zebros.cloudformation import TemplateError, resolve
from zebros.cloudformation.difference import Effect, difference

REPLICA = {"ReplicaRegion": "eu-central-1"}
PROMOTED = {**SECONDARY, "RegionRole": "primary"}
"""The second region's stack after a failover."""
NAME = "zebros-keycloak-database"


def database(**parameters: str) -> dict[str, Any]:
    return resources("AWS::RDS::DBCluster", **parameters)["KeycloakDatabase"]


def tasks(**parameters: str) -> tuple[int, int]:
    target = resources("AWS::ApplicationAutoScaling::ScalableTarget", **parameters)
    keycloak = target["KeycloakScalableTarget"]
    return keycloak["MinCapacity"], keycloak["MaxCapacity"]


def test_a_second_region_has_a_copy_of_the_first_one_s_database() -> None:
    """ "Aurora Global Database": one cluster in each region, one of them written."""
    first, second = database(**REPLICA), database(**SECONDARY)
    assert "GlobalClusterIdentifier" not in first
    assert second["GlobalClusterIdentifier"] == SECONDARY["IdentityGlobalDatabaseId"]
    # RDS rejects them for a copy, which has those of the original.
    for own in ("MasterUsername", "MasterUserPassword", "ManageMasterUserPassword", "DatabaseName"):
        assert own not in second, own
    assert (first["MasterUsername"], first["DatabaseName"]) == ("zebros", "keycloak")
    assert second["StorageEncrypted"] is True
    assert second["KmsKeyId"] == "alias/aws/rds", "RDS asks for a key of the copy's own region"
    assert "KmsKeyId" not in first
    assert first["ServerlessV2ScalingConfiguration"] == second["ServerlessV2ScalingConfiguration"]
    for parameters, owned in ((REPLICA, True), (SECONDARY, False), (PROMOTED, False)):
        assert bool(resources("AWS::RDS::GlobalCluster", **parameters)) == owned


def test_the_password_is_made_in_one_region_and_replicated_to_the_other() -> None:
    secret = resources("AWS::SecretsManager::Secret", **REPLICA)["KeycloakDatabaseSecret"]
    assert secret["Name"] == NAME
    assert secret["ReplicaRegions"] == [{"Region": "eu-central-1"}]
    alone = resources("AWS::SecretsManager::Secret")["KeycloakDatabaseSecret"]
    assert "ReplicaRegions" not in alone
    second = system(**SECONDARY).resources
    for name in ("Secret", "SecretAttachment", "SecretRotation"):
        assert f"KeycloakDatabase{name}" not in second, "one region rotates it"
    assert "KeycloakRotationAccess" not in second


@pytest.mark.parametrize("parameters", [REPLICA, SECONDARY, PROMOTED])
def test_keycloak_finds_the_password_by_its_name_in_its_own_region(
    parameters: dict[str, str],
) -> None:
    (container,) = resources("AWS::ECS::TaskDefinition", **parameters)["KeycloakTask"][
        "ContainerDefinitions"
    ]
    url = next(one["Value"] for one in container["Environment"] if one["Name"] == "KC_DB_URL")
    assert f"secretsManagerSecretId={NAME}&secretsManagerRegion=us-east-1" in str(url)
    (allowed,) = statements_of("KeycloakTaskRole", **parameters)
    assert allowed["Action"] == "secretsmanager:GetSecretValue"
    pattern = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-??????"
    owned = {"Ref": "KeycloakDatabaseSecret"}
    assert allowed["Resource"] == (owned if parameters is REPLICA else pattern)


def test_a_secondary_s_tasks_start_when_it_becomes_the_primary() -> None:
    assert tasks(**REPLICA) == (2, 5)
    assert tasks(**SECONDARY) == (0, 0), "Keycloak cannot run on a database that is read-only"
    assert tasks(**PROMOTED) == (2, 5)


def test_a_failover_replaces_nothing_of_keycloak() -> None:
    found = difference(system(**SECONDARY), system(**PROMOTED))
    touched = {one.name: one for one in found if one.stack == "zebros/Servers/Identity"}
    assert set(touched) == {"KeycloakScalableTarget"}
    assert touched["KeycloakScalableTarget"].effect is Effect.CHANGED


def test_the_global_database_s_id_is_an_output_of_its_owner_only() -> None:
    wanted = {"Ref": "KeycloakGlobalDatabase"}
    assert system(**REPLICA).outputs["IdentityGlobalDatabaseId"] == wanted
    for other in (SECONDARY, PROMOTED, {"Phase": "growth"}, {"IdentityImage": ""}):
        assert "IdentityGlobalDatabaseId" not in system(**other).outputs


def test_a_second_keycloak_without_the_first_one_s_database_is_rejected() -> None:
    message = "RegionRole secondary with IdentityImage needs IdentityGlobalDatabaseId"
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", EVERYTHING | SECONDARY | {"IdentityGlobalDatabaseId": ""})
    without = {"IdentityGlobalDatabaseId": "", "IdentityImage": ""}
    assert resolve(ROOT / "template.yaml", EVERYTHING | SECONDARY | without)
