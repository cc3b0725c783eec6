"""What docs/simulation.md says about each phase, so that no page repeats it by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tools.drift import ROOT
from tools.sections import cells, section
from zebros.phases import PHASES

PAGE = ROOT / "docs" / "simulation.md"


@dataclass(frozen=True, slots=True)
class Row:
    """A phase with a number of users."""

    phase: str
    users: int
    carries: bool
    latency_ms: tuple[int, int, int]
    """The 50th, 95th and 99th percentile."""
    failed: str
    report_wait_s: int
    cost: Decimal
    """USD a month for each user."""
    used_most: str


@dataclass(frozen=True, slots=True)
class Headroom:
    """The most users that a phase carries, and what fails with more."""

    made_for: int
    carries: int
    then: str
    raised: int
    """With all that the controller may add."""
    then_raised: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """The tables of the page."""

    rows: Mapping[tuple[str, int], Row]
    headroom: Mapping[str, Headroom]

    @property
    def users(self) -> tuple[int, ...]:
        """The numbers of users, in order."""
        return tuple(sorted({users for _, users in self.rows}))

    def cheapest(self, users: int) -> Row | None:
        """The phase that carries the users at the lowest cost; None when none carries them."""
        found = [self.rows[phase, users] for phase in PHASES if self.rows[phase, users].carries]
        return min(found, key=lambda one: one.cost, default=None)


def simulated(page: str | None = None) -> Simulated:
    """Read the page. Raises ValueError for a page without its tables."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    rows = {(one.phase, one.users): one for one in map(_row, _table(text, "users"))}
    return Simulated(rows, {one[0]: _headroom(one) for one in _table(text, "headroom")})


def _table(page: str, name: str) -> Iterator[list[str]]:
    return map(cells, section(page, name)[2:])


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


def _row(found: list[str]) -> Row:
    p50, p95, p99 = (int(one) for one in found[3].split(" / "))
    return Row(
        found[0], _number(found[1]), found[2] == "yes", (p50, p95, p99), found[4],
        _number(found[6]), Decimal(found[7].replace(",", "")), found[8],
    )  # fmt: skip


def _headroom(found: list[str]) -> Headroom:
    return Headroom(_number(found[1]), _number(found[2]), found[3], _number(found[4]), found[5])
