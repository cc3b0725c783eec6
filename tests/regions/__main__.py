"""`make regions`: seeded rounds of moves between two platforms of their own.

Ends with 1 after a round that is wrong. The log has one line for each round, and what was wrong.
Ctrl-C ends it with the sums of the rounds before; `--first` continues a seed with its next round.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.regions.platforms import Platforms
from tests.regions.rounds import Round, Rounds


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(prog="make regions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--first", type=int, default=1, help="The number of the first round.")
    parser.add_argument("--home", type=Path, help="Keep the data of both platforms here.")
    parser.add_argument("--running", action="store_true", help="They run already; leave them.")
    arguments = parser.parse_args()
    folder = arguments.home or Path(tempfile.mkdtemp(prefix="zebros-regions-"))
    platforms, done, answers = Platforms(folder), list[Round](), Counter[str]()
    try:
        platforms.use() if arguments.running else platforms.start()
        rounds = Rounds(platforms, arguments.seed, arguments.first)
        answers = rounds.answers
        for _ in range(arguments.rounds):
            done.append(rounds.round())
            print(done[-1].line(), flush=True)
            if done[-1].wrong:
                break
    except KeyboardInterrupt:
        print(f"Ended early; `--first {arguments.first + len(done)}` continues.", flush=True)
    finally:
        if not arguments.running:
            platforms.stop()
    return summary(done, answers, folder)


def summary(done: list[Round], answers: Counter[str], folder: Path) -> int:
    """Print the sums; returns the exit code."""
    print("answers:", ", ".join(f"{count} x {name}" for name, count in sorted(answers.items())))
    for kind in ("cut", "loss"):
        some = [one for one in done if one.kind == kind]
        if some:
            pauses = sorted(one.rto_s for one in some)
            print(
                f"{kind}: {len(some)} rounds, {sum(one.acknowledged for one in some)} writes "
                f"acknowledged, {sum(one.lost for one in some)} lost and "
                f"{sum(one.listed for one in some)} listed, RPO at most "
                f"{max(one.rpo_s for one in some):.1f} s, RTO {pauses[0]:.0f} to {pauses[-1]:.0f} "
                f"s, median {pauses[len(pauses) // 2]:.0f}"
            )
    if done and done[-1].wrong:
        print(f"The data and logs of both platforms are in {folder}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
