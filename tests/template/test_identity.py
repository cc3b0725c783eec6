"""Keycloak, its load balancer and its database, compared with the strategy, which is quoted."""

import itertools
from typing import Any

import pytest

from tests.template.stack import (
    DOMAIN,
    EVERYTHING,
    PHASES,
    ROOT,
    load,
    resources,
    statements_of,
    system,
)
from zebros.cloudformation import Account, TemplateError, resolve

STACK = "zebros/Servers/Identity"
# The strategy: "Keycloak behind ALB: 1 task, 1-2, 2-5, multi-AZ, ECS service behind CloudFront".
TASKS = {"mvp": (1, 1), "startup": (1, 2), "growth": (2, 5), "enterprise": (2, 5)}
# The strategy: "Keycloak in 0.25 vCPU / 0.5 GB cannot run (its documented base is 1,250 MB):
# Keycloak tasks get 2 GB". The CPU is ours (docs/adr/0018).
SIZE = {
    "mvp": (512, 2048),
    "startup": (512, 2048),
    "growth": (1024, 2048),
    "enterprise": (1024, 2048),
}
# The strategy: "Aurora Serverless v2: 1-2 ACU, 2-4 ACU, multi-AZ cluster, Global Database". It has
# no capacity for the last two; ours.
UNITS = {"mvp": (1, 2), "startup": (2, 4), "growth": (2, 8), "enterprise": (4, 16)}
# Ours, as the issue asks: a week, and a month from growth on.
BACKUP_DAYS = {"mvp": 7, "startup": 7, "growth": 30, "enterprise": 30}
GROWN = ("growth", "enterprise")
EVERYBODY = "0.0.0.0/0"


def one(kind: str, phase: str = "enterprise", **parameters: str) -> dict[str, Any]:
    """The only resource of a type in the identity stack."""
    found = all_of(kind, phase, **parameters)
    assert len(found) == 1, list(found)
    return next(iter(found.values()))


def all_of(kind: str, phase: str = "enterprise", **parameters: str) -> dict[str, dict[str, Any]]:
    """The resources of a type in the identity stack."""
    stack = system(Phase=phase, **parameters).in_stack(STACK)
    return {name: one.properties for name, one in stack.items() if one.type == kind}


def container(phase: str = "enterprise") -> dict[str, Any]:
    (found,) = one("AWS::ECS::TaskDefinition", phase)["ContainerDefinitions"]
    assert isinstance(found, dict)
    return found


def environment(phase: str = "enterprise") -> dict[str, Any]:
    return {variable["Name"]: variable["Value"] for variable in container(phase)["Environment"]}


def attributes(phase: str) -> dict[str, Any]:
    balancer = one("AWS::ElasticLoadBalancingV2::LoadBalancer", phase)
    return {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}


# --- Figures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_keycloak_has_the_phase_s_number_of_tasks(phase: str) -> None:
    target = one("AWS::ApplicationAutoScaling::ScalableTarget", phase)
    assert (target["MinCapacity"], target["MaxCapacity"]) == TASKS[phase]
    assert target["ScalableDimension"] == "ecs:service:DesiredCount"
    assert target["ServiceNamespace"] == "ecs"
    assert target["ResourceId"] == {"Fn::Sub": "service/${KeycloakCluster}/${KeycloakService.Name}"}


@pytest.mark.parametrize("phase", PHASES)
def test_a_task_has_two_gigabytes(phase: str) -> None:
    task = one("AWS::ECS::TaskDefinition", phase)
    assert (task["Cpu"], task["Memory"]) == SIZE[phase]


def test_a_busy_service_gets_more_tasks_and_is_never_interrupted() -> None:
    """ "CPU utilisation > 70 %: more Fargate tasks"."""
    policy = one("AWS::ApplicationAutoScaling::ScalingPolicy")
    tracked = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracked["TargetValue"] == 70
    assert tracked["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
    }
    assert (tracked["ScaleOutCooldown"], tracked["ScaleInCooldown"]) == (120, 600)
    assert policy["ScalingTargetId"] == {"Ref": "KeycloakScalableTarget"}
    service = one("AWS::ECS::Service")
    assert service["LaunchType"] == "FARGATE", "no Spot: people wait for it"
    assert "DesiredCount" not in service, "every update would undo the scaling"
    assert service["DeploymentConfiguration"] == {
        "MinimumHealthyPercent": 100,
        "MaximumPercent": 200,
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
    }


@pytest.mark.parametrize("phase", PHASES)
def test_the_database_has_the_phase_s_capacity(phase: str) -> None:
    database = one("AWS::RDS::DBCluster", phase)
    capacity = database["ServerlessV2ScalingConfiguration"]
    assert (capacity["MinCapacity"], capacity["MaxCapacity"]) == UNITS[phase]
    assert (database["Engine"], database["EngineMode"]) == ("aurora-postgresql", "provisioned")
    instances = all_of("AWS::RDS::DBInstance", phase)
    assert len(instances) == (2 if phase in GROWN else 1), "a reader, in another zone"
    for name, instance in instances.items():
        assert instance["DBInstanceClass"] == "db.serverless", name
        assert instance["Engine"] == database["Engine"]
        assert instance["DBClusterIdentifier"] == {"Ref": "KeycloakDatabase"}
        assert instance["EnablePerformanceInsights"] is True
    # A larger tier than 1 would not follow the writer's size.
    tiers = {name: instance["PromotionTier"] for name, instance in instances.items()}
    wanted = {"KeycloakWriter": 0, "KeycloakReader": 1}
    assert tiers == {name: tier for name, tier in wanted.items() if name in instances}


@pytest.mark.parametrize("phase", PHASES)
def test_all_tasks_of_a_deployment_find_a_connection(phase: str) -> None:
    """PostgreSQL's limit in Aurora: its memory (2 GiB a unit) / 9,531,392 bytes, at most 5,000."""
    allowed = min(5000, UNITS[phase][1] * 2 * 2**30 // 9_531_392)
    most = int(environment(phase)["KC_DB_POOL_MAX_SIZE"]) * TASKS[phase][1] * 2
    assert 0 < most <= 0.9 * allowed
    assert environment(phase)["KC_DB_POOL_MAX_SIZE"] == 50


@pytest.mark.parametrize("phase", PHASES)
def test_only_an_enterprise_database_is_global(phase: str) -> None:
    clusters = all_of("AWS::RDS::GlobalCluster", phase)
    assert bool(clusters) == (phase == "enterprise")
    for cluster in clusters.values():
        # Attached: GlobalClusterIdentifier on the cluster can be set at creation only.
        source = {"Fn::GetAtt": ["KeycloakDatabase", "DBClusterArn"]}
        assert cluster["SourceDBClusterIdentifier"] == source
        assert cluster["DeletionProtection"] is False, "the cluster in it is protected"
    assert "GlobalClusterIdentifier" not in one("AWS::RDS::DBCluster", phase)


# --- What holds data --------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_database_is_encrypted_backed_up_and_not_deleted_by_mistake(phase: str) -> None:
    database = one("AWS::RDS::DBCluster", phase)
    assert database["StorageEncrypted"] is True
    assert database["DeletionProtection"] is True
    assert database["CopyTagsToSnapshot"] is True
    assert database["BackupRetentionPeriod"] == BACKUP_DAYS[phase]
    whole = system(Phase=phase).resources["KeycloakDatabase"]
    assert (whole.deletion_policy, whole.update_replace_policy) == ("Snapshot", "Snapshot")


def test_a_phase_changes_nothing_that_would_replace_the_database() -> None:
    """Properties that can be set at creation only, from the resource's schema."""
    for first, second in itertools.permutations(PHASES, 2):
        before, after = (one("AWS::RDS::DBCluster", phase) for phase in (first, second))
        for name in ("DatabaseName", "EngineMode", "DBSubnetGroupName", "StorageEncrypted"):
            assert before[name] == after[name], name
        before, after = (
            one("AWS::ElasticLoadBalancingV2::LoadBalancer", phase) for phase in (first, second)
        )
        assert (before["Scheme"], before["Type"]) == (after["Scheme"], after["Type"])


@pytest.mark.parametrize("phase", PHASES)
def test_a_grown_load_balancer_is_not_deleted_by_mistake(phase: str) -> None:
    protected = "true" if phase in GROWN else "false"
    assert attributes(phase)["deletion_protection.enabled"] == protected


# --- Passwords --------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_database_s_password_is_generated_and_rotated(phase: str) -> None:
    """ "secrets rotated": by RDS every 7 days, by Secrets Manager where RDS cannot."""
    database = one("AWS::RDS::DBCluster", phase)
    schedules = all_of("AWS::SecretsManager::RotationSchedule", phase)
    if phase != "enterprise":
        assert database["ManageMasterUserPassword"] is True
        assert "MasterUserPassword" not in database
        assert not schedules
        return
    # "isn't supported for DB clusters that are part of an Aurora global database"
    assert "ManageMasterUserPassword" not in database
    assert database["MasterUserPassword"] == {
        "Fn::Sub": "{{resolve:secretsmanager:${KeycloakDatabaseSecret}:SecretString:password}}"
    }
    (schedule,) = schedules.values()
    assert schedule["RotationRules"] == {"AutomaticallyAfterDays": 7}
    assert schedule["SecretId"] == {"Ref": "KeycloakDatabaseSecret"}
    assert schedule["RotateImmediatelyOnUpdate"] is False, "not in the middle of a deployment"
    rotation = schedule["HostedRotationLambda"]
    assert rotation["RotationType"] == "PostgreSQLSingleUser"
    assert "/" in rotation["ExcludeCharacters"], "RDS rejects some characters"
    subnets = [name["Ref"] for name in one("AWS::RDS::DBSubnetGroup")["SubnetIds"]]
    assert rotation["VpcSubnetIds"] == {"Fn::Sub": ",".join(f"${{{name}}}" for name in subnets)}
    attachment = one("AWS::SecretsManager::SecretTargetAttachment")
    assert attachment["TargetType"] == "AWS::RDS::DBCluster"
    assert attachment["SecretId"] == {"Ref": "KeycloakDatabaseSecret"}
    secret = all_of("AWS::SecretsManager::Secret")["KeycloakDatabaseSecret"]
    generated = secret["GenerateSecretString"]
    assert generated["GenerateStringKey"] == "password"
    assert f'"username": "{database["MasterUsername"]}"' in generated["SecretStringTemplate"]


@pytest.mark.parametrize("phase", PHASES)
def test_keycloak_reads_the_password_for_each_connection(phase: str) -> None:
    """A variable of the task would be wrong after a rotation, until every task restarts."""
    secret = (
        {"Ref": "KeycloakDatabaseSecret"}
        if phase == "enterprise"
        else {"Fn::GetAtt": ["KeycloakDatabase", "MasterUserSecret.SecretArn"]}
    )
    url = environment(phase)["KC_DB_URL"]["Fn::Sub"]
    managed = "${KeycloakDatabase.MasterUserSecret.SecretArn}"
    name = "zebros-keycloak-database" if "Ref" in secret else managed
    assert f"&secretsManagerSecretId={name}&" in url
    assert url.startswith(
        "jdbc:aws-wrapper:postgresql://${KeycloakDatabase.Endpoint.Address}:5432/keycloak?"
    )
    plugins = url.partition("wrapperPlugins=")[2].partition("&")[0].split(",")
    assert {"awsSecretsManager", "failover2"} <= set(plugins)
    assert "sslmode=require" in url
    parameters = one("AWS::RDS::DBClusterParameterGroup", phase)
    assert parameters["Parameters"] == {"rds.force_ssl": "1"}
    cluster = one("AWS::RDS::DBCluster", phase)
    assert cluster["DBClusterParameterGroupName"] == {"Ref": "KeycloakDatabaseParameters"}
    version = cluster["EngineVersion"]
    assert parameters["Family"] == f"aurora-postgresql{version.partition('.')[0]}"
    assert not {"KC_DB_USERNAME", "KC_DB_PASSWORD"} & set(environment(phase))
    (statement,) = statements("KeycloakTaskRole", phase)
    assert statement["Resource"] == secret
    assert statement["Action"] == "secretsmanager:GetSecretValue"


def statements(role: str, phase: str) -> list[dict[str, Any]]:
    policies = all_of("AWS::IAM::Role", phase)[role]["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def test_no_secret_is_in_the_template() -> None:
    secrets = all_of("AWS::SecretsManager::Secret")
    assert set(secrets) == {
        "KeycloakAdminSecret",
        "KeycloakDatabaseSecret",
        "KeycloakOriginSecret",
    }
    for name, secret in secrets.items():
        assert secret["GenerateSecretString"]["PasswordLength"] >= 40, name
        assert secret["GenerateSecretString"]["ExcludePunctuation"] is True, name
        assert "SecretString" not in secret
    assert container()["Secrets"] == [
        {"Name": "KC_BOOTSTRAP_ADMIN_PASSWORD", "ValueFrom": {"Ref": "KeycloakAdminSecret"}}
    ]
    (statement,) = statements("KeycloakExecutionRole", "enterprise")
    assert statement["Resource"] == {"Ref": "KeycloakAdminSecret"}


# --- Who reaches whom -------------------------------------------------------------------------


def rules(direction: str, phase: str) -> set[tuple[str, str, int]]:
    """(group, other side, port) of every rule of the security groups."""
    other_group = {"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}
    found = [
        (name, rule)
        for name, group in all_of("AWS::EC2::SecurityGroup", phase).items()
        for rule in group.get(f"SecurityGroup{direction}", [])
    ]
    found += [
        (rule["GroupId"]["Fn::GetAtt"][0], rule)
        for rule in all_of(f"AWS::EC2::SecurityGroup{direction}", phase).values()
    ]
    result = set()
    for name, rule in found:
        group = rule.get(other_group[direction], {}).get("Fn::GetAtt", [None])[0]
        side = group or rule.get("CidrIp") or rule["SourcePrefixListId"]
        assert rule.get("FromPort") == rule.get("ToPort")
        assert rule["IpProtocol"] == ("tcp" if "FromPort" in rule else "-1")
        result.add((name, side, rule.get("FromPort", 0)))
    return result


@pytest.mark.parametrize("phase", PHASES)
def test_traffic_goes_from_load_balancer_to_keycloak_to_database_only(phase: str) -> None:
    incoming = {
        ("KeycloakBalancerAccess", "203.0.113.7/32", 443),
        ("KeycloakAccess", "KeycloakBalancerAccess", 8080),
        ("KeycloakAccess", "KeycloakBalancerAccess", 9000),
        ("KeycloakAccess", "KeycloakAccess", 7800),
        ("KeycloakAccess", "KeycloakAccess", 57800),
        ("KeycloakDatabaseAccess", "KeycloakAccess", 5432),
    }
    outgoing = {
        ("KeycloakBalancerAccess", "KeycloakAccess", 8080),
        ("KeycloakBalancerAccess", "KeycloakAccess", 9000),
        ("KeycloakAccess", EVERYBODY, 443),
        ("KeycloakAccess", "KeycloakAccess", 7800),
        ("KeycloakAccess", "KeycloakAccess", 57800),
        ("KeycloakAccess", "KeycloakDatabaseAccess", 5432),
        ("KeycloakDatabaseAccess", "127.0.0.1/32", 0),
    }
    if phase == "enterprise":
        incoming |= {
            ("KeycloakBalancerAccess", EVERYTHING["CloudFrontPrefixListId"], 443),
            ("KeycloakDatabaseAccess", "KeycloakRotationAccess", 5432),
        }
        outgoing |= {
            ("KeycloakRotationAccess", EVERYBODY, 443),
            ("KeycloakRotationAccess", "KeycloakDatabaseAccess", 5432),
        }
    else:
        incoming |= {
            ("KeycloakBalancerAccess", EVERYBODY, 443),
            ("KeycloakBalancerAccess", EVERYBODY, 80),
        }
    assert rules("Ingress", phase) == incoming
    assert rules("Egress", phase) == outgoing


@pytest.mark.parametrize("phase", PHASES)
def test_every_part_is_in_its_group_and_its_subnets(phase: str) -> None:
    def subnets(value: list[dict[str, str]]) -> list[str]:
        assert len(value) >= 2, "availability zones"
        return [one["Ref"] for one in value]

    def zones(names: list[str]) -> set[str]:
        return {str(system(Phase=phase).resources[n].properties["AvailabilityZone"]) for n in names}

    service = one("AWS::ECS::Service", phase)["NetworkConfiguration"]["AwsvpcConfiguration"]
    balancer = one("AWS::ElasticLoadBalancingV2::LoadBalancer", phase)
    database = one("AWS::RDS::DBCluster", phase)
    groups = [balancer["SecurityGroups"], service["SecurityGroups"]]
    groups.append(database["VpcSecurityGroupIds"])
    assert [one["Fn::GetAtt"][0] for (one,) in groups] == [
        "KeycloakBalancerAccess",
        "KeycloakAccess",
        "KeycloakDatabaseAccess",
    ]
    stored = subnets(one("AWS::RDS::DBSubnetGroup", phase)["SubnetIds"])
    running, public = subnets(service["Subnets"]), subnets(balancer["Subnets"])
    for names in (stored, running, public):
        assert len(zones(names)) == len(names)
    assert not set(stored) & set(public), "the database is in private subnets"
    # Private subnets reach the internet, and so the image, from growth on.
    assert running == (stored if phase in GROWN else public)
    assert service["AssignPublicIp"] == ("DISABLED" if phase in GROWN else "ENABLED")
    for name, instance in all_of("AWS::RDS::DBInstance", phase).items():
        assert instance["PubliclyAccessible"] is False, name
    vpcs = {
        str(properties["VpcId"])
        for kind in ("AWS::EC2::SecurityGroup", "AWS::ElasticLoadBalancingV2::TargetGroup")
        for properties in all_of(kind, phase).values()
    }
    assert len(vpcs) == 1


@pytest.mark.parametrize("phase", PHASES)
def test_sign_in_is_over_tls_and_http_only_redirects(phase: str) -> None:
    listeners = all_of("AWS::ElasticLoadBalancingV2::Listener", phase)
    plain, secure = listeners["KeycloakRedirect"], listeners["KeycloakListener"]
    assert (plain["Protocol"], plain["Port"]) == ("HTTP", 80)
    assert plain["DefaultActions"] == [
        {
            "Type": "redirect",
            "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
        }
    ]
    assert (secure["Protocol"], secure["Port"]) == ("HTTPS", 443)
    assert secure["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res")
    assert secure["Certificates"] == [{"CertificateArn": EVERYTHING["IdentityCertificateArn"]}]
    (default,) = secure["DefaultActions"]
    assert default["Type"] == "fixed-response"
    assert default["FixedResponseConfig"]["StatusCode"] == "404"
    assert attributes(phase)["routing.http.drop_invalid_header_fields.enabled"] == "true"


def listener_rules(phase: str, **parameters: str) -> list[dict[str, Any]]:
    found = all_of("AWS::ElasticLoadBalancingV2::ListenerRule", phase, **parameters).values()
    return sorted(found, key=lambda rule: int(rule["Priority"]))


@pytest.mark.parametrize("phase", PHASES)
def test_administration_is_reached_by_administrators_only(phase: str) -> None:
    admins, others, people = listener_rules(phase)
    paths = [rule["Conditions"][0]["PathPatternConfig"]["Values"] for rule in (admins, people)]
    assert paths == [["/admin/*", "/realms/*", "/resources/*"], ["/realms/*", "/resources/*"]]
    assert admins["Conditions"][1] == {
        "Field": "source-ip",
        "SourceIpConfig": {"Values": ["203.0.113.7/32"]},
    }
    (masters,) = others["Conditions"]
    assert masters["PathPatternConfig"]["Values"] == ["/realms/master", "/realms/master/*"]
    assert others["Actions"][0]["Type"] == "fixed-response"
    assert others["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
    target = {"Ref": "KeycloakTargets"}
    for rule in (admins, people):
        assert rule["Actions"] == [{"Type": "forward", "TargetGroupArn": target}]
    for rule in (admins, others, people):
        assert rule["ListenerArn"] == {"Ref": "KeycloakListener"}
    assert [rule["Priority"] for rule in (admins, others, people)] == [10, 20, 30]
    without = listener_rules(phase, IdentityAdminCidr="")
    assert without == [others, people]
    groups = all_of("AWS::EC2::SecurityGroup", phase, IdentityAdminCidr="")
    assert "Administration" not in str(groups)


@pytest.mark.parametrize("phase", PHASES)
def test_an_enterprise_origin_answers_our_cloudfront_only(phase: str) -> None:
    """ "CloudFront in front of API and identity, origins closed to others"."""
    people = listener_rules(phase)[-1]
    has_secret = "KeycloakOriginSecret" in all_of("AWS::SecretsManager::Secret", phase)
    assert has_secret == (phase == "enterprise")
    if phase != "enterprise":
        assert len(people["Conditions"]) == 1
        return
    assert people["Conditions"][1] == {
        "Field": "http-header",
        "HttpHeaderConfig": {
            "HttpHeaderName": "X-Zebros-Origin",
            "Values": [{"Fn::Sub": "{{resolve:secretsmanager:${KeycloakOriginSecret}}}"}],
        },
    }


# --- The container ----------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_load_balancer_asks_keycloak_s_management_port_for_its_health(phase: str) -> None:
    """tests/identity asks a real server at the same path, and finds it missing on the main port."""
    targets = one("AWS::ElasticLoadBalancingV2::TargetGroup", phase)
    assert (targets["HealthCheckPort"], targets["HealthCheckPath"]) == ("9000", "/health/ready")
    assert (targets["TargetType"], targets["Protocol"], targets["Port"]) == ("ip", "HTTP", 8080)
    assert targets["Matcher"] == {"HttpCode": "200"}
    assert targets["HealthCheckIntervalSeconds"] == 10
    assert targets["HealthCheckTimeoutSeconds"] == 5
    assert (targets["HealthyThresholdCount"], targets["UnhealthyThresholdCount"]) == (2, 3)
    assert container(phase)["Essential"] is True
    service = one("AWS::ECS::Service", phase)
    (attached,) = service["LoadBalancers"]
    assert attached == {
        "ContainerName": container(phase)["Name"],
        "ContainerPort": 8080,
        "TargetGroupArn": {"Ref": "KeycloakTargets"},
    }
    assert {one["ContainerPort"] for one in container(phase)["PortMappings"]} == {8080, 9000}
    assert service["HealthCheckGracePeriodSeconds"] == 300, "half a core starts in two minutes"
    assert {"KeycloakRealms", "KeycloakWriter"} <= set(
        system(Phase=phase).resources["KeycloakService"].depends_on
    )


def test_the_agent_and_keycloak_have_roles_of_their_own() -> None:
    task = one("AWS::ECS::TaskDefinition")
    assert task["ExecutionRoleArn"] == {"Fn::GetAtt": ["KeycloakExecutionRole", "Arn"]}
    assert task["TaskRoleArn"] == {"Fn::GetAtt": ["KeycloakTaskRole", "Arn"]}
    assert task["Family"] == "zebros-Servers-Identity"
    (statement,) = statements_of("KeycloakExecutionRole")
    assert statement == {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": {"Ref": "KeycloakAdminSecret"},
    }


def test_keycloak_s_log_is_json_in_its_own_group() -> None:
    assert environment()["KC_LOG_CONSOLE_OUTPUT"] == "json"
    options = container()["LogConfiguration"]["Options"]
    assert options["awslogs-group"] == {"Ref": "KeycloakLogs"}
    assert options["awslogs-region"] == "us-east-1"


def test_a_task_stops_after_the_load_balancer_and_its_requests() -> None:
    seconds = {name: int(str(value).removesuffix("s")) for name, value in environment().items()
               if name.startswith("KC_SHUTDOWN_")}  # fmt: skip
    targets = one("AWS::ElasticLoadBalancingV2::TargetGroup")
    (delay,) = targets["TargetGroupAttributes"]
    assert delay["Key"] == "deregistration_delay.timeout_seconds"
    assert seconds["KC_SHUTDOWN_DELAY"] >= 10
    assert sum(seconds.values()) < container()["StopTimeout"] == 60
    assert int(delay["Value"]) <= sum(seconds.values())


def test_the_container_is_not_root_and_writes_to_its_volumes_only() -> None:
    keycloak = container()
    assert keycloak["User"] == "1000:1000"
    assert keycloak["ReadonlyRootFilesystem"] is True
    volumes = {one["Name"] for one in one("AWS::ECS::TaskDefinition")["Volumes"]}
    mounted = {m["ContainerPath"]: m["SourceVolume"] for m in keycloak["MountPoints"]}
    assert mounted == {"/opt/keycloak/data": "data", "/tmp": "tmp"}
    assert {one["ReadOnly"] for one in keycloak["MountPoints"]} == {False}
    assert volumes == set(mounted.values())
    dockerfile = (ROOT / "identity" / "Dockerfile").read_text("utf-8")
    assert 'VOLUME ["/opt/keycloak/data", "/tmp"]' in dockerfile
    assert "USER 1000:1000" in dockerfile


def test_logs_are_kept_for_ninety_days() -> None:
    """ "system logs 90 days"."""
    assert one("AWS::Logs::LogGroup")["RetentionInDays"] == 90
    options = container()["LogConfiguration"]["Options"]
    assert options["awslogs-group"] == {"Ref": "KeycloakLogs"}
    (expiry, _) = one("AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert (expiry["Status"], expiry["ExpirationInDays"]) == ("Enabled", 90)
    assert attributes("mvp")["access_logs.s3.enabled"] == "true"
    assert attributes("mvp")["access_logs.s3.bucket"] == {"Ref": "KeycloakAccessLogs"}
    _, allowed = one("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "s3:PutObject")
    assert allowed["Resource"] == {"Fn::Sub": "${KeycloakAccessLogs.Arn}/AWSLogs/123456789012/*"}


# --- Parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_authorizer_trusts_the_keycloak_that_is_deployed_with_it(phase: str) -> None:
    def issuer(**parameters: str) -> Any:
        functions = resources("AWS::Lambda::Function", Phase=phase, **parameters)
        return functions["Authorizer"]["Environment"]["Variables"]["ISSUER_BASE"]

    assert issuer() == "https://id.example.com/realms/"
    assert environment(phase)["KC_HOSTNAME"] == "https://id.example.com"
    own = "https://login.example.net/realms/"
    assert issuer(IdentityImage="", IssuerBase=own) == own
    assert not system(Phase=phase, IdentityImage="").in_stack(STACK)


GIVEN = {
    **DOMAIN,
    "Phase": "growth",
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"IdentityDomainName": ""}, "IdentityImage needs IdentityDomainName, the host name"),
        ({"IdentityCertificateArn": ""}, "IdentityImage needs IdentityCertificateArn, the cert"),
        ({"Phase": "enterprise"}, "At enterprise, IdentityImage needs CloudFrontPrefixListId"),
        ({"CloudFrontPrefixListId": "everybody"}, "CloudFrontPrefixListId cannot be 'everybody'"),
        ({"IdentityAdminCidr": "0.0.0.0/0"}, "IdentityAdminCidr cannot be '0.0.0.0/0'"),
    ],
)
def test_half_an_identity_provider_is_rejected(changed: dict[str, str], message: str) -> None:
    assert resolve(ROOT / "template.yaml", GIVEN).in_stack(STACK)
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", GIVEN | changed)


def test_identity_is_off_by_default_and_never_local() -> None:
    assert load()["Parameters"]["IdentityImage"]["Default"] == ""
    assert not resolve(ROOT / "template.yaml").in_stack(STACK)
    laptop = Account(account_id="000000000000")
    for phase in PHASES:
        assert not resolve(ROOT / "template.yaml", GIVEN | {"Phase": phase,
            "CloudFrontPrefixListId": "pl-1"}, account=laptop).in_stack(STACK)  # fmt: skip


def test_other_parts_find_the_load_balancer_and_the_secret_of_its_origin() -> None:
    outputs = load("infra/identity.yaml")["Outputs"]
    assert outputs["LoadBalancerDnsName"]["Value"] == {
        "Fn::GetAtt": ["KeycloakBalancer", "DNSName"]
    }
    assert outputs["LoadBalancerZoneId"]["Value"] == {
        "Fn::GetAtt": ["KeycloakBalancer", "CanonicalHostedZoneID"]
    }
    assert outputs["OriginSecretArn"]["Value"] == {"Ref": "KeycloakOriginSecret"}
