"""How long a report takes by the size of the lake and of its task, to choose the limits of tiers.

`python -m tools.bench.report_sizes --image IMAGE [--events N …] [--task CPUS:MEGABYTES …]` runs the
query in a container of the worker's image (worker/Dockerfile) with that processor time and memory,
as a function or a Fargate task has it, and prints a row of a table for each.
"""

import argparse
import gzip
import json
import subprocess
import tempfile
from pathlib import Path
from random import Random

from tools.drift import ROOT

_PER_FILE = 5_000
_PER_OPPORTUNITY = 5
_STAGES = (
    ("lead", "Lead", 10, "open", "pipeline"),
    ("proposal", "Proposal", 50, "open", "best_case"),
    ("won", "Won", 100, "won", "closed"),
    ("lost", "Lost", 0, "lost", "omitted"),
)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEASURE = """
import json, resource, sys, threading, time
from pathlib import Path
from kernel.runtime.capacity import capacity
from reporting.lake.cache import LakeFiles
from reporting.parameters import ReportParameters
from reporting.query.compute import compute
from reporting.query.limits import EngineLimits
root, most = Path(sys.argv[1]), 0
def spilled():
    global most
    while True:
        files = Path("/tmp").rglob("*")
        most = max(most, sum(f.stat().st_size for f in files if f.is_file()))
        time.sleep(0.5)
threading.Thread(target=spilled, daemon=True).start()
limits = EngineLimits.within(capacity(), int(sys.argv[2]))
files = LakeFiles("acme", root, tuple(sorted(root.rglob("*.jsonl.gz"))))
started = time.monotonic()
compute(files, ReportParameters(report="pipeline_by_stage"), limits=limits)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.monotonic() - started, "cpu": used.ru_utime + used.ru_stime,
    "rss": used.ru_maxrss / 1024, "spilled": most / 1e6, "threads": limits.threads,
    "limit": limits.memory_bytes / 1e6}))
"""


def make_lake(root: Path, events: int) -> None:
    """Write a lake of so many events about a fifth as many opportunities, 5,000 to a file."""
    random = Random(7)  # noqa: S311 - the same lake every time
    folder = root / "tenant=acme" / "context=opportunities" / "date=2026-03-01"
    folder.mkdir(parents=True)
    deals = max(events // _PER_OPPORTUNITY, 1)
    for first in range(0, events, _PER_FILE):
        lines = [_line(random, n, deals) for n in range(first, min(first + _PER_FILE, events))]
        body = gzip.compress("".join(lines).encode(), 6)
        (folder / f"{first:09d}.jsonl.gz").write_bytes(body)


def _line(random: Random, number: int, deals: int) -> str:
    """An event; formatted as text, because json.dumps would take ten times as long."""
    index, sequence = number % deals, number // deals + 1
    stage, name, probability, status, forecast = random.choice(_STAGES)
    tail = "".join(random.choices(_ALPHABET, k=12))
    deal = f"01K{index:011d}{(index * 2654435761) % 16**12:012X}"
    amount = random.randrange(10_000, 50_000_000)
    day = f"2026-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    closed = f',"closed_on":"{day}"' if status != "open" else ""
    return (
        f'{{"specversion":"1.0","id":"01K{number:011d}{tail}","source":"zebros.opportunities",'
        f'"type":"OpportunityUpdated","subject":"opportunity/{deal}",'
        f'"time":"2026-03-01T09:30:{number % 60:02d}.{number % 1000:03d}Z",'
        f'"datacontenttype":"application/json","dataschema":"urn:zebros:schema:'
        f'opportunities/OpportunityUpdated.v1","tenantid":"acme","sequence":"{sequence}",'
        f'"sequencetype":"Integer","correlationid":"01K{number:011d}{tail[::-1]}",'
        f'"actor":"u-1","origin":"api","data":{{"current":{{"id":"{deal}","version":{sequence},'
        f'"created_at":"2026-01-01T08:00:00.000Z","created_by":"u-1","updated_at":'
        f'"2026-02-01T08:00:00.000Z","updated_by":"u-1","owner_id":"u-{index % 250:03d}",'
        f'"team_id":"t-{index % 12}","name":"Deal {index} of a company","account_id":"{deal}",'
        f'"amount":{{"minor_units":{amount},"currency":"USD"}},"expected_close_on":"{day}",'
        f'"region":"North","pipeline_id":"default","stage":"{stage}","stage_name":"{name}",'
        f'"status":"{status}","probability":{probability},"forecast_category":"{forecast}",'
        f'"stage_entered_at":"2026-02-01T08:00:00.000Z"{closed}}},"changed":["amount"],'
        f'"previous":{{"amount":{{"minor_units":1,"currency":"USD"}}}}}}}}\n'
    )


def measured(image: str, lake: Path, cpus: float, megabytes: int, disk: int) -> dict[str, float]:
    """What one report takes in a container. Raises CalledProcessError when it fails."""
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--network", "none", "--entrypoint", "python3"),
            *("--cpus", str(cpus), "--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m"),
            *("--volume", f"{ROOT / 'services'}:/app:ro", "--volume", f"{lake}:/lake:ro"),
            *("--env", "PYTHONDONTWRITEBYTECODE=1", image),
            *("-c", _MEASURE, "/lake/tenant=acme", str(disk)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--task", nargs="+", default=["1.7:3008", "0.5:1024"])
    parser.add_argument("--disk", type=int, default=20_000_000_000, help="bytes to spill")
    given = parser.parse_args()
    print("| events | MB | CPUs | MB memory | threads | seconds | CPU s | MB used | MB spilled |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for events in given.events:
        with tempfile.TemporaryDirectory(prefix="zebros-sizes-") as name:
            lake = Path(name)
            lake.chmod(0o755)
            make_lake(lake, events)
            size = sum(path.stat().st_size for path in lake.rglob("*.gz")) / 1e6
            for task in given.task:
                cpus, _, megabytes = task.partition(":")
                try:
                    one = measured(given.image, lake, float(cpus), int(megabytes), given.disk)
                except subprocess.CalledProcessError as failure:
                    reason = (failure.stderr.strip().splitlines() or [f"{failure.returncode}"])[-1]
                    print(f"| {events:,} | {size:.0f} | {cpus} | {megabytes} | failed: {reason} |")
                    continue
                print(
                    f"| {events:,} | {size:.0f} | {cpus} | {megabytes} | {one['threads']:.0f} "
                    f"| {one['seconds']:.0f} | {one['cpu']:.0f} | {one['rss']:.0f} "
                    f"| {one['spilled']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
