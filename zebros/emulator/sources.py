"""A source of work for a function: a queue or a table stream, read by a thread of its own."""

import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import Any

from zebros.emulator.seams import module

LOOK_S = 1.0
"""A mapping looks at its source this often at least; delayed and invisible messages wake nobody."""
_log = logging.getLogger("lambda")


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
                    pause = LOOK_S
                if pause is None:
                    self.nudged.wait(LOOK_S)
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


def reported(mapping: dict[str, Any], answer: dict[str, Any]) -> set[str] | None:
    """The identifiers an answer reports as failed; None when it cannot be understood.

    An answer without any report is a success; so is a report when the mapping did not ask for one.
    """
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return set()
    body = answer.get("body")
    try:
        body = json.loads(body) if isinstance(body, str | bytes) and body else body
    except ValueError:
        return None
    if not body:
        return set()
    if not isinstance(body, dict):
        return None
    failures = body.get("batchItemFailures") or []
    try:
        identifiers = {one["itemIdentifier"] for one in failures}
    except (TypeError, KeyError):
        return None
    return None if "" in identifiers or None in identifiers else identifiers
