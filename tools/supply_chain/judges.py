"""The judges; they run in an environment of their own (`make supply-chain` makes it)."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.drift import ROOT
from tools.supply_chain.findings import Finding

MADE = ROOT / "build" / "supply-chain"
BILLS = MADE / "bills"
"""The bills of materials, CycloneDX 1.6."""
_BIN = MADE / "venv" / "bin"
ARTEFACTS = {
    "layer-deps": "layers/deps/requirements.txt",
    "layer-auth": "layers/auth/requirements.txt",
    "layer-analytics": "layers/analytics/requirements.txt",
    "worker": "worker/requirements.txt",
}
"""What is installed into layers and the worker's image, by the name of its bill."""
LICENCES = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "OFL-1.1",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""SPDX ids of licences that put no condition on the code of a service that uses the package, nor,
as that of fonts (OFL), on documents made with it."""
_CODE = ("services", "worker", "zebros", "tools")
_NO_TEXT = r"^(requirements/|.*/requirements\.txt$|.*package-lock\.json$|build/)"
"""Hashes of packages."""
_PACKED = r"^(events/(requests|examples)/|services/kernel/storage/dictionaries/)"
"""Generated samples, with packed text in base64."""
_ULID = r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"
_REFERENCE = (
    r"!(Ref|GetAtt|Sub|If)|\{\{resolve:|GenerateSecretString|secretsmanager:|passwordPolicy:"
)
"""A template names a secret, or how it is generated; only a value would be one."""
_SKIPPED = "B101,B404,B603"
"""Rules of bandit that ruff does not have, or that pyproject.toml ignores with a reason: asserts,
the import of subprocess, and calls of programs without a shell."""
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}


def secrets() -> Iterator[Finding]:
    """detect-secrets over every file of the repository."""
    words = ["scan", "--exclude-files", f"{_NO_TEXT}|{_PACKED}"]
    words += ["--exclude-lines", _ULID, "--exclude-lines", _REFERENCE]
    for place, found in json.loads(_run("detect-secrets", *words))["results"].items():
        for one in found:
            yield Finding("secrets", one["type"], place, one["line_number"])


def bandit() -> Iterator[Finding]:
    """bandit over the code, without what a `noqa` explains to ruff, which has the same rules.

    ruff's S105 is bandit's B105.
    """
    report = json.loads(
        _run("bandit", "-q", "-s", _SKIPPED, "-r", *_CODE, "-f", "json", codes=(0, 1))
    )
    if report["errors"]:
        raise SystemExit(f"bandit could not read {report['errors']}")
    for one in report["results"]:
        file = Path(one["filename"])
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        # A statement may have its comment at its end.
        last = max(one["line_range"])
        code = one["test_id"].replace("B", "S", 1)
        if not any(code in _noqa(text) for text in lines[one["line_number"] - 1 : last]):
            yield Finding("bandit", one["test_id"], file.as_posix(), one["line_number"])


def bills_of_materials() -> Iterator[Finding]:
    """Write a bill for each artefact; returns packages whose licence is not one of LICENCES."""
    BILLS.mkdir(parents=True, exist_ok=True)
    for name, requirements in ARTEFACTS.items():
        environment = MADE / "artefacts" / name
        bill = BILLS / f"{name}.cdx.json"
        uv = str(ROOT / ".venv" / "bin" / "uv")
        python = str(ROOT / ".venv" / "bin" / "python")
        _check([uv, "venv", "--quiet", "--clear", "--python", python, str(environment)])
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        target = ["--python", str(environment / "bin" / "python")]
        _check([*install, *target, "-r", str(ROOT / requirements)])
        words = ["environment", "--output-reproducible", "--of", "JSON", "-o", str(bill)]
        _run("cyclonedx-py", *words, str(environment))
        document = json.loads(bill.read_text(encoding="utf-8"))
        components = {normalized(one["name"]): one for one in document["components"]}
        listed = {package: one["version"] for package, one in components.items()}
        if listed != pinned(ROOT / requirements):
            raise SystemExit(f"{bill} and {requirements} name different packages")
        for package, component in components.items():
            for licence in sorted(licences(component)):
                if licence not in LICENCES:
                    yield Finding("licences", licence, package)


def pinned(requirements: Path) -> dict[str, str]:
    """The packages of a requirements file with their versions."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", requirements.read_text(encoding="utf-8"), re.M)
    return {normalized(name): version for name, version in pins}


def normalized(name: str) -> str:
    """The name of a package as indexes compare it (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licences(component: dict[str, Any]) -> set[str]:
    """SPDX ids of a component's licences; any other text as it is, `none` when it names none."""
    found: set[str] = set()
    for entry in component.get("licenses", ()):
        if expression := entry.get("expression"):
            found |= set(re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression)) - {""}
            continue
        licence = entry["license"]
        text = str(licence.get("id") or licence.get("name") or "")
        found.add(_CLASSIFIERS.get(text, text))
    return found or {"none"}


def _noqa(line: str) -> str:
    return line.partition("# noqa:")[2]


def _run(program: str, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    return _check([str(_BIN / program), *words], codes)


def _check(command: list[str], codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


JUDGES = {"secrets": secrets, "bandit": bandit, "licences": bills_of_materials}
