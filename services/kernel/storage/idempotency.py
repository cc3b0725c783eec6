"""Idempotency-Key: a POST sent twice is carried out once and answered twice.

(draft-ietf-httpapi-idempotency-key-header.) The key's item is written in the same transaction as
the first change of the request, so a crash at any moment leaves either both or neither: a retry
can never do the work a second time. A batch makes many changes, each on its own: its key is claimed
before the first, and released after the last if some of them failed for now: sent again with the
same key it lands the rest.

The answer is added to the item right afterwards; a retry that comes in between (or after a crash in
between, or when adding it failed) is told that the work is done already.
"""

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

from kernel.domain.auth import Caller
from kernel.domain.errors import Conflict, Forbidden, Invalid
from kernel.runtime.log import logger
from kernel.storage.dynamo import Put, Table
from kernel.storage.packing import pack, unpack

TTL_SECONDS = 24 * 3600
"""How long a key is remembered."""
_MAX_ANSWER_BYTES = 390_000
"""Packed: an item may have 400 KB. A record's answer has less: its event has 240 KB, unpacked."""
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class Once:
    """One request that must take effect at most once."""

    table: Table
    pk: str
    fingerprint: str
    roles: frozenset[str] = frozenset()
    """The caller's, by whose rights the answer was given."""
    committed: bool = field(default=False)

    def action(self) -> Put | None:
        """What to add to the request's first transaction; None when it was added already."""
        return None if self.committed else self._first("done")

    def claim(self) -> None:
        """Take the key before a request whose changes are many. Raises Conflict when it is taken.

        Dies the request half-way, then it stays taken: nobody knows what landed.
        """
        self.table.transact([self._first("done")])
        self.committed = True

    def complete(self, answer: Answer) -> None:
        """Remember the answer for whoever sends the same request again.

        A failure is for the log: the request was carried out, and its caller is to be told so.
        """
        try:
            self._keep(answer)
        except Exception:
            logger().exception("answer not kept", key=self.pk)

    def release(self) -> None:
        """Give the key back, so that the same request is carried out again.

        A failure is for the log: the key stays taken, and the caller is told what landed anyway.
        """
        try:
            self.table.delete(self.pk, "IDEMPOTENCY")
        except Exception:
            logger().exception("key not released", key=self.pk)

    def _keep(self, answer: Answer) -> None:
        text = json.dumps(
            [answer.status, answer.headers, answer.body], separators=(",", ":"), ensure_ascii=False
        )
        stored = pack(text)
        if len(stored) > _MAX_ANSWER_BYTES:
            return
        if self.committed:
            self.table.put({**self._item(), "state": "answered", "answer": stored})
            return
        # It changed nothing, so nothing tells who was first: the one whose answer is kept.
        with suppress(Conflict):
            self.table.transact([self._first("answered", answer=stored)])

    def look(self) -> Answer | None:
        """The stored answer, or None while the key is not taken.

        Raises Invalid when it was taken by another request, Conflict when the request was carried
        out but its answer is not known, Forbidden when the caller has lost a role since.
        """
        found = self.table.get(self.pk, "IDEMPOTENCY", consistent=True)
        if found is None:
            return None
        if found["fingerprint"] != self.fingerprint:
            raise Invalid(
                "This Idempotency-Key was used for a different request; use a new key.",
                slug="idempotency-key-reused",
            )
        if not self.roles.issuperset(str(found["roles"]).split()):
            raise Forbidden(
                "This request was carried out when you had other roles; with those you have now "
                "its answer is not shown again. Read the record instead."
            )
        if "answer" not in found:
            raise Conflict(
                "This request was carried out already, but its answer is not known (yet). Do not "
                "send it with another key; read the record instead, or try again shortly.",
                slug="idempotency-key-in-use",
            )
        status, headers, body = json.loads(unpack(found["answer"]))
        return Answer(status, {**headers, "Idempotency-Replayed": "true"}, body)

    def _first(self, state: str, **more: bytes) -> Put:
        """The key's item, unless there is one."""
        return Put(
            {**self._item(), "state": state, **more},
            absent=True,
            table=self.table.name,
            refused=Conflict(
                "A request with this Idempotency-Key was just carried out; send it again to get "
                "its answer.",
                slug="idempotency-key-in-use",
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


def once(table: Table, caller: Caller, key: str, method: str, path: str, body: str) -> Once:
    """A caller's request with its key. Raises Invalid for a key that is none."""
    if not _KEY.match(key):
        raise Invalid.field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    fingerprint = hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()
    name = hashlib.sha256(f"{caller.user_id}\n{key}".encode()).hexdigest()[:32]
    pk = f"TENANT#{caller.tenant_id}#IDEMPOTENCY#{name}"
    return Once(table, pk, fingerprint, frozenset(caller.roles))
