"""The cold start of a built API function, compared with that of a bare boto3 client.

The function runs from its own package and its layer, as on Lambda, without this environment's
packages; the reference only makes `boto3.client("dynamodb")`. CPU is the user and system time of
the whole process, and memory is its peak.
"""

import sys
import sysconfig
from pathlib import Path

from tools.bench.paired import PAIRS, Ratio, memory, processes

INIT_BUDGET, SPARE_MEGABYTES, MOST_MEGABYTES = 1.5, 15.0, 64.0
_LINES = "import sys; sys.path[:0] = {paths!r}; sys.dont_write_bytecode = True; {work}"
_REFERENCE = 'import boto3; boto3.client("dynamodb")'
_MEASURED = (
    "from opportunities.handlers.api import handler; from kernel.runtime import aws; "
    'aws.client("dynamodb")'
)


def measure(build: Path, *, pairs: int = PAIRS) -> list[Ratio]:
    """Measure the start of OpportunitiesApi. Raises FileNotFoundError when it is not built."""
    function = build / "Opportunities" / "OpportunitiesApi"
    layer = build / "Shared" / "DepsLayer" / "python"
    for folder in (function, layer):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is missing: run sam build first")
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "TABLE_NAME": "t",
        "POWERTOOLS_SERVICE_NAME": "opportunities",
    }
    ratio = processes(
        "API handler init",
        _python([sysconfig.get_path("purelib")], _REFERENCE),
        _python([str(function), str(layer)], _MEASURED),
        environment,
        budget=INIT_BUDGET,
        pairs=pairs,
    )
    most = min(ratio.a_megabytes + SPARE_MEGABYTES, MOST_MEGABYTES)
    return [ratio, memory(ratio, most)]


def _python(paths: list[str], work: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _LINES.format(paths=paths, work=work)]
