"""Times, batch sizes, and what the parameters accept."""

import pytest

from tests.template.stack import PHASES, functions, load, resources, system, templates
from zebros.cloudformation import TemplateError, resolve

TIMEOUTS = {
    "Authorizer": 10,
    "Docs": 5,
    "ReportingLake": 60,
    "ReportingSteps": 60,
    "ImportsSteps": 15,
    "ReportingAnalytics": 900,
}
BY_ROLE = {"Api": 15, "Events": 30, "Relay": 60, "Socket": 15, "Maintenance": 60}
"""Seconds. API Gateway waits 29 s; a relay retries while the bus is slow."""
BATCHES = {"ReportingLakeSource": 1000, "ScalingEventsSource": 100}


@pytest.mark.parametrize("name", functions())
def test_a_function_may_run_as_long_as_its_role_needs(name: str) -> None:
    by_role = {end: seconds for end, seconds in BY_ROLE.items() if name.endswith(end)}
    if name in TIMEOUTS or by_role:
        wanted = TIMEOUTS.get(name) or next(iter(by_role.values()))
        assert functions()[name]["Timeout"] == wanted


def test_a_consumer_s_message_is_invisible_for_six_runs_and_the_batching_window() -> None:
    longest = str(load()["Parameters"]["LakeFlushSeconds"]["MaxValue"])
    for name, mapping in resources(
        "AWS::Lambda::EventSourceMapping", LakeFlushSeconds=longest
    ).items():
        queue, attribute = mapping["EventSourceArn"]["Fn::GetAtt"]
        if attribute == "Arn":
            function = functions()[mapping["FunctionName"]["Ref"]]
            window = mapping.get("MaximumBatchingWindowInSeconds", 0)
            seconds = resources("AWS::SQS::Queue")[queue]["VisibilityTimeout"]
            assert seconds == 6 * function["Timeout"] + window, name
            assert mapping["BatchSize"] == BATCHES.get(name, 10), name
        else:
            assert mapping["BatchSize"] == 100
            assert mapping["MaximumRetryAttempts"] == 300
            assert mapping["MaximumRecordAgeInSeconds"] == 12 * 3600


def test_the_lake_s_writer_makes_few_and_large_files() -> None:
    lake = resources("AWS::Lambda::EventSourceMapping", LakeFlushSeconds="7")["ReportingLakeSource"]
    assert lake["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert lake["MaximumBatchingWindowInSeconds"] == 7


def test_usage_is_metered_in_large_batches_two_at_once() -> None:
    """Counters of a tenant are written once for a batch, and batches at once wait for them."""
    usage = resources("AWS::Lambda::EventSourceMapping", LakeFlushSeconds="7")[
        "ScalingEventsSource"
    ]
    assert usage["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert usage["MaximumBatchingWindowInSeconds"] == 7


def test_a_queue_keeps_a_message_for_two_weeks_and_tries_five_times() -> None:
    for name, queue in resources("AWS::SQS::Queue").items():
        assert queue["MessageRetentionPeriod"] == 14 * 86400, name
        assert queue.get("RedrivePolicy", {"maxReceiveCount": 5})["maxReceiveCount"] == 5, name


def test_a_rule_tries_for_a_day_to_reach_a_queue() -> None:
    for name, rule in resources("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            if "Queue" in str(target["Arn"]):
                assert target["RetryPolicy"] == {
                    "MaximumRetryAttempts": 185,
                    "MaximumEventAgeInSeconds": 86400,
                }, name


def test_a_task_returns_to_its_queue_two_minutes_after_its_worker_was_lost() -> None:
    for name in ("ReportTasksQueue", "ReportAnalyticsQueue", "ImportTasksQueue"):
        assert resources("AWS::SQS::Queue")[name]["VisibilityTimeout"] == 120


def test_the_secret_of_cursors_has_64_letters_and_digits() -> None:
    made = system().resources["CursorSecret"].properties["GenerateSecretString"]
    assert made == {"PasswordLength": 64, "ExcludePunctuation": True}


def test_every_log_is_kept_for_ninety_days() -> None:
    """The strategy: "system logs 90 days"."""
    for name, group in resources("AWS::Logs::LogGroup").items():
        assert group["RetentionInDays"] == 90, name


def test_no_bucket_can_become_public_by_any_way() -> None:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    for name, bucket in resources("AWS::S3::Bucket").items():
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(blocks, True), name


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::S3::Bucket",
        "AWS::DynamoDB::GlobalTable",
        "AWS::Events::Archive",
        # A bus cannot be deleted while the archive's rule is on it.
        "AWS::Events::EventBus",
    ],
)
def test_data_outlives_its_stack(kind: str) -> None:
    for name, resource in system().resources.items():
        if resource.type == kind:
            policies = (resource.deletion_policy, resource.update_replace_policy)
            assert policies == ("Retain", "Retain"), name


DEFAULTS = {
    "Phase": "mvp",
    "IssuerBase": "https://id.example.com/realms/",
    "Audience": "zebros-api",
    "LakeFlushSeconds": 20,
    "GapGraceSeconds": 60,
    "WorkerImage": "",
    "ReserveConcurrency": "no",
}


def test_a_deployment_without_parameters_has_the_documented_defaults() -> None:
    parameters = resolve(system().stacks["zebros"]).parameters
    assert {name: parameters[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("name", "low", "high"), [("LakeFlushSeconds", 1, 300), ("GapGraceSeconds", 0, 900)]
)
def test_a_parameter_accepts_its_range_and_no_more(name: str, low: int, high: int) -> None:
    for accepted in (low, high):
        assert system(**{name: str(accepted)}).parameters[name] == accepted
    for rejected in (low - 1, high + 1):
        with pytest.raises(TemplateError, match=f"must be between {low} and {high}"):
            system(**{name: str(rejected)})


def test_a_gap_s_grace_reaches_the_projections() -> None:
    for name, function in functions(GapGraceSeconds="77").items():
        variables = function.get("Environment", {}).get("Variables", {})
        if "GAP_GRACE_SECONDS" in variables:
            assert variables["GAP_GRACE_SECONDS"] == 77, name


def test_a_nested_stack_accepts_what_the_root_accepts() -> None:
    known = load()["Parameters"]
    for path in templates():
        for name, parameter in load(path).get("Parameters", {}).items():
            for limit in ("MinValue", "MaxValue"):
                if name in known and limit in parameter:
                    assert parameter[limit] == known[name][limit], f"{path} {name}"


def test_a_company_has_five_reports_running_or_twenty() -> None:
    """The rest wait; the plan premium allows more at once."""
    given = functions()["ReportingEvents"]["Environment"]["Variables"]
    found = {name: value for name, value in given.items() if name.startswith("RUNNING_REPORTS")}
    assert found == {"RUNNING_REPORTS_STANDARD": 5, "RUNNING_REPORTS_PREMIUM": 20}


def test_a_company_has_one_import_running_or_three() -> None:
    """Ours: an import writes all the time, into tables that others use meanwhile."""
    given = functions()["ImportsEvents"]["Environment"]["Variables"]
    found = {name: value for name, value in given.items() if name.startswith("RUNNING_IMPORTS")}
    assert found == {"RUNNING_IMPORTS_STANDARD": 1, "RUNNING_IMPORTS_PREMIUM": 3}


UNRESERVED = ("ScalingRelay", "ScalingEvents")
"""The controller works when others are throttled: in what the account keeps for all. Nobody waits
for usage."""
KINDS = {
    "interactive": ("Authorizer", "CustomersApi", "OpportunitiesApi"),
    "other APIs": ("ActivitiesApi", "ReportingApi", "ImportsApi", "NotificationsApi"),
    "relays": tuple(
        name for name in functions() if name.endswith("Relay") and name not in UNRESERVED
    ),
    "consumers": tuple(
        name
        for name in functions()
        if name.endswith(("Events", "References", "Steps"))
        and name not in (*UNRESERVED, "ScalingSteps")
    ),
    "edge": ("Docs", "NotificationsSocket"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phase", PHASES)
def test_functions_of_one_kind_have_the_same_share_of_concurrency(kind: str, phase: str) -> None:
    found = functions(Phase=phase)
    assert len({found[name]["ReservedConcurrentExecutions"] for name in KINDS[kind]}) == 1


def test_the_rest_api_traces_measures_and_compresses() -> None:
    api = resources("AWS::ApiGateway::RestApi")["Api"]
    assert api["MinimumCompressionSize"] == 1024
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is True
    assert all(one["MetricsEnabled"] is True for one in stage["MethodSettings"])
    stage = system().resources["SocketStage"].properties
    assert stage["AutoDeploy"] is True
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingBurstLimit": 100,
        "ThrottlingRateLimit": 50,
    }
