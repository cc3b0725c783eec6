"""Mappings of table streams: order, partial failures, retries and the destination for what fails.

Stock faults: `batchItemFailures` in an answer is ignored, so that failed records count as done;
BisectBatchOnFunctionError and MaximumRetryAttempts are ignored, so that a poisoned record stops
its stream for ever; records that a filter drops still use up the batch.

Mended as AWS describes it: a stream is read in order and never past a record that was not dealt
with. A reported failure moves the position up to the first failed record and tries from there;
a failed batch is halved when the mapping says so, and tried again with growing pauses
otherwise; when the attempts are used up (or the record is too old) the batch goes to OnFailure
and the stream goes on.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

import logging
import time
from typing import Any

from zebros.emulator.seams import module
from zebros.emulator.sources import Source, reported

_READ_PER_BATCH = 20
"""Records read for one of a batch at most, when a filter drops the others."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_log = logging.getLogger("lambda")

type Record = dict[str, Any]


class Stream(Source):
    """One table's stream, read as one shard."""

    limit = 0
    """Records in a batch while a poisoned one is being cornered; 0 when none is."""
    attempts = 0

    def step(self) -> float | None:
        tables, mapping = module("services.dynamodb"), self.mapping
        table, function = self._table(tables), self.function()
        if table is None or function is None:
            return None
        position = self.position()
        size = self.limit or int(mapping.get("BatchSize", 100))
        read = tables.stream_records_since(table, position, size * _READ_PER_BATCH)
        if not read:
            return None
        batch = self._batch(read, size)
        if not batch:
            self._advance(position + len(read))
            return 0
        records = [record for _, record in batch]
        answer = self.functions._execute_function(function, {"Records": records})
        after = position + batch[-1][0] + 1
        failed = first_failure(mapping, records, answer)
        if failed is None:
            mapping["LastProcessingResult"] = f"OK - {len(records)} records"
            return self._done(after)
        mapping["LastProcessingResult"] = "FAILED"
        _log.warning("%s failed on its stream: %s", mapping["FunctionName"], answer.get("body"))
        if failed > 0:
            return self._done(position + batch[failed][0])
        return self._again(function, records, answer, after)

    def ready(self) -> bool:
        with module("core.responses").request_scope(*self.scope):
            tables = module("services.dynamodb")
            table = self._table(tables)
            return table is not None and tables.stream_end_position(table) > self.position()

    def outstanding(self) -> int:
        tables = module("services.dynamodb")
        table = self._table(tables)
        if table is None or not self.mapping.get("Enabled", True):
            return 0
        read = tables.stream_records_since(table, self.position(), 1 << 60)
        return len(self.functions._apply_filter_criteria(read, self.mapping))

    def position(self) -> int:
        """Where to read on. Records past their 24 hours are gone, position or not."""
        tables, functions = module("services.dynamodb"), self.functions
        table = self._table(tables)
        horizon = tables.stream_start_position(table)
        known = functions._dynamodb_stream_positions
        with functions._dynamodb_stream_positions_lock:
            if self.mapping["UUID"] not in known:
                latest = self.mapping.get("StartingPosition") != "TRIM_HORIZON"
                known[self.mapping["UUID"]] = (
                    tables.stream_end_position(table) if latest else horizon
                )
            return max(int(known[self.mapping["UUID"]]), int(horizon))

    def _table(self, tables: Any) -> str | None:
        """The table's name, if this mapping's stream is still its current one."""
        arn = self.mapping["EventSourceArn"]
        name: str = arn.split(":table/")[1].split("/")[0]
        table = tables._tables.get(name)
        return name if table and table.get("LatestStreamArn") == arn else None

    def _batch(self, read: list[Record], size: int) -> list[tuple[int, Record]]:
        """The first `size` records that pass the filter, with their place in what was read."""
        kept = {id(one) for one in self.functions._apply_filter_criteria(read, self.mapping)}
        placed = [(place, one) for place, one in enumerate(read) if id(one) in kept]
        return placed[:size]

    def _advance(self, position: int) -> None:
        with self.functions._dynamodb_stream_positions_lock:
            self.functions._dynamodb_stream_positions[self.mapping["UUID"]] = position

    def _done(self, position: int) -> float:
        self._advance(position)
        self.limit = self.attempts = 0
        return 0

    def _again(
        self,
        function: dict[str, Any],
        records: list[Record],
        answer: dict[str, Any],
        after: int,
    ) -> float:
        """What to do with a batch whose first record failed."""
        mapping = self.mapping
        if mapping.get("BisectBatchOnFunctionError") and len(records) > 1:
            self.limit = len(records) // 2  # halving does not count as an attempt
            return 0
        self.attempts += 1
        allowed = mapping.get("MaximumRetryAttempts")
        exhausted = allowed is not None and 0 <= int(allowed) < self.attempts
        if exhausted or self._too_old(records[0]):
            self.functions._send_ddb_stream_failure_record(
                mapping,
                function,
                records,
                mapping["EventSourceArn"],
                answer,
                "RetryAttemptsExhausted" if exhausted else "MaxRecordAgeExceeded",
            )
            return self._done(after)
        return min(_FIRST_PAUSE_S * 2.0 ** (self.attempts - 1), _LONGEST_PAUSE_S)

    def _too_old(self, record: Record) -> bool:
        allowed = int(self.mapping.get("MaximumRecordAgeInSeconds") or -1)
        made = float(record["dynamodb"].get("ApproximateCreationDateTime") or time.time())
        return allowed > 0 and time.time() - made > allowed


def first_failure(
    mapping: dict[str, Any], records: list[Record], answer: dict[str, Any]
) -> int | None:
    """The index of the first record that was not dealt with; None when all were.

    An identifier that names no record of the batch fails the whole batch, as in AWS.
    """
    if answer.get("error"):
        return 0
    identifiers = reported(mapping, answer)
    if identifiers is None:
        return 0
    numbers = [str(record["dynamodb"]["SequenceNumber"]) for record in records]
    if not identifiers.issubset(numbers):
        return 0
    return min((numbers.index(one) for one in identifiers), default=None)
