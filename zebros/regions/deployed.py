"""The two regions of a system that is deployed in AWS, or on two local platforms.

Nothing of a region is asked before a move needs it: a region that was lost does not answer.
"""

import json
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from zebros.client import aws
from zebros.client import stack as deployed
from zebros.client.stack import Resources
from zebros.contract import contract
from zebros.errors import CliError
from zebros.operations import tenants
from zebros.operations.pausing import switch
from zebros.regions.fences import Fences
from zebros.regions.region import Region

FENCE = "FenceTable"
_SUFFIX = "Relay"
_PUBLISHER = "scaling"
"""The context that publishes events about moves: that of who operates the system."""
_RETRYABLE = frozenset({"Busy", "ReadOnlyRegion"})
_TRIES = 5


def tables(stack: str) -> dict[str, str]:
    """The names of the replicated tables by logical id: the same in both regions.

    A table has the name of the system and the first word of its logical id (infra/modules).
    """
    ids = {one.table for one in contract().records.values()} | {tenants.TABLE}
    return {one: f"{stack}-{one.removesuffix('Table').lower()}" for one in sorted(ids)}


def fences(stack: str, region: str, primary: str, endpoint: str | None = None) -> Fences:
    """The fence record, through the replica of a region that answers.

    `endpoint` is the address of a local platform that plays the region.
    """
    return Fences(aws.client("dynamodb", endpoint, region=region), f"{stack}-fence", primary)


def region(stack: str, name: str, endpoint: str | None = None) -> Region:
    """A region of the system; `endpoint` is that of a local platform that plays it."""
    resources = LazyResources(stack, name, endpoint)
    functions = aws.client("lambda", endpoint, region=name)
    return Region(
        name,
        aws.client("dynamodb", endpoint, region=name),
        aws.client("dynamodbstreams", endpoint, region=name),
        tables(stack).values(),
        DeployedRelays(resources, functions),
        Completer(stack, resources, functions),
        Refuser(resources, functions),
    )


class LazyResources:
    """The resources of a stack, listed when they are needed."""

    def __init__(self, stack: str, region: str, endpoint: str | None = None) -> None:
        self._stack, self._region, self._endpoint = stack, region, endpoint

    @cached_property
    def found(self) -> Resources:
        """The resources."""
        cloudformation = aws.client("cloudformation", self._endpoint, region=self._region)
        return deployed.read(cloudformation, self._stack)


class DeployedRelays:
    """The relays of a region: functions that read the tables' streams."""

    def __init__(
        self,
        resources: LazyResources,
        client: Any,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._resources, self._client, self._pause = resources, client, pause

    def switch(self, *, enabled: bool) -> None:
        """Start or stop all of them, and wait until they are."""
        for mapping in self._mappings():
            switch(self._client, str(mapping["UUID"]), self._pause, enabled=enabled)

    def running(self) -> int:
        """The number of streams that are read."""
        return sum(one["State"] in ("Enabled", "Enabling") for one in self._mappings())

    def _mappings(self) -> list[dict[str, Any]]:
        functions = self._resources.found.functions
        return [
            mapping
            for logical_id, name in sorted(functions.items())
            if logical_id.endswith(_SUFFIX)
            for mapping in self._client.list_event_source_mappings(FunctionName=name)[
                "EventSourceMappings"
            ]
            if ":dynamodb:" in mapping["EventSourceArn"]
        ]


class _Maintenance:
    """Sends commands to the maintenance functions of a region's contexts."""

    def __init__(
        self,
        resources: LazyResources,
        client: Any,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._resources, self._client, self._pause = resources, client, pause

    def _send(self, context: str, command: dict[str, Any], hint: str = "") -> dict[str, Any]:
        """The result of a command. Raises CliError when the function fails."""
        logical_id = f"{context.capitalize()}Maintenance"
        name = self._resources.found.function(logical_id)
        payload = json.dumps(command).encode()
        result: dict[str, Any] = {}
        for number in range(_TRIES):
            answer = self._client.invoke(FunctionName=name, Payload=payload)
            result = json.loads(answer["Payload"].read() or b"null") or {}
            if not answer.get("FunctionError"):
                return result
            if result.get("errorType") not in _RETRYABLE:
                break
            self._pause(2.0**number)
        raise CliError(
            f"{logical_id} failed: {result.get('errorMessage', 'no result')}.",
            hint=f"Its log has the reason. {hint}".rstrip(),
        )


class Completer(_Maintenance):
    """Sends the command `complete` to the maintenance function of a table's context."""

    def __init__(
        self,
        stack: str,
        resources: LazyResources,
        client: Any,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(resources, client, pause)
        contexts = {one.table: one.context for one in contract().records.values()}
        self._contexts = {
            name: contexts[logical_id]
            for logical_id, name in tables(stack).items()
            if logical_id in contexts
        }

    def __call__(self, table: str, since: dict[str, int], run: str) -> dict[str, Any]:
        """Complete records. Raises CliError when the function fails."""
        command = {"command": "complete", "records": since, "run": run}
        hint = "The same command continues with these records."
        return self._send(self._contexts[table], command, hint)


class Refuser(_Maintenance):
    """Lets the context that publishes moves publish an event of one that was refused."""

    def __call__(self, run: str, move: dict[str, Any]) -> None:
        """Publish it, once for a run. Raises CliError when the function fails."""
        self._send(_PUBLISHER, {"command": "refuse_move", "run": run, "move": move})
