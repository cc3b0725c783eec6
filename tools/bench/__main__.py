"""`make bench`: measures every ratio of docs/budgets.md on this machine.

Exits with 1 when one exceeds its budget, with 2 when one cannot be measured.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.bench import caches, imports, reports, start, warm
from tools.bench.paired import Ratio

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Measure and print each ratio."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / ".aws-sam" / "build")
    parser.add_argument("--events", type=int, default=reports.EVENTS)
    parser.add_argument("--rows", type=int, default=reports.ROWS)
    parser.add_argument("--pairs", type=int, default=3, help="Pairs of the long measurements.")
    arguments = parser.parse_args()
    parts: list[Callable[[], Iterable[Ratio]]] = [
        lambda: start.measure(arguments.build),
        warm.measure,
        caches.measure,
        lambda: [imports.measure(count=arguments.rows, pairs=arguments.pairs)],
        lambda: reports.measure(
            events=arguments.events, rows=arguments.rows, pairs=arguments.pairs
        ),
    ]
    over = 0
    try:
        for part in parts:
            for ratio in part():
                print(ratio.line(), flush=True)
                over += ratio.over
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (FileNotFoundError, RuntimeError) as fault:
        print(fault, file=sys.stderr)
        return 2
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
