"""The part of a suggested map about the stages of opportunities, and how they were closed."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from zebros.loading.suggested_values import quoted, table_of

_WON = frozenset(
    [
        *("won", "gewonnen", "gagné", "gagnée", "ganado", "ganada", "ganho", "ganha"),
        *("vinto", "vinta", "wygrana", "выиграна"),
    ]
)
_LOST = frozenset(
    [
        *("lost", "abandoned", "verloren", "perdu", "perdue", "perdido", "perdida"),
        *("perso", "persa", "przegrana", "проиграна"),
    ]
)
_LEFT_OUT = ("deleted", "archived", "gelöscht", "archiviert", "supprimé", "archivé", "eliminado")
_CATEGORIES = {"open": "pipeline", "won": "closed", "lost": "omitted"}
_MOST_STAGES = 20
"""The stages that a pipeline can have."""
_LONGEST_KEY = 40

type DateSource = Callable[..., str]
"""Makes a field of a column of dates, with more options."""


class _Text(NamedTuple):
    """One text of the source, and its stage."""

    text: str
    key: str
    name: str
    kind: str


def _key(text: str) -> str:
    """A stage's key: `Negotiation/Review` is `negotiation_review`."""
    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss")).casefold()
    plain = "".join(c for c in apart if not unicodedata.combining(c))
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_KEY].rstrip("_")
    return key if key[:1].isalpha() else f"stage_{key}"[:_LONGEST_KEY].rstrip("_")


def _kind(text: str) -> str:
    words = frozenset(re.split(r"[\W_]+", text.casefold().replace("won't", "")))
    if words & _LOST:
        return "lost"
    return "won" if words & _WON else "open"


@dataclass(frozen=True, slots=True)
class Stages:
    """Stages by a column of stages, and a column of the status if there is one."""

    columns: dict[str, list[str]]
    samples: dict[str, list[str]]
    combinations: list[tuple[str, ...]]
    """The texts of status and stage that occur together."""
    system: str
    """The other system."""

    fields = frozenset({"stage", "closed_on", "expected_close_on", "lost_reason"})
    """The fields that this part of the map fills."""

    @property
    def _by_status(self) -> bool:
        return "status" in self.columns and "stage" in self.columns

    def _texts(self) -> list[_Text]:
        """Each text of the source with its stage; different names have different keys."""
        keys: dict[tuple[str, str], str] = {}

        def stage(text: str, name: str, kind: str) -> _Text:
            same = (name.casefold(), kind)
            if same not in keys:
                key, number = _key(name), 2
                while key in keys.values():
                    key = f"{_key(name)[: _LONGEST_KEY - 3]}_{number}"
                    number += 1
                keys[same] = key
            return _Text(text, keys[same], name, kind)

        if not self._by_status:
            name = self.columns.get("stage", self.columns.get("status", [""]))[0]
            texts = self.samples.get(name, [])
            return [stage(one, one, _kind(one)) for one in texts if one.casefold() not in _LEFT_OUT]
        found = []
        for status, name in self.combinations:
            if status.casefold() in _LEFT_OUT:
                continue
            kind = _kind(status)
            named = name if kind == "open" else kind.capitalize()
            found.append(stage(f"{status}: {name}", named, kind))
        return found

    def pipeline(self) -> Iterator[str]:
        """The table `pipeline`; empty when the file has no stages."""
        stages = {one.key: one for one in reversed(self._texts())}
        if not stages:
            return
        for kind in ("open", "won", "lost"):
            if not any(one.kind == kind for one in stages.values()):
                stages[kind] = _Text("", kind, kind.capitalize(), kind)
        yield "[pipeline]   # CHECK: found by name, created when there is none; in this order"
        if len(stages) > _MOST_STAGES:
            yield f"# CHECK: a pipeline has at most {_MOST_STAGES} stages; merge some of these"
        yield f'name = "Imported from {self.system}"'
        yield "stages = ["
        order = {one.key: n for n, one in enumerate(dict.fromkeys(self._texts()))}
        ordered = sorted(
            stages.values(),
            key=lambda one: (("open", "won", "lost").index(one.kind), order.get(one.key, 0)),
        )
        count = sum(one.kind == "open" for one in ordered)
        for n, one in enumerate(ordered):
            chance = {"won": 100, "lost": 0}.get(one.kind, 100 * (n + 1) // (count + 1))
            yield (
                f"  {{ key = {quoted(one.key)}, name = {quoted(one.name)}, "
                f'probability = {chance}, kind = "{one.kind}", '
                f'forecast_category = "{_CATEGORIES[one.kind]}" }},'
            )
        yield "]"
        yield ""

    def field(self, name: str, date: DateSource) -> Iterator[str]:
        """The source of a field of this part."""
        if name == "stage" and (texts := self._texts()):
            if self._by_status:
                source = f"{{{self.columns['status'][0]}}}: {{{self.columns['stage'][0]}}}"
                origin = f"template = {quoted(source)}"
            else:
                origin = f"column = {quoted(self._closing_column())}"
            table = table_of((one.text, one.key) for one in texts)
            yield f'stage = {{ {origin}, values = {table}, other = "reject" }}'
        elif name == "stage":
            yield '# stage = "…"   # CHECK: without it, all are in the first stage'
        elif name == "expected_close_on" and (columns := self.columns.get(name)):
            yield date(name, columns[0], 'on_error = "drop value"')

    def closing(self, date: DateSource) -> Iterator[str]:
        """When and why opportunities were closed."""
        column = self._closing_column()
        texts = self.samples.get(column, [])
        closed = [text for text in texts if _kind(text) != "open"]
        lost = [text for text in closed if _kind(text) == "lost"]
        days = self.columns.get("closed_on") or self.columns.get("expected_close_on") or []
        if closed and days:
            when = f"when = {{ {quoted(column)} = {json.dumps(closed, ensure_ascii=False)} }}"
            yield date("closed_on", days[0], when)
        elif closed:
            yield '# closed_on = "…"   # CHECK: without it, closed opportunities get today\'s date'
        if lost:
            when = f"when = {{ {quoted(column)} = {json.dumps(lost, ensure_ascii=False)} }}"
            reasons = self.columns.get("lost_reason", [])
            if reasons:
                source = f'column = {quoted(reasons[0])}, default = "Not recorded"'
            else:
                source = 'constant = "Not recorded"'
            yield f"lost_reason = {{ {source}, {when} }}"

    def _closing_column(self) -> str:
        """The column that says whether an opportunity is closed."""
        return (self.columns.get("status") or self.columns.get("stage") or [""])[0]
