"""The errors of the command line: a message for the user, a hint, and an exit code.

CliError                   every error; `main()` prints it and exits with `exit_code`
  NotReady          69     the CRM does not run, is not reachable, or there is no token
  BadInput          65     a file, a map file or an option cannot be used
  ApiError          1      the API rejected the request (an RFC 9457 problem)
  Stopped           130    the user pressed Ctrl-C
  InternalError     70     a bug of the command line

Exit codes 65, 69 and 70 are those of sysexits.h (EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE).
"""

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar


class CliError(Exception):
    """An error for the user: `message` describes it, `hint` is what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def document(self) -> dict[str, Any]:
        """The error as JSON (`--json`)."""
        return {"error": self.message, **({"hint": self.hint} if self.hint else {})}


class NotReady(CliError):
    """The CRM does not run, cannot be reached, or has no token for this user."""

    exit_code = 69


class BadInput(CliError):
    """A file, a map file, an argument or an option cannot be used."""

    exit_code = 65


class Stopped(CliError):
    """The user pressed Ctrl-C; the message describes what was done before."""

    exit_code = 130


class InternalError(CliError):
    """A bug of the command line."""

    exit_code = 70


class ApiError(CliError):
    """The API answered with a 4xx or 5xx status; `problem` is its RFC 9457 document."""

    def __init__(self, status: int, problem: dict[str, Any], *, request: str) -> None:
        self.status, self.problem, self.request = status, problem, request
        super().__init__(f"{request}: {describe(status, problem)}", hint=_HINTS.get(status, ""))

    def document(self) -> dict[str, Any]:
        return {**super().document(), "status": self.status, "problem": self.problem}


_HINTS = {
    401: "Sign in again: `zebros token` prints a token, `--token` or ZEBROS_TOKEN passes one.",
    403: "Use a user who has this right: `--user` names another user of the local issuer.",
    412: "The record was changed meanwhile: read it again, then repeat with the new ETag.",
    428: 'Pass the expected version: `--if-match \'"3"\'`, or `--if-match "*"` for any.',
}


def describe(status: int, problem: dict[str, Any]) -> str:
    """A problem document as text: title, detail, and each invalid field that these do not mention.

    A response without a problem document is described by its status.
    """
    title = str(problem.get("title") or problem.get("message") or f"HTTP {status}")
    detail = str(problem.get("detail") or "")
    text = f"{title}. {detail}" if detail and detail != title else title
    fields = [
        f"{error['field']} {error['message']}"
        for error in problem.get("errors") or []
        if isinstance(error, dict) and error.get("field") and error.get("message")
    ]
    unmentioned = [field for field in fields if field.split(" ", 1)[1] not in text]
    if unmentioned:
        text = f"{text.rstrip('.')}: {'; '.join(unmentioned)}"
    return f"{text.rstrip('.')} ({status})." if status else f"{text.rstrip('.')}."


def as_cli_error(error: Exception, home: Path | None = None) -> CliError:
    """Any exception as a CliError; the traceback of an unexpected one goes to `home`/errors."""
    if isinstance(error, CliError):
        return error
    # Not at the top: importing botocore is slow.
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        reason = str(error.response["Error"].get("Message") or error).rstrip(".")
        return NotReady(
            f"The platform rejected {error.operation_name}: {reason}.",
            hint="`zebros status` shows what runs; for a stack in AWS, check the credentials.",
        )
    if isinstance(error, BotoCoreError):
        return NotReady(
            f"The platform does not answer: {str(error).rstrip('.')}.",
            hint="`zebros status` shows what runs; `zebros up` starts it.",
        )
    description = f"{type(error).__name__}: {error}".rstrip(": ")
    return InternalError(
        f"An unexpected error occurred ({description}).",
        hint=_write_traceback(error, home / "errors") if home else "",
    )


def _write_traceback(error: Exception, folder: Path) -> str:
    """Write the traceback to a file (with ZEBROS_DEBUG also to stderr); returns the hint."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("ZEBROS_DEBUG"):
        sys.stderr.write(text)
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError:  # a read-only folder must not hide the error itself
        return "Set ZEBROS_DEBUG=1 to see the traceback."
    return f"The details are in {file}; please report them."
