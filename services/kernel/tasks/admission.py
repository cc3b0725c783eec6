"""Lets a tenant's runs through to the workers: a few at a time, in the order of their requests.

`settle` is called for every event about a run that was requested or has ended. It may be repeated,
and called by several processes at once: it moves the stored slots to where they should be.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping

from kernel.domain.clock import Clock
from kernel.domain.errors import Busy, StaleVersion
from kernel.domain.principal import system_request
from kernel.runtime.log import logger
from kernel.storage.table import Action
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.repository import TaskRunRepository
from kernel.tasks.run import TaskRun
from kernel.tasks.slots import SlotRepository, Slots, Waiting

STANDARD = "standard"
_ATTEMPTS = 12
_DOUBTED_SECONDS = 60
"""After this time a run that has a slot is looked at when another one waits for it."""
_MAX_SECONDS = 6 * 3600
"""No run takes longer: an hour of waiting for a worker, and four attempts of an hour each."""

type Start = Callable[[str, str, str], None]
"""Starts the execution of a run (tenant, run, correlation id), once, however often it is called."""


class TaskAdmission[R: TaskRun]:
    """Gives the slots of every tenant to its runs."""

    def __init__(
        self,
        repository: TaskRunRepository[R],
        slots: SlotRepository,
        start: Start,
        limits: Mapping[str, int],
        now: Clock,
        max_seconds: int = _MAX_SECONDS,
    ) -> None:
        """`limits` are the slots of a tenant by its plan; other plans have those of STANDARD.

        A run that has a slot for longer than `max_seconds` is lost.
        """
        self._repo, self._slots, self._start = repository, slots, start
        self._limits, self._now, self._max_seconds = limits, now, max_seconds

    def settle(self, tenant_id: str, ended: str | None = None) -> None:
        """Take the slot of a run that has ended, and give free ones to those that wait longest.

        Raises Busy when too many other processes do the same, and what `start` raises.
        """
        gone = frozenset({ended} if ended else ())
        for _ in _attempts():
            try:
                while self._step(tenant_id, gone):
                    gone = frozenset()
                return
            except StaleVersion:
                continue
        raise Busy("Too many runs of the tenant begin and end at once.")

    def _step(self, tenant_id: str, gone: frozenset[str]) -> bool:
        """Commit one change of the slots; returns whether there may be more to change."""
        before = self._slots.read(tenant_id)
        # The process that committed these may have ended before it started them.
        for run_id, correlation_id in before.starting.items():
            self._start(tenant_id, run_id, correlation_id)
        after = before.without(gone)
        removals: list[Action] = [self._slots.no_wait(tenant_id, one) for one in gone]
        waiting = [one for one in self._slots.waiting(tenant_id, 2) if one.run_id not in gone]
        if waiting and not self._has_room(after, waiting[0]):
            after = after.without(self._lost(tenant_id, after))
        if waiting and self._has_room(after, waiting[0]):
            self._admit(tenant_id, after, waiting[0], removals)
            return True
        if gone or len(after.holders) != len(before.holders):
            self._slots.table.transact([self._slots.put(tenant_id, after), *removals])
        return False

    def _admit(
        self, tenant_id: str, slots: Slots, waiting: Waiting, removals: list[Action]
    ) -> None:
        """Give a slot to a run and start it; a run that has ended meanwhile waits no more."""
        removals = [*removals, self._slots.no_wait(tenant_id, waiting.run_id)]
        run = self._repo.runs.find(tenant_id, waiting.run_id)
        if run is None or run.ended:
            self._slots.table.transact([self._slots.put(tenant_id, slots), *removals])
            return
        now = self._now()
        filled = slots.with_run(run.id, run.correlation_id, now.timestamp())
        request = system_request(tenant_id, correlation_id=run.correlation_id)
        put = self._slots.put(tenant_id, filled)
        self._repo.runs.save(UnitOfWork(request), run, run.admit(now), put, *removals)
        self._start(tenant_id, run.id, run.correlation_id)

    def _has_room(self, slots: Slots, waiting: Waiting) -> bool:
        limit = self._limits.get(waiting.plan, self._limits[STANDARD])
        return len(slots.holders) < limit

    def _lost(self, tenant_id: str, slots: Slots) -> frozenset[str]:
        """The runs that have a slot although they ended: the event of the end is late or lost."""
        now = self._now().timestamp()
        doubted = [one for one, at in slots.holders.items() if now - at >= _DOUBTED_SECONDS]
        lost = set()
        for run_id in doubted:
            run = self._repo.runs.find(tenant_id, run_id)
            if run is None or run.ended or now - slots.holders[run_id] >= self._max_seconds:
                # Not the correlation id of the event that is handled, which is of another run.
                correlation_id = run.correlation_id if run else "unknown"
                logger().warning(
                    "slot taken back",
                    tenant=tenant_id,
                    run_id=run_id,
                    correlation_id=correlation_id,
                )
                lost.add(run_id)
        return frozenset(lost)


def _attempts() -> Iterator[None]:
    """Yield once for each attempt, with pauses of random lengths, so that processes alternate."""
    for attempt in range(_ATTEMPTS):
        yield
        time.sleep(random.uniform(0, min(0.5, 0.02 * 2**attempt)))  # noqa: S311
