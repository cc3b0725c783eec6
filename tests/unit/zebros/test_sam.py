"""The SAM CLI with faster libraries builds and packages the same."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.template.stack import ROOT
from zebros.local import deploy
from zebros.local.home import Home

PARSE = """
import json, sys
from zebros.local import sam
if sys.argv[1] == "quick":
    sam.quicken()
from samcli.yamlhelper import yaml_dump, yaml_parse
parsed = [yaml_parse(open(path).read()) for path in sys.argv[2:]]
import yaml
print(json.dumps([yaml.SafeLoader.__name__, parsed, [yaml_dump(one) for one in parsed]]))
"""
PACK = """
import sys
from zebros.local import sam
if sys.argv[1] == "quick":
    sam.quicken()
from samcli.lib.package.utils import make_zip_with_lambda_permissions
make_zip_with_lambda_permissions(sys.argv[2], sys.argv[3])
"""
TEMPLATES = ("template.yaml", "infra/api.yaml", "services/reporting/template.yaml")


def run(program: str, *words: str) -> str:
    """Another process, because the exchange is for a whole process."""
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_libyaml_reads_and_writes_templates_as_pyyaml_does() -> None:
    usual, *wanted = json.loads(run(PARSE, "usual", *TEMPLATES))
    quick, *found = json.loads(run(PARSE, "quick", *TEMPLATES))
    assert (usual, quick) == ("SafeLoader", "CSafeLoader")
    assert found == wanted


def test_packages_have_the_same_content_and_permissions(tmp_path: Path) -> None:
    # A copy: processes of other tests write compiled modules into the folder meanwhile.
    kernel = tmp_path / "kernel"
    shutil.copytree(
        ROOT / "services" / "kernel", kernel, ignore=shutil.ignore_patterns("__pycache__")
    )

    def entries(kind: str) -> dict[str, tuple[int, bytes]]:
        run(PACK, kind, str(tmp_path / kind), str(kernel))
        with zipfile.ZipFile(tmp_path / f"{kind}.zip") as archive:
            return {
                one.filename: (one.external_attr, archive.read(one)) for one in archive.filelist
            }

    assert entries("quick") == entries("usual")
    sizes = [(tmp_path / f"{kind}.zip").stat().st_size for kind in ("usual", "quick")]
    assert sizes[0] < sizes[1] < 1.5 * sizes[0], "compressed, but not as well"


def test_it_is_the_sam_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_CLI_TELEMETRY", "0")
    done = subprocess.run([*deploy.sam_command(), "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("SAM CLI, version 1."), done.stderr


LAYER = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: makefile}
    Properties: {ContentUri: layer, CompatibleRuntimes: [python3.13]}
"""


def test_a_layer_is_built_once_for_all_folders(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "layer").mkdir()
    (tmp_path / "template.yaml").write_text(LAYER)
    makefile = f"build-Layer:\n\techo built >> {log}; touch $(ARTIFACTS_DIR)/one.py\n"
    (tmp_path / "layer" / "Makefile").write_text(makefile)
    for name in ("one", "another"):
        home = Home(tmp_path / name)
        home.path.mkdir()
        deploy.Stack(tmp_path, home, "http://127.0.0.1:1", {})._build(lambda _: None)
        assert (home.build / "Layer" / "one.py").exists()
    assert log.read_text() == "built\n"
    (tmp_path / "layer" / "Makefile").write_text(makefile.replace("one", "two"))
    deploy.Stack(tmp_path, home, "http://127.0.0.1:1", {})._build(lambda _: None)
    assert (home.build / "Layer" / "two.py").exists(), "a changed one is built again"


def test_temporary_folders_of_a_build_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, log = tmp_path / "temporary", tmp_path / "log"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (tmp_path / "layer").mkdir()
    (tmp_path / "template.yaml").write_text(LAYER)
    makefile = f"build-Layer:\n\tmktemp -d >> {log}; touch $(ARTIFACTS_DIR)/one.py\n"
    (tmp_path / "layer" / "Makefile").write_text(makefile)
    home = Home(tmp_path / "home")
    home.path.mkdir()
    deploy.Stack(tmp_path, home, "http://127.0.0.1:1", {})._build(lambda _: None)
    assert log.read_text().startswith(f"{temporary}/"), "one was made"
    assert not any(temporary.iterdir())


def test_builds_for_two_folders_at_the_same_time_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]

    def build(*_: object, **__: object) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.05)
        running[0] -= 1

    monkeypatch.setattr(deploy.Stack, "_sam", build)
    stacks = [deploy.Stack(tmp_path, Home(tmp_path / name), "", {}) for name in ("one", "another")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stack: stack._build(lambda _: None), stacks))
    assert most == [1]
