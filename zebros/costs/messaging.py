"""Pricing of queues, topics, the event bus and its archive, schedules and state machines."""

from collections.abc import Iterator
from typing import Any

from zebros.costs.charges import Charge, Design, amount, names, prices
from zebros.costs.usage import HOURS, gb

_DAYS_A_MONTH = HOURS / 24


@prices("AWS::SQS::Queue")
def queue(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Requests for the messages, and the receives of pollers that find none."""
    usage = design.usage
    messages = usage.calls(usage.rule("queues", name))
    sources = design.system.of_type("AWS::Lambda::EventSourceMapping").values()
    if any(names(one.get("EventSourceArn"), name) for one in sources):
        pollers = usage["pollers"]
    else:
        # A queue with a dead-letter queue and without a function is polled by a worker.
        pollers = amount(1 if "RedrivePolicy" in properties else 0)
    empty = pollers * usage["empty_receives"] * HOURS
    yield Charge("sqs.requests", messages * usage["requests_per_message"] + empty)


@prices("AWS::SNS::Topic")
def topic(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Published messages."""
    yield Charge("sns.requests", design.usage["topic_messages"])


@prices("AWS::Events::EventBus")
def bus(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Published events, of up to 64 KB each."""
    yield Charge("eventbridge.events", design.usage.events)


@prices("AWS::Events::Archive")
def archive(_name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Processing of the events, and storage of those of the retention time."""
    arrived = gb(design.usage.events, kb=design.usage["event_kb"])
    months = amount(properties.get("RetentionDays", 0)) / _DAYS_A_MONTH
    if not months:
        raise ValueError("an archive without RetentionDays grows for ever and has no price")
    yield Charge("eventbridge.archive_processing", arrived)
    yield Charge("eventbridge.archive_storage", arrived * months)


@prices("AWS::Scheduler::Schedule")
def schedule(_name: str, _properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Invocations."""
    yield Charge("eventbridge.scheduler", design.usage["schedule_runs"])


@prices("AWS::StepFunctions::StateMachine")
def state_machine(name: str, properties: dict[str, Any], design: Design) -> Iterator[Charge]:
    """Transitions of a standard workflow."""
    if properties.get("StateMachineType", "STANDARD") != "STANDARD":
        raise ValueError("an express workflow has no price")
    transitions = design.usage.calls(design.usage.rule("machines", name))
    yield Charge("step_functions.transitions", transitions)
