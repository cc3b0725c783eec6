"""`make judges`: independent judges of all phases and a second region, and of the API's document.

Each system is judged as one plain template. A finding fails unless tests/template/suppressions.yaml
explains it; so does an explanation that no finding needs. Spectral's ruleset explains its own.
"""

import argparse
import fnmatch
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.template.stack import PHASES, SECONDARY, system
from tools.drift import ROOT
from tools.judges.judges import JUDGES, Finding, spectral

SUPPRESSIONS = ROOT / "tests" / "template" / "suppressions.yaml"

SYSTEMS: dict[str, dict[str, str]] = {
    **{phase: {"Phase": phase} for phase in PHASES},
    "enterprise": {"Phase": "enterprise", "ReplicaRegion": "eu-central-1"},
    "secondary": SECONDARY,
}
"""What is judged, each with every option: the phases, and a second region."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Findings that are accepted; rule and resource are patterns of fnmatch."""

    judge: str
    rule: str
    resource: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is one of them."""
        # A bracket in a rule of cdk-nag is not a pattern.
        rule = self.rule.replace("[", "[[]")
        return (
            self.judge == finding.judge
            and fnmatch.fnmatchcase(finding.rule, rule)
            and fnmatch.fnmatchcase(finding.resource, self.resource)
        )


def suppressions(path: Path = SUPPRESSIONS) -> list[Suppression]:
    """The explained findings."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Suppression(one["judge"], one["rule"], one.get("resource", "*"), one["reason"])
        for one in listed
    ]


def verdict(findings: set[Finding], explained: list[Suppression]) -> list[str]:
    """What is wrong: findings without an explanation, and explanations without a finding."""
    open_ = [f for f in sorted(findings) if not any(one.covers(f) for one in explained)]
    unused = [one for one in explained if not any(one.covers(f) for f in findings)]
    return [
        *(f"{one.judge} {one.rule} {one.resource}: {one.message}" for one in open_),
        *(f"no finding needs {one.judge} {one.rule} {one.resource}" for one in unused),
    ]


def _judged(job: tuple[str, dict[str, str]]) -> list[Finding]:
    judge, parameters = job
    with tempfile.TemporaryDirectory() as folder:
        return list(JUDGES[judge](system(**parameters), Path(folder)))


def main() -> int:
    """Run the judges over the phases and print what is wrong."""
    parser = argparse.ArgumentParser(prog="make judges", description=__doc__)
    parser.add_argument("--system", choices=SYSTEMS, action="append", help="Only this one.")
    parser.add_argument("--judge", choices=JUDGES, action="append", help="Only this judge.")
    arguments = parser.parse_args()
    judges = {name: JUDGES[name] for name in arguments.judge or JUDGES}
    jobs = [(judge, SYSTEMS[name]) for name in arguments.system or SYSTEMS for judge in judges]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = {one for found in pool.map(_judged, jobs) for one in found}
    explained = [one for one in suppressions() if one.judge in judges]
    wrong = verdict(findings, explained)
    if not (arguments.system or arguments.judge):
        of_api = set(spectral(ROOT / "docs" / "openapi.json"))
        findings |= of_api
        wrong += verdict(of_api, [])
    print(*wrong, sep="\n")
    print(f"{len(findings)} findings, of which {len(wrong)} are not explained")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
