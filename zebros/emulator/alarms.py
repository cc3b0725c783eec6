"""Alarms on the event bus: an alarm that changes its state is an event, as in AWS.

Without this patch: a changed alarm is sent to topics only, so that no rule sees it.

Fix: every change of an alarm's state is also an event of `aws.cloudwatch` on the default bus.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

import json
import time
from typing import Any

from zebros.emulator.patching import module, replace


def apply() -> None:
    """Publish changes of alarms."""
    watch, bus = module("services.cloudwatch"), module("services.eventbridge")

    def dispatch(alarm: dict[str, Any], before: str, state: str, reason: str) -> Any:
        result = original(alarm, before, state, reason)
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Resources": [alarm["AlarmArn"]],
            "Detail": json.dumps(detail(alarm, before, state, reason)),
        }
        bus._put_events({"Entries": [entry]}, allow_aws_source=True)
        return result

    original = replace(watch, "_dispatch_alarm_actions", dispatch)


def detail(alarm: dict[str, Any], before: str, state: str, reason: str) -> dict[str, Any]:
    """The detail of the event; the configuration has an alarm rule or metrics, as the alarm."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
    return {
        "alarmName": alarm["AlarmName"],
        "configuration": {"description": alarm.get("AlarmDescription", "")} | _watched(alarm),
        "previousState": {"value": before, "timestamp": at},
        "state": {"value": state, "reason": reason, "reasonData": "{}", "timestamp": at},
    }


def _watched(alarm: dict[str, Any]) -> dict[str, Any]:
    if "AlarmRule" in alarm:
        return {"alarmRule": alarm["AlarmRule"]}
    if alarm.get("Metrics"):
        return {"metrics": [{"id": one.get("Id", "")} for one in alarm["Metrics"]]}
    metric = {
        "namespace": alarm.get("Namespace", ""),
        "name": alarm.get("MetricName", ""),
        "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions", ())},
    }
    stat = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "")
    found = {"metric": metric, "period": alarm.get("Period"), "stat": stat}
    return {"metrics": [{"id": "m1", "metricStat": found, "returnData": True}]}
