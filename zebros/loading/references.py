"""Finding the records that rows refer to: asked of the API once each, then remembered."""

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from zebros.loading.mapping import Reference

_REMEMBERED = 200_000


class Reads(Protocol):
    """What is needed of the API's client."""

    def get(self, path: str, **query: str | int | None) -> Any:
        """The body of a GET."""

    def items(self, path: str, **query: str | int | None) -> Any:
        """Every item of a list."""


@dataclass(slots=True)
class References:
    """Ids by what files call them. Safe to share between threads, which wait for one answer."""

    client: Reads
    _known: "OrderedDict[tuple[str, str, str], Future[str | None]]" = field(
        default_factory=OrderedDict
    )
    _catalogue: dict[tuple[str, str], str] | None = None
    _lock: Lock = field(default_factory=Lock)

    def find(self, reference: Reference) -> str | None:
        """The id of the record meant; None when there is none."""
        if not reference.by.startswith("external_ids."):
            return self._products().get((reference.by, reference.value))
        key = (reference.kind, reference.by, reference.value)
        with self._lock:
            answer = self._known.get(key)
            if answer is not None:
                self._known.move_to_end(key)
            else:
                mine = self._known[key] = Future()
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        if answer is not None:
            return answer.result()
        try:
            mine.set_result(self._ask(reference))
        except BaseException as fault:
            with self._lock:
                self._known.pop(key, None)  # another row may have more luck
            mine.set_exception(fault)
            raise
        return mine.result()

    def forget_missing(self) -> None:
        """Ask again for what was not there: the rows just loaded may have brought it."""
        with self._lock:
            for key in [key for key, answer in self._known.items() if answer.result() is None]:
                del self._known[key]

    def _ask(self, reference: Reference) -> str | None:
        system = reference.by.removeprefix("external_ids.")
        page = self.client.get(
            f"/{reference.kind}", external_id=f"{system}:{reference.value}", limit=1
        )
        return next((str(item["id"]) for item in page["items"]), None)

    def _products(self) -> dict[tuple[str, str], str]:
        """The catalogue by code and by name, read once: it is small, and has no such lookup."""
        with self._lock:
            if self._catalogue is None:
                self._catalogue = {}
                for product in self.client.items("/products"):
                    for by in ("code", "name"):
                        if product.get(by):
                            key = (by, str(product[by]))
                            self._catalogue.setdefault(key, str(product["id"]))
            return self._catalogue
