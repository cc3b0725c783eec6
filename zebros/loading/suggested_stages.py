"""The part of a suggested map about the stages of opportunities, and how they were closed."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_WON, _LOST = ("won", "gewonnen"), ("lost", "verloren", "abandoned")
_LEFT_OUT = ("deleted", "archived")
_CATEGORIES = {"open": "pipeline", "won": "closed", "lost": "omitted"}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _key(text: str) -> str:
    """A stage's key: `Negotiation/Review` is `negotiation_review`."""
    key = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40]
    return key if key[:1].isalpha() else f"stage_{key}"[:40].rstrip("_")


def _kind(text: str) -> str:
    folded = text.casefold()
    if any(word in folded for word in _WON):
        return "won"
    return "lost" if any(word in folded for word in _LOST) else "open"


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

    def _texts(self) -> list[tuple[str, str]]:
        """Each text of the source and its stage's key."""
        if not self._by_status:
            name = self.columns.get("stage", self.columns.get("status", [""]))[0]
            return [(text, _key(text)) for text in self.samples.get(name, [])]
        found = []
        for status, stage in self.combinations:
            if status.casefold() in _LEFT_OUT:
                continue
            closed = _kind(status) != "open"
            found.append((f"{status}: {stage}", _kind(status) if closed else _key(stage)))
        return found

    def pipeline(self) -> Iterator[str]:
        """The table `pipeline`; empty when the file has no stages."""
        kinds = {key: _kind(key) for _, key in self._texts()}
        if not kinds:
            return
        names = {key: text.partition(": ")[2] or text for text, key in reversed(self._texts())}
        for kind in ("open", "won", "lost"):
            if kind not in kinds.values():
                kinds[kind] = kind
        yield "[pipeline]   # CHECK: found by name, created when there is none; in this order"
        yield f'name = "Imported from {self.system}"'
        yield "stages = ["
        ordered = sorted(kinds, key=lambda key: ("open", "won", "lost").index(kinds[key]))
        count = sum(kind == "open" for kind in kinds.values())
        for n, key in enumerate(ordered):
            kind = kinds[key]
            chance = {"won": 100, "lost": 0}.get(kind, 100 * (n + 1) // (count + 1))
            name = names.get(key, key.capitalize()) if kind == "open" or not self._by_status else ""
            yield (
                f"  {{ key = {_quoted(key)}, name = {_quoted(name or key.capitalize())}, "
                f'probability = {chance}, kind = "{kind}", '
                f'forecast_category = "{_CATEGORIES[kind]}" }},'
            )
        yield "]"
        yield ""

    def field(self, name: str, format_of: Callable[[str], str]) -> Iterator[str]:
        """The source of a field of this part."""
        if name == "stage" and self._texts():
            pairs = ", ".join(f"{_quoted(text)} = {_quoted(key)}" for text, key in self._texts())
            if self._by_status:
                source = f"{{{self.columns['status'][0]}}}: {{{self.columns['stage'][0]}}}"
                origin = f"template = {_quoted(source)}"
            else:
                origin = f"column = {_quoted(self._closing_column())}"
            yield f'stage = {{ {origin}, values = {{ {pairs} }}, other = "reject" }}'
        elif name == "expected_close_on" and (columns := self.columns.get(name)):
            yield f"{name} = {self._date(columns[0], format_of)}"

    def closing(self, format_of: Callable[[str], str]) -> Iterator[str]:
        """When and why opportunities were closed."""
        column = self._closing_column()
        texts = self.samples.get(column, [])
        closed = [text for text in texts if _kind(text) != "open"]
        lost = [text for text in closed if _kind(text) == "lost"]
        days = self.columns.get("closed_on") or self.columns.get("expected_close_on") or []
        if closed and days:
            when = f"when = {{ {_quoted(column)} = {json.dumps(closed, ensure_ascii=False)} }}"
            yield f"closed_on = {self._date(days[0], format_of, when)}"
        if lost:
            when = f"when = {{ {_quoted(column)} = {json.dumps(lost, ensure_ascii=False)} }}"
            reasons = self.columns.get("lost_reason", [])
            if reasons:
                source = f'column = {_quoted(reasons[0])}, default = "Not recorded"'
            else:
                source = 'constant = "Not recorded"'
            yield f"lost_reason = {{ {source}, {when} }}"

    def _closing_column(self) -> str:
        """The column that says whether an opportunity is closed."""
        return (self.columns.get("status") or self.columns.get("stage") or [""])[0]

    def _date(self, column: str, format_of: Callable[[str], str], *more: str) -> str:
        options = [f"column = {_quoted(column)}", format_of(column), *more]
        return f"{{ {', '.join(option for option in options if option)} }}"
