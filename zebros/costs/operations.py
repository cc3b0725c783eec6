"""Pricing of logs, alarms, dashboards, secrets and keys."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from zebros.costs.charges import Charge, Design, amount, names, prices
from zebros.costs.usage import HOURS, gb

_DAYS_A_MONTH = HOURS / 24
_HIGH_RESOLUTION_S = 60


@prices("AWS::Logs::LogGroup")
def log_group(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Ingestion, and storage for the retention time."""
    ingested = _ingested_gb(name, properties, design)
    months = amount(properties.get("RetentionInDays", 0)) / _DAYS_A_MONTH
    if not months:
        raise ValueError("a log group without RetentionInDays grows for ever and has no price")
    yield Charge("cloudwatch.logs", ingested)
    stored = ingested * months * design.usage["log_compression"]
    yield Charge("cloudwatch.log_storage", stored)


def _ingested_gb(name: str, properties: dict[str, Any], design: Design) -> Decimal:
    """Logs of a function by its calls, access logs by requests, all others by reports."""
    usage = design.usage
    group = properties.get("LogGroupName")
    for function in design.system.of_type("AWS::Lambda::Function"):
        if names(group, function):
            calls = usage.calls(usage.rule("functions", function))
            return gb(calls, each=usage["log_bytes"])
    if "Access" in name:
        entries = usage.sessions * 2 if "Socket" in name else usage.requests
        return gb(entries, each=usage["access_log_bytes"])
    return gb(usage.reports, each=usage["log_bytes"])


@prices("AWS::CloudWatch::Alarm")
def alarm(_name: str, properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """Every metric of an alarm; three for anomaly detection."""
    stats = [one["MetricStat"] for one in properties.get("Metrics", []) if "MetricStat" in one]
    periods = [int(one["Period"]) for one in stats] or [int(properties.get("Period", 60))]
    item = "high_resolution_alarms" if min(periods) < _HIGH_RESOLUTION_S else "alarms"
    metrics = 3 if "ThresholdMetricId" in properties else len(periods)
    yield Charge(f"cloudwatch.{item}", Decimal(metrics))


@prices("AWS::CloudWatch::CompositeAlarm")
def composite_alarm(_name: str, _properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """The alarm; its parts are charged by themselves."""
    yield Charge("cloudwatch.composite_alarms", Decimal(1))


@prices("AWS::CloudWatch::Dashboard")
def dashboard(_name: str, _properties: dict[str, Any], _design: Design) -> Iterator[Charge]:
    """The dashboard."""
    yield Charge("cloudwatch.dashboards", Decimal(1))


@prices("AWS::SecretsManager::Secret")
def secret(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """The secret, once a region, and its reads."""
    copies = 1 + len(properties.get("ReplicaRegions", []))
    yield Charge("secrets_manager.secrets", Decimal(copies))
    yield Charge("secrets_manager.requests", design.usage["secret_reads"])


@prices("AWS::KMS::Key")
@prices("AWS::KMS::ReplicaKey")
def key(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """The key and its requests."""
    yield Charge("kms.keys", Decimal(1))
    yield Charge("kms.requests", design.usage["key_requests"])
