"""Sending the chunks of a group to the context that owns the records, until each line is answered.

Every request has an Idempotency-Key that depends on run and line only: a request that is repeated,
by this worker or another one, is answered as before.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imports.adapters.collections import BatchAnswer, Collections, FunctionFailed
from imports.failures import NOT_ALLOWED
from imports.jobs.groups import MAX_CHUNKS, Group
from imports.jobs.lines import Line
from imports.model import ImportRun
from kernel.domain.errors import Forbidden, IdempotencyKeyReused, PermissionDenied
from kernel.domain.ids import milliseconds_of, new_id
from kernel.runtime.log import logger
from kernel.runtime.work import carried
from kernel.storage.idempotency import LEASE_SECONDS
from kernel.tasks.failures import UNEXPECTED, WORKER_UNAVAILABLE
from kernel.tasks.job import JobFailed
from kernel.tasks.progress import Interrupted
from kernel.tasks.worker.timing import backoff

_ITEM_ATTEMPTS = 5
"""How often an item is sent that may succeed later."""
_MAX_FAULTS = 10
"""How often in a row a request may fail; the pauses between them are up to 20 s."""
_TICK_SECONDS = 0.5
_MULTI_STATUS, _CREATED, _OK = 207, 201, 200
_CONFLICT, _STALE, _MANY, _FAULT = 409, 412, 429, 500
_DIVIDED = frozenset({400, 413})
"""Problems of a whole request that one of its items may have caused: it is sent in halves."""
_NOT_ALLOWED = frozenset({401, 403})
_ONE_RECORD = PermissionDenied("").type
"""The type of problem for who may change such records, but not this one in this way."""
_KEY_REUSED = IdempotencyKeyReused("").type


class LineResult(NamedTuple):
    """A line and the result of its item."""

    line: Line
    result: Mapping[str, Any]
    repeated: bool
    """Whether the line may have been sent before."""


type Results = list[LineResult]


@dataclass(slots=True)
class Outcome:
    """What became of the lines of a group."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[Line, Mapping[str, Any]]] = field(default_factory=list)
    """With the problem of each, in the order of the lines."""


class GroupSender:
    """Sends the groups of one run; up to four requests at once."""

    def __init__(self, run: ImportRun, collections: Collections, pool: ThreadPoolExecutor) -> None:
        self._run, self._collections, self._pool = run, collections, pool
        self._stopping = threading.Event()

    def send(self, group: Group, tick: Callable[[], None], *, repeated: bool) -> Outcome:
        """Send a group; `tick` is called while it is sent, and may raise Interrupted.

        `repeated`: another worker may have sent it before. Raises JobFailed. No thread sends
        anything after this method ends.
        """
        send = carried(self._send)
        futures = [self._pool.submit(send, chunk.lines, repeated) for chunk in group.chunks]
        try:
            while wait(futures, _TICK_SECONDS, FIRST_EXCEPTION).not_done:
                if any(one.done() and one.exception() for one in futures):
                    break
                tick()
        except Interrupted:
            self._stopping.set()
            wait(futures)
            raise
        if any(one.done() and one.exception() for one in futures):
            self._stopping.set()
            wait(futures)
            raise next(
                error
                for error in (one.exception() for one in futures)
                if error is not None and not isinstance(error, Interrupted)
            )
        return self._outcome(group, [each for one in futures for each in one.result()])

    def _outcome(self, group: Group, results: Results) -> Outcome:
        outcome = Outcome()
        for line in group.rejected:
            assert line.problem is not None
            outcome.rejected.append((line, line.problem.document()))
        for one in results:
            if not self._count(one, outcome):
                problem = {"status": one.result["status"], **(one.result.get("problem") or {})}
                outcome.rejected.append((one.line, problem))
        outcome.rejected.sort(key=lambda one: one[0].number)
        return outcome

    def _count(self, one: LineResult, outcome: Outcome) -> bool:
        """Count a line that was imported; False for one that was not."""
        result = one.result
        first = result.get("version") == 1 and self._is_newer(str(result.get("id")))
        match int(result["status"]):
            case 201:
                outcome.created += 1
            case 200 if first and one.repeated:
                outcome.created += 1  # by a request of this run whose answer was lost
            case 200 if result.get("changed") is False:
                outcome.unchanged += 1
            case 200:
                outcome.updated += 1
            case _:
                return False
        return True

    def _is_newer(self, record_id: str) -> bool:
        """Whether a record was created after the run was requested; both ids are ULIDs."""
        try:
            return milliseconds_of(record_id) >= milliseconds_of(self._run.id)
        except ValueError:
            return False

    def _send(self, lines: Sequence[Line], repeated: bool) -> Results:
        """Send lines; those that may succeed later are sent again without the others."""
        key = f"import-{self._run.id}-{lines[0].number}"
        results = self._results(lines, key, repeated)
        for attempt in range(2, _ITEM_ATTEMPTS + 1):
            again = [one.line for one in results if _may_succeed_later(one.result)]
            if not again:
                break
            self._pause(backoff(attempt))
            done = [one for one in results if not _may_succeed_later(one.result)]
            results = done + self._results(again, f"{key}-{attempt}", repeated=True)
        return results

    def _results(self, lines: Sequence[Line], key: str, repeated: bool) -> Results:
        """The results of a request with these lines."""
        answer, again = self._answered(lines, key)
        repeated = repeated or again
        if answer.status in _DIVIDED:
            if len(lines) == 1:
                result = {"status": answer.status, "problem": _shown(answer.document)}
                return [LineResult(lines[0], result, repeated)]
            half = len(lines) // 2
            return [
                *self._results(lines[:half], f"{key}-a", repeated),
                *self._results(lines[half:], f"{key}-b", repeated),
            ]
        if answer.status in _NOT_ALLOWED:
            raise _not_allowed(answer.document)
        if answer.status != _MULTI_STATUS:
            raise JobFailed(UNEXPECTED, f"the API answered {answer.status} to a batch")
        results = answer.document["results"]
        if sorted(result["index"] for result in results) != list(range(len(lines))):
            raise JobFailed(UNEXPECTED, f"{len(results)} results for {len(lines)} lines")
        for result in results:
            problem = result.get("problem") or {}
            if int(result["status"]) in _NOT_ALLOWED and problem.get("type") != _ONE_RECORD:
                raise _not_allowed(problem)
        return [LineResult(lines[result["index"]], result, repeated) for result in results]

    def _answered(self, lines: Sequence[Line], key: str) -> tuple[BatchAnswer, bool]:
        """The answer to a request, which is repeated until there is one that stays.

        Also whether the request may have been carried out before.
        """
        faults, waited, again = 0, 0.0, False
        while True:
            try:
                answer = self._post(lines, key)
            except FunctionFailed as fault:
                faults, again = faults + 1, True
                logger().warning("batch failed", fault=str(fault), faults=faults)
                pause = backoff(faults)
                reason = str(fault)
            else:
                retry_after = answer.retry_after_s or 1.0
                if answer.status == _CONFLICT:
                    # The same request is still being carried out, or its answer is not stored. An
                    # upsert may be repeated with another key.
                    waited, again = waited + retry_after, True
                    if waited > 2 * LEASE_SECONDS:
                        key, waited = f"{key}-{new_id()}", 0.0
                    pause = retry_after
                elif answer.document.get("type") == _KEY_REUSED:
                    # Another worker has sent other lines of this chunk with it.
                    key, pause, again = f"{key}-{new_id()}", 0.0, True
                elif answer.status == _MANY:
                    pause = retry_after
                elif answer.status >= _FAULT:
                    faults, again = faults + 1, True
                    pause = max(backoff(faults), answer.retry_after_s or 0.0)
                    reason = f"the API answered {answer.status}"
                else:
                    return answer, again
            if faults == _MAX_FAULTS:
                raise JobFailed(WORKER_UNAVAILABLE, reason)
            self._pause(pause)

    def _post(self, lines: Sequence[Line], key: str) -> BatchAnswer:
        parameters = self._run.parameters
        options = ""
        if parameters.match_by:
            options += f'"match_by":"{parameters.match_by}",'
        if parameters.dry_run:
            options += '"dry_run":true,'
        # The lines themselves, which are JSON: so numbers stay as they were written.
        body = f'{{{options}"items":[{",".join(line.text for line in lines)}]}}'
        sent_key = None if parameters.dry_run else key
        return self._collections.send_batch(self._run, parameters.record_type, body, sent_key)

    def _pause(self, seconds: float) -> None:
        """Wait. Raises Interrupted when the run stops."""
        if self._stopping.wait(seconds):
            raise Interrupted


def sending_pool() -> ThreadPoolExecutor:
    """The threads that send the chunks of a group."""
    return ThreadPoolExecutor(MAX_CHUNKS, thread_name_prefix="chunk")


def _may_succeed_later(result: Mapping[str, Any]) -> bool:
    """Whether an item may succeed when it is sent again: it lost a race, or a service failed."""
    status = int(result["status"])
    if status == _CONFLICT:
        return not (result.get("problem") or {}).get("errors")
    return status in (_STALE, _MANY) or status >= _FAULT


def _not_allowed(problem: Mapping[str, Any]) -> JobFailed:
    return JobFailed(NOT_ALLOWED, str(problem.get("detail") or Forbidden.title))


def _shown(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The problem of a whole request as that of an item, which has no correlation id."""
    return {name: value for name, value in problem.items() if name != "correlation_id"}
