"""`python -m tools.template_mutations`: how many wrong templates do the template tests notice?

Prints the score and every survivor. tests/template/survivors.yaml lists the survivors that do not
matter, each with its reason. Exits with 1 when another one survives, when less than 95 % are
noticed, or, without --sample and --only, when a listed one is noticed after all.
"""

import argparse
import fnmatch
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.drift import ROOT
from tools.template_mutations.mutations import Mutation, every
from tools.template_mutations.runner import Outcome, control, load_everything, outcomes

SURVIVORS = ROOT / "tests" / "template" / "survivors.yaml"
LEAST = 0.95


@dataclass(frozen=True, slots=True)
class Accepted:
    """Survivors that do not matter."""

    template: str
    place: str
    """A pattern of fnmatch for Mutation.place."""
    kind: str
    reason: str

    def covers(self, mutation: Mutation) -> bool:
        """Whether a mutation is one of them."""
        return (
            fnmatch.fnmatchcase(mutation.template, self.template)
            and fnmatch.fnmatchcase(mutation.place, self.place)
            and self.kind in ("*", mutation.kind)
        )


def accepted(path: Path = SURVIVORS) -> list[Accepted]:
    """The listed survivors."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [
        Accepted(one["template"], one["place"], one.get("kind", "*"), one["reason"])
        for one in listed
    ]


def main() -> int:
    """Run the chosen mutations and print what survived."""
    parser = argparse.ArgumentParser(prog="python -m tools.template_mutations", description=__doc__)
    parser.add_argument("--sample", type=int, help="Only this many, chosen by the seed.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", default="", help="Only those whose line this regular expression finds."
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="Print the mutations and run nothing.")
    parser.add_argument("--verbose", action="store_true", help="Print what each is noticed by.")
    parser.add_argument("tests", nargs="*", default=["tests/template"])
    arguments = parser.parse_args()
    chosen = [one for one in every() if re.search(arguments.only, str(one))]
    if arguments.sample is not None and arguments.sample < len(chosen):
        chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)  # noqa: S311
    if arguments.list:
        print(*chosen, sep="\n")
        return 0
    started = time.monotonic()
    load_everything(arguments.tests)
    results = []
    for outcome in outcomes(chosen, arguments.tests, arguments.processes):
        results.append(outcome)
        if not outcome.noticed_by or arguments.verbose:
            print(
                f"{outcome.seconds:.1f} s  {outcome.noticed_by or 'SURVIVED'}  {outcome.mutation}",
                flush=True,
            )
    print(f"{len(results)} changes in {time.monotonic() - started:.0f} s")
    if edited := control(arguments.tests):
        sys.exit(f"The outcomes are void: {edited} fails without any change, a file was edited.")
    whole = arguments.sample is None and not arguments.only
    return report(results, accepted(), whole=whole)


def report(results: list[Outcome], listed: list[Accepted], *, whole: bool) -> int:
    """Print the score; returns the exit code."""
    survivors = [one.mutation for one in results if not one.noticed_by]
    unexplained = [one for one in survivors if not any(a.covers(one) for a in listed)]
    by_kind = Counter(one.mutation.kind for one in results)
    of_survivors = Counter(one.kind for one in survivors)
    for kind, count in sorted(by_kind.items()):
        print(f"  {kind:<10} {count - of_survivors[kind]:>4} of {count:>4} noticed")
    score = 1 - len(survivors) / max(len(results), 1)
    print(f"noticed: {score:.1%}; survivors: {len(survivors)}, unexplained: {len(unexplained)}")
    for one in unexplained:
        print(f"  unexplained: {one}")
    stale = [one for one in listed if not any(one.covers(s) for s in survivors)] if whole else []
    for entry in stale:
        print(f"  no longer survives: {entry.template} {entry.place}")
    return 1 if unexplained or stale or (whole and score < LEAST) else 0


if __name__ == "__main__":
    sys.exit(main())
