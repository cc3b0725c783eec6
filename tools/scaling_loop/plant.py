"""What settings and load do to readings: a small model of a deployed system.

It is coarse on purpose: the controller must behave for any system whose readings fall when its
settings grow. Durations follow Lambda's rule that a function gets a share of a processor in
proportion to its memory, and one whole at 1,769 MB.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scaling.model.policy import Setting
from scaling.model.readings import Target
from zebros.simulation.parts import FULL_PROCESSOR_MB

API, WORKER, TABLE, CACHE = "CustomersApi", "StandardWorkerService", "CustomersTable", "Cache"
MEMORY, CONCURRENCY = Target(Setting.MEMORY, API), Target(Setting.CONCURRENCY, API)
PROVISIONED = Target(Setting.PROVISIONED, API)
TASKS, CAPACITY = Target(Setting.TASKS, WORKER), Target(Setting.CAPACITY, TABLE)
REPLICAS = Target(Setting.REPLICAS, CACHE)

type Readings = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Demand:
    """What one user at work asks for."""

    requests_a_second: float = 0.5
    processor_ms: float = 20.0
    """Of a request, on a whole processor."""
    waiting_ms: float = 20.0
    """Of a request: what no memory shortens."""
    memory_mb: float = 100.0
    reports_a_minute: float = 0.1
    units: float = 1.0
    """Capacity of the table."""


class Plant:
    """A system; its only state is the queue of reports."""

    def __init__(self, demand: Demand) -> None:
        self._demand, self._waiting = demand, 0.0

    def read(
        self, users: float, settings: Mapping[Target, int], minutes: float
    ) -> tuple[Readings, dict[Target, int]]:
        """The readings after some minutes with so many users, and what autoscaling has set."""
        one, memory = self._demand, settings[MEMORY]
        duration = one.waiting_ms + one.processor_ms * max(1.0, FULL_PROCESSOR_MB / memory)
        wanted = users * one.requests_a_second * duration / 1000
        concurrency, provisioned = settings[CONCURRENCY], settings[PROVISIONED]
        found: Readings = {
            ("throttles", API): max(0.0, wanted - concurrency),
            ("concurrency_in_use", API): 100 * min(1.0, wanted / concurrency),
            ("spillover", API): max(0.0, min(wanted, concurrency) - provisioned),
            ("provisioned_in_use", API): 100 * min(1.0, wanted / max(1, provisioned)),
            ("function_memory", API): 100 * min(1.0, one.memory_mb / memory),
            ("api_latency", API): duration,
            ("users", TABLE): users,
            ("cache_users", CACHE): users,
        }
        arrived, ceiling = users * one.reports_a_minute, settings[TASKS]
        self._waiting += arrived * minutes
        tasks = max(1, min(ceiling, round(self._waiting / minutes + 0.499)))
        self._waiting -= min(self._waiting, tasks * minutes)
        busy = 100 * min(1.0, arrived / tasks)
        found |= {
            ("report_queue", WORKER): self._waiting,
            ("worker_cpu", WORKER): busy,
            ("worker_memory", WORKER): 0.6 * busy,
            ("tasks_in_use", WORKER): 100 * tasks / ceiling,
        }
        consumed, most = users * one.units, settings[CAPACITY]
        capacity = min(most, round(consumed / 0.7))
        found |= {
            ("table_throttles", TABLE): max(0.0, consumed - most),
            ("capacity_in_use", TABLE): 100 * capacity / most,
        }
        return found, {TASKS: tasks, CAPACITY: capacity}
