"""Sending one chunk of rows as batch requests, until every row has an outcome."""

import itertools
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ulid import ULID

from zebros.client.api import Client
from zebros.errors import ApiError, CliError
from zebros.loading.journal import Counts, Reject
from zebros.loading.mapper import MappedRow
from zebros.loading.record_types import RecordType
from zebros.loading.references import References

FIRST, SECOND, AGAIN = 1, 2, 3
"""The passes: first all rows, then those that refer to later rows of the same file.

From AGAIN on those whose code another record had: a row of the file may have given it up since.
"""
WITHOUT = "; the row is loaded without it"
_ITEM_ATTEMPTS = 4
_CONFLICT, _INVALID = 409, 422
_NOT_ALLOWED = frozenset({401, 403})
"""Statuses of an item whose sender may not change this record, or any record."""
_ONE_RECORD = "urn:zebros:problem:forbidden-act"
"""The problem type for a sender who may change such records, but not this one in this way."""


@dataclass(slots=True)
class Chunk:
    """Up to 100 rows, identified by their position in the file."""

    pass_: int
    number: int
    rows: list[MappedRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    skipped: int = 0


@dataclass(slots=True)
class Outcome:
    """The results of a chunk's rows."""

    chunk: Chunk
    seconds: float = 0.0
    """How long the requests took."""
    counts: Counts = field(default_factory=Counts)
    rejects: list[Reject] = field(default_factory=list)
    deferred: list[int] = field(default_factory=list)
    """Rows to send again in the second pass."""
    accepted: list[tuple[MappedRow, dict[str, Any]]] = field(default_factory=list)
    """Rows that were loaded, with the API's results."""
    taken: dict[int, str] = field(default_factory=dict)
    """Rows whose code another record has, with what the API says about it."""


type _Items = list[tuple[MappedRow, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class BatchSender:
    """Sends chunks; threads may share it."""

    client: Client
    record_type: RecordType
    references: References
    constants: dict[str, Any]
    droppable: frozenset[str]
    """The fields whose wrong values are left out."""
    run: str
    """The id of the load, with which its Idempotency-Keys begin."""
    match_by: str | None = None
    """How records without a known external id are found."""
    pause: Callable[[float], None] = time.sleep

    def send(self, chunk: Chunk) -> Outcome:
        """Look up references and send the rows. Raises CliError when the load must stop."""
        outcome = Outcome(chunk, counts=Counts(skipped=chunk.skipped))
        ready: _Items = []
        for row in chunk.rows:
            item = self._resolved(row, outcome)
            if item is not None:
                ready.append((row, item))
        if ready:
            started = time.perf_counter()
            self._send_all(ready, outcome, f"{self.run}-{chunk.pass_}-{chunk.number}")
            outcome.seconds = time.perf_counter() - started
        rejected = {reject.row for reject in outcome.rejects if not reject.loaded}
        outcome.deferred = [row for row in outcome.deferred if row not in rejected]
        return outcome

    def _resolved(self, row: MappedRow, outcome: Outcome) -> dict[str, Any] | None:
        """The item with the ids of its references; None when the row is rejected."""
        item = {**self.constants, **row.item}
        for reference in row.references:
            record_id = self.references.find(reference)
            if record_id is not None:
                item[reference.field] = record_id
                continue
            same_file = reference.collection == self.record_type.name
            if same_file and outcome.chunk.pass_ != SECOND:
                outcome.deferred.append(row.number)
            elif reference.missing != "empty":
                loaded = same_file or reference.missing == "drop"
                reason = self.references.why_not(reference) + (WITHOUT if loaded else "")
                outcome.rejects.append(Reject(row.number, reason, row.raw, loaded))
                if not loaded or same_file:
                    return None
        return item

    def _send_all(self, ready: _Items, outcome: Outcome, key: str) -> None:
        """Send items; again those whose code another of them may have given up since."""
        for number in itertools.count():
            outcome.taken.clear()
            self._send(ready, outcome, f"{key}-{number}" if number else key)
            if len(outcome.taken) in (0, len(ready)):
                break
            # The other way round: an item mostly gets the code of the one beside it.
            ready = [(row, item) for row, item in reversed(ready) if row.number in outcome.taken]
        outcome.rejects += [
            Reject(row.number, outcome.taken[row.number], row.raw)
            for row, _ in ready
            if row.number in outcome.taken
        ]

    def _send(self, ready: _Items, outcome: Outcome, key: str) -> None:
        """Send items; those that may succeed later are sent again without the others."""
        for attempt in range(1, _ITEM_ATTEMPTS + 1):
            again: _Items = []
            reduced: _Items = []
            try:
                results = self._authorized([item for _, item in ready], f"{key}-{attempt}")
            except ApiError as error:
                if error.status != 413 or len(ready) == 1:
                    raise
                half = len(ready) // 2
                self._send(ready[:half], outcome, f"{key}-{attempt}a")
                self._send(ready[half:], outcome, f"{key}-{attempt}b")
                return
            for result in results:
                row, item = ready[result["index"]]
                status = int(result["status"])
                if outcome.chunk.pass_ != SECOND and _is_taken(result):
                    outcome.taken[row.number] = reason_of(result["problem"], status)
                elif _is_retryable(status) and attempt < _ITEM_ATTEMPTS:
                    again.append((row, item))
                elif left := self._without_wrong(item, result, row.content_id):
                    if outcome.chunk.pass_ != SECOND:  # which leaves out the same values
                        reason = reason_of(result["problem"], status) + WITHOUT
                        outcome.rejects.append(Reject(row.number, reason, row.raw, loaded=True))
                    reduced.append((row, left))
                elif _count(result, outcome.counts, self.run):
                    outcome.accepted.append((row, result))
                else:
                    reason = reason_of(result.get("problem") or {}, status)
                    loaded = outcome.chunk.pass_ == SECOND
                    if loaded:
                        reason += WITHOUT
                    outcome.rejects.append(Reject(row.number, reason, row.raw, loaded))
            if reduced:  # fewer values each time
                self._send(reduced, outcome, f"{key}-{attempt}w")
            if not again:
                return
            ready = again
            self.pause(0.2 * 2**attempt)

    def _without_wrong(
        self, item: dict[str, Any], result: dict[str, Any], content_id: str
    ) -> dict[str, Any] | None:
        """The item without the values that the API rejects; None unless all may be left out.

        `content_id` takes the place of addresses by which it was to be found.
        """
        errors = (result.get("problem") or {}).get("errors") or []
        if int(result["status"]) != _INVALID or not errors:
            return None
        left = deepcopy(item)
        wrong: list[tuple[Any, Any]] = []
        for error in errors:
            head, _, rest = str(error.get("field")).partition(".")
            named = f"{head}.{rest}" in self.droppable
            if not (named or head in self.droppable) or head not in left:
                return None
            if rest.isdigit() and isinstance(left[head], list) and int(rest) < len(left[head]):
                wrong.append((left[head], left[head][int(rest)]))
            elif named:
                left[head].pop(rest, None)
            else:
                del left[head]
        for values, value in wrong:
            if value in values:
                values.remove(value)
        left = {name: value for name, value in left.items() if value not in ([], {})}
        if content_id and not left.keys() & {"external_ids", "emails"}:
            left["external_ids"] = {"content": content_id}
        return left

    def _post(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        """The results of a batch request."""
        return send_batch(self.client, self.record_type.path, items, key, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """The members of every batch besides its items."""
        return {"match_by": self.match_by} if self.match_by else {}

    def _authorized(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        """The results of a batch. Raises ApiError when the sender may not change such records.

        Such rows are correct, so they are not rejected.
        """
        results = self._post(items, key)
        if _not_allowed(results) is None:
            return results
        # It may be the stored answer of an earlier run, from before the sender got the right.
        results = self._post(items, f"{key}-{ULID()}")
        not_allowed = _not_allowed(results)
        if not_allowed is not None:
            request = f"POST {self.record_type.path}/batch"
            raise ApiError(
                int(not_allowed["status"]), not_allowed.get("problem") or {}, request=request
            )
        return results


@dataclass(frozen=True, slots=True)
class DryRunSender(BatchSender):
    """Sends batches as dry runs, without an Idempotency-Key: they change nothing."""

    def _post(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:  # noqa: ARG002
        path = f"{self.record_type.path}/batch"
        answer = self.client.post(path, {"items": items, "dry_run": True, **self.options}, key="")
        return checked_results(answer, len(items))


def send_batch(
    client: Client, path: str, items: list[dict[str, Any]], key: str, **options: Any
) -> list[dict[str, Any]]:
    """Upsert items by `POST <path>/batch`; returns a result for each."""
    body = {"items": items, **options}
    try:
        answer = client.post(f"{path}/batch", body, key=key)
    except ApiError as error:
        if error.status not in (409, 422):
            raise
        # The key was used before; its answer was lost, or its items were different. An upsert may
        # be repeated with a new key.
        answer = client.post(f"{path}/batch", body, key=f"{key}-{ULID()}")
    return checked_results(answer, len(items))


def checked_results(answer: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The results in the answer to a batch of `count` items. Raises CliError unless it has all."""
    results: list[dict[str, Any]] = answer["results"]
    if sorted(result["index"] for result in results) != list(range(count)):
        raise CliError(
            f"The API answered {len(results)} results for {count} rows.",
            hint="The versions of the CRM and the command line differ: update the older one.",
        )
    return results


def _is_taken(result: dict[str, Any]) -> bool:
    """Whether another record has the item's code: of such a conflict the API names the field."""
    return int(result["status"]) == _CONFLICT and bool((result.get("problem") or {}).get("errors"))


def _is_retryable(status: int) -> bool:
    """Whether an item may succeed later; a 409 or 412 may come from a change at the same time."""
    return status in (409, 412, 429) or status >= 500


def _not_allowed(results: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first result by which the sender may not change any such record."""
    not_allowed = (result for result in results if int(result["status"]) in _NOT_ALLOWED)
    return next(
        (r for r in not_allowed if (r.get("problem") or {}).get("type") != _ONE_RECORD), None
    )


def _count(result: dict[str, Any], counts: Counts, run: str) -> bool:
    """Count an item that was loaded; False for one that was not."""
    match int(result["status"]):
        case 201:
            counts.created += 1
        case 200 if result.get("version") == 1 and _is_newer(str(result.get("id")), run):
            counts.created += 1  # by a request of this load whose answer was lost
        case 200 if result.get("changed") is False or result.get("version") == 1:
            counts.unchanged += 1  # a change would have made version 2
        case 200:
            counts.updated += 1
        case _:
            return False
    return True


def _is_newer(record_id: str, run: str) -> bool:
    """Whether a record was created after the load began; both ids are ULIDs with a time."""
    try:
        return ULID.from_str(record_id).timestamp >= ULID.from_str(run).timestamp
    except ValueError:
        return False


def reason_of(problem: dict[str, Any], status: int) -> str:
    """Why the API rejected an item: each wrong field, else the problem's detail."""
    fields = [
        f"{error.get('field')}: {error.get('message')}"
        for error in problem.get("errors") or []
        if isinstance(error, dict)
    ]
    reason = "; ".join(fields) or str(problem.get("detail") or problem.get("title") or "")
    return reason or f"the API answered {status}"
