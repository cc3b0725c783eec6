"""Faults on the platform raise exactly the alarms that they should.

The alarms are those of the resolved templates; the metrics are those that functions wrote into
their logs and that the platform measured. A minute of an alarm is a second here.
"""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.component.zebros.emulator.conftest import Emulator
from tests.component.zebros.emulator.monitored import Monitored, repeat

DURATION_S = 22.0
"""Long enough for the slowest alarm: an age of ten minutes, five times."""

type Fault = Callable[[Monitored, float], object]


def slow(crm: Monitored, until: float) -> object:
    return repeat(lambda: crm.get("slow"), 0.1, until)


def broken(crm: Monitored, until: float) -> object:
    return repeat(lambda: crm.get("broken"), 0.5, until)


def poison(crm: Monitored, _until: float) -> object:
    return crm.send("NotificationsEventsQueue", "poison")


def stopped(crm: Monitored, _until: float) -> object:
    crm.stop_consumer()
    return crm.send("NotificationsEventsQueue", "event")


def flood(crm: Monitored, _until: float) -> object:
    return [crm.send("ReportTasksQueue", f"task {number}") for number in range(11)]


def queued(crm: Monitored, _until: float) -> object:
    return [crm.send("ReportTasksQueue", f"task {number}") for number in range(10)]


def throttled(crm: Monitored, until: float) -> object:
    name = crm.resources.function("CustomersRelay")
    client = crm.emulator.client("lambda")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    return repeat(lambda: crm.invoke("CustomersRelay"), 0.5, until)


def crowded(crm: Monitored, until: float) -> object:
    return [repeat(lambda: crm.invoke("Authorizer"), 0.02, until) for _ in range(4)]


def healthy(crm: Monitored, until: float) -> object:
    repeat(lambda: crm.get("one"), 0.5, until)
    repeat(lambda: crm.invoke("CustomersRelay"), 1, until)
    repeat(lambda: crm.invoke("Authorizer"), 1, until)
    return repeat(lambda: crm.send("NotificationsEventsQueue", "event"), 1, until)


FAULTS: dict[Fault, set[str]] = {
    healthy: set(),
    queued: set(),
    slow: {"ApiLatency", "Requests"},
    broken: {"ApiErrors", "Requests"},
    throttled: {"RelayThrottles", "Requests"},
    poison: {"NotificationsEventsDeadLetters", "Events"},
    stopped: {"NotificationsEventsQueueAge", "Events"},
    flood: {"ReportQueue", "Reports"},
    crowded: {"ConcurrentUsers"},
}
"""What is done, and the alarm that it raises with the one of its group."""
LOGGED: dict[str, tuple[Fault, set[str]]] = {
    "large": (
        lambda crm, until: repeat(lambda: crm.get("large"), 0.5, until),
        {"FunctionMemory", "Requests"},
    ),
    "late": (
        lambda crm, until: repeat(
            lambda: crm.invoke("NotificationsEvents", lag=70_000), 0.3, until
        ),
        {"ProjectionLag", "Events"},
    ),
}
"""Faults that functions measure themselves; their metrics have no name of a stack."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A platform that measures its queues four times a second."""
    made = Emulator(tmp_path_factory.mktemp("measured") / "home", patched=True, sample_s=0.25)
    made.start()
    yield made
    made.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def outcomes(measured: Emulator) -> dict[str, set[str]]:
    """The alarms of several systems, each with another fault at the same time."""
    systems = {fault: Monitored(measured, fault.__name__) for fault in FAULTS}
    for fault, crm in systems.items():
        if fault in (slow, broken, healthy):
            crm.get("one")  # the first start of a function is slow
    time.sleep(5)
    until = time.time() + DURATION_S
    for fault, crm in systems.items():
        fault(crm, until)
    time.sleep(max(0.0, until - time.time()))
    return {fault.__name__: crm.raised() for fault, crm in systems.items()}


@pytest.mark.parametrize("fault", [one.__name__ for one in FAULTS])
def test_a_fault_raises_exactly_its_alarm(outcomes: dict[str, set[str]], fault: str) -> None:
    wanted = {one.__name__: alarms for one, alarms in FAULTS.items()}[fault]
    assert outcomes[fault] == wanted


@pytest.mark.parametrize("fault", LOGGED)
def test_what_functions_measure_raises_exactly_its_alarm(measured: Emulator, fault: str) -> None:
    act, wanted = LOGGED[fault]
    crm = Monitored(measured, fault)
    until = time.time() + DURATION_S
    act(crm, until)
    time.sleep(max(0.0, until - time.time()))
    assert crm.raised() == wanted
