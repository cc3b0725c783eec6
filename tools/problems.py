"""Generates docs/problems.md, every problem type, from the error classes.

`--check` fails on drift.
"""

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from kernel.domain.errors import CrmError
from kernel.runtime.contexts import contexts
from tools.drift import ROOT, main

FILE = ROOT / "docs" / "problems.md"
_HEAD = """\
<!-- Generated from the error classes by `make contracts` (tools/problems.py). Do not edit. -->
# Problem types

The response to a failed request is `application/problem+json` (RFC 9457). `type` is stable and has the meaning below; `detail` is for
people and may change; `errors` names the fields that are wrong. `correlation_id` identifies the request in the logs. It is also the
`X-Correlation-Id` of the response: the one of the request, unless API Gateway answered by itself.

Where **retry** is yes, the same request may succeed when it is sent again after the seconds in `Retry-After`.

| type: `urn:zebros:problem:` | status | when | what to do | retry |
| --- | --- | --- | --- | --- |
"""
_FOOT = """
## In a batch

Each item of a batch has a result of its own. An item may succeed when it is sent again, alone or with the whole batch, if its problem is
{retryable}.
The response of a batch with such an item is not stored, so the same batch may be sent again with the same Idempotency-Key. It then also
upserts the items that succeeded.
"""
_NOT_OF_AN_ITEM = ("throttled", "quota-exceeded", "idempotency-key-in-use")


def error_classes() -> list[type[CrmError]]:
    """Every error class of the kernel and of the contexts, by status and slug."""
    for name in contexts():
        if importlib.util.find_spec(f"{name}.errors"):
            importlib.import_module(f"{name}.errors")
    return sorted(_subclasses(CrmError), key=lambda one: (one.status, one.slug))


def _subclasses(base: type[CrmError]) -> Iterator[type[CrmError]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def render() -> dict[Path, str]:
    """The document's text."""
    classes = error_classes()
    rows = [_row(one) for one in classes]
    again = [one for one in classes if one.retryable or one.lost_race or one.status == 500]
    again = [one for one in again if one.slug not in _NOT_OF_AN_ITEM]
    retryable = " or ".join([", ".join(f"`{o.slug}`" for o in again[:-1]), f"`{again[-1].slug}`"])
    return {FILE: _HEAD + "".join(rows) + _FOOT.format(retryable=retryable)}


def _row(error: type[CrmError]) -> str:
    when = " ".join((error.__doc__ or "").split())
    retry = "yes" if error.retryable else ""
    return f"| `{error.slug}` | {error.status} | {when} | {error.advice} | {retry} |\n"


if __name__ == "__main__":
    main(render(), "make contracts")
