"""A dry run: checks a file as far as possible without changing anything."""

from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from jsonschema import Draft202012Validator

from zebros.loading.csv_rows import BadRow, rows
from zebros.loading.duplicates import without_duplicates
from zebros.loading.journal import CHUNK, Journal, Reject
from zebros.loading.mapper import MappedRow, Mapper, Reference
from zebros.loading.references import References
from zebros.loading.self_references import SelfReferences
from zebros.text import count_of

PLACEHOLDER = "00000000000000000000000000"
"""Stands for the id of a record that does not exist yet."""
_MAX_REJECTS = 1000
"""The maximum number of rejects that a result lists; further ones are only counted."""


@dataclass(slots=True)
class DryRunResult:
    """The expected result of a load."""

    ready: int = 0
    rejects: list[Reject] = field(default_factory=list)
    """The first rejects, in the order of the file."""
    rejected: int = 0
    notes: list[str] = field(default_factory=list)

    def reject(self, reject: Reject) -> None:
        """Count a reject, and list it when it is among the first."""
        self.rejected += 1
        if len(self.rejects) < _MAX_REJECTS:
            self.rejects.append(reject)


@dataclass(slots=True)
class DryRun:
    """Maps every row, looks up its references and validates it.

    Without `references` (no API to ask) references are assumed to exist; without `schema` the API's
    own limits are not checked.
    """

    mapper: Mapper
    references: References | None
    schema: dict[str, Any] | None
    constants: dict[str, Any]
    _result: DryRunResult = field(default_factory=DryRunResult)
    _validator: Draft202012Validator | None = None

    def run(self) -> DryRunResult:
        """Check the whole file."""
        self._validator = Draft202012Validator(self.schema) if self.schema else None
        self._result.notes += self.mapper.notes
        journal, self_references = Journal(None), SelfReferences()
        for batch in batched(rows(self.mapper.file), CHUNK, strict=False):
            mapped: list[MappedRow] = []
            for row in batch:
                result = row if isinstance(row, BadRow) else self.mapper.map_row(row)
                if isinstance(result, MappedRow):
                    mapped.append(result)
                else:
                    self._result.reject(Reject(result.number, result.reason, result.raw))
            mapped, duplicates = without_duplicates(journal, mapped)
            for duplicate in duplicates:
                self._result.reject(duplicate)
            for mapped_row in mapped:
                self._check(mapped_row, self_references)
        self._finish(self_references)
        self_references.close()
        journal.close()
        return self._result

    def _check(self, row: MappedRow, self_references: SelfReferences) -> None:
        item = {**self.constants, **row.item}
        unresolved: list[Reference] = []
        for reference in row.references:
            record_id = self.references.find(reference) if self.references else PLACEHOLDER
            if record_id is None and reference.collection == self.mapper.record_type.name:
                unresolved.append(reference)
            elif record_id is None and reference.missing == "reject":
                self._result.reject(Reject(row.number, reference.not_found, row.raw))
                return
            item[reference.field] = record_id or PLACEHOLDER
        if reason := self._schema_errors(item):
            self._result.reject(Reject(row.number, reason, row.raw))
        else:
            self._result.ready += 1
            self_references.add(row, unresolved)

    def _schema_errors(self, item: dict[str, Any]) -> str:
        """The first five reasons why the API would reject an item; empty when there is none."""
        if self._validator is None:
            return ""
        errors = sorted(
            self._validator.iter_errors(item), key=lambda error: list(map(str, error.path))
        )
        return "; ".join(
            f"{'.'.join(map(str, error.path)) or 'the row'}: {error.message[:200]}"
            for error in errors[:5]
        )

    def _finish(self, self_references: SelfReferences) -> None:
        """Resolve references to other rows of the file, now that all are known."""
        for reject in self_references.rejects():
            self._result.ready -= 1
            self._result.reject(reject)
        if resolved := self_references.resolved():
            self._result.notes.append(
                f"{count_of(resolved, 'row refers', 'rows refer')} to "
                f"{self.mapper.record_type.name} that are not in the CRM yet, but in this file: "
                "they will be found when it is loaded."
            )
        self._result.rejects.sort(key=lambda reject: reject.row)
