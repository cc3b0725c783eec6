"""The lease: one controller at a time.

TENANT#<t>#LEASE   CONTROLLER   who has it, until when, and how often somebody else asked for it
Whoever comes meanwhile leaves a request. The holder sees it when it ends, and looks once more: so
an alarm that was raised between its last look and its end is not lost.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from kernel.domain.errors import Busy
from kernel.storage.table import Delete, Item, Put, Table

_ATTEMPTS = 5
_LOST = Busy("Another controller has changed the lease at the same moment.")


class Lease(NamedTuple):
    """The lease as its holder knows it."""

    holder: str
    requests: int
    """How often others have asked for it."""


class LeaseRepository:
    """The lease in the context's table; every change is conditional on what was read."""

    def __init__(self, table: Table, tenant_id: str) -> None:
        self._table, self._pk = table, f"TENANT#{tenant_id}#LEASE"

    def acquire(self, holder: str, now: datetime, duration: timedelta) -> Lease | None:
        """Get or extend the lease; None when somebody else has it, who then looks once more.

        Raises Busy when others always win.
        """
        for _ in range(_ATTEMPTS):
            found = self._table.get(self._pk, "CONTROLLER", consistent=True)
            mine = found is None or found["holder"] == holder or found["until"] <= _seconds(now)
            requests = int(found["requests"]) if found else 0
            if mine:
                item = self._item(holder, requests, now + duration)
            else:
                assert found is not None
                item = {**found, "requests": requests + 1}
            try:
                self._table.put_if(Put(item, absent=found is None, unchanged=found, error=_LOST))
            except Busy:
                continue
            return Lease(holder, requests) if mine else None
        raise _LOST

    def release(self, lease: Lease) -> bool:
        """Give the lease back; False when somebody has asked for it, and it is not given back.

        True as well when somebody else has it by now.
        """
        found = self._table.get(self._pk, "CONTROLLER", consistent=True)
        if found is None or found["holder"] != lease.holder:
            return True
        if found["requests"] != lease.requests:
            return False
        try:
            self._table.transact([Delete(self._pk, "CONTROLLER", unchanged=found, error=_LOST)])
        except Busy:
            return False
        return True

    def _item(self, holder: str, requests: int, until: datetime) -> Item:
        return {
            "pk": self._pk,
            "sk": "CONTROLLER",
            "holder": holder,
            "until": _seconds(until),
            "requests": requests,
            "ttl": _seconds(until + timedelta(days=1)),
        }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
