"""The part of the CRM's definitions that the command line needs: contract.json.

The command line imports nothing of services/, so that a wheel needs only this package
(docs/adr/0012). `make contracts` generates the file from services/, `make drift` compares it.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """The context and the table of a record type."""

    context: str
    table: str
    """The table's logical id in the context's template."""
    form: int
    """The number of the form in which this release stores it."""


@dataclass(frozen=True, slots=True)
class ProjectionLocation:
    """Where a projection is, and the record types whose events it applies."""

    function: str
    """The function's logical id."""
    table: str
    """The logical id of the table with its positions."""
    records: tuple[str, ...]
    references: tuple[str, ...]
    """The record types of other contexts of which it says what exists, for its own context."""


@dataclass(frozen=True, slots=True)
class FenceWords:
    """What the fence record consists of, which functions read and operators change."""

    key: str
    """Of both keys of the record."""
    open: str
    """The state in which `writer` writes."""
    moving: str
    """The state in which nobody does."""
    run_prefix: str
    """With which the id of a move begins."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The contents of contract.json."""

    currencies: dict[str, int]
    """The decimals of each active ISO 4217 currency."""
    withdrawn_currencies: dict[str, int]
    """The same for currencies that ISO 4217 has withdrawn, in which records may have amounts."""
    records: dict[str, RecordLocation]
    """By record type, such as `opportunity`."""
    projections: dict[str, ProjectionLocation]
    """By the projection's name, such as `timeline`."""
    index_keys: int
    """Grows when a release stores records with other index keys."""
    events: frozenset[str]
    """The event types, such as `OpportunityWon`."""
    fence: FenceWords
    dictionaries: tuple[bytes, ...]
    """The preset dictionaries by which outbox entries are compressed, by number."""

    @property
    def contexts(self) -> frozenset[str]:
        """The names of the contexts that have records."""
        return frozenset(record.context for record in self.records.values())


@cache
def contract() -> Contract:
    """The contract of the CRM that this version of the command line was made for."""
    data = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
    return Contract(
        currencies=data["currencies"],
        withdrawn_currencies=data["withdrawn_currencies"],
        records={name: RecordLocation(**location) for name, location in data["records"].items()},
        projections={
            name: ProjectionLocation(
                one["function"], one["table"], tuple(one["records"]), tuple(one["references"])
            )
            for name, one in data["projections"].items()
        },
        index_keys=data["index_keys"],
        events=frozenset(data["events"]),
        fence=FenceWords(**data["fence"]),
        dictionaries=tuple(text.encode() for text in data["dictionaries"]),
    )
