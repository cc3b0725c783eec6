"""Removes unused files from a layer: models of other AWS services, tests, console scripts.

`python tools/trim_layer.py SITE_PACKAGES [SERVICES]`. botocore contains the models of 400 services;
only those that the file SERVICES names, one per line, remain. It is layers/deps/services.txt, in
the layer's folder, so that `sam build` rebuilds the layer when it changes. A client of any other
service raises UnknownServiceError, which a test of the built layer detects.
"""

import shutil
import sys
from pathlib import Path


def trim(site: Path, services: frozenset[str]) -> None:
    """Trim one site-packages folder in place."""
    for model in (site / "botocore" / "data").glob("*/"):
        if model.name not in services:
            shutil.rmtree(model)
    # Of numbers only the plans are used, not the names of places and carriers.
    names = [f"phonenumbers/{name}data" for name in ("geo", "carrier", "tz")]
    for name in ("bin", "boto3/examples", *names):
        shutil.rmtree(site / name, ignore_errors=True)
    for folder in [*site.rglob("__pycache__"), *site.rglob("tests")]:
        shutil.rmtree(folder, ignore_errors=True)


def read(path: Path) -> frozenset[str]:
    """The names in a file, one per line; `#` begins a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


if __name__ == "__main__":
    names = read(Path(sys.argv[2])) if len(sys.argv) > 2 else frozenset[str]()
    trim(Path(sys.argv[1]), names)
