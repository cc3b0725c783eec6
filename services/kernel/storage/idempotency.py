"""Idempotency-Key: a POST that is sent again takes effect once and gets the same answer.

(draft-ietf-httpapi-idempotency-key-header.) The key's item is written in the same transaction as
the first change of the request, so a crash leaves both or neither, and a retry never repeats the
change. The answer is added to the item afterwards. The item also names the change: a retry that
finds no answer, because the request still runs or its process died, gets the one of the change's
event, which has the record as it was then.

A batch makes many independent changes: its key is claimed before the first one, and released at
the end if an item failed that may succeed later; the batch can then be sent again with the same
key. A claim ends after LEASE_SECONDS, when its process is certainly dead: the same batch is then
carried out again. That is safe because every item is an upsert by its external ids. An item that
the first attempt has created is answered as changed.
"""

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from kernel.domain.errors import (
    Conflict,
    Forbidden,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    Invalid,
)
from kernel.domain.principal import Principal
from kernel.runtime.log import logger
from kernel.storage.keys import subject_of
from kernel.storage.outbox import read_outbox
from kernel.storage.packing import pack, unpack
from kernel.storage.table import Item, Put, Table

TTL_SECONDS = 24 * 3600
"""How long a key is stored."""
LEASE_SECONDS = 30
"""How long a batch has its key; longer than any function of an API may run."""
_MAX_ANSWER_BYTES = 390_000
"""The largest packed answer, because an item may have 400 KB. Only batches come near it."""
REPLAYED = {"Idempotency-Replayed": "true"}
"""The header of an answer that is not that of the first request."""
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


def in_use(retry_after_s: int = 1) -> IdempotencyKeyInUse:
    """The problem of a request that is being carried out, or whose answer is gone."""
    problem = IdempotencyKeyInUse(
        "This request was carried out already, or is being carried out, and its answer is not "
        "stored. Do not send it with another key; read the record instead, or try again shortly."
    )
    problem.retry_after_s = retry_after_s
    return problem


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    status: int
    headers: dict[str, str]
    body: str


class Committed(NamedTuple):
    """The change of a record that a request has made: its last event."""

    table: str
    pk: str
    sequence: int


@dataclass(slots=True)
class IdempotentRequest:
    """One POST with an Idempotency-Key, which must take effect at most once."""

    table: Table
    pk: str
    fingerprint: str
    """A hash of method, path and body."""
    roles: frozenset[str] = frozenset()
    """The principal's roles, which the stored answer requires."""
    committed: bool = field(default=False)
    """Whether the key is stored."""
    _record: str = field(default="")
    """The partition key of the record that the request has changed, if that is known."""
    _claims: int = field(default=0)
    """How often the key of this batch was claimed by processes that have died."""

    @classmethod
    def of(
        cls, table: Table, principal: Principal, key: str, method: str, path: str, body: str
    ) -> Self:
        """A principal's request with its key. Raises Invalid for a malformed key."""
        if not _KEY.match(key):
            raise Invalid.field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
        fingerprint = hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()
        name = hashlib.sha256(f"{principal.user_id}\n{key}".encode()).hexdigest()[:32]
        pk = f"TENANT#{principal.tenant_id}#IDEMPOTENCY#{name}"
        return cls(table, pk, fingerprint, frozenset(principal.roles))

    def stored_answer(self) -> Answer | Committed | None:
        """The stored answer, or the change that was made if its answer is not stored.

        None while the request is to be carried out. Raises IdempotencyKeyReused when another
        request has the key, IdempotencyKeyInUse while the same batch is being carried out,
        Forbidden when the principal has lost a role since.
        """
        stored = self.table.get(self.pk, "IDEMPOTENCY", consistent=True)
        if stored is None:
            return None
        if stored["fingerprint"] != self.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for a different request; use a new key."
            )
        if not self.roles.issuperset(str(stored["roles"]).split()):
            raise Forbidden(
                "This request was carried out when you had other roles, so its answer is not shown "
                "again. Read the record instead."
            )
        if (answer := _answer(stored)) is not None:
            return answer
        if "sequence" in stored:
            return Committed(stored["table"], stored["record"], stored["sequence"])
        if stored["state"] != "claimed":
            raise in_use()
        if (remaining := stored["until"] - int(time.time())) > 0:
            raise in_use(remaining)
        self._claims = stored["version"]
        return None

    def committed_state(self, committed: Committed) -> str | None:
        """The record as the event of a change has it, JSON; None when the event is gone."""
        table = self.table.sibling(committed.table)
        detail = read_outbox(table, committed.pk, committed.sequence)
        return None if detail is None else json.dumps(detail["data"]["current"])

    def put(self, committed: Committed | None = None) -> Put:
        """The action that stores the key, in the transaction of the request's first change."""
        if committed is None:
            return self._put("done")
        self._record = committed.pk
        return self._put(
            "done",
            table=committed.table,
            record=committed.pk,
            sequence=committed.sequence,
        )

    def claim(self) -> None:
        """Store the key before a request that makes many changes. Raises IdempotencyKeyInUse."""
        until = int(time.time()) + LEASE_SECONDS
        put = self._put("claimed", until=until, version=self._claims + 1)
        if self._claims:
            logger().warning("batch carried out again", key=self.pk, attempt=self._claims + 1)
            put = replace(put, absent=False, version=self._claims)
        self.table.transact([put])
        self.committed = True

    def store_answer(self, answer: Answer) -> None:
        """Store the answer, for the same request sent again.

        A failure is only logged, because the request was carried out and is answered anyway.
        """
        try:
            self._store_answer(answer)
        except Exception:
            logger().exception("answer not stored", key=self.pk, record=self._changed())

    def release(self) -> None:
        """Delete the key, so that the same request is carried out again.

        A failure is only logged: the key stays stored, and the request is answered anyway.
        """
        try:
            self.table.delete(self.pk, "IDEMPOTENCY")
        except Exception:
            logger().exception("key not released", key=self.pk, record=self._changed())

    def _changed(self) -> str:
        """The record that the request has changed: a path does not name one that is created."""
        _, subject = subject_of(self._record)
        return subject

    def _store_answer(self, answer: Answer) -> None:
        text = json.dumps(
            [answer.status, answer.headers, answer.body], separators=(",", ":"), ensure_ascii=False
        )
        packed = pack(text)
        if len(packed) > _MAX_ANSWER_BYTES:
            # Only a batch has so many results: it is done, and not to be carried out again.
            self.table.put({**self._item(), "state": "done"})
            return
        if self.committed:
            self.table.put({**self._item(), "state": "answered", "answer": packed})
            return
        # The request changed nothing, so no transaction stored the key; of several copies of the
        # request, the first to store its answer wins.
        with suppress(Conflict):
            self.table.transact([self._put("answered", answer=packed)])

    def _put(self, state: str, **more: str | int | bytes) -> Put:
        return Put(
            {**self._item(), "state": state, **more},
            absent=True,
            table=self.table.name,
            error=IdempotencyKeyInUse(
                "A request with this Idempotency-Key was just carried out; send it again to get "
                "its answer."
            ),
        )

    def _item(self) -> dict[str, str | int | bytes]:
        return {
            "pk": self.pk,
            "sk": "IDEMPOTENCY",
            "fingerprint": self.fingerprint,
            "roles": " ".join(sorted(self.roles)),
            "ttl": int(time.time()) + TTL_SECONDS,
        }


def _answer(stored: Item) -> Answer | None:
    """The answer in a key's item; None without one, or when it cannot be read."""
    try:
        status, headers, body = json.loads(unpack(stored["answer"]))
    except (LookupError, TypeError, ValueError):
        return None
    return Answer(status, {**headers, **REPLAYED}, body)
