"""The output of `sam build` works without this Python environment, as in Lambda.

Some parts of the platform use this environment, where a missing dependency would not be noticed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime.contexts import contexts
from tests.flows.conftest import Crm
from tests.template.stack import functions
from zebros.local.home import Home

LAYERS = ("DepsLayer", "AuthLayer", "AnalyticsLayer")
JOBS = "ReportingAnalytics"
"""The function that loads the query engine and the file writers."""
# Without -I and -S the interpreter would find this environment; standard library only.
ALONE = [sys.executable, "-I", "-S", "-B", "-c"]
NEVER_AT_START = {
    "aws_xray_sdk",
    "boto3",
    "duckdb",
    "jsonschema",
    "numpy",
    "polars",
    "pyarrow",
    "typst",
    "xlsxwriter",
}
IMPORT = """
import importlib, importlib.util, json, pathlib, sys
artefact, handler, *layers = sys.argv[1:]
sys.path[:0] = [artefact, *layers]
module, _, name = handler.rpartition(".")
assert callable(getattr(importlib.import_module(module), name)), handler
at_start = sorted(set(m.partition(".")[0] for m in sys.modules))
own = set()
for path in sorted(pathlib.Path(artefact).rglob("*.py")):
    parts = path.relative_to(artefact).with_suffix("").parts
    if parts[1:] not in (("context",), ("__init__",)):  # every artefact has all manifests
        own.add(parts[0])
    one = ".".join(parts).removesuffix(".__init__")
    # Every artefact has the whole kernel; only the authorizer's layer has what these import.
    verifying = ("edge.authorizer", "edge.keys", "edge.registry", "edge.tokens")
    if one not in verifying or module == "edge.authorizer":
        importlib.import_module(one)
slow = []
for loaded in list(sys.modules.values()):
    spec = getattr(loaded, "__spec__", None)
    if spec and spec.origin and spec.origin.startswith((artefact, *layers)) and (
            spec.origin.endswith(".py")):
        compiled = pathlib.Path(importlib.util.cache_from_source(spec.origin))
        if not compiled.exists() or compiled.read_bytes()[4:8] != bytes([1, 0, 0, 0]):
            slow.append(spec.name)
print(json.dumps({"at_start": at_start, "own": sorted(own), "slow": slow}))
"""
CLIENTS = """
import sys
artefact, *rest = sys.argv[1:]
layers, services = rest[:rest.index("--")], rest[rest.index("--") + 1:]
sys.path[:0] = [artefact, *layers]
import os
os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x",
               "AWS_SECRET_ACCESS_KEY": "x"}
from kernel.runtime.aws import client
for service in services:
    client(service)
"""


def alone(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [*ALONE, code, *arguments], capture_output=True, text=True, timeout=120, env={}, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def built(crm: Crm) -> Path:
    """The folder of the deployed build."""
    return Home(crm.zebros.home).build.resolve()


def artefact(name: str, built: Path) -> Path:
    """The folder of a function or a layer, below the folder of its stack."""
    (found,) = built.glob(f"*/{name}")
    return found


def layers_of(name: str, built: Path) -> Sequence[str]:
    listed = functions()[name]["Layers"]
    return [str(artefact(layer, built) / "python") for layer in listed]


def loaded(name: str, built: Path) -> dict[str, Any]:
    handler = str(functions()[name]["Handler"])
    found = json.loads(alone(IMPORT, str(artefact(name, built)), handler, *layers_of(name, built)))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", functions())
def test_an_artefact_needs_nothing_but_its_layers(name: str, built: Path) -> None:
    found = loaded(name, built)
    assert set(found["own"]) <= {"kernel", context_of(name)}, "one context, its own, and manifests"
    heavy = {"duckdb", "typst", "xlsxwriter"} if name == JOBS else set()
    assert not NEVER_AT_START - heavy & set(found["at_start"])
    assert found["slow"] == [], "these would be compiled at every cold start"


def context_of(name: str) -> str:
    found = (c for c in contexts() if name.startswith(c.capitalize()))
    return next(found, "edge")


def test_the_layer_knows_every_service_that_is_called(built: Path) -> None:
    services = (
        *("dynamodb", "events", "s3", "secretsmanager", "sqs", "stepfunctions"),
        *("application-autoscaling", "cloudwatch", "ecs", "elasticache", "lambda", "ssm"),
    )
    layers = layers_of("CustomersApi", built)
    alone(
        CLIENTS,
        str(artefact("CustomersApi", built)),
        *layers,
        "--",
        *services,
        "apigatewaymanagementapi",
    )


def test_no_artefact_contains_a_cache_a_test_or_a_path_of_this_machine(built: Path) -> None:
    for name in [*functions(), *LAYERS]:
        for path in artefact(name, built).rglob("*"):
            assert path.name not in ("tests", ".git", ".mypy_cache", ".pytest_cache"), path
            if path.suffix == ".pyc":
                assert path.parent.name == "__pycache__"
                assert str(built).encode() not in path.read_bytes(), path


def test_a_function_s_package_is_small(built: Path) -> None:
    """Lambda downloads it at every cold start: at most 1 MB, and 64 MB of layers."""
    for name in functions():
        assert size(artefact(name, built)) < 2_000_000, name
    common = ("DepsLayer", "AuthLayer")
    assert sum(size(artefact(layer, built)) for layer in common) < 64_000_000


def test_the_function_for_reports_is_far_below_lambda_s_limit(built: Path) -> None:
    """A function and its layers may have 250 MB unzipped (AWS Lambda quotas)."""
    parts = (JOBS, "DepsLayer", "AnalyticsLayer")
    assert sum(size(artefact(part, built)) for part in parts) < 230_000_000


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
