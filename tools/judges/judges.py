"""The judges: each gets a resolved system and returns its findings."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.drift import ROOT
from tools.judges import plain
from zebros.cloudformation import System

MADE = ROOT / "build" / "judges"
"""`make judges` installs them there."""
NODE = MADE / "node"
PYTHON = MADE / "venv" / "bin" / "python"
_JSON = ("--format", "json", "--quiet")
_OWN_RULES = {"AwsSolutions", "Serverless"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a judge says about a resource."""

    judge: str
    rule: str
    resource: str
    message: str


type Judge = Callable[[System, Path], Iterator[Finding]]


def _run(
    command: list[Any],
    *,
    given: str | None = None,
    codes: tuple[int, ...] = (0,),
    writes: Path | None = None,
) -> str:
    """The output of a judge. Raises SystemExit when it fails, or does not write its report."""
    done = subprocess.run(
        [str(word) for word in command], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode not in codes or not (writes is None or writes.exists()):
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def _written(system: System, folder: Path) -> Path:
    file = folder / "template.json"
    file.write_text(json.dumps(plain.template(system), indent=1), encoding="utf-8")
    return file


def cdk_nag(system: System, folder: Path) -> Iterator[Finding]:
    """cdk-nag's packs AwsSolutions and Serverless, over the included template."""
    out = folder / "nag"
    # A synthesis with findings ends with 1.
    file = out / "policy-validation-report.json"
    _run(["node", NODE / "nag.js", _written(system, folder), out], codes=(0, 1), writes=file)
    report = json.loads(file.read_text(encoding="utf-8"))
    names = {one["summary"]["pluginName"] for one in report["pluginReports"]}
    if not names >= _OWN_RULES:
        raise SystemExit(f"cdk-nag ran {', '.join(names)} only")
    for one in report["pluginReports"]:
        for violation in one["violations"] if one["summary"]["pluginName"] in _OWN_RULES else ():
            for resource in violation["violatingResources"]:
                name = resource["constructPath"].rpartition("/")[2]
                yield Finding("cdk-nag", violation["ruleName"], name, violation["description"])


def checkov(system: System, folder: Path) -> Iterator[Finding]:
    """checkov's checks of CloudFormation."""
    options = ["--framework", "cloudformation", "-o", "json", "--quiet", "--compact"]
    program = [PYTHON, PYTHON.with_name("checkov")]
    command = [*program, "-f", _written(system, folder), *options, "--skip-download"]
    report = json.loads(_run(command, codes=(0, 1)))
    if report["summary"]["parsing_errors"] or not report["summary"]["passed"]:
        raise SystemExit(f"checkov could not read the template: {report['summary']}")
    for one in report["results"]["failed_checks"]:
        name = one["resource"].rpartition(".")[2]
        yield Finding("checkov", one["check_id"], name, one["check_name"])


def asl_validator(system: System, folder: Path) -> Iterator[Finding]:
    """asl-validator over every state machine."""
    for name, definition in plain.definitions(system).items():
        file = folder / f"{name}.asl.json"
        file.write_text(json.dumps(definition), encoding="utf-8")
        for message in json.loads(_run(["node", NODE / "states.js", file])):
            yield Finding("asl-validator", "invalid", name, message)


def parliament(system: System, _folder: Path) -> Iterator[Finding]:
    """parliament over every policy of an identity."""
    script = Path(__file__).with_name("policies.py")
    found = _run([PYTHON, script], given=json.dumps(plain.policies(system)))
    for one in json.loads(found):
        yield Finding("parliament", one["rule"], one["resource"], one["message"])


def spectral(document: Path) -> Iterator[Finding]:
    """Spectral's rules and OWASP's over the OpenAPI document; the ruleset explains exceptions."""
    rules = ["--ruleset", NODE / "openapi.spectral.yaml", "--fail-severity", "hint"]
    # With findings it ends with 1.
    found = _run(
        [NODE / "node_modules" / ".bin" / "spectral", "lint", document, *rules, *_JSON],
        codes=(0, 1),
    )
    for one in json.loads(found):
        yield Finding("spectral", one["code"], "/".join(map(str, one["path"])), one["message"])


JUDGES: dict[str, Judge] = {
    "cdk-nag": cdk_nag,
    "checkov": checkov,
    "asl-validator": asl_validator,
    "parliament": parliament,
}
