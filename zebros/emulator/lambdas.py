"""Invoking functions: a bounded pool of environments, real errors, and a bounded log.

Stock faults: a burst starts as many processes as it has calls, which two cores cannot feed; a
failed call always says `Runtime.HandlerError`; and every call opens a log stream of its own,
kept for ever, so that the state to be saved grows without end.

Mended: a call waits for one of a few environments (see `environments`); the handler's own error
is answered; a function has one log stream a day, of which the last lines are kept, and its
output is also appended to a file that people can read.
"""

import atexit
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any, TextIO

from zebros.emulator.environments import Environment
from zebros.emulator.seams import module, replace
from zebros.emulator.settings import Settings

_KEPT_EVENTS = 5_000
"""Log events kept for a function in memory (and in snapshots); the file keeps more."""
_FILE_BYTES = 20_000_000
_log = logging.getLogger("lambda")


def apply(settings: Settings) -> None:
    """Invoke by our pool and environments, and keep logs small."""
    pool, functions = module("core.lambda_runtime"), module("services.lambda_svc")
    stock_class = pool._worker_class_for

    def environment(config: dict[str, Any]) -> Any:
        if not str(config.get("Runtime", "")).startswith("python"):
            return stock_class(config)
        return lambda name, config, code: Environment(settings, name, config, code)

    replace(pool, "_worker_class_for", environment)
    # Before the interpreter ends, so that a stopped platform leaves no process behind.
    atexit.register(pool.reset)
    bounded = Pool(pool, settings.workers)
    replace(pool, "acquire_worker", bounded.acquire)
    replace(pool, "release_worker", bounded.release)
    replace(functions, "_execute_function_warm", execution(functions, bounded))
    replace(functions, "_emit_lambda_logs", Logs(settings).write)


class Pool:
    """Leases environments; at most `limit` a function, further callers wait their turn.

    A function that calls itself would wait for its own caller: after half its timeout a caller gets
    one more environment than the limit allows.
    """

    def __init__(self, runtime: Any, limit: int) -> None:
        self._runtime, self._limit = runtime, limit
        self._changed = threading.Condition(runtime._lock)

    def acquire(
        self,
        name: str,
        config: dict[str, Any],
        code: bytes,
        qualifier: str = "$LATEST",
        max_concurrency: int | None = None,
    ) -> tuple[Any, str]:
        """An environment for one call, and whether it is "reused" or to be started ("spawn")."""
        runtime = self._runtime
        key = runtime._worker_key(name, config, qualifier)
        limit = max_concurrency or self._limit
        patience = time.monotonic() + float(config.get("Timeout", 3)) / 2
        with self._changed:
            while True:
                leased = runtime._workers.setdefault(key, [])
                free = next((one for one in leased if not one.in_use), None)
                waited = time.monotonic() >= patience
                if free is None and (len(leased) < limit or waited):
                    free = runtime._worker_class_for(config)(name, config, code)
                    leased.append(free)
                    return self._lease(free), "spawn"
                if free is not None:
                    return self._lease(free), "reused"
                self._changed.wait(max(0.001, patience - time.monotonic()))

    def release(self, worker: Any) -> None:
        """Give an environment back."""
        if worker is not None:
            with self._changed:
                worker.in_use = False
                self._changed.notify()

    @staticmethod
    def _lease(worker: Any) -> Any:
        worker.in_use = True
        worker.last_used = time.time()
        return worker


def execution(functions: Any, pool: Pool) -> Any:
    """What carries out one call of a Python or Node function."""
    stock = functions._execute_function_warm

    def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        config, code = func.get("config") or func, func.get("code_zip")
        if not code or not str(config.get("Runtime", "")).startswith("python"):
            return stock(func, event, request_id)  # type: ignore[no-any-return]
        functions._ensure_reaper_thread()
        worker, _ = pool.acquire(
            config.get("FunctionName", "unknown"), config, code, config.get("Version", "$LATEST")
        )
        try:
            answer = worker.invoke(
                event,
                request_id,
                trace_id=functions._xray_trace_id_for_invocation(config),
                invoked_function_arn=config.get("FunctionArn", ""),
            )
        finally:
            pool.release(worker)
        if "failed" in answer:
            return {"body": answer["failed"], "error": True, "log": answer["log"]}
        return {"body": answer["result"], "log": answer["log"]}

    return execute


class Logs:
    """Writes what functions print to CloudWatch Logs and to a file of ours."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = module("services.cloudwatch_logs")
        self._lock = threading.Lock()
        self._file: TextIO | None = None

    def write(
        self,
        func: dict[str, Any],
        request_id: str,
        text: str,
        error: bool,
        duration_ms: int,
        **_: Any,
    ) -> None:
        """Record one call. A log that cannot be written must not fail the call."""
        config = func.get("config") or func
        name = config.get("FunctionName", "unknown")
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            self._append(config, name, request_id, lines, duration_ms)
            self._print(name, lines, error, duration_ms)
        except Exception:
            _log.exception("The log of %s could not be written.", name)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(
        self,
        config: dict[str, Any],
        name: str,
        request_id: str,
        lines: list[str],
        duration_ms: int,
    ) -> None:
        store, now = self._store, int(time.time() * 1000)
        group_name = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream_name = f"{datetime.now(UTC):%Y/%m/%d}/[{config.get('Version', '$LATEST')}]"
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\t"
            f"Memory Size: {config.get('MemorySize', 128)} MB"
        )
        start = f"START RequestId: {request_id}"
        events = [
            {"timestamp": now, "message": line, "ingestionTime": now}
            for line in (start, *lines, report)
        ]
        with self._lock:
            group = store._log_groups.get(group_name)
            if group is None:
                group = store._log_groups[group_name] = {
                    "arn": store._make_group_arn(group_name),
                    "creationTime": now,
                    "retentionInDays": None,
                    "tags": {},
                    "subscriptionFilters": {},
                    "streams": {},
                }
            stream = group["streams"].get(stream_name)
            if stream is None:
                stream = group["streams"][stream_name] = {
                    "events": [],
                    "uploadSequenceToken": "1",
                    "creationTime": now,
                    "firstEventTimestamp": now,
                    "lastEventTimestamp": None,
                    "lastIngestionTime": None,
                }
            store._append_log_events(stream, events)
            if len(stream["events"]) > 2 * _KEPT_EVENTS:
                del stream["events"][:-_KEPT_EVENTS]
        store._fanout_to_subscription_filters(group_name, stream_name, events)

    def _print(self, name: str, lines: list[str], error: bool, duration_ms: int) -> None:
        if error:
            lines = [*lines, f"failed after {duration_ms} ms"]
        if not lines:
            return
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        with self._lock:
            file = self._file
            if file is None or file.tell() > _FILE_BYTES:
                if file is not None:
                    file.close()
                    path = self._settings.functions_log
                    path.replace(path.with_suffix(".log.1"))
                file = self._file = self._settings.functions_log.open("a", encoding="utf-8")
            file.writelines(f"{stamp} {name} {line}\n" for line in lines)
            file.flush()
