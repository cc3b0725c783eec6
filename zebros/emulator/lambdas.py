"""Invoking functions: a limited pool of environments, real errors, and a limited log.

Without this patch: a burst starts one process per call, too many for two cores; an update of a
function ends its processes also while they handle an event, and never those of older versions; the
error of a Python function always has the type `Runtime.HandlerError`; calls by an alias are not
limited by the function's reserved concurrency; and every call creates a log stream that is never
deleted, so that the saved state grows without limit.

Fix: a call waits for one of a few environments (see `environments`); a process that an update
replaces handles its event first; the first call of a version ends the processes of older ones; the
result of a Python function is handled as that of a custom runtime, whose errors keep their type;
all versions share the reserved concurrency; a function has one log stream per day with its latest
lines, and its output is also appended to a file for people.
"""

import atexit
import logging
import threading
import time
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Any

from zebros.emulator.environments import Environment
from zebros.emulator.metrics import record_execution, record_line
from zebros.emulator.patching import module, replace
from zebros.emulator.settings import Settings

_KEPT_EVENTS = 5_000
"""The maximum number of log events per function in memory and snapshots; the file contains more."""
_FILE_BYTES = 20_000_000
_log = logging.getLogger("lambda")


def apply(settings: Settings) -> None:
    """Invoke functions with this pool and these environments, and limit logs."""
    pool, functions = module("core.lambda_runtime"), module("services.lambda_svc")

    def environment(config: dict[str, Any]) -> Any:
        if not str(config.get("Runtime", "")).startswith("python"):
            return original(config)
        return lambda name, config, code: Environment(settings, name, config, code)

    original = replace(pool, "_worker_class_for", environment)
    bounded = Pool(pool, settings.workers)
    # At exit the environments are ended, so that no process of a stopped platform keeps running.
    atexit.register(bounded.close)
    replace(pool, "kill_workers", bounded.end)
    replace(pool, "acquire_worker", bounded.acquire)
    replace(pool, "release_worker", bounded.release)
    replace(functions, "_execute_function_warm", functions._execute_function_provided_warm)

    def reserved(called: dict[str, Any], config: dict[str, Any]) -> int | None:
        own = functions._functions.get(config.get("FunctionName"))
        return original_reserved(own or called, config)  # type: ignore[no-any-return]

    original_reserved = replace(functions, "_reserved_concurrency", reserved)
    replace(functions, "_emit_lambda_logs", Logs(settings).write)


class Pool:
    """Leases environments: at most `limit` per function; further callers wait.

    A function that calls itself would wait for its own caller; so after half its timeout a caller
    gets one environment more than the limit.
    """

    def __init__(self, pool: Any, limit: int) -> None:
        self._acquire, self._release, self._limit = pool.acquire_worker, pool.release_worker, limit
        self._end, self._pool = pool.kill_workers, pool
        self._released = threading.Condition()
        self._replaced: list[Any] = []
        """Environments that handle an event, and are to end after it."""

    def acquire(
        self, name: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST"
    ) -> tuple[Any, str]:
        """An environment for one call, and whether it is "reused" or a new one ("spawn")."""
        worker, how = self._lease(name, config, code, qualifier)
        if how == "spawn" and qualifier.isdigit():
            for older in range(1, int(qualifier)):
                self._pool.invalidate_worker(name, qualifier=str(older))
        return worker, how

    def _lease(self, *call: Any) -> tuple[Any, str]:
        patience = time.monotonic() + float(call[1].get("Timeout", 3)) / 2
        with self._released:
            while (left := patience - time.monotonic()) > 0:
                worker, how = self._acquire(*call, self._limit)
                if worker is not None:
                    return worker, how
                self._released.wait(left)
        return self._acquire(*call)  # type: ignore[no-any-return]

    def release(self, worker: Any) -> None:
        """Return an environment, which ends if it was replaced meanwhile."""
        with self._released:
            self._release(worker)
            ended = [one for one in self._replaced if one is worker]
            self._replaced = [one for one in self._replaced if one is not worker]
            self._released.notify_all()
        self._end(ended)

    def end(self, workers: list[Any]) -> None:
        """End environments that the pool has dropped, those that handle an event after it."""
        with self._released:
            self._replaced += [one for one in workers if one.in_use]
            idle = [one for one in workers if not one.in_use]
        self._end(idle)

    def close(self) -> None:
        """End all environments now."""
        self._pool.reset()
        self._end(self._replaced)


class Logs:
    """Writes the output of functions to CloudWatch Logs and to a file."""

    def __init__(self, settings: Settings) -> None:
        self._store = module("services.cloudwatch_logs")
        self._file = RotatingFileHandler(
            settings.functions_log, maxBytes=_FILE_BYTES, backupCount=1, delay=True
        )

    def write(
        self, func: dict[str, Any], _id: str, text: str, error: bool, took_ms: int, **_: Any
    ) -> None:
        """Record one call. A log that cannot be written must not fail the call."""
        config = func.get("config") or func
        name = config.get("FunctionName", "unknown")
        lines = [line for line in text.splitlines() if line.strip()]
        lines += [f"failed after {took_ms} ms"] if error else []
        now = datetime.now(UTC)
        try:
            record_execution(name, took_ms, failed=error)
            self._append(config, name, lines, now)
            for line in lines:
                record_line(line)
                record = logging.makeLogRecord({"msg": f"{now:%H:%M:%S} {name} {line}"})
                self._file.handle(record)
        except Exception:
            _log.exception("The log of %s could not be written.", name)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, config: dict[str, Any], name: str, lines: list[str], now: datetime) -> None:
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream = f"{now:%Y/%m/%d}/[{config.get('Version', '$LATEST')}]"
        at = int(now.timestamp() * 1000)
        events = [{"timestamp": at, "message": line, "ingestionTime": at} for line in lines]
        store, target = self._store, {"logGroupName": group, "logStreamName": stream}
        if stream not in store._log_groups.get(group, {}).get("streams", {}):
            store._create_log_group(target)
            store._create_log_stream(target)
        log_stream = store._log_groups[group]["streams"][stream]
        store._append_log_events(log_stream, events)
        if len(log_stream["events"]) > 2 * _KEPT_EVENTS:
            del log_stream["events"][:-_KEPT_EVENTS]
        store._fanout_to_subscription_filters(group, stream, events)
