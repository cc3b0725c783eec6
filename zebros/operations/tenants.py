"""The registry of tenants: who may use the CRM, and with which plan (services/edge/registry.py).

A tenant is a realm of the identity provider. The registry decides before the provider is asked: a
token of a realm that is not in it is rejected. Items, in the edge's table:

  TENANT#<name>  TENANT   state, plan, country and times, as JSON in `doc`
  gsi1  TENANTS  <name>   the list of tenants
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError, NotReady

TABLE = "EdgeTable"
STAGE = "v1"
NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
KNOWN_SECONDS = 5
"""How long the authorizer's processes use an answer of the registry."""
CACHED_SECONDS = 300
"""How long API Gateway uses an answer of the authorizer, unless its cache is flushed."""
_ATTEMPTS = 5


class State(StrEnum):
    """Whether a tenant may use the CRM."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Plan(StrEnum):
    """What a tenant may use at once."""

    STANDARD = "standard"
    PREMIUM = "premium"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant of the registry."""

    name: str
    state: State
    plan: Plan
    added_at: str
    changed_at: str
    reason: str = ""
    """Why it is suspended, for the operators; its users do not see it."""
    country: str = ""
    """Of telephone numbers without a country code, ISO 3166 alpha-2; empty when there is none."""


class Registry:
    """The registry of a deployed stack."""

    def __init__(
        self, dynamodb: Any, table: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._dynamodb, self._table, self._now = dynamodb, table, now

    def list(self) -> Iterator[Tenant]:
        """Every tenant, by name; a change may take a second to be seen."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="gsi1",
            KeyConditionExpression="gsi1pk = :all",
            ExpressionAttributeValues={":all": {"S": "TENANTS"}},
        )
        for page in pages:
            for item in page["Items"]:
                yield _tenant(str(item["gsi1sk"]["S"]), item)

    def get(self, name: str) -> Tenant:
        """A tenant. Raises BadInput when there is none."""
        item = self._item(name)
        if item is None:
            known = ", ".join(one.name for one in self.list()) or "none"
            raise BadInput(
                f"There is no tenant {name}.",
                hint=f"There are: {known}. `zebros tenants add {name}` adds it.",
            )
        return _tenant(name, item)

    def add(self, name: str, plan: Plan = Plan.STANDARD, country: str = "") -> Tenant:
        """Add a tenant, active at once. Raises BadInput for wrong values or a known tenant."""
        if not NAME.fullmatch(name):
            raise BadInput(
                f"{name!r} cannot be the name of a tenant.",
                hint="It is the name of its realm: 1 to 63 lower-case letters, digits and hyphens.",
            )
        now = self._now().isoformat(timespec="seconds")
        tenant = Tenant(name, State.ACTIVE, plan, now, now, country=_country(country))
        if not self._put(tenant, 1):
            raise BadInput(f"The tenant {name} exists already.", hint="`zebros tenants list`")
        return tenant

    def change(self, name: str, **changes: Any) -> Tenant:
        """Change members of a tenant; two changes at once are both made. Raises BadInput."""
        if "country" in changes:
            _country(changes["country"])
        for _ in range(_ATTEMPTS):
            item = self._item(name)
            before = self.get(name) if item is None else _tenant(name, item)
            version = int(item["version"]["N"]) if item else 0
            now = self._now().isoformat(timespec="seconds")
            after = replace(before, **changes, changed_at=now)
            if self._put(after, version + 1):
                return after
        raise CliError(f"The tenant {name} is changed by others at once; try again.")

    def _item(self, name: str) -> dict[str, Any] | None:
        key = {"pk": {"S": f"TENANT#{name}"}, "sk": {"S": "TENANT"}}
        answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def _put(self, tenant: Tenant, version: int) -> bool:
        """Write a version of a tenant; False when another version exists meanwhile."""
        document = {k: v for k, v in asdict(tenant).items() if k != "name"}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "pk": {"S": f"TENANT#{tenant.name}"},
                    "sk": {"S": "TENANT"},
                    "gsi1pk": {"S": "TENANTS"},
                    "gsi1sk": {"S": tenant.name},
                    "version": {"N": str(version)},
                    "doc": {"S": json.dumps(document)},
                },
                ConditionExpression="attribute_not_exists(pk) OR version = :before",
                ExpressionAttributeValues={":before": {"N": str(version - 1)}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _tenant(name: str, item: dict[str, Any]) -> Tenant:
    document = json.loads(item["doc"]["S"])
    return Tenant(
        name,
        State(document["state"]),
        Plan(document["plan"]),
        document["added_at"],
        document["changed_at"],
        document.get("reason", ""),
        document.get("country", ""),
    )


def _country(code: str) -> str:
    """The code, which may be empty. Raises BadInput unless a country has it."""
    # Not at the top: it takes longer than most commands.
    from zebros.loading.contact_points import is_country

    if code and not is_country(code):
        capitals = code.upper()
        raise BadInput(
            f"{code!r} is not an ISO 3166 alpha-2 country code.",
            hint=f"Did you mean to write {capitals}?"
            if is_country(capitals)
            else "It has two capitals, such as US or DE; `none` removes the country.",
        )
    return code


def registry_of(deployment: Deployment) -> Registry:
    """The registry of a stack. Raises NotReady for a stack without one."""
    return Registry(deployment.aws("dynamodb"), deployment.resources.table(TABLE))


def register_all(registry: Registry, names: tuple[str, ...]) -> None:
    """Add those that are not in the registry yet; the state of the others stays."""
    known = {one.name for one in registry.list()}
    for name in names:
        if name not in known:
            try:
                registry.add(name)
            except BadInput:
                registry.get(name)  # the list did not show it yet


def forget_decisions(
    deployment: Deployment, pause: Callable[[float], None] = time.sleep
) -> str | None:
    """Make API Gateway ask the authorizer again for every token; returns why it does not, if so.

    Without this it may use an earlier answer for CACHED_SECONDS. The WebSocket API has no cache.
    """
    # Until no process knows the old state, API Gateway could get and keep an old answer.
    pause(KNOWN_SECONDS)
    api = deployment.resources.find("rest_apis", "Api")
    if api is None:
        raise NotReady("The deployed stack has no REST API.", hint="Deploy it again.")
    try:
        deployment.aws("apigateway").flush_stage_authorizers_cache(restApiId=api, stageName=STAGE)
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return None
