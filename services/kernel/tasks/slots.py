"""A tenant's slots: its runs that were let through to the workers, and those that wait for it.

Items, each prefixed with the tenant:
  <KIND>SLOTS      SLOTS       the runs that have a slot, as JSON in `doc`, with a version
  <KIND>WAITING    <run id>    a run without a slot; ids are in the order of the requests

A run is added to those that wait by its own request's transaction. Only a transaction that changes
the version of the slots removes it. So two processes never give the same slot away.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from kernel.domain.errors import StaleVersion
from kernel.storage.table import Delete, Put, Table

MOST_PLACES = 100
"""A place in the line behind this one is not counted further."""


@dataclass(frozen=True, slots=True)
class Slots:
    """The runs of one tenant that have a slot."""

    version: int = 0
    """0: the tenant has never had one."""
    holders: Mapping[str, float] = field(default_factory=dict)
    """When each run got its slot, in seconds since 1970."""
    starting: Mapping[str, str] = field(default_factory=dict)
    """The runs whose start nobody has confirmed, each with its correlation id."""

    def without(self, run_ids: frozenset[str]) -> Self:
        """These slots after some runs have ended; the starts were confirmed."""
        holders = {one: at for one, at in self.holders.items() if one not in run_ids}
        return replace(self, holders=holders, starting={})

    def with_run(self, run_id: str, correlation_id: str, at: float) -> Self:
        """These slots with one more run, which is to be started."""
        return replace(
            self, holders={**self.holders, run_id: at}, starting={run_id: correlation_id}
        )


class Waiting(NamedTuple):
    """A run that waits for a slot."""

    run_id: str
    plan: str
    """The tenant's plan at the request."""


class SlotRepository:
    """The slots of all tenants for runs of one kind."""

    def __init__(self, table: Table, name: str) -> None:
        self.table, self._name = table, name.upper()

    def read(self, tenant_id: str) -> Slots:
        """The slots of a tenant."""
        item = self.table.get(self._slots(tenant_id), "SLOTS", consistent=True)
        if item is None:
            return Slots()
        stored = json.loads(str(item["doc"]))
        return Slots(int(item["version"]), stored["holders"], stored["starting"])

    def put(self, tenant_id: str, slots: Slots) -> Put:
        """The write of slots that were read with their version. Raises StaleVersion."""
        document = {"holders": dict(slots.holders), "starting": dict(slots.starting)}
        return Put(
            {
                "pk": self._slots(tenant_id),
                "sk": "SLOTS",
                "version": slots.version + 1,
                "doc": json.dumps(document, separators=(",", ":")),
            },
            absent=slots.version == 0,
            version=slots.version or None,
            error=StaleVersion("Another run of the tenant began or ended at the same time."),
        )

    def wait(self, tenant_id: str, run_id: str, plan: str) -> Put:
        """The write that adds a new run to those that wait."""
        return Put({"pk": self._waiting(tenant_id), "sk": run_id, "plan": plan})

    def no_wait(self, tenant_id: str, run_id: str) -> Delete:
        """The write that removes a run from those that wait; only beside `put`."""
        return Delete(self._waiting(tenant_id), run_id)

    def waiting(self, tenant_id: str, limit: int) -> list[Waiting]:
        """The runs that have waited longest."""
        page = self.table.query(self._waiting(tenant_id), limit=limit, consistent=True)
        return [Waiting(str(item["sk"]), str(item["plan"])) for item in page.items]

    def place(self, tenant_id: str, run_id: str) -> int | None:
        """The place of a waiting run: 1 is the next; None when it does not wait."""
        page = self.table.query(
            self._waiting(tenant_id), between=("0", run_id), limit=MOST_PLACES, consistent=True
        )
        if page.items and (len(page.items) == MOST_PLACES or page.items[-1]["sk"] == run_id):
            return len(page.items)
        return None

    def _slots(self, tenant_id: str) -> str:
        return f"TENANT#{tenant_id}#{self._name}SLOTS"

    def _waiting(self, tenant_id: str) -> str:
        return f"TENANT#{tenant_id}#{self._name}WAITING"
