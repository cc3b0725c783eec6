"""Completing records: in invocations that end before the client gives up."""

from types import SimpleNamespace
from typing import Any

from zebros.regions.fences import OPEN, Fence
from zebros.regions.moves import Moves, Outcome


def test_an_invocation_completes_few_records() -> None:
    batches = []

    def complete(_table: str, since: dict[str, int], _run: str) -> dict[str, Any]:
        batches.append(len(since))
        counts = dict.fromkeys(("complete", "advanced", "events", "dropped"), 0)
        return {**counts, "read": len(since), "failed": []}

    writer: Any = SimpleNamespace(complete=complete)
    fence, fences = Fence(1, OPEN, "us-west-2"), SimpleNamespace()
    outcome = Outcome(fence)
    listed = {"deals": {str(number): 0 for number in range(60)}}
    moves: Any = Moves(fences, {}, "ops")  # type: ignore[arg-type]  # it asks neither
    moves._complete(writer, listed, fence, outcome)
    # A client waits 25 s for an answer, and a record on a busy machine takes more than 0.2 s.
    assert (max(batches), outcome.completed["read"]) == (25, 60)
