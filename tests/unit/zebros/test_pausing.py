"""Pausing a consumer's event source mapping."""

import os
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.errors import CliError
from zebros.operations.pausing import paused, uninterrupted


class Lambda:
    """A mapping that changes its state as in AWS: it takes a while, and refuses meanwhile."""

    def __init__(self, takes: int = 2, sources: tuple[str, ...] = (":dynamodb:", ":sqs:")) -> None:
        self.state, self.wanted, self.takes, self.left = "Enabled", "Enabled", takes, 0
        self.sources = sources
        self.asked: list[bool] = []

    def list_event_source_mappings(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"FunctionName": "z-board"}
        found = [{"UUID": f"id{one}", "EventSourceArn": f"arn{one}q"} for one in self.sources]
        return {"EventSourceMappings": found}

    def get_event_source_mapping(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"UUID": "id:sqs:"}
        self.left -= 1
        if self.left <= 0:
            self.state = self.wanted
        return {"State": self.state}

    def update_event_source_mapping(self, **asked: Any) -> None:
        if self.state not in ("Enabled", "Disabled"):
            error = {"Error": {"Code": "ResourceInUseException", "Message": "busy"}}
            raise ClientError(error, "UpdateEventSourceMapping")  # type: ignore[arg-type]
        self.asked.append(asked["Enabled"])
        self.wanted = "Enabled" if asked["Enabled"] else "Disabled"
        self.state, self.left = "Changing", self.takes

    def get_function_configuration(self, **_: Any) -> dict[str, Any]:
        return {"Timeout": 30}


class Queue:
    """A queue with messages in flight."""

    def __init__(self, in_flight: list[int]) -> None:
        self.in_flight = in_flight

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessagesNotVisible": str(self.in_flight.pop(0))}}


class Stack(Deployment):
    """A stack with these clients."""

    def aws(self, service: str) -> Any:
        return {"lambda": CLIENTS[0], "sqs": CLIENTS[1]}[service]


CLIENTS: list[Any] = []


def stack(functions: Lambda, queue: Queue | None = None, endpoint: str | None = None) -> Stack:
    CLIENTS[:] = [functions, queue]
    resources = {"functions": {"Board": "z-board"}, "queues": {"BoardQueue": "url"}}
    return Stack(Resources(resources), endpoint, "us-east-1")


def test_a_mapping_is_stopped_until_the_block_ends() -> None:
    functions, pauses = Lambda(), list[float]()
    with paused(stack(functions), "Board", pauses.append):
        assert functions.state == "Disabled"
        assert pauses[-1] == 30.0, "an invocation that began before may still run"
    assert (functions.state, functions.asked) == ("Enabled", [False, True])


@pytest.mark.parametrize("error", [KeyboardInterrupt, CliError("x"), SystemExit])
def test_a_mapping_is_started_whatever_happens(error: Any) -> None:
    functions = Lambda()
    with (
        pytest.raises(error if isinstance(error, type) else CliError),
        paused(stack(functions), "Board", lambda _: None),
    ):
        raise error
    assert functions.state == "Enabled"


def test_an_interrupted_wait_starts_the_mapping_again() -> None:
    functions = Lambda()

    def interrupt(seconds: float) -> None:
        if seconds == 30.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), paused(stack(functions), "Board", interrupt):
        pytest.fail("it is not paused")
    assert functions.state == "Enabled"


def test_a_mapping_that_is_still_changing_is_asked_again() -> None:
    functions = Lambda()
    functions.state, functions.left = "Creating", 5
    with paused(stack(functions), "Board", lambda _: None):
        assert functions.state == "Disabled"
    assert functions.asked == [False, True]


def test_a_mapping_that_a_killed_run_left_stopped_is_started() -> None:
    functions = Lambda()
    functions.state = functions.wanted = "Disabled"
    with paused(stack(functions), "Board", lambda _: None):
        assert functions.asked == []
    assert functions.state == "Enabled"


def test_locally_messages_in_flight_are_waited_for() -> None:
    pauses: list[float] = []
    queue = Queue([2, 1, 0])
    with paused(stack(Lambda(takes=0), queue, "http://local"), "Board", pauses.append):
        assert queue.in_flight == []
    assert pauses.count(1.0) == 2


def test_messages_in_flight_are_waited_for_no_longer_than_an_invocation_takes() -> None:
    queue = Queue([1] * 40)
    with paused(stack(Lambda(takes=0), queue, "http://local"), "Board", lambda _: None):
        assert len(queue.in_flight) == 10


def test_a_mapping_that_does_not_stop_is_an_error() -> None:
    never = stack(Lambda(takes=10_000))
    with pytest.raises(CliError, match="after 180 s"), paused(never, "Board", lambda _: None):
        pytest.fail("it is not paused")


def test_a_function_without_a_queue_is_an_error() -> None:
    other = stack(Lambda(sources=(":dynamodb:",)))
    with pytest.raises(CliError, match="reads no queue"), paused(other, "Board", lambda _: None):
        pytest.fail("it is not paused")


def test_a_consumer_that_must_not_continue_stays_stopped() -> None:
    functions = Lambda()
    with paused(stack(functions), "Board", lambda _: None) as state:
        assert state.continues
        state.continues = False
    assert functions.state == "Disabled"


def test_ctrl_c_is_ignored_where_a_block_must_end() -> None:
    # A shell starts background commands with SIGINT ignored, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
