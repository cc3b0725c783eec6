"""The load for which a system is priced: numbers with a reason, by phase (usage.toml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zebros.costs.toml_file import number, read
from zebros.errors import BadInput
from zebros.phases import PHASES

FILE = Path(__file__).with_name("usage.toml")
ROLES = ("primary", "secondary")
HOURS = Decimal(730)
"""Hours a month, as AWS's own examples count them."""
_BYTES = Decimal(1024**3)
_KB = Decimal(1024**2)


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number that is assumed, in its unit, and why."""

    name: str
    value: Decimal
    unit: str
    why: str
    scales: bool = False
    """Whether it grows with the number of users."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the resources whose logical id matches a pattern are used for."""

    match: str
    numbers: Mapping[str, Decimal]
    why: str
    calls: str = ""
    """The quantity that `factor` multiplies: requests, writes, events, reports, sessions, once."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The load of one phase and region role, in units a month."""

    phase: str
    role: str
    assumptions: Mapping[str, Assumption]
    rules: Mapping[str, tuple[Rule, ...]]
    parameters: Mapping[str, str]
    """Template parameters with which the phase is priced."""
    month: int = 0
    """Months after the design load was reached; stored data grows with them."""
    used: set[str] = field(default_factory=set, compare=False)
    """The assumptions that were looked up."""

    def __getitem__(self, name: str) -> Decimal:
        """The value of an assumption. Raises BadInput when the file has none."""
        if name not in self.assumptions:
            raise BadInput(f"The usage file has no value for {name}.")
        self.used.add(name)
        return self.assumptions[name].value

    @property
    def users(self) -> Decimal:
        """People who use the system."""
        return self["users"]

    @property
    def busy_hours(self) -> Decimal:
        """Business hours a month."""
        return self["working_days"] * self["business_hours"]

    @property
    def requests(self) -> Decimal:
        """Requests to the API of this region."""
        total = self.users * self["requests_per_user_and_day"] * self["working_days"]
        return total if self.role == "primary" else total * self["secondary_share"]

    @property
    def writes(self) -> Decimal:
        """Requests that change something; a passive region has none."""
        return self.requests * self["write_share"] if self.role == "primary" else Decimal(0)

    @property
    def reads(self) -> Decimal:
        """Requests that only read."""
        return self.requests - self.writes

    @property
    def events(self) -> Decimal:
        """Events that are published."""
        return self.writes * self["events_per_write"]

    @property
    def reports(self) -> Decimal:
        """Reports that are made; a passive region makes none."""
        made = self.users * self["reports_per_user"]
        return made if self.role == "primary" else Decimal(0)

    @property
    def sessions(self) -> Decimal:
        """WebSocket connections that are opened; a passive region has none."""
        opened = self.users * self["working_days"]
        return opened if self.role == "primary" else Decimal(0)

    @property
    def data_gb(self) -> Decimal:
        """GB in all tables."""
        return self["data_gb"] + self.month * self["data_growth_gb"]

    @property
    def files_gb(self) -> Decimal:
        """GB in each bucket."""
        return self["files_gb"] + self.month * self["files_growth_gb"]

    def rule(self, kind: str, name: str) -> Rule:
        """The first rule that matches a logical id; kinds are those of _NUMBERS."""
        for rule in self.rules[kind]:
            if fnmatchcase(name, rule.match):
                return rule
        raise BadInput(f"The usage file has no rule of [[{kind}]] for {name}.")

    def calls(self, rule: Rule) -> Decimal:
        """The calls or messages that a rule counts."""
        quantity = Decimal(1) if rule.calls == "once" else Decimal(getattr(self, rule.calls))
        return quantity * rule.numbers["factor"]

    def with_users(self, users: int) -> "Usage":
        """The same load for another number of users. Raises BadInput unless it is positive."""
        if users <= 0:
            raise BadInput(f"The number of users must be above 0, not {users}.")
        scale = Decimal(users) / self.assumptions["users"].value
        changed = {
            name: replace(one, value=one.value * scale) if one.scales else one
            for name, one in self.assumptions.items()
        }
        changed["users"] = replace(self.assumptions["users"], value=Decimal(users))
        return replace(self, assumptions=changed, used=set())

    def after(self, months: int) -> "Usage":
        """The same load with the data that so many further months add."""
        return replace(self, month=self.month + months)

    @classmethod
    def load(cls, phase: str, role: str = "primary", path: Path = FILE) -> "Usage":
        """The load of a phase. Raises BadInput for an unknown phase and an unusable file."""
        _one_of("phase", phase, PHASES)
        _one_of("region role", role, ROLES)
        data = read(path)
        assumptions = {
            name: _assumption(path, name, entry, phase)
            for name, entry in data.get("values", {}).items()
        }
        if "users" not in assumptions:
            raise BadInput(f"{path.name} has no value for users.")
        rules = {
            kind: tuple(_rule(path, kind, entry) for entry in data.get(kind, []))
            for kind in _NUMBERS
        }
        parameters = _parameters(path, data.get("parameters", {}), phase, role)
        return cls(phase, role, assumptions, rules, parameters)


def gb(quantity: Decimal, *, kb: Decimal | None = None, each: Decimal | None = None) -> Decimal:
    """So many things of `kb` KB or of `each` bytes, in GB."""
    return quantity * kb / _KB if kb is not None else quantity * (each or Decimal(0)) / _BYTES


def _parameters(path: Path, entries: dict[str, Any], phase: str, role: str) -> dict[str, str]:
    """The parameters of all phases, then those of this phase and of this region role."""
    common = {name: value for name, value in entries.items() if not isinstance(value, dict)}
    found: dict[str, str] = common | entries.get(phase, {}) | entries.get(role, {})
    for name, value in found.items():
        if not isinstance(value, str):
            raise BadInput(f"{path.name}: the parameter {name} must be a text.")
    return found


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f"There is no {what} {value!r}; there are {', '.join(known)}.")


def _assumption(path: Path, name: str, entry: Any, phase: str) -> Assumption:
    wrong = f"{path.name}: {name}"
    for text in ("unit", "why"):
        if not isinstance(entry.get(text), str) or not entry[text]:
            raise BadInput(f"{wrong} has no {text}.")
    value = number(entry.get("value", entry.get(phase)))
    if value is None:
        raise BadInput(f"{wrong} has no number for the phase {phase}.")
    if value <= 0:
        raise BadInput(f"{wrong} must be above 0, not {value}.")
    return Assumption(name, value, entry["unit"], entry["why"], entry.get("scales", False))


_QUANTITIES = ("requests", "writes", "events", "reports", "sessions", "once")
_NUMBERS = {
    "functions": ("factor", "cpu_ms", "wait_ms"),
    "tables": ("writes", "reads", "data"),
    "queues": ("factor",),
    "machines": ("factor",),
    "buckets": ("data",),
}
_OPTIONAL = {"functions": ("write_wait_ms",)}
"""The waiting of a request that changes something, where it differs; the simulation reads it."""


def _rule(path: Path, kind: str, entry: Any) -> Rule:
    wrong = f"{path.name}: [[{kind}]] {entry.get('match', '')}".rstrip()
    for text in ("match", "why"):
        if not isinstance(entry.get(text), str) or not entry[text]:
            raise BadInput(f"{wrong} has no {text}.")
    numbers = {}
    given = [name for name in _OPTIONAL.get(kind, ()) if name in entry]
    for name in (*_NUMBERS[kind], *given):
        value = number(entry.get(name))
        if value is None or value <= 0:
            raise BadInput(f"{wrong}: {name} must be a number above 0.")
        numbers[name] = value
    if "factor" in _NUMBERS[kind] and entry.get("calls") not in _QUANTITIES:
        raise BadInput(f"{wrong}: calls must be one of {', '.join(_QUANTITIES)}.")
    return Rule(entry["match"], numbers, entry["why"], entry.get("calls", ""))
