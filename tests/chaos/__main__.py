"""`make chaos`: rounds of chaos on a platform of its own. Ends with 1 after a round that is wrong.

Each round continues with the data of the rounds before it. The log has one line for each round, and
what was wrong. Ctrl-C ends it with the sums of the rounds before; `--first` continues a seed with
its next round, on a new platform.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.rounds import Chaos, Round
from tests.chaos.traffic import COMPANY
from tests.flows.conftest import Crm, Zebros
from zebros.local import ports


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--first", type=int, default=1, help="The number of the first round.")
    parser.add_argument("--seconds", type=float, default=15.0, help="Traffic in each round.")
    parser.add_argument("--home", type=Path, help="Keep the platform's data here.")
    arguments = parser.parse_args()
    folder = arguments.home or Path(tempfile.mkdtemp(prefix="zebros-chaos-"))
    zebros = Zebros(folder, ZEBROS_TENANTS=COMPANY)
    # The worker makes every report, so that its death matters.
    zebros.up("--reports", "worker", *free_ports())
    crm, rounds = Crm(zebros), []
    try:
        chaos = Chaos(crm, arguments.seed, arguments.first)
        for _ in range(arguments.rounds):
            rounds.append(chaos.round(arguments.seconds))
            print(rounds[-1].line(), flush=True)
            if not rounds[-1].right:
                break
    except KeyboardInterrupt:
        print(f"Ended early; `--first {arguments.first + len(rounds)}` continues.", flush=True)
    finally:
        crm.http.close()
        zebros("down", check=False)
    return summary(rounds, folder) if rounds else 1


def free_ports() -> tuple[object, ...]:
    """Options of `zebros up`, so that it runs beside others."""
    return ("--port", ports.free_port(), "--issuer-port", ports.free_port())


def summary(rounds: list[Round], folder: Path) -> int:
    """Print the sums and what was wrong; returns the exit code."""
    faults: Counter[str] = sum((one.faults for one in rounds), Counter())
    answers: Counter[str] = sum((one.answers for one in rounds), Counter())
    print("faults:", ", ".join(f"{count} {name}" for name, count in sorted(faults.items())))
    print("answers:", ", ".join(f"{count} x {name}" for name, count in sorted(answers.items())))
    last = rounds[-1]
    print(
        "checked:", ", ".join(f"{n:,} {name}" for name, n in sorted(last.verdict.checked.items()))
    )
    if last.right:
        return 0
    for kind in ("lost", "doubled", "wrong"):
        for text in getattr(last.verdict, kind)[:20]:
            print(f"{kind}: {text[:1000]}")
    print(f"The platform's data and logs are in {folder}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
