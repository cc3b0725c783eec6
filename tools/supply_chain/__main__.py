"""`make supply-chain`: secrets in the repository, insecure code, bills of materials, licences.

A finding fails unless tests/supply_chain.yaml explains it; so does an explanation that no finding
needs. The bills (CycloneDX) are in build/supply-chain/bills.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tools.supply_chain.findings import accepted, verdict
from tools.supply_chain.judges import BILLS, JUDGES


def main() -> int:
    """Run the judges and print what is wrong."""
    parser = argparse.ArgumentParser(prog="make supply-chain", description=__doc__)
    parser.add_argument("--judge", choices=JUDGES, action="append", help="Only this one.")
    judges = parser.parse_args().judge or list(JUDGES)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda name: list(JUDGES[name]()), judges)
    findings = [one for some in found for one in some]
    wrong = verdict(findings, [one for one in accepted() if one.judge in judges])
    print(*wrong, sep="\n")
    bills = len(list(BILLS.glob("*.json")))
    print(
        f"{len(findings)} findings, {len(wrong)} of them not explained; {bills} bills of materials"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
