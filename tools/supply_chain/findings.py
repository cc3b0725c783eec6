"""Findings of the supply chain's judges, and those that are accepted with a reason."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.drift import ROOT

ACCEPTED = ROOT / "tests" / "supply_chain.yaml"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a judge found."""

    judge: str
    kind: str
    """The judge's own name of it, such as `Secret Keyword`, or a licence."""
    place: str
    """A file, or a package."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """Findings that are accepted; `kind` and `place` are patterns of fnmatch."""

    judge: str
    kind: str
    place: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is one of them."""
        return (
            self.judge == finding.judge
            and fnmatch.fnmatchcase(finding.kind, self.kind)
            and fnmatch.fnmatchcase(finding.place, self.place)
        )


def accepted(path: Path = ACCEPTED) -> list[Accepted]:
    """The accepted findings."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Accepted(one["judge"], one["kind"], one["place"], one["reason"]) for one in listed]


def verdict(findings: list[Finding], explained: list[Accepted]) -> list[str]:
    """What is wrong: findings without an explanation, and explanations without a finding."""
    wrong = [
        f"{one.judge}: {one.kind} in {one.place}{f', line {one.line}' if one.line else ''}"
        for one in sorted(findings)
        if not any(known.covers(one) for known in explained)
    ]
    unused = [one for one in explained if not any(one.covers(found) for found in findings)]
    return wrong + [f"no finding needs {one.judge}: {one.kind} in {one.place}" for one in unused]
