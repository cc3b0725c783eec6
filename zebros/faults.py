"""Whatever was raised, as Trouble: a sentence for the person, the details in a file for us."""

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from zebros.errors import NotReady, Trouble, Unforeseen


def trouble_of(fault: Exception, home: Path | None = None) -> Trouble:
    """The fault as Trouble; with a `home`, the details of one nobody foresaw are kept there."""
    if isinstance(fault, Trouble):
        return fault
    from botocore.exceptions import BotoCoreError, ClientError  # most commands need none of it

    if isinstance(fault, ClientError):
        reason = str(fault.response["Error"].get("Message") or fault).rstrip(".")
        return NotReady(
            f"The platform refused {fault.operation_name}: {reason}.",
            hint="`zebros status` says what runs; for a stack in AWS, check the credentials.",
        )
    if isinstance(fault, BotoCoreError):
        return NotReady(
            f"The platform does not answer: {str(fault).rstrip('.')}.",
            hint="`zebros status` says what runs; `zebros up` starts it.",
        )
    said = f"{type(fault).__name__}: {fault}".rstrip(": ")
    return Unforeseen(
        f"Something went wrong that was not foreseen ({said}).",
        hint=_kept(fault, home / "faults") if home else "",
    )


def _kept(fault: Exception, folder: Path) -> str:
    """Write the traceback into a file, and show it to whoever debugs; where it is."""
    if os.environ.get("ZEBROS_DEBUG"):
        sys.stderr.write("".join(traceback.format_exception(fault)))
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(traceback.format_exception(fault)), encoding="utf-8")
    except OSError:  # a read-only folder must not hide the first fault
        return "Set ZEBROS_DEBUG=1 to see where."
    return f"The details are in {file}; please report them."
