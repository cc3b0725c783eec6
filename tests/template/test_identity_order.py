"""Keycloak's parts are created in their order, administered by the right person, and maintained."""

from tests.template.stack import PHASES, load, system, templates
from tests.template.test_identity import STACK, all_of, environment


def test_what_needs_another_part_waits_for_it() -> None:
    """A load balancer cannot write to a bucket without its policy, a reader needs its writer."""
    found = {name: one.depends_on for name, one in system().in_stack(STACK).items()}
    assert {name: names for name, names in found.items() if names} == {
        "KeycloakBalancer": ("KeycloakAccessLogsPolicy",),
        "KeycloakService": ("KeycloakRealms", "KeycloakWriter"),
        "KeycloakReader": ("KeycloakWriter",),
        "KeycloakGlobalDatabase": ("KeycloakWriter",),
        "KeycloakDatabaseSecretRotation": (
            "KeycloakDatabaseSecretAttachment",
            "KeycloakWriter",
            "KeycloakRotationToDatabase",
        ),
    }


def test_the_first_administrator_is_temporary() -> None:
    """identity/README.md and the secret's description name this user."""
    for phase in PHASES:
        assert environment(phase)["KC_BOOTSTRAP_ADMIN_USERNAME"] == "temp-admin"


def test_every_instance_gets_minor_versions() -> None:
    instances = all_of("AWS::RDS::DBInstance")
    assert set(instances) == {"KeycloakWriter", "KeycloakReader"}
    assert all(one["AutoMinorVersionUpgrade"] is True for one in instances.values())


def test_the_password_is_rotated_from_its_own_group() -> None:
    rotation = all_of("AWS::SecretsManager::RotationSchedule")["KeycloakDatabaseSecretRotation"]
    group = rotation["HostedRotationLambda"]["VpcSecurityGroupIds"]
    assert group == {"Fn::GetAtt": ["KeycloakRotationAccess", "GroupId"]}
    attachment = all_of("AWS::SecretsManager::SecretTargetAttachment")
    assert [one["TargetId"] for one in attachment.values()] == [{"Ref": "KeycloakDatabase"}]


def test_the_image_is_the_one_that_the_operator_names() -> None:
    (task,) = all_of("AWS::ECS::TaskDefinition").values()
    assert [one["Image"] for one in task["ContainerDefinitions"]] == ["keycloak:1"]


def test_what_outlives_its_stack_outlives_its_replacement_too() -> None:
    """Data is kept in both cases, or in none."""
    kept = 0
    for path in templates():
        for name, one in load(path)["Resources"].items():
            policies = (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy"))
            assert policies[0] == policies[1], f"{path} {name}"
            kept += policies[0] is not None
    assert kept > 5
