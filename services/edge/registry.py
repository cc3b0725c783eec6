"""The registry of tenants, in the edge's table: who is a tenant, in which state, with which plan.

Items:
  TENANT#<name>  TENANT   state, plan, country, times as JSON in `doc`; of `zebros tenants`
  KEYS#<name>    KEYS     the last good keys of its issuer; written by the authorizer
  gsi1  TENANTS  <name>   the list of tenants
"""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from edge.keys import StoredKeys
from edge.refusals import CannotCheck
from kernel.domain.errors import CrmError
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.storage.table import Item, Table

KNOWN_SECONDS = 5
"""How long a process uses an answer of the registry, also "there is no such tenant"."""
_MAX_NAMES = 1000
"""The answers that a process keeps; the one that was used longest ago is forgotten."""
_COUNTRY = re.compile("[A-Z]{2}")
_FAULTS = (ClientError, BotoCoreError, CrmError)


class TenantState(StrEnum):
    """Whether a tenant may use the CRM."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Plan(StrEnum):
    """What a tenant may use at once (strategy.yaml, RunningReports)."""

    STANDARD = "standard"
    PREMIUM = "premium"


class Tenant(NamedTuple):
    """A tenant of this system."""

    state: TenantState
    plan: Plan
    country: str | None = None
    """Of telephone numbers without a country code, ISO 3166 alpha-2."""


class TenantRegistry:
    """The tenants, read consistently, and known for a few seconds."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.monotonic) -> None:
        self._table, self._clock = table, clock
        self._known: OrderedDict[str, tuple[float, Tenant | None]] = OrderedDict()

    def find(self, name: str) -> Tenant | None:
        """A tenant, or None when there is none. Raises CannotCheck without an answer."""
        now = self._clock()
        until, tenant = self._known.get(name, (0.0, None))
        if now < until:
            self._known.move_to_end(name)
            return tenant
        try:
            item = self._table.get(f"TENANT#{name}", "TENANT", consistent=True)
        except _FAULTS as fault:
            raise CannotCheck(f"the registry does not answer: {describe(fault)}") from fault
        found = _tenant(item) if item else None
        self._known[name] = now + KNOWN_SECONDS, found
        self._known.move_to_end(name)
        if len(self._known) > _MAX_NAMES:
            self._known.popitem(last=False)
        return found


def _tenant(item: Item) -> Tenant:
    """The tenant of an item. Raises CannotCheck for a form that this version does not know."""
    try:
        stored = json.loads(str(item["doc"]))
        state, plan = TenantState(stored["state"]), Plan(stored["plan"])
    except (KeyError, TypeError, ValueError) as fault:
        raise CannotCheck(f"{item.get('pk')} cannot be read: {describe(fault)}") from fault
    country = stored.get("country")  # documents from before there were countries have none
    known = isinstance(country, str) and _COUNTRY.fullmatch(country)
    return Tenant(state, plan, country if known else None)


class TableKeyStore:
    """The last good keys of every issuer, in the registry's table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, tenant: str) -> StoredKeys | None:
        """The last good keys; None where there are none, or the table does not answer."""
        try:
            item = self._table.get(f"KEYS#{tenant}", "KEYS", consistent=True)
        except _FAULTS as fault:
            logger().warning("stored keys", tenant=tenant, fault=describe(fault))
            return None
        return StoredKeys(str(item["doc"]), float(str(item["at"]))) if item else None

    def write(self, tenant: str, keys: StoredKeys) -> None:
        """Keep keys; without the table they live in this process alone."""
        item = {"pk": f"KEYS#{tenant}", "sk": "KEYS", "doc": keys.text, "at": f"{keys.at:.3f}"}
        try:
            self._table.put(item)
        except _FAULTS as fault:
            logger().warning("keys not stored", tenant=tenant, fault=describe(fault))
