"""The maintenance function of a context: carries out commands of operators on its records.

The command line invokes it, because only functions may write a table. Its events:
  {"command": "upgrade", "keys": […], "dry_run": false}
      `keys` are partition keys of records (`zebros upgrade`).
  {"command": "restore", "records": […], "run": "…", "began": "…", "dry_run": false}
      A record is `{"record": key, "doc": packed document in base64, "last": event}`. Without `doc`
      it was created later, and is archived. `run` is the correlation id of the events, `began` the
      time when the restore began; the answer has the function's own in `at` (`zebros restore`).
  {"command": "complete", "records": {key: sequence}, "run": "…"}
      `sequence` is the last one of the record that is surely there (`zebros region`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kernel.domain.clock import rfc3339, utc_now
from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.storage.records import RecordStore
from kernel.storage.replicated import RUN_PREFIX, complete
from kernel.storage.restoring import Run, parse_all, restore
from kernel.storage.upgrade import upgrade

type Stores = Sequence[RecordStore[Any]]
type Command = Callable[[Stores, dict[str, Any]], dict[str, Any]]

MAX_KEYS = 200
"""The records of one invocation; they take a few seconds."""


class Maintenance:
    """Carries out commands on the records of some stores; a Lambda handler."""

    def __init__(self, stores: Callable[[], Stores], commands: dict[str, Command]) -> None:
        self._stores, self._commands = stores, commands

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Carry out one command; returns what was done. Raises ValueError for a wrong event."""
        command = str(event.get("command"))
        if command not in self._commands:
            known = ", ".join(sorted(self._commands))
            raise ValueError(f"There is no command {command[:40]!r}; there are: {known}.")
        # The events of a command have the id of its run. Each line about a record names it.
        with working_on(lambda: {"command": command, "correlation_id": event.get("run")}):
            result = self._commands[command](self._stores(), event)
        logger().info("maintenance", command=command, done=_counts(result))
        return result


def upgrade_command(stores: Stores, event: dict[str, Any]) -> dict[str, Any]:
    """Bring records to the current form. Raises ValueError for a wrong event."""
    keys = event.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("keys must be a list of partition keys")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"an invocation upgrades at most {MAX_KEYS} records")
    result = upgrade(stores, keys, dry_run=event.get("dry_run") is True)
    return result.document()


def restore_command(stores: Stores, event: dict[str, Any]) -> dict[str, Any]:
    """Bring records to an earlier state. Raises ValueError for a wrong event."""
    wanted = list(parse_all(event.get("records")))
    if len(wanted) > MAX_KEYS:
        raise ValueError(f"an invocation restores at most {MAX_KEYS} records")
    began = event.get("began")
    since = None if began is None else datetime.fromisoformat(began)
    run = Run(str(event.get("run", "")), since, event.get("dry_run") is True)
    return {**restore(stores, wanted, run).document(), "at": rfc3339(utc_now())}


def complete_command(stores: Stores, event: dict[str, Any]) -> dict[str, Any]:
    """Complete records that were replicated in part. Raises ValueError for a wrong event."""
    records, run = event.get("records"), event.get("run")
    if not isinstance(records, dict) or not all(
        isinstance(one, int) and one >= 0 for one in records.values()
    ):
        raise ValueError("records must be an object of sequences by partition key")
    if len(records) > MAX_KEYS:
        raise ValueError(f"an invocation completes at most {MAX_KEYS} records")
    if not isinstance(run, str) or not run.startswith(RUN_PREFIX):
        raise ValueError(f"run must be the id of a move; it begins with {RUN_PREFIX}")
    return complete(stores, records, run).document()


COMMANDS: dict[str, Command] = {
    "upgrade": upgrade_command,
    "restore": restore_command,
    "complete": complete_command,
}
"""The commands that every context has."""


def _counts(result: dict[str, Any]) -> dict[str, int]:
    """The numbers in a result, and the lengths of its lists."""
    counted = {n: len(v) if isinstance(v, list) else v for n, v in result.items()}
    return {name: value for name, value in counted.items() if isinstance(value, int)}
