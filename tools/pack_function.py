"""Make a function's artefact: the kernel and one folder of services/, compiled, and nothing else.

The folder is the one whose template.yaml declares the function. `python tools/pack_function.py
TARGET FUNCTION` is run by services/Makefile for `sam build`; only the standard library, because
`sam build` must work before anything is installed.
"""

import compileall
import py_compile
import re
import shutil
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[1] / "services"
WORKER_ONLY = (
    "kernel/tasks/scratch.py",
    "kernel/tasks/worker.py",
    "reporting/engine/*",
    "reporting/handlers/worker.py",
    "reporting/work.py",
)
"""What only the worker's image has; of the engine, functions need what checks a request."""
NEEDED = ("reporting/engine/__init__.py", "reporting/engine/parameters.py")
RUNS_AT = "/var/task"
"""Where Lambda unpacks it: what tracebacks of the compiled files say, and no folder of ours."""


def folder_of(function: str, services: Path = SERVICES) -> str:
    """The folder whose template declares a function (its logical id). Raises LookupError."""
    declaration = re.compile(rf"^  {re.escape(function)}:$", re.MULTILINE)
    for template in sorted(services.glob("*/template.yaml")):
        if declaration.search(template.read_text(encoding="utf-8")):
            return template.parent.name
    raise LookupError(f"no {services.name}/*/template.yaml declares {function}")


def pack(target: Path, parts: list[str], services: Path = SERVICES) -> None:
    """Copy the modules of `parts` to `target` and compile them there."""
    for part in parts:
        for source in sorted((services / part).rglob("*.py")):
            name = source.relative_to(services)
            if str(name) not in NEEDED and any(name.match(pattern) for pattern in WORKER_ONLY):
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
    # Checked by nothing at start: the artefact is immutable, so the compiled files stay valid
    # whatever the modification times become on their way.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = compileall.compile_dir(
        target, quiet=1, invalidation_mode=mode, stripdir=str(target), prependdir=RUNS_AT
    )
    if not compiled:
        sys.exit(f"{target}: not everything compiles")


if __name__ == "__main__":
    pack(Path(sys.argv[1]), ["kernel", folder_of(sys.argv[2])])
