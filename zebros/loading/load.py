"""Loads a file: sends its rows in chunks by batch requests and records an outcome for every row."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from zebros.client.api import Client
from zebros.errors import Stopped
from zebros.loading.batch_sender import (
    AGAIN,
    FIRST,
    SECOND,
    WITHOUT,
    BatchSender,
    Chunk,
    DryRunSender,
    Outcome,
)
from zebros.loading.csv_rows import Row, rows
from zebros.loading.duplicates import without_duplicates, without_known_twice
from zebros.loading.journal import CHUNK, Counts, Journal, Reject
from zebros.loading.mapper import MappedRow, Mapper, Skipped
from zebros.loading.references import References
from zebros.text import count_of

_FAST_S, _SLOW_S = 3.0, 10.0


@dataclass(slots=True)
class Load:
    """The load of one file into one tenant."""

    client: Client
    mapper: Mapper
    journal: Journal
    references: References
    constants: dict[str, Any] = field(default_factory=dict)
    """Fields that every row gets, such as the pipeline's id."""
    in_flight: int = 4
    """The maximum number of concurrent requests."""
    on_progress: Callable[[Counts], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    _allowed: int = 1
    """The number of concurrent requests that is allowed at present."""
    _counts: Counts = field(default_factory=Counts)

    def run(self) -> None:
        """Send every row that has no outcome yet. Raises CliError when the load must stop.

        The journal contains the outcomes until then, and the next run continues there.
        """
        self._counts = self.journal.counts()
        self._allowed = self.in_flight
        self._send_all(self._chunks(FIRST))
        self._send_taken()
        if any(True for _ in self.journal.deferred()):
            self._add_references()

    def _send_taken(self) -> None:
        """Send rows again whose code another record had, as long as one of them gets its code."""
        left = 0
        for pass_ in itertools.count(AGAIN):
            rows = self.journal.taken(pass_)
            if len(rows) in (0, left):
                break
            self._send_all(self._chunks(pass_))
            left = len(rows)

    def _add_references(self) -> None:
        """The second pass: references to other rows of the file, which have records now."""
        self.references.forget_missing()
        self._send_all(self._chunks(SECOND))

    def _sender(self) -> BatchSender:
        return self._sender_of(BatchSender)

    def _sender_of[S: BatchSender](self, kind: type[S]) -> S:
        return kind(
            self.client,
            self.mapper.record_type,
            self.references,
            self.constants,
            self.mapper.droppable,
            self.journal.run,
            self.mapper.map.match_by,
            self.pause,
        )

    def _send_all(self, chunks: Iterator[Chunk]) -> None:
        sender = self._sender()
        waiting: set[Future[Outcome]] = set()
        with ThreadPoolExecutor(self.in_flight, thread_name_prefix="load") as pool:
            try:
                for chunk in chunks:
                    waiting.add(pool.submit(sender.send, chunk))
                    while len(waiting) >= self._allowed:
                        self._record_completed(waiting)
                while waiting:
                    self._record_completed(waiting)
            except KeyboardInterrupt:
                self._record_sent(waiting)
                raise Stopped(
                    f"Stopped after {count_of(self._counts.rows, 'row', 'rows')}.",
                    hint="Run the same command again to continue from there.",
                ) from None
            except Exception:
                self._record_sent(waiting)
                raise

    def _record_completed(self, waiting: set[Future[Outcome]]) -> None:
        """Wait until at least one request has ended and record its outcome."""
        completed, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in completed:
            waiting.discard(future)
            outcome = future.result()
            self._record(outcome)
            self._allowed = next_allowed(self._allowed, self.in_flight, outcome.seconds)
        self.on_progress(self._counts)

    def _record_sent(self, waiting: set[Future[Outcome]]) -> None:
        """Wait for the requests that were sent and record them; the next run sends the others."""
        for future in waiting:
            future.cancel()
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                self._record(future.result())

    def _record(self, outcome: Outcome) -> None:
        chunk = outcome.chunk
        rejects = _by_row(chunk.rejects + outcome.rejects)
        if chunk.pass_ >= AGAIN:
            self.journal.remove_rejects(row.number for row in chunk.rows)
        self.journal.add_taken(max(AGAIN, chunk.pass_ + 1), outcome.taken)
        self.journal.record(chunk.pass_, chunk.number, outcome.counts, rejects, outcome.deferred)
        if chunk.pass_ == FIRST:
            self._counts.add(outcome.counts)
            self._counts.rejected += sum(not one.loaded for one in rejects)
        elif chunk.pass_ >= AGAIN:
            self._counts = self.journal.counts()

    def _chunks(self, pass_: int) -> Iterator[Chunk]:
        """The chunks without an outcome. The rows of a chunk depend only on the file."""
        some = self.journal.deferred() if pass_ == SECOND else self.journal.taken(pass_)
        chunk_of = {row: n // CHUNK for n, row in enumerate(some)}
        filter_ = None if pass_ == FIRST else chunk_of.__contains__
        chunk, skip = Chunk(pass_, -1), True
        for row in rows(self.mapper.file, filter_):
            number = (row.number - 2) // CHUNK if pass_ == FIRST else chunk_of[row.number]
            if number != chunk.number:
                if not skip:
                    yield self._without_duplicates(chunk)
                chunk, skip = Chunk(pass_, number), self.journal.done(pass_, number)
            if skip:
                continue
            mapped = self.mapper.map_row(row) if isinstance(row, Row) else row
            if isinstance(mapped, MappedRow):
                chunk.rows.append(mapped)
                if mapped.left_out and pass_ != SECOND:
                    reason = "; ".join(mapped.left_out) + WITHOUT
                    chunk.rejects.append(Reject(mapped.number, reason, mapped.raw, loaded=True))
            elif isinstance(mapped, Skipped):
                chunk.skipped += 1
            else:
                chunk.rejects.append(Reject(mapped.number, mapped.reason, mapped.raw))
        if not skip:
            yield self._without_duplicates(chunk)

    def _without_duplicates(self, chunk: Chunk) -> Chunk:
        map_ = self.mapper.map
        kept, duplicates = without_duplicates(
            self.journal, chunk.rows, by_email=map_.match_by is not None
        )
        chunk.rejects += duplicates
        if chunk.pass_ == FIRST and map_.has_several_ids:
            kept, duplicates = without_known_twice(self.journal, kept, self._records(kept))
            chunk.rejects += duplicates
        chunk.rows = kept
        return chunk

    def _records(self, rows: list[MappedRow]) -> dict[int, str]:
        """The ids of the stored records of rows, by row: a dry run of what identifies them.

        Rows that go before add external ids and addresses to a record and take none away
        (docs/adr/0060), so that it makes no difference which of them are loaded by now.
        """
        kind = self.mapper.record_type
        names = {"external_ids", *kind.required, *kind.named_by}
        chunk = Chunk(FIRST, 0)
        for row in rows:
            item = {name: value for name, value in row.item.items() if name in names}
            chunk.rows.append(replace(row, item=item, references=()))
        outcome = replace(self._sender_of(DryRunSender), constants={}).send(chunk)
        return {
            row.number: str(result["id"])
            for row, result in outcome.accepted
            if int(result["status"]) == HTTPStatus.OK
        }


def _by_row(rejects: list[Reject]) -> list[Reject]:
    """One reject for each row with all its reasons; the row is loaded when no reason forbids it."""
    found: dict[int, Reject] = {}
    for one in rejects:
        before = found.get(one.row)
        if before is None:
            found[one.row] = one
            continue
        loaded = before.loaded and one.loaded
        reasons = [before.reason, one.reason]
        if not loaded:  # without any of the values
            ordered = sorted([before, one], key=lambda each: each.loaded)
            reasons = [each.reason.replace(WITHOUT, "") for each in ordered]
        found[one.row] = replace(before, reason="; ".join(reasons), loaded=loaded)
    return list(found.values())


def next_allowed(now: int, most: int, seconds: float) -> int:
    """The number of concurrent requests to allow after one that took `seconds`.

    More requests help only while the API keeps up; when it is slow, fewer of them time out.
    """
    if seconds > _SLOW_S:
        return max(1, now // 2)
    return min(most, now + 1) if seconds < _FAST_S else now
