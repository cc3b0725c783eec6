"""The wheel installs only the package zebros, which needs only its declared dependencies."""

import importlib.metadata as metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.drift import ROOT

UV = str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [UV, "build", "--wheel", "--no-build-isolation", "--offline", "--out-dir", folder]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    subprocess.run([*command, ROOT], check=True, capture_output=True, env=environment)
    (built,) = folder.glob("*.whl")
    return built


def requirements(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    found = [Requirement(line.partition(":")[2]) for line in lines if line.startswith("Requires-D")]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


def with_dependencies(wanted: list[Requirement]) -> set[str]:
    """The installed distributions that the requirements need, directly or indirectly."""
    names: set[str] = set()
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        if requirement.name in names:
            continue
        names.add(requirement.name)
        further = map(Requirement, metadata.requires(requirement.name) or [])
        waiting += [
            one
            for one in further
            if one.marker is None
            or any(one.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras))
        ]
    return names


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel and links to its dependencies.

    Linking needs neither a network nor a package cache.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for name in with_dependencies(requirements(wheel)):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if ".." not in file.parts}:
            if not (packages / top).exists():
                (packages / top).symlink_to(str(distribution.locate_file(top)))
    return folder / "bin" / "python"


def test_the_wheel_has_one_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert {one for one in top if not one.endswith(".dist-info")} == {"zebros"}


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", *words], capture_output=True, text=True, check=False, cwd=python.parent
    )


def test_services_cannot_be_imported(python: Path) -> None:
    for name in ("kernel", "customers", "tools", "tests"):
        assert "ModuleNotFoundError" in run(python, "-c", f"import {name}").stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("load",),
        ("report",),
        ("api",),
        ("invoke",),
        ("events", "trace"),
        ("up",),
        ("cost",),
        ("phase", "plan"),
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_the_declared_dependencies(
    python: Path, words: tuple[str, ...]
) -> None:
    done = run(python, "-m", "zebros", *words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: zebros" in done.stdout


def test_a_file_is_checked_with_the_declared_dependencies(python: Path, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("external_ids.crm,name,price\n1,Gauge,5 USD\n2,Relay,5\n", encoding="utf-8")
    words = ("load", "products", str(file), "--dry-run", "--json", "--home", str(tmp_path))
    done = run(python, "-m", "zebros", *words)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["ready"] == 1


@pytest.mark.parametrize(
    "words",
    [("cost", "--phase", "mvp"), ("phase", "plan", "--from", "mvp", "--to", "growth")],
    ids=" ".join,
)
def test_without_a_checkout_what_reads_the_templates_says_what_is_missing(
    python: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {}\n", encoding="utf-8")
    options = ("--home", str(tmp_path))
    done = run(python, "-m", "zebros", *words, *options, "--template", str(template))
    assert done.returncode == 69
    assert "the templates cannot be read without the package yaml" in done.stderr.lower()
    done = run(python, "-m", "zebros", *words, *options)
    assert done.returncode == 69
    assert "There is no template " in done.stderr


def test_the_wheel_has_prices_and_load(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert {"zebros/costs/prices.toml", "zebros/costs/usage.toml"} <= set(archive.namelist())
