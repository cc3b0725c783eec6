"""Make a function's artefact: the kernel and one context, compiled, and nothing else.

`python tools/pack_function.py TARGET [CONTEXT]`, run by services/Makefile for `sam build`; only the
standard library, because `sam build` must work before anything is installed.
"""

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[1] / "services"
WORKER_ONLY = ("kernel/tasks/worker", "*/jobs", "*/query", "*/render")
"""Packages that only the worker's image contains: jobs, and the libraries that only jobs use."""
RUNS_AT = "/var/task"
"""Where Lambda unpacks it: what tracebacks of the compiled files say, and no folder of ours."""


def pack(target: Path, parts: list[str], services: Path = SERVICES) -> None:
    """Copy the modules of `parts` to `target` and compile them there."""
    for part in parts:
        for source in sorted((services / part).rglob("*.py")):
            name = source.relative_to(services)
            if any(name.parent.match(pattern) for pattern in WORKER_ONLY):
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
    pack(Path(sys.argv[1]), ["kernel", *sys.argv[2:]])
