"""Writes the generated parts of docs/growing.md, from the templates and docs/simulation.md."""

from collections.abc import Iterable, Iterator

from tools.drift import ROOT, main
from tools.growing import quotas, stages
from tools.growing.simulated import Simulated, simulated
from tools.sections import with_section
from zebros.phases import PHASES

PAGE = ROOT / "docs" / "growing.md"
MOVES = (("mvp", "startup", 25), ("startup", "growth", 100), ("growth", "enterprise", 250))
"""The moves of the page, with the users for whom each is made."""
QUOTA_USERS = dict(zip(PHASES, (25, 100, 250, 100_000), strict=True))
"""The most users that each phase has on the page."""


def parts(known: Simulated) -> Iterator[tuple[str, Iterable[str]]]:
    """The generated parts by name."""
    yield "stages", stages.glance(known)
    yield "verdict", stages.verdict(known)
    yield "misfits", stages.misfits(known)
    for origin, target, users in MOVES:
        yield f"{origin} to {target}", stages.move(origin, target, users, known)
    yield "two regions", stages.regions(users=250)
    yield "quotas", quotas.table(QUOTA_USERS)


def render() -> str:
    """The page with its generated parts."""
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in parts(simulated()):
        page = with_section(page, name, lines)
    return page


if __name__ == "__main__":
    main({PAGE: render()}, "make contracts")
