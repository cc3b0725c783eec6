"""Every metric of the strategy has a source, a widget, a runbook line, an alarm if it can hurt."""

import json
import re
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from kernel.runtime.metrics import METRICS, NAMESPACE
from tests.template.aws_metrics import AWS_METRICS, PROPERTY_OF
from tests.template.stack import PHASES, ROOT, load, resources, system
from tools import monitoring
from zebros.costs import Prices, Usage, monthly
from zebros.monitoring.alarms import composite_members
from zebros.monitoring.signals import DASHBOARDS, Kinds, Signal, alarms, signals

# "Monitoring: each has a source, a dashboard widget, an alarm where it can hurt, and a runbook
# line: per-endpoint latency p95/p99 (by route template) · concurrent Lambda executions by function
# type · DynamoDB consumed capacity by entity · Step Functions execution time for reports · Fargate
# CPU/memory in peak hours · API requests by business hours (tenant time zone) · active user
# sessions per hour · report queue depth (and age of the oldest) · file storage growth rate ·
# cache hit/miss."
# True: it can hurt, so that it has an alarm; the others only cost, or come before one that has.
ROWS = {
    "per-endpoint latency p95/p99 (by route template)": True,
    "concurrent Lambda executions by function type": True,
    "DynamoDB consumed capacity by entity": False,
    "Step Functions execution time for reports": False,
    "Fargate CPU/memory in peak hours": True,
    "API requests by business hours (tenant time zone)": False,
    "active user sessions per hour": True,
    "report queue depth (and age of the oldest)": True,
    "file storage growth rate": False,
    "cache hit/miss": True,
    # "Ours in addition: outbox age, event lag, DLQ depth, webhook success rate, projection lag,
    # stream iterator age."
    "outbox age": False,
    "event lag": True,
    "DLQ depth": True,
    "webhook success rate": False,
    "projection lag": True,
    "stream iterator age": True,
}
LATER = {"webhook success rate": "there are no webhooks yet"}
# The triggers, as the strategy writes them; the last is ours.
TRIGGERS: dict[str, tuple[float, set[str]]] = {
    "API latency > 200 ms (p95)": (200, {"ApiLatency"}),
    "CPU utilisation > 70 %": (70, {"WorkerCpu", "AnalyticsWorkerCpu", "ImportWorkerCpu"}),
    "memory utilisation > 70 %": (
        70,
        {"FunctionMemory", "WorkerMemory", "AnalyticsWorkerMemory", "ImportWorkerMemory"},
    ),
    "report queue > 10 tasks": (10, {"ReportQueue"}),
    "> 50 concurrent users": (50, {"ConcurrentUsers"}),
    "throttles > 0": (0, {"ApiThrottles", "RelayThrottles", "ConsumerThrottles", "OtherThrottles"}),
}
# Ours: (threshold, seconds of a period, points that are beyond it, of how many). What loses an
# event or a report raises an alarm within minutes; what scales by itself has time to do it.
DEAD_LETTERS, LATE_QUEUE, OLD_STREAM = (0, 60, 1, 1), (600, 60, 5, 5), (60_000, 60, 5, 5)
THROTTLED, THROTTLED_TABLE, BUSY_WORKER = (0, 300, 2, 2), (0, 60, 3, 5), (70, 60, 5, 5)
OURS = {
    "ApiLatency": (200, 300, 3, 3),
    "ApiErrors": (0.01, 300, 2, 2),
    "ConcurrentUsers": (50, 300, 2, 3),
    "FunctionMemory": (70, 300, 3, 3),
    "ProjectionLag": (60_000, 300, 2, 2),
    "StreamDiverged": (0, 300, 1, 1),
    "ReportQueue": (10, 60, 3, 3),
    "ReportQueueAge": (1800, 60, 5, 5),
    "ReportFailures": (0, 300, 1, 1),
    "ImportFailures": (0, 300, 1, 1),
    "ScalingFailures": (0, 300, 1, 1),
    "DifferingRecords": (0, 300, 1, 1),
    "FenceUnread": (5, 60, 2, 3),
    "CacheMemory": (80, 300, 3, 3),
    "DaxCpu": (70, 300, 3, 3),
    "IdentityDown": (1, 60, 3, 3),
    "IdentityErrors": (5, 300, 2, 2),
    "IdentityDatabase": (90, 300, 3, 3),
}
ENDS = {
    "DeadLetters": DEAD_LETTERS,
    "QueueAge": LATE_QUEUE,
    "RelayAge": OLD_STREAM,
    "TableThrottles": THROTTLED_TABLE,
    "Throttles": THROTTLED,
    "WorkerCpu": BUSY_WORKER,
    "WorkerMemory": BUSY_WORKER,
}
"""By the end of the name, where several alarms are alike; the first that fits."""
SIGNALS = {signal.id: signal for signal in signals()}
SYSTEMS: tuple[dict[str, str], ...] = (
    *({"Phase": phase, "WorkerImage": "", "IdentityImage": ""} for phase in PHASES),
    *({"Phase": phase} for phase in PHASES),
)


def name_of(**parameters: str) -> str:
    return "-".join(filter(None, (parameters["Phase"], "small" if len(parameters) > 1 else "all")))


def alarms_of(**parameters: str) -> dict[str, dict[str, Any]]:
    """The alarms of a system, by their name without that of the stack.

    Those without a name are for deployments (test_deployments.py), not for people.
    """
    return {
        alarm["AlarmName"].removeprefix("zebros-"): alarm
        for alarm in resources("AWS::CloudWatch::Alarm", **parameters).values()
        if "AlarmName" in alarm
    }


@cache
def widgets(**parameters: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The widgets of each dashboard, by title; a reference in them is `${…}`."""
    found = {}
    for dashboard in resources("AWS::CloudWatch::Dashboard", **parameters).values():
        body = dashboard["DashboardBody"]
        text = body["Fn::Sub"] if isinstance(body, dict) else body
        shown = [one["properties"] for one in json.loads(text)["widgets"]]
        titles = [one["title"] for one in shown]
        assert len(titles) == len(set(titles))
        name = dashboard["DashboardName"].removeprefix("zebros-")
        found[name] = dict(zip(titles, shown, strict=True))
    return found


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm watches."""
    if "Metrics" not in alarm:
        return [alarm]
    return [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]


def metric_of(line: list[Any]) -> dict[str, Any] | None:
    """The metric in a line of a widget; None for an expression."""
    if len(line) == 1:
        return None
    namespace, name, *pairs, _options = line
    dimensions = [
        {"Name": key, "Value": {"Fn::Sub": value} if "$" in value else value}
        for key, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}


def kinds(**parameters: str) -> Kinds:
    """What signals are repeated for, by other means than the generator's."""
    found = system(**parameters)
    tables = {n: t["TableName"] for n, t in found.of_type("AWS::DynamoDB::GlobalTable").items()}
    functions = tuple(found.of_type("AWS::Lambda::Function"))
    return Kinds(functions, tuple(found.of_type("AWS::SQS::Queue")), tables)


def exists(signal: Signal, option: str, parameters: dict[str, str]) -> bool:
    """Whether a signal or its alarm exists in a system, by its option."""
    wanted = option or signal.when
    phase = parameters["Phase"]
    return {
        "": True,
        "growth": phase in ("growth", "enterprise"),
        "provisioned": phase != "mvp",
        "worker": parameters.get("WorkerImage") != "",
        "analytics": parameters.get("WorkerImage") != "" and phase == "enterprise",
        "identity": parameters.get("IdentityImage") != "",
        "fence": "WitnessRegion" in parameters,
    }[wanted]


def test_the_stack_is_what_the_signals_say() -> None:
    assert load("infra/monitoring.yaml") == monitoring.template()
    assert len(load("infra/monitoring.yaml")["Resources"]) < 250, "500 is CloudFormation's limit"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_signal_a_widget_an_alarm_and_a_runbook_line(row: str) -> None:
    found = [signal for signal in signals() if row in signal.rows]
    if row in LATER:
        assert not found, LATER[row]
        return
    assert found
    assert any(signal.alarm for signal in found) == ROWS[row]
    for signal in found:
        assert signal.heading in widgets()[signal.dashboard]
        assert all(signal.runbook[part] for part in ("symptom", "look", "do"))


def test_every_row_of_a_signal_is_one_of_the_strategy() -> None:
    assert {row for signal in signals() for row in signal.rows} == set(ROWS) - set(LATER)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_trigger_is_an_alarm_with_the_strategy_s_threshold(trigger: str) -> None:
    threshold, names = TRIGGERS[trigger]
    named = {
        given.name: given
        for signal in signals()
        for given, _ in alarms(signal, kinds())
        if given.trigger == trigger
    }
    assert set(named) == names
    for name in names:
        alarm = alarms_of()[name]
        assert alarm["Threshold"] == threshold
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    if "p95" in trigger:
        assert alarms_of()["ApiLatency"]["ExtendedStatistic"] == "p95"


def test_every_metric_of_a_function_has_a_signal_with_its_dimensions() -> None:
    ours = [one for signal in signals() for one in signal.metrics if one.namespace == NAMESPACE]
    assert {one.name for one in ours} == set(METRICS)
    for series in ours:
        given = series.dimensions if series.by is None else series.by
        assert tuple(given) == METRICS[series.name].dimensions, series.name


@pytest.mark.parametrize("parameters", SYSTEMS, ids=lambda one: name_of(**one))
def test_every_metric_exists_and_its_dimensions_name_existing_resources(
    parameters: dict[str, str],
) -> None:
    found = system(**parameters)
    watched = [one for alarm in alarms_of(**parameters).values() for one in metrics_of(alarm)]
    lines = [
        metric_of(line)
        for dashboard in widgets(**parameters).values()
        for widget in dashboard.values()
        for line in widget["metrics"]
    ]
    everything = [*watched, *filter(None, lines)]
    assert len(everything) > 100
    for metric in everything:
        namespace, name = metric["Namespace"], metric["MetricName"]
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        if namespace == NAMESPACE:
            assert tuple(dimensions) == METRICS[name].dimensions
            continue
        assert tuple(dimensions) == AWS_METRICS[namespace, name], f"{namespace} {name}"
        for dimension, value in dimensions.items():
            check_value(found, dimension, value)


def check_value(found: Any, dimension: str, value: Any) -> None:
    """The value of a dimension is the name of an existing resource of the right type."""
    kind, part = PROPERTY_OF[dimension]
    text = value["Fn::Sub"] if isinstance(value, dict) and "Fn::Sub" in value else value
    if isinstance(part, frozenset):
        assert text in part
        return
    if isinstance(text, dict):
        ((function, named),) = text.items()
        text = f"${{{named}}}" if function == "Ref" else f"${{{'.'.join(named)}}}"
    reference = re.match(r"\$\{(\w+)(?:\.(\w+))?\}", text)
    if reference:
        assert found.resources[reference[1]].type == kind
        assert reference[2] == part
    else:
        names = {one[part] for one in found.of_type(kind).values()}
        assert text in names, text


@pytest.mark.parametrize("parameters", SYSTEMS, ids=lambda one: name_of(**one))
def test_a_phase_has_the_alarms_and_widgets_of_its_resources(parameters: dict[str, str]) -> None:
    wanted, shown = set(), set()
    for signal in signals():
        if exists(signal, "", parameters):
            shown.add(signal.heading)
        for given, _ in alarms(signal, kinds(**parameters)):
            if exists(signal, given.when, parameters):
                wanted.add(given.name)
    assert set(alarms_of(**parameters)) == wanted
    assert set(widgets(**parameters)) == set(DASHBOARDS)
    titles = [title for one in widgets(**parameters).values() for title in one]
    assert len(titles) == len(set(titles))
    assert set(titles) == shown


FENCED = {"Phase": "enterprise", "ReplicaRegion": "us-west-2", "WitnessRegion": "us-east-2"}


def test_the_fence_is_watched_where_there_is_one_and_nowhere_else() -> None:
    assert "FenceUnread" not in alarms_of()
    assert all("Fence record not read" not in title for one in widgets().values() for title in one)
    alarm = alarms_of(**FENCED)["FenceUnread"]
    assert (alarm["Threshold"], alarm["Period"]) == (5, 60)
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)
    assert (alarm["Namespace"], alarm["MetricName"]) == (NAMESPACE, "FenceUnread")
    shown = [title for title in widgets(**FENCED)["platform"] if "Fence" in title]
    assert shown == ["Fence record not read (reads)"]
    groups = resources("AWS::CloudWatch::CompositeAlarm", **FENCED, AlarmEmail="ops@example.com")
    assert "FenceUnread" in str(groups["RequestsAlarms"]["AlarmRule"])


def test_every_function_queue_and_table_is_watched() -> None:
    found = kinds()
    values = [
        str(one["Value"])
        for alarm in alarms_of().values()
        for metric in metrics_of(alarm)
        for one in metric["Dimensions"]
    ]
    # Who gives a command to a maintenance function sees whether it is throttled.
    functions = [name for name in found.functions if not name.endswith("Maintenance")]
    for name in (*functions, *found.queues, *found.tables.values()):
        assert any(f"'{name}'" in value or name == value for value in values), name


def test_an_alarm_is_raised_when_we_say() -> None:
    for name, alarm in alarms_of().items():
        stats = [one["MetricStat"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        (period,) = {one["Period"] for one in stats or [alarm]}
        raised = (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"])
        wanted = OURS.get(name) or next(one for end, one in ENDS.items() if name.endswith(end))
        assert (alarm["Threshold"], period, *raised) == wanted, name
        below = name == "IdentityDown"
        assert (alarm["ComparisonOperator"] == "LessThanThreshold") == below


def test_every_alarm_treats_missing_data_and_can_be_reached() -> None:
    for name, alarm in alarms_of().items():
        # Without requests or events there is nothing wrong; without a healthy node there is.
        missing = "breaching" if name == "IdentityDown" else "notBreaching"
        assert alarm["TreatMissingData"] == missing, name
        assert 1 <= alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"] <= 5, name
        metrics = metrics_of(alarm)
        assert len(metrics) <= 10, "an alarm can have ten metrics at most"


def test_an_alarm_sends_mail_by_its_group_or_by_itself() -> None:
    composites = resources("AWS::CloudWatch::CompositeAlarm")
    assert set(composites) == {
        f"{name}Alarms" for name in ("Requests", "Events", "Reports", "Identity")
    }
    grouped: list[str] = []
    for composite in composites.values():
        assert composite["AlarmActions"] == composite["OKActions"] == [{"Ref": "Topic"}]
        rule = composite["AlarmRule"]["Fn::Sub"]
        members = [one[2:-1] for one in composite_members(rule)]
        names = resources("AWS::CloudWatch::Alarm")
        grouped += [names[one]["AlarmName"] for one in members]
    assert len(grouped) == len(set(grouped))
    assert len(grouped) <= 100, "a composite alarm can have a hundred"
    for name, alarm in alarms_of().items():
        by_itself = alarm.get("AlarmActions") == [{"Ref": "Topic"}]
        assert by_itself == (f"zebros-{name}" not in grouped), name


def test_without_an_address_there_is_no_mail() -> None:
    silent = system(Phase="growth", AlarmEmail="")
    kinds_there = {one.type for one in silent.resources.values()}
    assert not kinds_there & {"AWS::SNS::Topic", "AWS::CloudWatch::CompositeAlarm"}
    assert all(
        "AlarmActions" not in one for one in alarms_of(Phase="growth", AlarmEmail="").values()
    )
    (policy,) = resources("AWS::SNS::TopicPolicy").values()
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "sns:Publish")
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert (denied["Effect"], denied["Action"]) == ("Deny", "sns:Publish")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["Topics"] == [{"Ref": "Topic"}] == [allowed["Resource"]]
    (topic,) = resources("AWS::SNS::Topic").values()
    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": "ops@example.com"}]


@pytest.mark.parametrize("address", ["ops", "a b@c.d", "@", "a@b@c"])
def test_a_wrong_address_is_rejected(address: str) -> None:
    pattern = load()["Parameters"]["AlarmEmail"]["AllowedPattern"]
    assert not re.match(pattern, address)
    assert re.match(pattern, "")
    assert re.match(pattern, "ops@example.com")


@pytest.mark.parametrize(
    ("dashboards", "phase", "there"),
    [("auto", "mvp", 0), ("auto", "startup", 3), ("no", "startup", 0), ("yes", "mvp", 3)],
)
def test_dashboards_are_there_from_startup_on_or_as_asked(
    dashboards: str, phase: str, there: int
) -> None:
    found = resources("AWS::CloudWatch::Dashboard", Phase=phase, Dashboards=dashboards)
    assert len(found) == there
    assert load()["Parameters"]["Dashboards"]["Default"] == "auto"


def test_monitoring_of_a_default_deployment_is_cheap() -> None:
    default = {"AlarmEmail": "", "Dashboards": "auto", "WorkerImage": "", "IdentityImage": ""}
    found = system(Phase="mvp", **default)
    lines = {
        one.price.item: one
        for one in monthly(found, Usage.load("mvp", "primary"), Prices.load()).lines
    }
    assert not {"cloudwatch.dashboards", "cloudwatch.composite_alarms"} & set(lines)
    assert lines["cloudwatch.alarms"].amount <= Decimal("10"), "USD a month"


def test_the_document_has_every_signal() -> None:
    text = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for signal in signals():
        (row,) = [one for one in rows if all(signal.runbook[p] in one for p in signal.runbook)]
        assert (signal.alarm is not None) == row.startswith("| `")
        if signal.alarm is not None:
            assert f"{signal.alarm.threshold:,}" in row


def test_titles_are_unique_and_a_widget_shows_the_threshold() -> None:
    assert len({signal.title for signal in signals()}) == len(SIGNALS)
    for signal in signals():
        shown = widgets(**FENCED) if signal.when == "fence" else widgets()
        widget = shown[signal.dashboard][signal.heading]
        assert widget["yAxis"]["left"]["label"] == signal.unit
        lines = widget.get("annotations", {}).get("horizontal", [])
        wanted = [signal.alarm.threshold * signal.scale] if signal.alarm else []
        assert [one["value"] for one in lines] == wanted
