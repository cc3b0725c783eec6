"""Idempotency-Key: a POST that is sent again takes effect once and gets the same answer.

(draft-ietf-httpapi-idempotency-key-header.) The key's item is written in the same transaction as
the first change of the request, so a crash leaves both or neither, and a retry never repeats the
change. A batch makes many independent changes: its key is claimed before the first one, and
released at the end if an item failed that may succeed later; the batch can then be sent again with
the same key.

The answer is added to the item afterwards; a retry that finds no answer yet, because the request
still runs or its process died, gets IdempotencyKeyInUse.
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
"""The largest packed answer, because an item may have 400 KB. Only batches come near it."""
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    status: int
    headers: dict[str, str]
    body: str


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
        if "answer" not in stored:
            raise IdempotencyKeyInUse(
                "This request was carried out already, but its answer is not stored yet. Do not "
                "send it with another key; read the record instead, or try again shortly."
            )
        status, headers, body = json.loads(unpack(stored["answer"]))
        return Answer(status, {**headers, "Idempotency-Replayed": "true"}, body)

    def put(self) -> Put:
        """The action that stores the key, in the transaction of the request's first change."""
        return self._put("done")

    def claim(self) -> None:
        """Store the key before a request that makes many changes. Raises IdempotencyKeyInUse.

        If the process dies, the key stays stored: it is unknown which changes were made.
        """
        self.table.transact([self._put("done")])
        self.committed = True

    def store_answer(self, answer: Answer) -> None:
        """Store the answer, for the same request sent again.

        A failure is only logged, because the request was carried out and is answered anyway.
        """
        try:
            self._store_answer(answer)
        except Exception:
            logger().exception("answer not stored", key=self.pk)

    def release(self) -> None:
        """Delete the key, so that the same request is carried out again.

        A failure is only logged: the key stays stored, and the request is answered anyway.
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
        # The request changed nothing, so no transaction stored the key; of several copies of the
        # request, the first to store its answer wins.
        with suppress(Conflict):
            self.table.transact([self._put("answered", answer=packed)])

    def _put(self, state: str, **more: bytes) -> Put:
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
