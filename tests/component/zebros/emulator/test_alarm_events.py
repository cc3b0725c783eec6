"""An alarm that changes its state is an event on the default bus, in the shape of AWS."""

import json
from typing import Any

from kernel.domain.ids import new_id
from scaling.incoming import AlarmChange, alarm_change
from tests.component.zebros.emulator.conftest import Emulator

PATTERN = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}
METRIC = {"Namespace": "AWS/ApiGateway", "MetricName": "Latency", "Statistic": "Average"}


def test_a_raised_alarm_is_an_event_that_the_controller_reads(platform: Emulator) -> None:
    name = new_id()
    queue = platform.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    bus, watch = platform.client("events"), platform.client("cloudwatch")
    bus.put_rule(Name=name, EventPattern=json.dumps(PATTERN))
    bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    watch.put_metric_alarm(
        AlarmName=f"{name}-ApiLatency",
        **METRIC,
        Period=300,
        EvaluationPeriods=3,
        Threshold=200,
        ComparisonOperator="GreaterThanThreshold",
    )
    for state in ("ALARM", "ALARM", "OK"):
        watch.set_alarm_state(
            AlarmName=f"{name}-ApiLatency", StateValue=state, StateReason="a test"
        )
    sqs = platform.client("sqs")

    def received() -> Any:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        return found.get("Messages")

    messages = platform.until(received)
    (event,) = [json.loads(one["Body"]) for one in messages]
    assert alarm_change(event, name) == AlarmChange("ApiLatency", raised=True, composite=False)
    assert event["detail"]["configuration"]["metrics"][0]["metricStat"]["period"] == 300
    bus.remove_targets(Rule=name, Ids=["queue"])
    bus.delete_rule(Name=name)
    watch.delete_alarms(AlarmNames=[f"{name}-ApiLatency"])
