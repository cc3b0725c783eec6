"""Mappings of table streams: order, partial failures, retries and the on-failure destination.

Without this patch: `batchItemFailures` in a result is ignored, so that failed records count as
processed; BisectBatchOnFunctionError and MaximumRetryAttempts are ignored, so that a record that
always fails blocks its stream for ever; records that a filter drops count towards the batch size.

Fix, as AWS documents it: a stream is read in order and never past a record that was not processed.
A reported failure moves the position to the first failed record and retries from there; a failed
batch is halved if the mapping is configured so, and otherwise retried after growing pauses; after
the last attempt, or when a record is too old, it goes to OnFailure and the stream continues.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

import json
import logging
import threading
import time
from typing import Any

from zebros.emulator.patching import module

POLL_S = 1.0
"""The longest time between two polls of a mapping."""
_READ_PER_BATCH = 20
"""Records that are read per record of a batch, because a filter may drop the others."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_log = logging.getLogger("lambda")

type Record = dict[str, Any]


class Stream(threading.Thread):
    """Reads one table's stream, as one shard, until the mapping is deleted."""

    limit = 0
    """Records in a batch while a failing one is being isolated; 0 when none is."""
    attempts = 0

    def __init__(self, scope: tuple[str, str], mapping: dict[str, Any]) -> None:
        super().__init__(name=f"stream-{mapping['UUID'][:8]}", daemon=True)
        self.scope, self.mapping = scope, mapping
        self.wake = threading.Event()
        self.functions, self.tables = module("services.lambda_svc"), module("services.dynamodb")

    def run(self) -> None:
        """Process batches while the mapping exists."""
        with module("core.responses").request_scope(*self.scope):
            while mapping := self.functions._esms.get(self.mapping["UUID"]):
                self.wake.clear()
                self.mapping = mapping
                try:
                    pause = self.step() if mapping.get("Enabled", True) else None
                except Exception:
                    _log.exception("The mapping of %s failed.", mapping.get("FunctionName"))
                    pause = POLL_S
                if pause is None:
                    self.wake.wait(POLL_S)
                else:
                    time.sleep(pause)

    def step(self) -> float | None:
        """Process one batch; returns the pause before the next one in seconds, or None to wait."""
        tables, mapping = self.tables, self.mapping
        table = self._table()
        function, _ = self.functions._get_func_record_for_qualifier(
            mapping["FunctionName"], mapping.get("Qualifier")
        )
        if table is None or function is None:
            return None
        position = self.position()
        size = self.limit or int(mapping.get("BatchSize", 100))
        read = tables.stream_records_since(table, position, size * _READ_PER_BATCH)
        if not read:
            return None
        batch = self._batch(read, size)
        if not batch:
            return self._continue_from(position + len(read))
        records = [record for _, record in batch]
        answer = self.functions._execute_function(function, {"Records": records})
        after = position + batch[-1][0] + 1
        failed = first_failure(mapping, records, answer)
        if failed is None:
            mapping["LastProcessingResult"] = f"OK - {len(records)} records"
            return self._continue_from(after)
        mapping["LastProcessingResult"] = "FAILED"
        _log.warning("%s failed on its stream: %s", mapping["FunctionName"], answer.get("body"))
        if failed > 0:
            return self._continue_from(position + batch[failed][0])
        return self._retry_or_give_up(function, records, answer, after)

    def ready(self) -> bool:
        """Whether there may be work; called from another thread."""
        with module("core.responses").request_scope(*self.scope):
            table = self._table()
            return table is not None and self.tables.stream_end_position(table) > self.position()

    def outstanding(self) -> int:
        """The number of unprocessed records that pass the filter."""
        table = self._table()
        if table is None or not self.mapping.get("Enabled", True):
            return 0
        read = self.tables.stream_records_since(table, self.position(), 1 << 60)
        return len(self.functions._apply_filter_criteria(read, self.mapping))

    def position(self) -> int:
        """The position to continue from, after records that have expired (24 hours)."""
        mapping, functions = self.mapping, self.functions
        start = mapping.get("StartingPosition")
        functions._init_stream_position(mapping["UUID"], mapping["EventSourceArn"], start)
        horizon = self.tables.stream_start_position(self._table())
        return max(int(functions._dynamodb_stream_positions[mapping["UUID"]]), int(horizon))

    def _table(self) -> str | None:
        """The table's name, if this mapping's stream is still its current one."""
        arn = self.mapping["EventSourceArn"]
        name: str = arn.split(":table/")[1].split("/")[0]
        table = self.tables._tables.get(name)
        return name if table and table.get("LatestStreamArn") == arn else None

    def _batch(self, read: list[Record], size: int) -> list[tuple[int, Record]]:
        """The first `size` records that pass the filter, with their index in `read`."""
        ids = {id(one) for one in self.functions._apply_filter_criteria(read, self.mapping)}
        placed = [(place, one) for place, one in enumerate(read) if id(one) in ids]
        return placed[:size]

    def _continue_from(self, position: int) -> float:
        """Continue from this position."""
        with self.functions._dynamodb_stream_positions_lock:
            self.functions._dynamodb_stream_positions[self.mapping["UUID"]] = position
        self.limit = self.attempts = 0
        return 0

    def _retry_or_give_up(
        self, function: dict[str, Any], records: list[Record], answer: dict[str, Any], after: int
    ) -> float:
        """Halve, retry or give up a batch whose first record failed; returns the pause."""
        mapping = self.mapping
        if mapping.get("BisectBatchOnFunctionError") and len(records) > 1:
            self.limit = len(records) // 2  # halving does not count as an attempt
            return 0
        self.attempts += 1
        allowed = mapping.get("MaximumRetryAttempts")
        exhausted = allowed is not None and 0 <= int(allowed) < self.attempts
        if exhausted or self._too_old(records[0]):
            reason = "RetryAttemptsExhausted" if exhausted else "MaxRecordAgeExceeded"
            self.functions._send_ddb_stream_failure_record(
                mapping, function, records, mapping["EventSourceArn"], answer, reason
            )
            return self._continue_from(after)
        return min(_FIRST_PAUSE_S * 2.0 ** (self.attempts - 1), _LONGEST_PAUSE_S)

    def _too_old(self, record: Record) -> bool:
        allowed = int(self.mapping.get("MaximumRecordAgeInSeconds") or -1)
        created_at = float(record["dynamodb"].get("ApproximateCreationDateTime") or time.time())
        return allowed > 0 and time.time() - created_at > allowed


def first_failure(
    mapping: dict[str, Any], records: list[Record], answer: dict[str, Any]
) -> int | None:
    """The index of the first record that was not processed, or None.

    An invalid report, or one that names no record of the batch, fails the whole batch, as in AWS.
    """
    if answer.get("error"):
        return 0
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return None
    body = answer.get("body")
    numbers = [str(record["dynamodb"]["SequenceNumber"]) for record in records]
    try:
        body = json.loads(body) if isinstance(body, str | bytes) and body else body
        failures = (body or {}).get("batchItemFailures") or []
        return min((numbers.index(one["itemIdentifier"]) for one in failures), default=None)
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0
