"""Event source mappings: a thread for each, woken when there is work.

Stock faults: one thread looks at all mappings in turn and runs the functions of table streams
itself, so that a slow relay holds up every queue; a mapping reads ten messages at most,
whatever its BatchSize; MaximumBatchingWindowInSeconds is ignored.

Mended: every mapping of a queue or a table stream has its own thread (see `queues` and
`streams` for what it does); batches fill to BatchSize or until their window is over. Mappings
of other sources stay with the emulator's own loop.
"""

import time
from typing import Any

from zebros.emulator import serving
from zebros.emulator.queues import Queue
from zebros.emulator.seams import module, replace
from zebros.emulator.sources import LOOK_S, Source
from zebros.emulator.streams import Stream

_BREATH_S = 0.004
"""Work that arrives together is taken together."""
_KINDS: dict[str, type[Source]] = {"sqs": Queue, "dynamodb": Stream}


def apply() -> None:
    """Put our threads in the place of the emulator's poller."""
    functions = module("services.lambda_svc")
    replace(functions, "_poll_loop", Dispatcher(functions).run)


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
            wake.wait(LOOK_S)

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
        others = False
        for name in [name for name, source in running.items() if not source.is_alive()]:
            del running[name]
        for account, region, mapping in self._functions._iter_all_esms():
            service = mapping.get("EventSourceArn", "::").split(":")[2]
            if service not in _KINDS:
                others = True
            elif mapping["UUID"] not in running:
                source = _KINDS[service]((account, region), mapping)
                running[mapping["UUID"]] = source
                source.start()
        return others


running: dict[str, Source] = {}
"""The sources at work, by the mapping's UUID."""
