"""Idempotency-Key: a POST sent twice is carried out once and answered twice.

(draft-ietf-httpapi-idempotency-key-header.) The key's item is written in the same transaction as
the first change of the request, so a crash at any moment leaves both or neither: a retry never does
the work a second time. A batch makes many changes, each on its own: its key is claimed before the
first, and released after the last if an item failed that may succeed later; the batch can then be
sent again with the same key.

The answer is added to the item right afterwards; a retry that comes in between (or after a crash in
between, or when adding it failed) gets IdempotencyKeyInUse.
"""

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from kernel.domain.errors import (
    Conflict,
    Forbidden,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    Invalid,
)
from kernel.domain.principal import Principal
from kernel.runtime.log import logger
from kernel.storage.packing import pack, unpack
from kernel.storage.table import Put, Table

TTL_SECONDS = 24 * 3600
"""How long a key is stored."""
_MAX_ANSWER_BYTES = 390_000
"""Packed: an item may have 400 KB. The answer with one record is smaller, as its event is."""
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class IdempotentRequest:
    """One POST with an Idempotency-Key: it must take effect at most once."""

    table: Table
    pk: str
    fingerprint: str
    """A hash of method, path and body."""
    roles: frozenset[str] = frozenset()
    """The principal's: the answer was given under their rights."""
    committed: bool = field(default=False)
    """Whether the key is stored."""

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

    def stored_answer(self) -> Answer | None:
        """The stored answer, or None while the key is not stored.

        Raises IdempotencyKeyReused when another request has it, IdempotencyKeyInUse when the
        request was carried out but its answer is not stored, Forbidden when the principal has lost
        a role since.
        """
        found = self.table.get(self.pk, "IDEMPOTENCY", consistent=True)
        if found is None:
            return None
        if found["fingerprint"] != self.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for a different request; use a new key."
            )
        if not self.roles.issuperset(str(found["roles"]).split()):
            raise Forbidden(
                "This request was carried out when you had other roles; with those you have now "
                "its answer is not shown again. Read the record instead."
            )
        if "answer" not in found:
            raise IdempotencyKeyInUse(
                "This request was carried out already, but its answer is not known (yet). Do not "
                "send it with another key; read the record instead, or try again shortly."
            )
        status, headers, body = json.loads(unpack(found["answer"]))
        return Answer(status, {**headers, "Idempotency-Replayed": "true"}, body)

    def put(self) -> Put:
        """The action that stores the key, in the transaction of the request's first change."""
        return self._put("done")

    def claim(self) -> None:
        """Store the key before a request that makes many changes. Raises IdempotencyKeyInUse.

        If the process dies half-way the key stays stored: it is not known which changes were made.
        """
        self.table.transact([self._put("done")])
        self.committed = True

    def store_answer(self, answer: Answer) -> None:
        """Store the answer, for the same request sent again.

        A failure is only logged: the request was carried out, and its caller gets the answer.
        """
        try:
            self._store_answer(answer)
        except Exception:
            logger().exception("answer not stored", key=self.pk)

    def release(self) -> None:
        """Delete the key, so that the same request is carried out again.

        A failure is only logged: the key stays stored, and the caller gets the results anyway.
        """
        try:
            self.table.delete(self.pk, "IDEMPOTENCY")
        except Exception:
            logger().exception("key not released", key=self.pk)

    def _store_answer(self, answer: Answer) -> None:
        text = json.dumps(
            [answer.status, answer.headers, answer.body], separators=(",", ":"), ensure_ascii=False
        )
        packed = pack(text)
        if len(packed) > _MAX_ANSWER_BYTES:
            return
        if self.committed:
            self.table.put({**self._item(), "state": "answered", "answer": packed})
            return
        # The request changed nothing, so no transaction decided which copy of it was first: the
        # one whose answer is stored is.
        with suppress(Conflict):
            self.table.transact([self._put("answered", answer=packed)])

    def _put(self, state: str, **more: bytes) -> Put:
        return Put(
            {**self._item(), "state": state, **more},
            absent=True,
            table=self.table.name,
            refused=IdempotencyKeyInUse(
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
