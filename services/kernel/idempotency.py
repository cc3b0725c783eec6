"""Idempotency-Key: a POST sent twice is carried out once and answered twice.

(draft-ietf-httpapi-idempotency-key-header.) The key's item is written in the same transaction as
the first change of the request, so a crash at any moment leaves either both or neither: a retry
can never do the work a second time. The answer is added to the item right afterwards; a retry that
comes in between (or after a crash in between) is told that the work is done already.
"""

import hashlib
import json
import re
import time
from dataclasses import dataclass, field

from kernel.dynamo import Put, Table
from kernel.errors import Conflict, Invalid

TTL_SECONDS = 24 * 3600
"""How long a key is remembered."""
_MAX_ANSWER_BYTES = 300_000
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
    committed: bool = field(default=False)

    def action(self) -> Put | None:
        """What to add to the request's first transaction; None when it was added already."""
        if self.committed:
            return None
        return Put(
            {**self._item(), "state": "done"},
            absent=True,
            table=self.table.name,
            refused=Conflict(
                "A request with this Idempotency-Key was just carried out; send it again to get "
                "its answer.",
                slug="idempotency-key-in-use",
            ),
        )

    def complete(self, answer: Answer) -> None:
        """Remember the answer for whoever sends the same request again."""
        stored = json.dumps([answer.status, answer.headers, answer.body], separators=(",", ":"))
        if len(stored) <= _MAX_ANSWER_BYTES:
            self.table.put({**self._item(), "state": "answered", "answer": stored})

    def _item(self) -> dict[str, str | int]:
        return {
            "pk": self.pk,
            "sk": "IDEMPOTENCY",
            "fingerprint": self.fingerprint,
            "ttl": int(time.time()) + TTL_SECONDS,
        }


def once(
    table: Table, tenant_id: str, user_id: str, key: str, method: str, path: str, body: str
) -> Once | Answer:
    """Look a key up: the stored answer if there is one, else the Once to carry along.

    Raises Invalid for a bad key or the same key with another request; Conflict when the request was
    carried out but its answer was lost.
    """
    if not _KEY.match(key):
        raise Invalid.field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    fingerprint = hashlib.sha256(f"{method} {path}\n{body}".encode()).hexdigest()
    name = hashlib.sha256(f"{user_id}\n{key}".encode()).hexdigest()[:32]
    attempt = Once(table, f"TENANT#{tenant_id}#IDEMPOTENCY#{name}", fingerprint)
    found = table.get(attempt.pk, "IDEMPOTENCY", consistent=True)
    if found is None:
        return attempt
    if found["fingerprint"] != fingerprint:
        raise Invalid(
            "This Idempotency-Key was used for a different request; use a new key.",
            slug="idempotency-key-reused",
        )
    if "answer" not in found:
        raise Conflict(
            "This request was carried out already, but its answer is not known (yet). Do not send "
            "it with another key; read the record instead, or try again shortly.",
            slug="idempotency-key-in-use",
        )
    status, headers, answer_body = json.loads(str(found["answer"]))
    return Answer(status, {**headers, "Idempotency-Replayed": "true"}, answer_body)
