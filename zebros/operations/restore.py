"""Brings the records of a context to the state of an earlier time, while the CRM runs.

DynamoDB copies each table of the context as it was (restored_tables.py). This command reads the
copies and sends their records to the context's maintenance function, which makes an ordinary change
of each record that differs (services/kernel/storage/restoring.py, docs/adr/0032). Records that were
created later are archived. The place is stored after every page: a restore that was stopped
continues there.
"""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any, Self

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import BadInput, CliError, NotReady
from zebros.local.home import replace_json
from zebros.operations import restored_tables as tables
from zebros.operations.fitting import fitting
from zebros.operations.later_events import LaterEvents, later_events
from zebros.operations.pausing import paused
from zebros.operations.rebuild import wait_for_lake_files
from zebros.operations.rebuilding import in_order
from zebros.operations.restored_tables import Pause
from zebros.operations.scans import UNITS_PER_SECOND, Item, of_tenant, pages

type Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is (0: unknown)."""
type Wanted = dict[str, Any]
"""A record of the command `restore` (services/kernel/storage/maintenance.py)."""

_BATCH = 25
"""Records of one invocation: it must end long before its client gives up (25 s)."""
_MAX_BYTES = 2_000_000
"""Bytes of one invocation, whose request may have 6 MB."""
_AT_ONCE = 2
"""Invocations at the same time."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for."""

    context: str
    at: datetime
    """The time whose state the records are to have, in whole seconds."""
    tenant: str | None = None
    """None: all tenants."""
    dry_run: bool = False
    keep_new: bool = False
    """Whether records that were created later stay as they are."""
    from_tables: dict[str, str] = field(default_factory=dict)
    """By table: one that was restored already, which is read in place of a new copy."""
    units_per_second: float = UNITS_PER_SECOND
    wait_seconds: float = 330.0
    """How long to wait for events that are on their way to the lake."""

    @property
    def purpose(self) -> dict[str, Any]:
        """What makes two runs parts of one restore."""
        return {
            "context": self.context,
            "at": self.at.isoformat(),
            "tenant": self.tenant,
            "keep_new": self.keep_new,
            "from_tables": self.from_tables,
        }


@dataclass(slots=True)
class Summary:
    """What a restore has done, in all its runs."""

    read: int = 0
    same: int = 0
    restored: int = 0
    put_back: int = 0
    archived: int = 0
    repaired: int = 0
    left: int = 0
    changed_meanwhile: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of each record that stays as it is."""

    def add(self, result: dict[str, Any]) -> None:
        """Add the result of one invocation."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + result[name])

    @property
    def changed(self) -> int:
        """The records that were written."""
        return self.restored + self.put_back + self.archived + self.repaired


@dataclass(slots=True)
class Place:
    """Where a restore is, in a file; with another purpose it begins anew."""

    file: Path
    purpose: dict[str, Any]
    run: str = ""
    """The correlation id of its events."""
    began: str = ""
    """When it began, by the clock of the function."""
    steps: dict[str, Any] = field(default_factory=dict)
    """By step: the key after which to continue; None when it is done."""
    counts: dict[str, Any] = field(default_factory=dict)
    """The summary up to there."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """By projection: the tenants some of whose positions are lost."""
    tenants: list[str] = field(default_factory=list)
    """The tenants with records that were read."""

    @classmethod
    def read(cls, file: Path, request: Request) -> Self:
        """The place of the last restore if it had the same purpose and was stopped."""
        place = cls(file, request.purpose)
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            if not request.dry_run and stored["purpose"] == place.purpose:
                for name in ("run", "began", "steps", "counts", "lost", "tenants"):
                    setattr(place, name, stored[name])
        except (OSError, ValueError, LookupError, TypeError):
            pass  # no place, or none that can be read: the restore begins at the start
        place.run = place.run or f"restore-{request.context}-{secrets.token_hex(4)}"
        return place

    @property
    def summary(self) -> Summary:
        """The summary up to here."""
        return Summary(**self.counts)

    def store(self) -> None:
        """Write the file."""
        names = ("purpose", "run", "began", "steps", "counts", "lost", "tenants")
        replace_json(self.file, {name: getattr(self, name) for name in names})

    def remove(self) -> None:
        """The restore is complete."""
        self.file.unlink(missing_ok=True)


class Restore:
    """One restore of the records of a context.

    Projections that have lost positions are paused until the block ends, in which they are to be
    built again: without a position they would report a gap for each record that is put back.
    """

    def __init__(
        self,
        deployment: Deployment,
        request: Request,
        place: Place,
        progress: Progress,
        pause: Pause = time.sleep,
    ) -> None:
        self._deployment, self._request, self._place = deployment, request, place
        self._progress, self._pause = progress, pause
        self._types = {
            name: one.table
            for name, one in contract().records.items()
            if one.context == request.context
        }
        self._function = f"{request.context.capitalize()}Maintenance"
        self.summary = place.summary
        self.copies: dict[str, str] = {}
        """The tables that are read, by the logical ids of the live ones."""
        self._paused = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._paused.close()

    def run(self) -> Summary:
        """Restore the records; the counts grow meanwhile. Raises CliError, BadInput, NotReady."""
        self._copy()
        if not self._place.began:
            self._place.began = str(self._invoke([])["at"])
        if not self._request.dry_run:
            self._place.store()
            for projection in self._place.lost:
                self._pause_consumer(projection)
            wait_for_lake_files(
                self._deployment, self._request.wait_seconds, self._progress, self._pause
            )
        reading = later_events(
            self._deployment,
            self._request.tenant,
            self._request.context,
            sorted(self._types),
            self._request.at,
            lambda done, total: self._progress("Reading the lake", done, total),
        )
        with reading as later:
            for table in self.copies:
                self._earlier(table, later)
            if not self._request.keep_new:
                for table in self.copies:
                    self._created_later(table)
                self._lost_later(later)
        return self.summary

    def _copy(self) -> None:
        """Have a copy of each table."""
        live = {one: self._deployment.resources.table(one) for one in self._types.values()}
        for table in sorted(live):
            given = self._request.from_tables.get(table)
            if given is not None and tables.status(self._deployment, given) is None:
                raise BadInput(f"There is no table {given} in this account and region.")
            if given is None:
                given = tables.begin(self._deployment, live[table], self._request.at)
            self.copies[table] = given
        for name in self.copies.values():
            waited = _shown(self._progress, f"Waiting for {name}")
            tables.wait(self._deployment, name, waited, self._pause)

    def _earlier(self, table: str, later: LaterEvents) -> None:
        """Bring the records of a copy back."""
        for items in self._pages(f"earlier {table}", self.copies[table], "pk, sk, doc"):
            self._note_lost(table, [one for one in items if one["sk"]["S"] == "POSITION"])
            records = [one for one in items if self._is_record(one, table)]
            self._send(self._wanted(one, later) for one in records)

    def _wanted(self, item: Item, later: LaterEvents) -> Wanted:
        key = item["pk"]["S"]
        doc = item.get("doc", {}).get("B", b"")
        wanted: Wanted = {"record": key, "doc": base64.b64encode(doc).decode()}
        if last := later.of(key):
            # Only what numbers its next event: the document says the rest.
            current = {"version": last["data"]["current"]["version"]}
            wanted["last"] = {
                "id": last["id"],
                "sequence": last["sequence"],
                "data": {"current": current},
            }
        return wanted

    def _note_lost(self, table: str, positions: list[Item]) -> None:
        """Note the projections in a table that has lost positions."""
        keys = [one["pk"]["S"] for one in positions]
        live = self._deployment.resources.table(table)
        found = tables.existing(self._deployment, live, keys, "POSITION")
        for key in sorted(set(keys) - found):
            _, tenant, _, projection, *_ = key.split("#")
            new = projection not in self._place.lost
            tenants = self._place.lost.setdefault(projection, [])
            if tenant not in tenants:
                tenants.append(tenant)
            if new:
                self._pause_consumer(projection)

    def _pause_consumer(self, projection: str) -> None:
        if not self._request.dry_run:
            self._place.store()  # a run that is killed leaves the consumer paused
            function = contract().projections[projection].function
            self._progress(f"Pausing {function}", 0, 0)
            self._paused.enter_context(paused(self._deployment, function, self._pause))

    def _created_later(self, table: str) -> None:
        """Archive the records of a live table that its copy does not have."""
        live = self._deployment.resources.table(table)
        for items in self._pages(f"later {table}", live, "pk, sk"):
            keys = [one["pk"]["S"] for one in items if self._is_record(one, table)]
            found = tables.existing(self._deployment, self.copies[table], keys, "STATE")
            self._send({"record": key} for key in keys if key not in found)

    def _lost_later(self, later: LaterEvents) -> None:
        """Archive the records that were created later, and that the live table has lost."""
        for record_type, table in sorted(self._types.items()):
            tenants = [self._request.tenant] if self._request.tenant else later.tenants()
            for tenant in tenants:
                prefix = f"TENANT#{tenant}#{record_type.upper()}#"
                for some in batched(later.keys(prefix), 100, strict=False):
                    keys = list(some)
                    live = self._deployment.resources.table(table)
                    known = tables.existing(self._deployment, self.copies[table], keys, "STATE")
                    known |= tables.existing(self._deployment, live, keys, "STATE")
                    lost = (key for key in keys if key not in known)
                    self._send({"record": key, "last": later.of(key)} for key in lost)

    def _pages(self, step: str, name: str, attributes: str) -> Iterator[list[Item]]:
        """The pages of a table from the stored place on, which moves after each."""
        place = self._place
        if step in place.steps and place.steps[step] is None:
            return
        found = pages(
            self._deployment,
            name,
            sort_keys=("STATE", "POSITION") if "doc" in attributes else ("STATE",),
            attributes=attributes,
            beginning=of_tenant(self._request.tenant),
            after=place.steps.get(step),
            units_per_second=self._request.units_per_second,
            pause=self._pause,
        )
        for items, after in found:
            yield items
            if not self._request.dry_run:
                place.steps[step] = after
                place.counts = {n: getattr(self.summary, n) for n in Summary.__slots__}
                place.store()

    def _is_record(self, item: Item, table: str) -> bool:
        parts = item["pk"]["S"].split("#", 3)
        if item["sk"]["S"] != "STATE" or len(parts) < 4:
            return False
        tenant, record_type = parts[1], parts[2].lower()
        if self._types.get(record_type) != table:
            return False
        if tenant not in self._place.tenants:
            self._place.tenants.append(tenant)
        return True

    def _send(self, wanted: Iterable[Wanted]) -> None:
        """Send records to the function, several at a time."""
        for result in in_order(
            self._invoke, fitting(wanted, _sizes, (_BATCH, _MAX_BYTES)), _AT_ONCE
        ):
            self.summary.add(result)
            text = "Comparing records" if self._request.dry_run else "Restoring records"
            self._progress(f"{text}: {self.summary.read:,} read", 0, 0)

    def _invoke(self, records: list[Wanted]) -> dict[str, Any]:
        """Invoke the maintenance function. Raises CliError when it fails."""
        deployment, name = self._deployment, self._function
        if deployment.resources.find("functions", name) is None:
            raise NotReady(f"The deployed stack has no function {name}.", hint="Deploy it again.")
        event = {
            "command": "restore",
            "records": records,
            "run": self._place.run,
            "began": self._place.began or None,
            "dry_run": self._request.dry_run,
        }
        payload = json.dumps(event, ensure_ascii=False).encode()
        result: dict[str, Any] = {}
        for number in range(_TRIES):
            answer = deployment.aws("lambda").invoke(
                FunctionName=deployment.resources.function(name), Payload=payload
            )
            result = json.loads(answer["Payload"].read() or b"null") or {}
            if not answer.get("FunctionError") and "at" in result:
                return result
            if result.get("errorType") != "Busy":
                break
            self._pause(0.2 * 2**number)
        raise CliError(
            f"{name} failed: {result.get('errorMessage', 'no result')}.",
            hint="Its log has the reason. The same command continues before these records.",
        )


def _sizes(wanted: Wanted) -> tuple[int, int]:
    """One record, and the bytes that it adds to an invocation."""
    last = len(json.dumps(wanted["last"])) if "last" in wanted else 0
    return 1, len(wanted.get("doc", "")) + last


def _shown(progress: Progress, text: str) -> Callable[[], None]:
    return lambda: progress(text, 0, 0)


def place_file(home: Path, stack: str | None, request: Request) -> Path:
    """The file with the place of a restore."""
    return home / f"restore-{stack or 'local'}-{request.context}.json"


def checked_time(at: datetime, now: datetime | None = None) -> datetime:
    """The time in whole seconds, as DynamoDB restores it. Raises BadInput for the future."""
    now = now or datetime.now(UTC)
    if at > now:
        raise BadInput(f"{at.isoformat()} is in the future.", hint="Choose a time in the past.")
    return at.replace(microsecond=0)
