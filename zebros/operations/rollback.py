"""Points the alias `live` of functions to the release before the present one, or forward again.

API Gateway calls functions by this alias. A release is one or more versions: the scaling controller
publishes versions that differ in memory alone. Source: "Lambda function versions" and "Lambda
function aliases" of the Lambda developer guide (docs/adr/0063).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError

ALIAS = "live"
_AT_ONCE = 8
"""Functions that are read at the same time."""
_SHOWN = 10
"""Versions that an error lists."""
_OF_A_RELEASE = (
    "CodeSha256",
    "Description",
    "Environment",
    "Handler",
    "Layers",
    "Role",
    "Runtime",
    "Timeout",
    "VpcConfig",
)
"""What a deployment changes: everything that the templates set, without the memory."""
_CHANGED = {"PreconditionFailedException", "ResourceConflictException"}


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a function."""

    number: int
    published_at: datetime
    release: str
    """Equal for versions that differ in memory alone."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function with the alias, and its versions, the oldest first."""

    name: str
    """The logical id, such as CustomersApi."""
    id: str
    """The name in AWS."""
    live: int
    """The version that the alias leads to."""
    new: int | None
    """The version that gets a share of the requests, during a gradual deployment."""
    revision: str
    versions: tuple[Version, ...]

    def version(self, number: int) -> Version:
        """A version by its number. Raises BadInput."""
        for one in self.versions:
            if one.number == number:
                return one
        shown = [str(one.number) for one in self.versions][-_SHOWN:]
        raise BadInput(
            f"{self.name} has no version {number}.", hint=f"The latest are {', '.join(shown)}."
        )

    def releases(self) -> list[list[Version]]:
        """The versions of each release, the oldest release first."""
        return [list(found) for _, found in groupby(self.versions, key=lambda one: one.release)]


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to one function."""

    function: Function
    before: Version | None
    """The latest version of the release before the present one."""
    target: Version | None = None
    """Where the alias is to lead; None when it stays."""
    reason: str = ""
    """Why it stays."""
    fault: str = ""
    """Why it could not be moved."""

    @property
    def gradual(self) -> bool:
        """Whether this ends a gradual deployment."""
        return self.function.new is not None


def functions_of(deployment: Deployment) -> list[Function]:
    """Every function of the stack that has the alias."""
    client = deployment.aws("lambda")
    with ThreadPoolExecutor(_AT_ONCE) as several:
        found = several.map(
            lambda one: _function(client, *one), sorted(deployment.resources.functions.items())
        )
        return [one for one in found if one is not None]


def chosen(functions: Sequence[Function], words: Sequence[str]) -> dict[str, int | None]:
    """The functions named by `NAME` or `NAME=VERSION`, with the version. Raises BadInput."""
    known = [one.name for one in functions]
    versions: dict[str, int | None] = {}
    for word in words:
        name, equals, version = word.partition("=")
        if name not in known:
            raise BadInput(
                f"{name} is no function with the alias {ALIAS}.",
                hint=f"There are {', '.join(known)}." if known else "The stack has none.",
            )
        if name in versions:
            raise BadInput(f"{name} is named more than once.")
        if equals and not (version.isascii() and version.isdigit()):
            raise BadInput(f"{word}: the version must be a number, as in {name}=3.")
        versions[name] = int(version) if equals else None
    return versions


def plan(
    functions: Sequence[Function], versions: Mapping[str, int | None], deployed_at: datetime
) -> list[Move]:
    """How to undo the last deployment, which began at `deployed_at`.

    A function that is named goes back whenever it was deployed, or to the version that is named
    with it; without names, those go back that the last deployment has changed. One that is at an
    earlier release already stays, so that a repetition takes nothing further back.
    """
    if versions:
        named = [one for one in functions if one.name in versions]
        return [_back(one, versions[one.name], None) for one in named]
    return [_back(one, None, deployed_at) for one in functions]


def plan_forward(functions: Sequence[Function], names: Mapping[str, int | None]) -> list[Move]:
    """How to point the aliases to the latest version again."""
    return [_forward(one) for one in functions if not names or one.name in names]


def carry_out(deployment: Deployment, moves: Sequence[Move]) -> Iterator[Move]:
    """Move the aliases, one after the other; a fault of one does not keep the others."""
    client = deployment.aws("lambda")
    for move in moves:
        if move.target is None:
            continue
        try:
            client.update_alias(
                FunctionName=move.function.id,
                Name=ALIAS,
                FunctionVersion=str(move.target.number),
                RoutingConfig={"AdditionalVersionWeights": {}},
                RevisionId=move.function.revision,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED:
                yield replace(move, fault="It is being changed by somebody else.")
            else:
                yield replace(move, fault=error.response["Error"].get("Message", str(error)))
        except BotoCoreError as error:
            yield replace(move, fault=str(error))
        else:
            yield move


def _back(function: Function, version: int | None, deployed_at: datetime | None) -> Move:
    releases = function.releases()
    at = _index(releases, function.live)
    before = releases[at - 1][-1] if at else None
    if version is not None:
        target = function.version(version)
        if version == function.live and function.new is None:
            return Move(function, before, reason=f"leads to {version} already")
        return Move(function, before, target)
    if function.new is not None:
        return Move(function, before, function.version(function.live))
    if at < len(releases) - 1:
        latest = releases[-1][-1].number
        return Move(function, before, reason=f"is at an earlier version than {latest} already")
    if deployed_at is not None and releases[at][0].published_at < deployed_at:
        return Move(function, before, reason="not changed by the last deployment")
    return Move(function, before, before, "" if before else "has no earlier version")


def _forward(function: Function) -> Move:
    releases = function.releases()
    at = _index(releases, function.live)
    before = releases[at - 1][-1] if at else None
    if function.new is not None:
        return Move(function, before, reason="a gradual deployment moves it")
    if at == len(releases) - 1:
        return Move(function, before, reason="leads to the latest version")
    return Move(function, before, releases[-1][-1])


def _index(releases: Sequence[Sequence[Version]], live: int) -> int:
    return next(
        at for at, release in enumerate(releases) if live in {one.number for one in release}
    )


def _function(client: Any, name: str, physical_id: str) -> Function | None:
    try:
        alias = client.get_alias(FunctionName=physical_id, Name=ALIAS)
    except client.exceptions.ResourceNotFoundException:
        return None
    if not alias["FunctionVersion"].isdigit():
        raise CliError(
            f"The alias of {name} leads to {alias['FunctionVersion']}, which is no version.",
            hint="Somebody has pointed it there: publish a version, and point the alias to it.",
        )
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=physical_id)
    versions = [
        Version(int(one["Version"]), datetime.fromisoformat(one["LastModified"]), _release_of(one))
        for page in pages
        for one in page["Versions"]
        if one["Version"].isdigit()
    ]
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return Function(
        name,
        physical_id,
        int(alias["FunctionVersion"]),
        next(map(int, weights), None),
        alias["RevisionId"],
        tuple(sorted(versions, key=lambda one: one.number)),
    )


def _release_of(configuration: Mapping[str, Any]) -> str:
    kept = {name: configuration.get(name) for name in _OF_A_RELEASE}
    return json.dumps(kept, sort_keys=True, default=str)
