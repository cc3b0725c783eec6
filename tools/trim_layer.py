"""Take out of a layer what no function reads: service models of AWS, tests, console scripts.

botocore carries the models of 400 services; ours use those named here. A client of another one
would fail with UnknownServiceError, which the tests that run every handler from its artefact catch.
"""

import shutil
import sys
from pathlib import Path

SERVICES = {
    "apigatewaymanagementapi",
    "dynamodb",
    "events",
    "s3",
    "secretsmanager",
    "sqs",
    "stepfunctions",
    "sts",
}


def trim(site: Path) -> None:
    """Trim one site-packages folder in place."""
    for model in (site / "botocore" / "data").glob("*/"):
        if model.name not in SERVICES:
            shutil.rmtree(model)
    for name in ("bin", "boto3/examples"):
        shutil.rmtree(site / name, ignore_errors=True)
    for folder in [*site.rglob("__pycache__"), *site.rglob("tests")]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
