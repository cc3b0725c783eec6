"""The API's edge in the resolved templates, compared with the scaling strategy."""

import json
import re
from typing import Any

import pytest

from kernel.runtime.contexts import contexts
from tests.template.stack import (
    DOMAIN,
    EVERYTHING,
    PHASES,
    ROOT,
    functions,
    load,
    resources,
    system,
)
from tools.contexts import apis
from zebros.cloudformation import Account, TemplateError, resolve

# "API edge | default quotas | default quotas | custom domain + WAF | CloudFront in front"
WITH_DOMAIN = ("growth", "enterprise")
# "API keys with usage plans"; ours: requests per second and bursts of all machine clients together.
MACHINES = {"mvp": (20, 40), "startup": (40, 80), "growth": (80, 160), "enterprise": (160, 320)}
# Ours: requests from one address in five minutes.
REQUESTS_PER_ADDRESS = {"growth": 10_000, "enterprise": 30_000}
LOCAL = Account(account_id="000000000000")
ZONE = "Z0123456789"
CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"
ORIGIN_SECRET = "{{resolve:secretsmanager:${OriginSecret}}}"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


def of(name: str, **parameters: str) -> dict[str, Any]:
    """The properties of a resource by its logical id."""
    return system(**parameters).resources[name].properties


def att(name: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def records(**parameters: str) -> dict[str, dict[str, Any]]:
    found = resources("AWS::Route53::RecordSet", **parameters).values()
    return {f"{record['Name']} {record['Type']}": record for record in found}


# --- quotas and usage plans ----------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_account_s_quotas_limit_the_api_and_nothing_of_ours(phase: str) -> None:
    (stage,) = resources("AWS::ApiGateway::Stage", Phase=phase).values()
    assert stage["MethodSettings"] == [
        {"ResourcePath": "/*", "HttpMethod": "*", "MetricsEnabled": True}
    ]


@pytest.mark.parametrize("phase", PHASES)
def test_machine_clients_share_a_limit_and_people_have_none(phase: str) -> None:
    plans = resources("AWS::ApiGateway::UsagePlan", Phase=phase)
    rate, burst = MACHINES[phase]
    assert set(plans) == {"PeoplePlan", "MachinesPlan"}
    assert plans["MachinesPlan"]["Throttle"] == {"RateLimit": rate, "BurstLimit": burst}
    assert "Throttle" not in plans["PeoplePlan"]
    for name, plan in plans.items():
        assert plan["ApiStages"] == [{"ApiId": {"Ref": "Api"}, "Stage": "v1"}], name
        assert "Quota" not in plan, name


def test_the_authorizer_returns_the_keys_of_the_plans() -> None:
    environment = functions()["Authorizer"]["Environment"]["Variables"]
    for name in ("People", "Machines"):
        key = of(f"{name}ApiKey")
        assert key["Value"] == environment[f"{name.upper()}_KEY"]
        assert key["Value"] == f"zebros-{name.lower()}-123456789012", "a key has 20 characters"
        assert key["Enabled"] is True
        assert of(f"{name}PlanKey") == {
            "KeyId": {"Ref": f"{name}ApiKey"},
            "KeyType": "API_KEY",
            "UsagePlanId": {"Ref": f"{name}Plan"},
        }
    names = [of(name)["UsagePlanName"] for name in ("PeoplePlan", "MachinesPlan")]
    assert names == ["zebros-people", "zebros-machines"]


def test_a_method_takes_part_in_usage_plans_in_aws_only() -> None:
    """The local platform reads keys from requests only, and would reject every request."""
    body = of("Api")["Body"]
    assert body["x-amazon-apigateway-api-key-source"] == "AUTHORIZER"
    scheme = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    assert body["securityDefinitions"]["UsagePlanKey"] == scheme
    local = resolve(ROOT / "template.yaml", account=LOCAL)
    definitions = local.resources["Api"].properties["Body"]["securityDefinitions"]
    assert set(definitions) == {"Token"}
    assert not local.of_type("AWS::ApiGateway::UsagePlan")


def test_a_key_without_a_plan_is_a_403_like_any_other() -> None:
    responses = of("Api")["Body"]["x-amazon-apigateway-gateway-responses"]
    assert responses["INVALID_API_KEY"]["statusCode"] == "403"


# --- domains -------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_with_a_domain_closes_the_default_endpoint(phase: str) -> None:
    body = of("Api", Phase=phase)["Body"]
    closed = body["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]
    (stage,) = resources("AWS::ApiGateway::Stage", Phase=phase).values()
    outputs = system(Phase=phase).outputs
    if phase in WITH_DOMAIN:
        assert closed is True
        assert stage["Variables"] == {"Domain": "api.crm.example.com"}, "a new setting, see edge.md"
        assert outputs["ApiUrl"] == "https://api.crm.example.com/v1"
        assert outputs["SocketUrl"] == "wss://live.crm.example.com/live"
    else:
        assert closed is False
        assert stage["Variables"] == {"Domain": "none"}
        api = "https://${Api}.execute-api.us-east-1.amazonaws.com/v1"
        assert outputs["ApiUrl"] == {"Fn::Sub": api}
        socket = "wss://${Socket}.execute-api.us-east-1.amazonaws.com/live"
        assert outputs["SocketUrl"] == {"Fn::Sub": socket}


def test_before_growth_there_is_no_domain_no_firewall_and_no_distribution() -> None:
    for phase in ("mvp", "startup"):
        kinds = {resource.type for resource in system(Phase=phase).resources.values()}
        services = {kind.split("::")[1] for kind in kinds}
        assert not services & {"WAFv2", "Route53", "CloudFront"}, phase
        assert not {kind for kind in kinds if kind.endswith("DomainName")}, phase


DOMAINS = {"growth": {"Api": "api"}, "enterprise": {"Api": "api", "Origin": "origin"}}


@pytest.mark.parametrize("phase", WITH_DOMAIN)
def test_the_rest_api_has_its_domains_with_the_paths_it_had_before(phase: str) -> None:
    found = resources("AWS::ApiGateway::DomainName", Phase=phase)
    assert set(found) == {f"{name}Domain" for name in DOMAINS[phase]}
    for name, label in DOMAINS[phase].items():
        assert found[f"{name}Domain"] == {
            "DomainName": f"{label}.crm.example.com",
            "RegionalCertificateArn": DOMAIN["CertificateArn"],
            "SecurityPolicy": "TLS_1_2",
            "EndpointConfiguration": {"Types": ["REGIONAL"]},
        }
        assert of(f"{name}Mapping", Phase=phase) == {
            "DomainName": {"Ref": f"{name}Domain"},
            "BasePath": "v1",
            "RestApiId": {"Ref": "Api"},
            "Stage": "v1",
        }


@pytest.mark.parametrize("phase", WITH_DOMAIN)
def test_the_websocket_api_has_its_domain(phase: str) -> None:
    (domain,) = resources("AWS::ApiGatewayV2::DomainName", Phase=phase).values()
    assert domain["DomainName"] == "live.crm.example.com"
    assert domain["DomainNameConfigurations"] == [
        {
            "CertificateArn": DOMAIN["CertificateArn"],
            "EndpointType": "REGIONAL",
            "SecurityPolicy": "TLS_1_2",
        }
    ]
    assert of("SocketMapping", Phase=phase) == {
        "DomainName": {"Ref": "SocketDomain"},
        "ApiId": {"Ref": "Socket"},
        "Stage": {"Ref": "SocketStage"},
        "ApiMappingKey": "live",
    }


def test_at_growth_the_records_lead_to_the_region() -> None:
    found = records(Phase="growth")
    assert set(found) == {"api.crm.example.com A", "live.crm.example.com A"}
    for name, domain in (("api", "ApiDomain"), ("live", "SocketDomain")):
        record = found[f"{name}.crm.example.com A"]
        assert record["HostedZoneId"] == ZONE
        assert record["AliasTarget"] == {
            "DNSName": att(domain, "RegionalDomainName"),
            "HostedZoneId": att(domain, "RegionalHostedZoneId"),
        }
        assert not {"Failover", "SetIdentifier", "HealthCheckId"} & set(record)


def test_at_enterprise_the_api_s_record_leads_to_cloudfront_which_finds_the_origin() -> None:
    found = records(Phase="enterprise")
    for kind in ("A", "AAAA"):
        record = found.pop(f"api.crm.example.com {kind}")
        assert record["HostedZoneId"] == ZONE
        assert record["AliasTarget"] == {
            "DNSName": att("ApiDistribution", "DomainName"),
            "HostedZoneId": CLOUDFRONT_ZONE,
        }
    assert set(found) == {"origin.crm.example.com A", "live.crm.example.com A"}
    for name, domain in (("origin", "OriginDomain"), ("live", "SocketDomain")):
        record = found[f"{name}.crm.example.com A"]
        assert record["HostedZoneId"] == ZONE
        assert record["AliasTarget"] == {
            "DNSName": att(domain, "RegionalDomainName"),
            "HostedZoneId": att(domain, "RegionalHostedZoneId"),
        }


def test_the_api_s_record_is_one_resource_in_both_phases() -> None:
    """CloudFormation creates a new record before it deletes the old one of the same name."""
    for phase in WITH_DOMAIN:
        assert of("ApiRecord", Phase=phase)["Name"] == "api.crm.example.com"


# --- the firewall --------------------------------------------------------------------------------


def rules(acl: str, **parameters: str) -> dict[str, dict[str, Any]]:
    visible = of(acl, **parameters)["VisibilityConfig"]
    assert visible["SampledRequestsEnabled"] is visible["CloudWatchMetricsEnabled"] is True
    found = of(acl, **parameters)["Rules"]
    assert [rule["Priority"] for rule in found] == list(range(len(found)))
    for rule in found:
        visible = rule["VisibilityConfig"]
        assert visible == {
            "SampledRequestsEnabled": True,
            "CloudWatchMetricsEnabled": True,
            "MetricName": rule["Name"],
        }
    return {rule["Name"]: rule for rule in found}


@pytest.mark.parametrize("phase", WITH_DOMAIN)
def test_the_firewall_is_in_front_of_everything(phase: str) -> None:
    acl = of("FirewallAcl", Phase=phase)
    assert acl["Scope"] == {"growth": "REGIONAL", "enterprise": "CLOUDFRONT"}[phase]
    assert acl["DefaultAction"] == {"Allow": {}}
    assert acl["VisibilityConfig"]["MetricName"] == "zebros-firewall"
    assert "Name" not in acl, "a fixed name could not be replaced by another scope"
    association = of("ApiAclAssociation", Phase=phase)
    stage = "arn:aws:apigateway:us-east-1::/restapis/${Api}/stages/v1"
    assert association["ResourceArn"] == {"Fn::Sub": stage}
    first = {"growth": "FirewallAcl", "enterprise": "OriginAcl"}[phase]
    assert association["WebACLArn"] == att(first, "Arn")


GROUPS = {
    "ip-reputation": "AWSManagedRulesAmazonIpReputationList",
    "anonymous-ip": "AWSManagedRulesAnonymousIpList",
    "known-bad-inputs": "AWSManagedRulesKnownBadInputsRuleSet",
    "common": "AWSManagedRulesCommonRuleSet",
}


def test_the_firewall_uses_the_managed_rule_groups_and_only_counts_anonymous_addresses() -> None:
    found = rules("FirewallAcl")
    assert list(found) == [
        "ip-reputation",
        "anonymous-ip",
        "requests-per-address",
        "known-bad-inputs",
        "common",
        "large-bodies",
    ]
    for name, group in GROUPS.items():
        used = found[name]["Statement"]["ManagedRuleGroupStatement"]
        assert (used["VendorName"], used["Name"]) == ("AWS", group)
        action = "Count" if name == "anonymous-ip" else "None"
        assert found[name]["OverrideAction"] == {action: {}}, name
    overridden = {
        one["Name"]: one["ActionToUse"]
        for one in found["common"]["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    }
    assert overridden == {
        "SizeRestrictions_BODY": {"Count": {}},
        "CrossSiteScripting_BODY": {"Count": {}},
    }


@pytest.mark.parametrize("phase", WITH_DOMAIN)
def test_one_address_has_a_limit_of_requests(phase: str) -> None:
    rule = rules("FirewallAcl", Phase=phase)["requests-per-address"]
    assert rule["Statement"]["RateBasedStatement"] == {
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 300,
        "Limit": REQUESTS_PER_ADDRESS[phase],
    }
    response = rule["Action"]["Block"]["CustomResponse"]
    assert response["ResponseCode"] == 429
    assert response["ResponseHeaders"] == [{"Name": "retry-after", "Value": "300"}]


def test_only_imports_may_send_large_bodies() -> None:
    rule = rules("FirewallAcl")["large-bodies"]
    assert rule["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 413}}}
    labelled, other_path = rule["Statement"]["AndStatement"]["Statements"]
    assert labelled["LabelMatchStatement"] == {
        "Scope": "LABEL",
        "Key": "awswaf:managed:aws:core-rule-set:SizeRestrictions_Body",
    }
    match = other_path["NotStatement"]["Statement"]["RegexMatchStatement"]
    assert match["FieldToMatch"] == {"UriPath": {}}
    assert match["TextTransformations"] == [{"Priority": 0, "Type": "NONE"}]
    paths = {route.path for api in apis() for route in api.routes}
    excepted = {path for path in paths if re.search(match["RegexString"], f"/v1{path}")}
    assert excepted == {path for path in paths if path.endswith("/batch")}
    assert len(excepted) == 5
    assert len(apis()) == len(contexts())


def test_the_firewall_logs_what_it_blocks_and_counts_for_ninety_days() -> None:
    group = of("FirewallLogs")
    assert group["RetentionInDays"] == 90
    # The firewall needs the prefix; the rest is new with each stack, because an old log stays.
    assert group["LogGroupName"] == "aws-waf-logs-zebros-ApiEdge-Firewall"
    logging = of("FirewallLogging")
    assert logging["ResourceArn"] == att("FirewallAcl", "Arn")
    destination = "arn:aws:logs:us-east-1:123456789012:log-group:${FirewallLogs}"
    assert logging["LogDestinationConfigs"] == [{"Fn::Sub": destination}]
    assert logging["RedactedFields"] == [{"SingleHeader": {"Name": "authorization"}}]
    assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"
    (kept,) = logging["LoggingFilter"]["Filters"]
    assert (kept["Behavior"], kept["Requirement"]) == ("KEEP", "MEETS_ANY")
    actions = [one["ActionCondition"]["Action"] for one in kept["Conditions"]]
    assert actions == ["BLOCK", "COUNT"]


def test_a_system_outside_us_east_1_brings_the_firewall_from_there() -> None:
    acl = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/zebros-firewall/1"
    found = resolve(
        ROOT / "template.yaml",
        {**EVERYTHING, "EdgeAclArn": acl},
        account=Account(region="eu-central-1"),
    )
    assert "FirewallAcl" not in found.resources
    for distribution in found.of_type("AWS::CloudFront::Distribution").values():
        assert distribution["DistributionConfig"]["WebACLId"] == acl
    grown = resolve(
        ROOT / "template.yaml",
        {**EVERYTHING, "Phase": "growth", "EdgeAclArn": acl},
        account=Account(region="eu-central-1"),
    )
    assert grown.resources["ApiAclAssociation"].properties["WebACLArn"] == att("FirewallAcl", "Arn")


def test_the_firewall_can_be_a_stack_of_its_own() -> None:
    alone = resolve(ROOT / "infra" / "firewall.yaml", {"SystemName": "zebros"})
    assert alone.resources["FirewallAcl"].properties["Scope"] == "CLOUDFRONT"
    rule = alone.resources["FirewallAcl"].properties["Rules"][2]
    assert rule["Statement"]["RateBasedStatement"]["Limit"] == REQUESTS_PER_ADDRESS["enterprise"]
    assert alone.outputs == {"AclArn": att("FirewallAcl", "Arn")}


# --- CloudFront ----------------------------------------------------------------------------------


def distributions(**parameters: str) -> dict[str, dict[str, Any]]:
    found = resources("AWS::CloudFront::Distribution", **parameters)
    return {name: one["DistributionConfig"] for name, one in found.items()}


def test_cloudfront_exists_at_enterprise_only() -> None:
    for phase in PHASES:
        wanted = {"ApiDistribution", "IdentityDistribution"} if phase == "enterprise" else set()
        assert set(distributions(Phase=phase)) == wanted
    assert set(distributions(IdentityImage="")) == {"ApiDistribution"}


def test_a_distribution_is_modern_logged_and_behind_the_firewall() -> None:
    prefixes = {"ApiDistribution": "api/", "IdentityDistribution": "identity/"}
    comments = {one["Comment"] for one in distributions().values()}
    assert comments == {"zebros, REST API", "zebros, sign-in pages"}
    for name, one in distributions().items():
        assert one["Enabled"] is True
        assert one["HttpVersion"] == "http2and3"
        assert one["IPV6Enabled"] is True
        assert one["PriceClass"] == "PriceClass_100"
        assert one["WebACLId"] == att("FirewallAcl", "Arn")
        assert one["ViewerCertificate"] == {
            "AcmCertificateArn": DOMAIN["EdgeCertificateArn"],
            "MinimumProtocolVersion": "TLSv1.2_2021",
            "SslSupportMethod": "sni-only",
        }
        assert one["Logging"] == {
            "Bucket": att("DistributionLogs", "RegionalDomainName"),
            "Prefix": prefixes[name],
            "IncludeCookies": False,
        }


def test_the_api_is_never_cached_and_gets_all_headers_but_host() -> None:
    api = distributions()["ApiDistribution"]
    assert api["Aliases"] == ["api.crm.example.com"]
    assert api["DefaultCacheBehavior"] == {
        "TargetOriginId": "api",
        "ViewerProtocolPolicy": "https-only",
        "AllowedMethods": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"],
        "CachePolicyId": CACHING_DISABLED,
        "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST,
    }
    assert "CacheBehaviors" not in api
    assert api["Origins"] == [
        {
            "Id": "api",
            "DomainName": "origin.crm.example.com",
            "CustomOriginConfig": {
                "OriginProtocolPolicy": "https-only",
                "OriginSSLProtocols": ["TLSv1.2"],
                "OriginReadTimeout": 30,
            },
            "OriginCustomHeaders": [
                {"HeaderName": "X-Zebros-Origin", "HeaderValue": {"Fn::Sub": ORIGIN_SECRET}}
            ],
        }
    ]


def test_the_sign_in_pages_keep_their_host_and_only_their_theme_is_cached() -> None:
    identity = distributions()["IdentityDistribution"]
    assert identity["Aliases"] == ["id.example.com"]
    common = {
        "TargetOriginId": "keycloak",
        "ViewerProtocolPolicy": "redirect-to-https",
        "OriginRequestPolicyId": ALL_VIEWER,
    }
    methods = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
    assert identity["DefaultCacheBehavior"] == {
        **common,
        "AllowedMethods": methods,
        "CachePolicyId": CACHING_DISABLED,
    }
    assert identity["CacheBehaviors"] == [
        {
            **common,
            "PathPattern": "/resources/*",
            "Compress": True,
            "CachePolicyId": CACHING_OPTIMIZED,
        }
    ]
    (origin,) = identity["Origins"]
    assert origin["Id"] == "keycloak"
    assert origin["DomainName"] == att("KeycloakBalancer", "DNSName")
    assert origin["CustomOriginConfig"] == {
        "OriginProtocolPolicy": "https-only",
        "OriginSSLProtocols": ["TLSv1.2"],
    }
    (header,) = origin["OriginCustomHeaders"]
    secret = {"Fn::Sub": "{{resolve:secretsmanager:${KeycloakOriginSecret}}}"}
    assert header == {"HeaderName": "X-Zebros-Origin", "HeaderValue": secret}


def test_logs_of_the_distributions_are_stored_for_ninety_days() -> None:
    bucket = of("DistributionLogs")
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    expiry, _ = bucket["LifecycleConfiguration"]["Rules"]
    assert (expiry["Status"], expiry["ExpirationInDays"]) == ("Enabled", 90)


# --- closed origins ------------------------------------------------------------------------------


def test_the_origin_accepts_cloudfront_s_secret_and_health_checks_and_nothing_else() -> None:
    acl = of("OriginAcl")
    assert (acl["Scope"], acl["DefaultAction"]) == ("REGIONAL", {"Allow": {}})
    assert acl["Name"] == acl["VisibilityConfig"]["MetricName"] == "zebros-origin"
    (rule,) = rules("OriginAcl").values()
    assert rule["Action"] == {"Block": {}}
    accepted = rule["Statement"]["NotStatement"]["Statement"]["OrStatement"]["Statements"]
    exactly = {
        "PositionalConstraint": "EXACTLY",
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }
    assert [one["ByteMatchStatement"] for one in accepted] == [
        {
            "FieldToMatch": {"SingleHeader": {"Name": "x-zebros-origin"}},
            "SearchString": {"Fn::Sub": ORIGIN_SECRET},
            **exactly,
        },
        {"FieldToMatch": {"UriPath": {}}, "SearchString": "/v1/health", **exactly},
    ]


def test_the_secret_of_the_origin_is_generated_and_has_no_second_use() -> None:
    secret = of("OriginSecret")
    assert secret["Name"] == "zebros-origin"
    assert secret["GenerateSecretString"] == {"PasswordLength": 48, "ExcludePunctuation": True}
    using = {
        name
        for name, resource in system().resources.items()
        if "${OriginSecret}" in json.dumps(resource.properties)
    }
    assert using == {"OriginAcl", "ApiDistribution"}
    assert "OriginSecret" not in system(Phase="growth").resources


# --- wrong input ---------------------------------------------------------------------------------

NEEDS_DOMAIN = "From phase growth on, DomainName, HostedZoneId and CertificateArn are needed"


@pytest.mark.parametrize("phase", WITH_DOMAIN)
@pytest.mark.parametrize("missing", ["DomainName", "HostedZoneId", "CertificateArn"])
def test_a_phase_with_a_domain_without_its_parameters_is_rejected(phase: str, missing: str) -> None:
    with pytest.raises(TemplateError, match=NEEDS_DOMAIN):
        resolve(ROOT / "template.yaml", {**EVERYTHING, "Phase": phase, missing: ""})


def test_enterprise_without_its_certificate_or_firewall_is_rejected() -> None:
    with pytest.raises(TemplateError, match="enterprise needs EdgeCertificateArn"):
        resolve(ROOT / "template.yaml", {**EVERYTHING, "EdgeCertificateArn": ""})
    with pytest.raises(TemplateError, match="enterprise outside us-east-1 needs EdgeAclArn"):
        resolve(ROOT / "template.yaml", EVERYTHING, account=Account(region="eu-central-1"))
    resolve(ROOT / "template.yaml", {**EVERYTHING, "Phase": "growth", "EdgeCertificateArn": ""})


@pytest.mark.parametrize("phase", PHASES)
def test_a_local_deployment_needs_nothing_of_the_edge(phase: str) -> None:
    """`zebros up` passes the phase and no domain."""
    local = resolve(ROOT / "template.yaml", {"Phase": phase}, account=LOCAL)
    assert "ApiEdge" not in {path.rpartition("/")[2] for path in local.stacks}
    body = local.resources["Api"].properties["Body"]
    endpoint = body["x-amazon-apigateway-endpoint-configuration"]
    assert endpoint == {"disableExecuteApiEndpoint": False}
    assert "execute-api" in json.dumps(local.outputs["ApiUrl"])


def test_a_deployment_without_a_domain_needs_no_parameter_of_it() -> None:
    for name in (*DOMAIN, "EdgeAclArn"):
        assert load()["Parameters"][name]["Default"] == "", name
    assert resolve(ROOT / "template.yaml", {"Phase": "startup"}).of_type("AWS::Lambda::Function")
