"""Builds a function's artefact: the kernel, one folder of services/, and every context's manifest.

The folder is the one whose template.yaml declares the function. services/Makefile runs `python
tools/pack_function.py TARGET FUNCTION [--with-jobs]` for `sam build`. It uses only the standard
library, because `sam build` must work before anything is installed.
"""

import compileall
import importlib
import py_compile
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[1] / "services"
RUNS_AT = "/var/task"
"""Where Lambda unpacks the artefact; the paths in tracebacks of the compiled files."""
_MANIFEST = "context.py"
_PACKED = ("*.py", "*.txt", "*.typ", "*.json")
_WORKER_ONLY = ("kernel/tasks/worker/*",)
"""Modules that only carry out jobs, in addition to those of the manifests: they are in the worker's
image, and in the artefacts of functions that work as one (--with-jobs)."""


def folder_of(function: str, services: Path = SERVICES) -> str:
    """The folder whose template declares a function (its logical id). Raises LookupError."""
    declaration = re.compile(rf"^  {re.escape(function)}:$", re.MULTILINE)
    for template in sorted(services.glob("*/template.yaml")):
        if declaration.search(template.read_text(encoding="utf-8")):
            return template.parent.name
    raise LookupError(f"no {services.name}/*/template.yaml declares {function}")


def pack(
    target: Path, parts: list[str], services: Path = SERVICES, *, with_jobs: bool = False
) -> None:
    """Copy the modules of `parts` to `target` and compile them there."""
    left_out = [] if with_jobs else [*_WORKER_ONLY, *_worker_modules(services, parts)]
    for source in _sources(services, parts, left_out):
        copy = target / source.relative_to(services)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    # Python does not check these compiled files against the sources: the artefact is immutable,
    # and packing changes the modification times.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = compileall.compile_dir(
        target, quiet=1, invalidation_mode=mode, stripdir=str(target), prependdir=RUNS_AT
    )
    if not compiled:
        sys.exit(f"{target}: not everything compiles")


def _sources(services: Path, parts: list[str], left_out: list[str]) -> Iterator[Path]:
    for part in parts:
        folder = services / part
        for source in sorted(one for kind in _PACKED for one in folder.rglob(kind)):
            name = source.relative_to(services)
            if not any(name.match(pattern) for pattern in left_out):
                yield source
    for manifest in sorted(services.glob(f"*/{_MANIFEST}")):
        if manifest.parent.name not in parts:
            yield from (manifest, manifest.with_name("__init__.py"))


def _worker_modules(services: Path, parts: list[str]) -> Iterator[str]:
    """The modules that only the worker has, by the manifests of the packed contexts."""
    sys.path.insert(0, str(services))
    for part in parts:
        if (services / part / _MANIFEST).is_file():
            yield from importlib.import_module(f"{part}.context").CONTEXT.worker_modules


if __name__ == "__main__":
    pack(
        Path(sys.argv[1]),
        ["kernel", folder_of(sys.argv[2])],
        with_jobs="--with-jobs" in sys.argv[3:],
    )
