"""Carrying a load out: rows in chunks through the batch API, all of them accounted for."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from ulid import ULID

from zebros.client.api import Client
from zebros.errors import Refused, Stopped, Trouble
from zebros.loading.files import Row, rows
from zebros.loading.journal import CHUNK, Counts, Journal, Reject
from zebros.loading.mapping import Mapped, Mapper
from zebros.loading.references import References
from zebros.words import counted

FIRST, SECOND = 1, 2
"""The passes: all rows; then those that refer to rows of the same file that came later."""
_AGAIN = frozenset({409, 412, 429, 500, 502, 503, 504})
"""Statuses of an item that may land when it is sent again; a 412 is another's change just then."""
_ITEM_ATTEMPTS = 4
_DENIED = frozenset({401, 403})
"""Statuses of an item whose sender may not: of one record, or of any."""
_ONE_RECORD = "urn:zebros:problem:forbidden-act"
"""The sender may write, but not this: hand over what is another's, for one."""
_QUICK_S, _SLOW_S = 3.0, 10.0
_KEY_SPENT = frozenset({"idempotency-key-in-use", "idempotency-key-reused"})
"""Carried out before a kill, and the answer lost; or sent before with other ids in it."""


def _every(_row: int) -> bool:
    return True


@dataclass(slots=True)
class _Chunk:
    """Up to CHUNK rows, mapped; a chunk is named by its place in the file."""

    pass_: int
    number: int
    mapped: list[Mapped] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    chunk: _Chunk
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    rejects: list[Reject] = field(default_factory=list)
    deferred: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Load:
    """One file on its way into one tenant."""

    client: Client
    mapper: Mapper
    journal: Journal
    references: References
    constants: dict[str, Any] = field(default_factory=dict)
    """Fields every row gets, such as the pipeline's id."""
    in_flight: int = 4
    on_progress: Callable[[Counts], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep
    _run: str = ""
    _pace: int = 1
    """Calls in flight just now."""
    _counts: Counts = field(default_factory=Counts)

    def run(self) -> None:
        """Send every row that has not landed yet. Raises Trouble when sending must stop.

        Whatever stops it, the journal knows what landed, and the next run goes on from there.
        """
        self._run, self._counts = self.journal.run, self.journal.counts()
        self._pace = self.in_flight
        self._send_all(self._chunks(FIRST))
        if any(True for _ in self.journal.deferred()):
            self.references.forget_missing()
            self._send_all(self._chunks(SECOND))

    def _send_all(self, chunks: Iterator[_Chunk]) -> None:
        """Keep a few calls in flight, so that the network's time is not ours."""
        waiting: set[Future[_Outcome]] = set()
        with ThreadPoolExecutor(self.in_flight, thread_name_prefix="load") as pool:
            try:
                for chunk in chunks:
                    waiting.add(pool.submit(self._send, chunk))
                    while len(waiting) >= self._pace:
                        self._settle(waiting)
                while waiting:
                    self._settle(waiting)
            except KeyboardInterrupt:
                self._wind_up(waiting)
                raise Stopped(
                    f"Stopped after {counted(self._counts.rows, 'row', 'rows')}.",
                    hint="Run the same command again to go on from there.",
                ) from None
            except Exception:
                self._wind_up(waiting)
                raise

    def _settle(self, waiting: set[Future[_Outcome]]) -> None:
        """Wait until at least one call has ended and record what came of it."""
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            waiting.discard(future)
            outcome = future.result()
            self._record(outcome)
            self._pace = pace(self._pace, self.in_flight, outcome.seconds)
        self.on_progress(self._counts)

    def _wind_up(self, waiting: set[Future[_Outcome]]) -> None:
        """Let what was sent end and record it; what was not sent is left for the next run."""
        for future in waiting:
            future.cancel()
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                self._record(future.result())

    def _record(self, outcome: _Outcome) -> None:
        chunk = outcome.chunk
        rejects = chunk.rejects + outcome.rejects
        self.journal.record(chunk.pass_, chunk.number, outcome.counts, rejects, outcome.deferred)
        if chunk.pass_ == FIRST:
            self._counts.created += outcome.counts.created
            self._counts.updated += outcome.counts.updated
            self._counts.unchanged += outcome.counts.unchanged
            self._counts.rejected += len(rejects)

    def _chunks(self, pass_: int) -> Iterator[_Chunk]:
        """The chunks still to be done. A chunk holds the rows of a fixed stretch of the file."""
        places = {row: n // CHUNK for n, row in enumerate(self.journal.deferred())}
        wanted = places.__contains__ if pass_ == SECOND else _every
        chunk, skip = _Chunk(pass_, -1), True
        for row in rows(self.mapper.shape, wanted):
            place = places[row.number] if pass_ == SECOND else (row.number - 2) // CHUNK
            if place != chunk.number:
                if not skip:
                    yield self._without_doubles(chunk)
                chunk, skip = _Chunk(pass_, place), self.journal.done(pass_, place)
            if skip:
                continue
            mapped = self.mapper.map_row(row) if isinstance(row, Row) else row
            if isinstance(mapped, Mapped):
                chunk.mapped.append(mapped)
            else:
                chunk.rejects.append(Reject(mapped.number, mapped.reason, mapped.raw))
        if not skip:
            yield self._without_doubles(chunk)

    def _without_doubles(self, chunk: _Chunk) -> _Chunk:
        """The chunk, with every row whose identity an earlier row had already among the rejects."""
        chunk.mapped, doubles = without_doubles(self.journal, chunk.mapped)
        chunk.rejects += doubles
        return chunk

    def _send(self, chunk: _Chunk) -> _Outcome:
        """Resolve and send one chunk; runs in a thread of the pool and touches no journal."""
        outcome = _Outcome(chunk)
        ready: list[tuple[Mapped, dict[str, Any]]] = []
        for mapped in chunk.mapped:
            item = self._resolved(mapped, outcome)
            if item is not None:
                ready.append((mapped, item))
        if ready:
            started = time.perf_counter()
            self._post(ready, outcome, f"{self._run}-{chunk.pass_}-{chunk.number}")
            outcome.seconds = time.perf_counter() - started
        rejected = {reject.row for reject in outcome.rejects}
        outcome.deferred = [row for row in outcome.deferred if row not in rejected]
        return outcome

    def _resolved(self, mapped: Mapped, outcome: _Outcome) -> dict[str, Any] | None:
        """The row's item with the ids of what it refers to, or None when it is rejected for one."""
        item = {**self.constants, **mapped.item}
        for reference in mapped.references:
            found = self.references.find(reference)
            if found is not None:
                item[reference.field] = found
                continue
            own = reference.kind == self.mapper.kind.name
            if own and outcome.chunk.pass_ == FIRST:
                outcome.deferred.append(mapped.number)
            elif reference.missing == "reject":
                reason = reference.absence
                if own:
                    reason += "; the row was loaded without it"
                outcome.rejects.append(Reject(mapped.number, reason, mapped.raw))
                return None
        return item

    def _post(
        self, ready: list[tuple[Mapped, dict[str, Any]]], outcome: _Outcome, key: str
    ) -> None:
        """Send items; those that failed for a passing reason are sent again, alone."""
        for attempt in range(1, _ITEM_ATTEMPTS + 1):
            again: list[tuple[Mapped, dict[str, Any]]] = []
            try:
                results = self._permitted([item for _, item in ready], f"{key}-{attempt}")
            except Refused as refused:
                if refused.status != 413 or len(ready) == 1:
                    raise
                half = len(ready) // 2
                self._post(ready[:half], outcome, f"{key}-{attempt}a")
                self._post(ready[half:], outcome, f"{key}-{attempt}b")
                return
            for result in results:
                mapped, item = ready[result["index"]]
                status = int(result["status"])
                if status in _AGAIN and attempt < _ITEM_ATTEMPTS:
                    again.append((mapped, item))
                elif not _counted(result, outcome.counts, self._run):
                    reason = reason_of(result.get("problem") or {}, status)
                    outcome.rejects.append(Reject(mapped.number, reason, mapped.raw))
            if not again:
                return
            ready = again
            self.pause(0.2 * 2**attempt)

    def _permitted(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        """A batch's results. Raises Refused when the sender may not write such records at all.

        Such rows are as good as any: they must not be among the rejects.
        """
        results = self._batch(items, key)
        if _denied(results) is None:
            return results
        # It may be the answer that an earlier run got; the rights may have been given since then.
        results = self._batch(items, f"{key}-{ULID()}")
        denied = _denied(results)
        if denied is not None:
            request = f"POST {self.mapper.kind.path}/batch"
            raise Refused(int(denied["status"]), denied.get("problem") or {}, request=request)
        return results

    def _batch(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        path = f"{self.mapper.kind.path}/batch"
        body = {"items": items}
        try:
            answer = self.client.post(path, body, key=key)
        except Refused as refused:
            if refused.slug not in _KEY_SPENT:
                raise
            # Upserting once more is harmless and tells what became of each item.
            answer = self.client.post(path, body, key=f"{key}-{ULID()}")
        results: list[dict[str, Any]] = answer["results"]
        if sorted(result["index"] for result in results) != list(range(len(items))):
            raise Trouble(
                f"The API answered {len(results)} results for {len(items)} rows.",
                hint="This CRM and this command line do not fit together: update the older one.",
            )
        return results


def pace(now: int, most: int, seconds: float) -> int:
    """How many calls to have in flight after one that took so long.

    More calls only help a server that keeps up; one that does not would answer none in time.
    """
    if seconds > _SLOW_S:
        return max(1, now // 2)
    return min(most, now + 1) if seconds < _QUICK_S else now


def without_doubles(journal: Journal, mapped: list[Mapped]) -> tuple[list[Mapped], list[Reject]]:
    """Rows that are the first of their identity, and the rejects the others become."""
    first = journal.first_rows([(one.external, one.number) for one in mapped])
    doubles = [
        Reject(
            one.number,
            f"external_ids: {one.external} was given to row {first[one.external]} already",
            one.raw,
        )
        for one in mapped
        if first[one.external] != one.number
    ]
    return [one for one in mapped if first[one.external] == one.number], doubles


def _denied(results: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first item that says the sender may not write, whichever record it is about."""
    denied = (result for result in results if int(result["status"]) in _DENIED)
    return next((r for r in denied if (r.get("problem") or {}).get("type") != _ONE_RECORD), None)


def _counted(result: dict[str, Any], counts: Counts, run: str) -> bool:
    """Count an item that landed; False for one that did not."""
    match int(result["status"]):
        case 201:
            counts.created += 1
        case 200 if result.get("version") == 1 and _since(run, str(result.get("id"))):
            counts.created += 1  # by a sending of this load whose answer was lost
        case 200 if result.get("changed") is False or result.get("version") == 1:
            counts.unchanged += 1  # a version that a change made is 2 at least
        case 200:
            counts.updated += 1
        case _:
            return False
    return True


def _since(run: str, record_id: str) -> bool:
    """Whether a record was made after the load began: both names are ULIDs, which tell it."""
    try:
        return ULID.from_str(record_id).timestamp >= ULID.from_str(run).timestamp
    except ValueError:
        return False


def reason_of(problem: dict[str, Any], status: int) -> str:
    """Why the API did not take an item: its fields if it names them, else its detail."""
    fields = [
        f"{error.get('field')}: {error.get('message')}"
        for error in problem.get("errors") or []
        if isinstance(error, dict)
    ]
    said = "; ".join(fields) or str(problem.get("detail") or problem.get("title") or "")
    return said or f"the API answered {status}"
