"""What can go wrong at the command line, each as one sentence and what to do about it.

Trouble                  anything expected; `main()` prints it and exits with its `exit_code`
  NotReady        69     nothing there to talk to (not running, not reachable, not signed in)
  BadInput        65     a file, a map or an option says something that cannot be used
  Refused         1      the API understood and said no (an RFC 9457 problem)
  Stopped         130    the person pressed Ctrl-C
  Unforeseen      70     a fault of ours (zebros/faults.py makes it)

Exit codes 65, 69 and 70 are those of sysexits.h (EX_DATAERR, EX_UNAVAILABLE, EX_SOFTWARE).
"""

from typing import Any, ClassVar


class Trouble(Exception):
    """An expected failure: `sentence` says what happened, `hint` what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.hint = sentence, hint

    def document(self) -> dict[str, Any]:
        """The same for machines (`--json`)."""
        return {"error": self.sentence, **({"hint": self.hint} if self.hint else {})}


class NotReady(Trouble):
    """There is nothing to talk to, or nobody to talk as."""

    exit_code = 69


class BadInput(Trouble):
    """Something the person gave cannot be used."""

    exit_code = 65


class Stopped(Trouble):
    """Ctrl-C: what was begun is left in a state the sentence explains."""

    exit_code = 130


class Unforeseen(Trouble):
    """A fault of ours."""

    exit_code = 70


class Refused(Trouble):
    """The API's problem document; `status` is 0 only when there was no HTTP answer to read."""

    def __init__(self, status: int, problem: dict[str, Any], *, request: str) -> None:
        self.status, self.problem, self.request = status, problem, request
        super().__init__(f"{request}: {explain(status, problem)}", hint=_HINTS.get(status, ""))

    @property
    def slug(self) -> str:
        """`not-found` of `urn:zebros:problem:not-found`; empty for answers that are no problem."""
        return str(self.problem.get("type", "")).rpartition(":")[2]

    def document(self) -> dict[str, Any]:
        return {**super().document(), "status": self.status, "problem": self.problem}


_HINTS = {
    401: "Sign in again: `zebros token` prints a token, `--token` or ZEBROS_TOKEN passes one.",
    403: "Ask as someone who may: `--user` names another user of the local issuer.",
    412: "Someone changed it meanwhile: read it again, then repeat with the new ETag.",
    428: 'Say which version you mean: `--if-match \'"3"\'`, or `--if-match "*"` for any.',
}


def explain(status: int, problem: dict[str, Any]) -> str:
    """One sentence for a problem document: detail, then each wrong field.

    Works for any answer: what is no problem document is named by its status.
    """
    title = str(problem.get("title") or problem.get("message") or f"HTTP {status}")
    detail = str(problem.get("detail") or "")
    text = f"{title}. {detail}" if detail and detail != title else title
    fields = [
        f"{error['field']} {error['message']}"
        for error in problem.get("errors") or []
        if isinstance(error, dict) and error.get("field") and error.get("message")
    ]
    missing = [field for field in fields if field.split(" ", 1)[1] not in text]
    if missing:
        text = f"{text.rstrip('.')}: {'; '.join(missing)}"
    return f"{text.rstrip('.')} ({status})." if status else f"{text.rstrip('.')}."
