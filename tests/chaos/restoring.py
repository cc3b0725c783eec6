"""A restore under faults: of one context of one company, while the others go on working."""

from datetime import datetime
from typing import Any

from tests.chaos.company import TABLES, Company, Stored
from tests.chaos.traffic import COMPANY
from tests.chaos.verdict import Events, Verdict
from tests.flows.conftest import Crm

CONTEXTS = tuple(TABLES)
"""They take turns."""


class Restoration:
    """`zebros restore <context> --to TIME --tenant <company>`, after its records were changed."""

    killed = True

    def __init__(self, crm: Crm, company: Company, turn: int) -> None:
        self._crm, self._company = crm, company
        self.context = CONTEXTS[turn % len(CONTEXTS)]
        self._at = ""
        self._right: dict[str, Stored] = {}
        self._found: dict[str, Stored] = {}
        self._damaged: set[str] = set()

    @property
    def words(self) -> tuple[str, ...]:
        """The command."""
        return ("restore", self.context, "--to", self._at, "--tenant", COMPANY)

    def prepare(self) -> None:
        """Create records, note the time, and change them."""
        self._company.grow()
        self._right = self._company.stored(self.context)
        self._at = self._company.moment()
        self._company.change(self.context)
        now = self._company.stored(self.context)
        self._damaged = {key for key in self._right | now if self._right.get(key) != now.get(key)}
        assert self._damaged, "nothing to restore"

    def look(self) -> None:
        """Read the records."""
        self._found = self._company.stored(self.context)

    def judge(self, events: dict[str, Events], verdict: Verdict) -> None:
        """Compare the records, and look for restores that nobody asked for."""
        verdict.checked["restored records"] += len(self._damaged)
        verdict.wrong += not_restored(self._right, self._found)
        verdict.wrong += restored_wrongly(events, self._at, self._damaged)
        left = self._crm.client("dynamodb").list_tables()["TableNames"]
        verdict.wrong += [f"the copy {name} is left" for name in left if "-restored-" in name]


def not_restored(right: dict[str, Stored], now: dict[str, Stored]) -> list[str]:
    """The records that are not as they were, and later ones that are not archived."""
    wrong = [
        f"{key} is not restored: {now.get(key)}, not {one}"
        for key, one in right.items()
        if now.get(key) != one
    ]
    later = now.keys() - right.keys()
    return wrong + [
        f"{key} was created later, and is not archived" for key in later if not now[key].archived
    ]


def restored_wrongly(events: dict[str, Events], at: str, damaged: set[str]) -> list[str]:
    """Restores since a time of records that were right, of others' records, or done twice."""
    wrong, since = [], datetime.fromisoformat(at)
    for tenant, chains in events.items():
        for subject, chain in chains.items():
            kind, _, record_id = subject.partition("/")
            key = f"TENANT#{tenant}#{kind.upper()}#{record_id}"
            versions = {
                one["data"]["current"]["version"]
                for one in chain
                if datetime.fromisoformat(one["time"]) > since and _is_of_a_restore(one)
            }
            if versions and (tenant != COMPANY or key not in damaged):
                wrong.append(f"{tenant} {subject} was restored, and was not to be: {versions}")
            elif len(versions) > 1:
                wrong.append(f"{tenant} {subject} was restored several times: {versions}")
    return wrong


def _is_of_a_restore(event: dict[str, Any]) -> bool:
    return str(event.get("correlationid", "")).startswith("restore-")
