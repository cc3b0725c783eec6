"""A dry run: a load whose batches are dry runs, so its outcome is that of the load itself."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from zebros.client.api import Client
from zebros.loading.batch_sender import (
    AGAIN,
    SECOND,
    WITHOUT,
    BatchSender,
    Chunk,
    DryRunSender,
    Outcome,
)
from zebros.loading.duplicates import folded
from zebros.loading.journal import Reject
from zebros.loading.load import Load
from zebros.loading.map_model import Pipeline
from zebros.loading.mapper import MappedRow, Reference
from zebros.loading.references import References
from zebros.text import count_of

PLACEHOLDER = "00000000000000000000000000"
"""Stands for the id of a record when there is no API to ask."""
_DEFAULT = "default"
"""The id of the default pipeline."""
_ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")
"""The id of a record in the API's words: a ULID."""
_MAX_ANCESTORS = 10
"""The longest chain of parent accounts, as in services/customers."""


@dataclass(frozen=True, slots=True)
class NewPipeline:
    """The pipeline that a load would create; in a dry run, the default one takes its place."""

    stages: dict[str, str]
    """The default pipeline's stage of the same kind, by each stage of the map."""

    @classmethod
    def of(cls, client: Client, pipeline: Pipeline) -> "NewPipeline":
        """The pipeline of a map, compared with the tenant's default one."""
        default = next(one for one in client.items("/pipelines") if one["id"] == _DEFAULT)
        first: dict[str, str] = {}
        for stage in default["stages"]:
            first.setdefault(stage.get("kind", "open"), stage["key"])
        return cls({stage.key: first[stage.kind] for stage in pipeline.stages})


@dataclass(frozen=True, slots=True)
class _DryRunSender(DryRunSender):
    """Sends opportunities of a new pipeline as of the default one."""

    new_pipeline: NewPipeline | None = None

    def _post(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        send = super(_DryRunSender, self)._post
        if self.new_pipeline is None:
            return send(items, key)
        stages = self.new_pipeline.stages
        sent = [
            {**item, "pipeline_id": _DEFAULT}
            | ({"stage": stages.get(item["stage"], item["stage"])} if "stage" in item else {})
            for item in items
        ]
        return [_in_another_pipeline(result) for result in send(sent, key)]


def _in_another_pipeline(result: dict[str, Any]) -> dict[str, Any]:
    """The result for an existing opportunity, which cannot move to a new pipeline."""
    if result["status"] != 200:
        return result
    message = f"cannot change; the opportunity is in {_DEFAULT}"
    errors = [{"field": "pipeline_id", "message": message}]
    return {"index": result["index"], "status": 422, "problem": {"errors": errors}}


@dataclass(frozen=True, slots=True)
class _NobodySender(BatchSender):
    """Accepts every item: there is no API to ask."""

    def _post(self, items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:  # noqa: ARG002
        return [{"index": index, "status": 201} for index in range(len(items))]


class AnyReference(References):
    """Finds a record for every reference: there is no API to ask."""

    def find(self, reference: Reference) -> str | None:  # noqa: ARG002
        """An id that no record has."""
        return PLACEHOLDER


@dataclass(slots=True)
class DryRun(Load):
    """A load that changes nothing. Its journal must be a temporary one."""

    offline: bool = False
    """Whether there is no API to ask; every row that can be mapped is accepted then."""
    new_pipeline: NewPipeline | None = None
    notes: list[str] = field(default_factory=list)
    _parents: dict[int, int] = field(default_factory=dict)
    """The row of each row's parent account."""
    _codes: dict[str, str] = field(default_factory=dict)
    """The folded code of each record's row that would be loaded."""
    _taken: dict[int, str] = field(default_factory=dict)
    """Rows whose code another record has, with what the API says about it."""

    def _sender(self) -> BatchSender:
        kind = _NobodySender if self.offline else _DryRunSender
        sender = self._sender_of(kind)
        if isinstance(sender, _DryRunSender):
            return replace(sender, new_pipeline=self.new_pipeline)
        return sender

    def _records(self, rows: list[MappedRow]) -> dict[int, str]:
        return {} if self.offline else super(DryRun, self)._records(rows)

    def _record(self, outcome: Outcome) -> None:
        for row, result in outcome.accepted:
            if code := row.item.get("code"):
                self._codes[str(result.get("id"))] = folded(code)
        self._taken |= outcome.taken
        super(DryRun, self)._record(outcome)

    def _send_taken(self) -> None:
        """Find out which rows would get a code that other rows of the file give up.

        A record gives up its code when its row is loaded with another one.
        """
        waiting: dict[int, tuple[MappedRow, str, Outcome]] = {}
        """Rows with the records that have their codes, and their outcomes without a code."""
        sender = self._sender()
        for chunk in self._chunks(AGAIN):
            for row in chunk.rows:
                rejects = [one for one in chunk.rejects if one.row == row.number]
                without_code = {name: row.item[name] for name in row.item if name != "code"}
                alone = Chunk(AGAIN, row.number, [replace(row, item=without_code)], rejects)
                holder = _ID.findall(self._taken[row.number])[-1]
                waiting[row.number] = (row, holder, sender.send(alone))
        while free := [
            number
            for number, (row, holder, _) in waiting.items()
            if self._codes.get(holder, code := folded(row.item["code"])) != code
        ]:
            for number in free:
                row, _, outcome = waiting.pop(number)
                outcome.accepted = [(row, result) for _, result in outcome.accepted]
                outcome.counts.updated += outcome.counts.unchanged  # it gets another code
                outcome.counts.unchanged = 0
                self._record(outcome)

    def _add_references(self) -> None:
        """Look up references to other rows of the file among those that would be loaded."""
        resolved = 0
        for chunk in self._chunks(SECOND):
            outcome = Outcome(chunk)
            for row in chunk.rows:
                for one in row.references:
                    if one.collection != self.mapper.record_type.name or self.references.find(one):
                        continue
                    target = self.journal.loaded_row(one.key)
                    reason = (
                        self.references.why_not(one)
                        if target is None
                        else self._loop(row, one, target)
                    )
                    if reason and (target is not None or one.missing != "empty"):
                        reject = Reject(row.number, reason + WITHOUT, row.raw, loaded=True)
                        outcome.rejects.append(reject)
                    resolved += target is not None and not reason
            self._record(outcome)
        if resolved:
            self.notes.append(
                f"{count_of(resolved, 'row refers', 'rows refer')} to "
                f"{self.mapper.record_type.name} that are not in the CRM yet, but in this file: "
                "they are found when it is loaded."
            )

    def _loop(self, row: MappedRow, reference: Reference, target: int) -> str:
        """Why a parent account is rejected, in the API's words; empty when it is not."""
        above = [target]
        while above[-1] in self._parents and len(above) <= _MAX_ANCESTORS:
            above.append(self._parents[above[-1]])
        if row.number in above:
            reason = "that account has this one among its own parent accounts"
        elif len(above) > _MAX_ANCESTORS:
            reason = f"an account may have at most {_MAX_ANCESTORS} accounts above it"
        else:
            self._parents[row.number] = target
            return ""
        return f"{reference.field}: {reason}"
