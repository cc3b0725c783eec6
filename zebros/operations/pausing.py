"""Pauses a consumer: its queue keeps the events until it continues."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.errors import CliError
from zebros.operations.redrive import IN_FLIGHT, count

type Pause = Callable[[float], None]
_PATIENCE_S = 180
"""How long a mapping may take to change its state; in AWS it takes up to a minute."""
_POLL_S = 0.5
_BUSY = "ResourceInUseException"
"""The error of a mapping whose state is changing."""


@dataclass(slots=True)
class Paused:
    """A consumer that is paused."""

    continues: bool = True
    """Whether it continues when the block ends."""
    was_stopped: bool = False
    """Whether it was paused before."""


@contextmanager
def paused(deployment: Deployment, function: str, pause: Pause = time.sleep) -> Iterator[Paused]:
    """Stop a function's event source mapping until the block ends, also when it fails.

    A run that was killed leaves the mapping stopped: the next run starts it. Raises CliError when
    the mapping does not stop or start.
    """
    client, name = deployment.aws("lambda"), deployment.resources.function(function)
    mapping = str(find_mapping(client, name, function)["UUID"])
    state = Paused()
    try:
        state.was_stopped = not switch(client, mapping, pause, enabled=False)
        _wait_for_invocations(deployment, client, name, function, pause)
        yield state
    finally:
        if state.continues:
            with uninterrupted():
                switch(client, mapping, pause, enabled=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C until the block ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def find_mapping(client: Any, name: str, function: str) -> dict[str, Any]:
    """The mapping of a function's queue."""
    found = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    for mapping in found:
        if ":sqs:" in mapping["EventSourceArn"]:
            return dict(mapping)
    raise CliError(f"{function} reads no queue.")


def switch(client: Any, mapping: str, pause: Pause, *, enabled: bool) -> bool:
    """Start or stop a mapping, and wait until it is; returns whether it was not before."""
    wanted = "Enabled" if enabled else "Disabled"
    asked = False
    for _ in range(int(_PATIENCE_S / _POLL_S)):
        state = client.get_event_source_mapping(UUID=mapping)["State"]
        if state == wanted:
            return asked
        asked = asked or _ask(client, mapping, enabled=enabled)
        pause(_POLL_S)
    raise CliError(
        f"The event source mapping {mapping} is not {wanted.lower()} after {_PATIENCE_S} s.",
        hint="Its state is in the console of Lambda; run the command again.",
    )


def _ask(client: Any, mapping: str, *, enabled: bool) -> bool:
    """Ask for a state; returns False while the mapping is changing."""
    try:
        client.update_event_source_mapping(UUID=mapping, Enabled=enabled)
    except ClientError as error:
        if error.response["Error"]["Code"] != _BUSY:
            raise
        return False
    return True


def _wait_for_invocations(
    deployment: Deployment, client: Any, name: str, function: str, pause: Pause
) -> None:
    """Wait until no invocation that began before can still be running.

    The local platform counts messages in flight exactly; SQS counts them approximately.
    """
    timeout = int(client.get_function_configuration(FunctionName=name)["Timeout"])
    if deployment.endpoint is None:
        pause(float(timeout))
        return
    url = deployment.resources.queue(f"{function}Queue")
    sqs = deployment.aws("sqs")
    for _ in range(timeout):
        if count(sqs, url, IN_FLIGHT) == 0:
            return
        pause(1.0)
