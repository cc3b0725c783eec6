"""Finds the records to which rows refer; each is looked up once in the API."""

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Any, Protocol

from zebros.loading.mapper import Reference

_CACHED = 200_000
_MOST_NAMES = 2000
"""How many names with the same beginning are compared."""


class Reads(Protocol):
    """The methods of the API's client that this module needs."""

    def get(self, path: str, **query: str | int | None) -> Any:
        """The body of a GET."""

    def items(self, path: str, **query: str | int | None) -> Any:
        """Every item of a list."""


@dataclass(slots=True)
class References:
    """The ids of referenced records. Threads may share it: one calls the API, the others wait."""

    client: Reads
    _ids: "OrderedDict[tuple[str, str, str], Future[str | None]]" = field(
        default_factory=OrderedDict
    )
    _products: dict[tuple[str, str], str] | None = None
    _ambiguous: dict[str, int] = field(default_factory=dict)
    """How many records have each name that several have."""
    _lock: Lock = field(default_factory=Lock)

    def find(self, reference: Reference) -> str | None:
        """The id of the referenced record; None when there is none."""
        if reference.collection == "products" and not reference.by.startswith("external_ids."):
            return self._products_by_key().get((reference.by, reference.value))
        key = (reference.collection, reference.by, reference.value)
        with self._lock:
            answer = self._ids.get(key)
            if answer is not None:
                self._ids.move_to_end(key)
            else:
                mine = self._ids[key] = Future()
                if len(self._ids) > _CACHED:
                    self._ids.popitem(last=False)
        if answer is not None:
            return answer.result()
        try:
            mine.set_result(self._look_up(reference))
        except BaseException as error:
            with self._lock:
                self._ids.pop(key, None)  # the next row asks again
            mine.set_exception(error)
            raise
        return mine.result()

    def why_not(self, reference: Reference) -> str:
        """Why there is no id for a reference."""
        count = self._ambiguous.get(reference.value, 0) if reference.by == "name" else 0
        if count < 2:
            return reference.not_found
        several = f"{count} {reference.collection} have the name {reference.value!r}"
        return f"{reference.field}: {several}; refer to it by an external id"

    def forget_missing(self) -> None:
        """Look up records again that were not found, as they may have been loaded meanwhile."""
        with self._lock:
            for key in [key for key, answer in self._ids.items() if answer.result() is None]:
                del self._ids[key]

    def _look_up(self, reference: Reference) -> str | None:
        if reference.by == "name":
            return self._by_name(reference)
        system = reference.by.removeprefix("external_ids.")
        page = self.client.get(
            f"/{reference.collection}", external_id=f"{system}:{reference.value}", limit=1
        )
        return next((str(item["id"]) for item in page["items"]), None)

    def _by_name(self, reference: Reference) -> str | None:
        """The only record with this name, without regard to case and spaces."""
        name = _folded(reference.value)
        path = f"/{reference.collection}"
        found = [
            str(one["id"])
            for one in islice(self.client.items(path, name_prefix=reference.value), _MOST_NAMES)
            if _folded(str(one["name"])) == name
        ]
        if len(found) > 1:
            self._ambiguous[reference.value] = len(found)
        return found[0] if len(found) == 1 else None

    def _products_by_key(self) -> dict[tuple[str, str], str]:
        """All products by code and by name, read once, because the API has no such filters."""
        with self._lock:
            if self._products is None:
                self._products = {}
                for product in self.client.items("/products"):
                    for by in ("code", "name"):
                        if product.get(by):
                            key = (by, str(product[by]))
                            self._products.setdefault(key, str(product["id"]))
            return self._products


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
