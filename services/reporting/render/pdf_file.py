"""A report as a PDF: title and parameters, charts, and the table on numbered pages.

The table stops after MOST_ROWS (pdf_content.py); the other formats have every row. Text in any
script is shaped and its fonts are embedded (docs/adr/0041).
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

from reporting.job_errors import ReportError, TooComplex
from reporting.render.pdf_content import content_of
from reporting.report import Report

_SECONDS = 300
"""Many times what the longest table takes."""
# By argument, because the environment of the process stays as it is.
_PROGRAM = (
    "import runpy, sys; target, *sys.path = sys.argv[1:]; sys.argv[1:] = [target]; "
    "runpy.run_module('reporting.render.typeset', run_name='__main__')"
)


def render(report: Report, path: Path) -> None:
    """Write the document. Raises TooComplex without enough memory for it, else ReportError."""
    content = json.dumps(content_of(report))
    command = [sys.executable, "-c", _PROGRAM, str(path), *sys.path]
    try:
        done = subprocess.run(  # noqa: S603 - our own program; names of the tenant are its input
            command, input=content, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as fault:
        raise ReportError(f"The PDF was not typeset within {_SECONDS} seconds.") from fault
    if done.returncode == -signal.SIGKILL:
        raise TooComplex("The PDF needs more memory than there is.")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise ReportError(f"The PDF was not typeset: {last[:300]}")
