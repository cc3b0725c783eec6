"""Event source mappings: a thread for each, woken when there is work.

Stock faults: one thread looks at all mappings in turn and runs the functions of table streams
itself, so that a slow relay holds up every queue; a mapping reads ten messages at most,
whatever its BatchSize; MaximumBatchingWindowInSeconds is ignored.

Mended: every mapping of a queue or a table stream has its own thread (see `queues` and
`streams` for what it does); batches fill to BatchSize or until their window is over. Mappings
of other sources stay with the emulator's own loop.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import Any

from local.platform import serving
from local.platform.seams import module, replace

_LOOK_S = 1.0
"""A mapping looks at its source this often at least; delayed and invisible messages wake nobody."""
_BREATH_S = 0.004
"""Work that arrives together is taken together."""
_log = logging.getLogger("lambda")


def apply() -> None:
    """Put our threads in the place of the emulator's poller."""
    functions = module("services.lambda_svc")
    replace(functions, "_poll_loop", Dispatcher(functions).run)


class Source(threading.Thread, ABC):
    """Reads one source and calls one function, until the mapping is gone."""

    def __init__(self, scope: tuple[str, str], mapping: dict[str, Any]) -> None:
        super().__init__(name=f"source-{mapping['UUID'][:8]}", daemon=True)
        self.scope, self.mapping = scope, mapping
        self.nudged = threading.Event()
        self.functions = module("services.lambda_svc")

    def run(self) -> None:
        """Work while the mapping exists."""
        with module("core.responses").request_scope(*self.scope):
            while True:
                self.nudged.clear()
                mapping = self.functions._esms.get(self.mapping["UUID"])
                if mapping is None:
                    return
                self.mapping = mapping
                try:
                    pause = self.step() if mapping.get("Enabled", True) else None
                except Exception:
                    _log.exception("The mapping of %s failed.", mapping.get("FunctionName"))
                    pause = _LOOK_S
                if pause is None:
                    self.nudged.wait(_LOOK_S)
                elif pause > 0:
                    time.sleep(pause)

    @abstractmethod
    def step(self) -> float | None:
        """Do one batch. Seconds to pause before the next one; None: until there is work."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether there may be work; a cheap look, from another thread."""

    @abstractmethod
    def outstanding(self) -> int:
        """Records or messages not dealt with yet."""

    def function(self) -> dict[str, Any] | None:
        """The function as it is now; None while it is missing."""
        record, _ = self.functions._get_func_record_for_qualifier(
            self.mapping["FunctionName"], self.mapping.get("Qualifier")
        )
        found: dict[str, Any] | None = record
        return found


class Dispatcher:
    """Keeps a thread for every mapping and wakes those whose source got work."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def run(self) -> None:
        """For ever (the emulator calls it in a thread of its own)."""
        wake = self._functions._esm_wake
        serving.wait()
        while True:
            wake.clear()
            self.turn()
            time.sleep(_BREATH_S)
            wake.wait(_LOOK_S)

    def turn(self) -> None:
        """Start what is missing and nudge what has work.

        Also while it is at work: what came after its last look would wait for the next one.
        """
        others = self._start_missing()
        for source in list(running.values()):
            if source.ready():
                source.nudged.set()
        if others:
            self._functions._poll_kinesis()

    def _start_missing(self) -> bool:
        from local.platform.queues import Queue
        from local.platform.streams import Stream

        kinds: dict[str, type[Source]] = {"sqs": Queue, "dynamodb": Stream}
        others = False
        for name in [name for name, source in running.items() if not source.is_alive()]:
            del running[name]
        for account, region, mapping in self._functions._iter_all_esms():
            service = mapping.get("EventSourceArn", "::").split(":")[2]
            if service not in kinds:
                others = True
            elif mapping["UUID"] not in running:
                source = kinds[service]((account, region), mapping)
                running[mapping["UUID"]] = source
                source.start()
        return others


running: dict[str, Source] = {}
"""The sources at work, by the mapping's UUID."""
