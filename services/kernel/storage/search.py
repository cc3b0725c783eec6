"""Finding records by any word of their name, or by further texts such as e-mail addresses.

A text of a record beyond the one in an index is an item of its own in the record's table, written
in the transaction of the record:
  TENANT#<t>#SEARCH#<KIND>#<field>#<first char>   <folded text>#<id>
A list reads one page of these, and one of the index, and then the records in one request: the cost
does not grow with the table. Archived records have partitions of their own, as in the indexes.
"""

from collections.abc import Callable, Sequence
from itertools import batched
from typing import NamedTuple

from kernel.domain.aggregate import Aggregate
from kernel.storage import cursor as cursors
from kernel.storage.archived import Archived
from kernel.storage.differences import readable
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import READ_LIMIT, Action, Delete, Item, Put

_SAME_TEXT = 10
"""How many records with the same text are looked at; two are already too many to choose from."""

_BETWEEN = ' -/(["\u201c\u00ab'
"""The characters after which a word begins; not an apostrophe, which is in names."""

type Texts[A] = Callable[[A], dict[str, list[str]]]
"""The folded texts of a record by field."""


class _Source(NamedTuple):
    """A partition of the table or of an index, in the order of its texts."""

    partition: str
    of_index: str


class SearchEntries[A: Aggregate]:
    """The search entries of one type of record."""

    def __init__(self, store: RecordStore[A], texts: Texts[A], indexed: frozenset[str]) -> None:
        """`indexed` are the fields whose first text is in an index, and so has no entry."""
        self._store, self._texts, self._indexed = store, texts, indexed

    def actions(self, before: A | None, after: A) -> list[Action]:
        """The writes after which a record has its entries, and no others."""
        earlier, now = self._keys(before) if before else set(), self._keys(after)
        added: list[Action] = [Put({"pk": pk, "sk": sk}) for pk, sk in sorted(now - earlier)]
        removed: list[Action] = [Delete(pk, sk) for pk, sk in sorted(earlier - now)]
        return added + removed

    def matching(
        self,
        tenant_id: str,
        field: str,
        prefix: str,
        limit: int,
        cursor: str | None,
        archived: Archived,
        index: str = "",
        partition: str = "",
    ) -> Page[A]:
        """One page of the records with a text that begins with `prefix` (folded), by that text.

        `index` is that of an indexed field, and `partition` the one in it that has all texts; by
        default there is one per first character.
        """
        scope = f"{self._store.record_type} search {field} {prefix} {archived}"
        after = cursors.decode(tenant_id, scope, cursor)
        found: list[tuple[str, Item]] = []
        more = False
        partition = partition or f"{field.upper()}#{prefix[:1]}"
        for source in self._sources(tenant_id, field, prefix, archived, index, partition):
            start = self._after(tenant_id, source, str(after["sk"])) if after else None
            page = self._store.table.query(
                source.partition,
                index=source.of_index or None,
                prefix=prefix,
                limit=limit,
                after=start,
            )
            found += [(str(item[f"{source.of_index}sk"]), item) for item in page.items]
            more = more or page.last_key is not None
        found.sort(key=lambda one: one[0].encode())
        shown = found[:limit]
        more = more or len(found) > limit
        return Page(
            items=self._read_each(tenant_id, field, prefix, shown, archived),
            next_cursor=cursors.encode(tenant_id, scope, {"sk": shown[-1][0]} if more else None),
        )

    def ids(self, tenant_id: str, field: str, text: str) -> list[str]:
        """The ids of some records with exactly this text (folded), active ones first.

        Read consistently, so an entry that was committed is found. The field is not an indexed one.
        """
        found = []
        for source in self._sources(tenant_id, field, text, Archived.INCLUDE, "", ""):
            page = self._store.table.query(
                source.partition, prefix=f"{text}#", limit=_SAME_TEXT, consistent=True
            )
            found += [_id(str(item["sk"])) for item in page.items]
        return found

    def _read_each(
        self,
        tenant_id: str,
        field: str,
        prefix: str,
        found: Sequence[tuple[str, Item]],
        archived: Archived,
    ) -> list[A]:
        """The records, each at the first of its texts that the prefix finds."""
        items = {_id(text): item for text, item in found if "doc" in item}
        keys = [
            (self._store.key(tenant_id, record_id), "STATE")
            for record_id in dict.fromkeys(_id(text) for text, _ in found)
            if record_id not in items
        ]
        for some in batched(keys, READ_LIMIT, strict=False):
            for item in self._store.table.get_many(some):
                items[str(item["pk"]).rpartition("#")[2]] = item
        known = [_id(text) for text, _ in found if _id(text) in items]
        records = {
            record.id: record
            for record in readable(self._store.from_item, [items[one] for one in set(known)])
        }
        return [
            record
            for text, _ in found
            if (record := records.get(_id(text))) is not None
            and archived.shows(archived=record.archived_at is not None)
            and text.rpartition("#")[0] == self._first(record, field, prefix)
        ]

    def _first(self, record: A, field: str, prefix: str) -> str | None:
        """The first of a record's texts that begin with a prefix; the others repeat it."""
        texts = [text for text in self._texts(record)[field] if text.startswith(prefix)]
        return min(texts, key=str.encode, default=None)

    def _sources(
        self,
        tenant_id: str,
        field: str,
        prefix: str,
        archived: Archived,
        index: str,
        partition: str,
    ) -> list[_Source]:
        entries = archived.partitions(tenant_id, self._entry(field, prefix))
        sources = [_Source(one, "") for one in entries]
        if index:
            indexed = archived.partitions(tenant_id, partition)
            sources += [_Source(one, index) for one in indexed]
        return sources

    def _after(self, tenant_id: str, source: _Source, text: str) -> Item:
        """The place after a text in a partition, whether it is there or not."""
        if not source.of_index:
            return {"pk": source.partition, "sk": text}
        names = {f"{source.of_index}pk": source.partition, f"{source.of_index}sk": text}
        return {"pk": self._store.key(tenant_id, _id(text)), "sk": "STATE", **names}

    def _keys(self, record: A) -> set[tuple[str, str]]:
        """The keys of a record's entries."""
        state = Archived.EXCLUDE if record.archived_at is None else Archived.ONLY
        keys = set()
        for field, texts in self._texts(record).items():
            for text in texts[1:] if field in self._indexed else texts:
                (partition,) = state.partitions(record.tenant_id, self._entry(field, text))
                keys.add((partition, f"{text}#{record.id}"))
        return keys

    def _entry(self, field: str, text: str) -> str:
        return f"SEARCH#{self._store.record_type.upper()}#{field.upper()}#{text[:1]}"


def _id(text: str) -> str:
    """The id of the record at the end of a sort key."""
    return text.rpartition("#")[2]


def rotations(*names: str, limit: int = 10) -> list[str]:
    """A folded name beginning with each of its words, in turn: `ada lovelace`, `lovelace ada`.

    The words of the first of `names` come first; each of `names` is folded.
    """
    parts = [name for name in names if name]
    text = " ".join(parts)
    starts = [
        i + 1 for i, c in enumerate(text[:-1]) if c in _BETWEEN and text[i + 1] not in _BETWEEN
    ]
    found = [f"{text[start:]} {text[:start].strip(' -')}".strip() for start in [0, *starts][:limit]]
    return list(dict.fromkeys(found)) if text else []
