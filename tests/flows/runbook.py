"""Reads docs/runbook.md, so that a test carries out its commands as they are written."""

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
_COMMAND = re.compile(r"`(zebros [^`]+)`")
_PLACEHOLDER = re.compile(r"<[^>]+>…?|…")

FOLLOWED: set[tuple[str, str]] = set()
"""The sign of the row and the command, of each that a test has carried out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table of the runbook."""

    sign: str
    """The first column."""
    commands: tuple[str, ...]
    """In all columns, in their order."""

    def words(self, command: str, *values: str) -> list[str]:
        """The words of a command of the row after `zebros`, with values in place of `<name>` and …

        Raises AssertionError when the row does not name the command, or has other placeholders.
        """
        assert command in self.commands, f"not in the row {self.sign!r}: {command}"
        FOLLOWED.add((self.sign, command))
        left = iter(values)
        words = [
            _PLACEHOLDER.sub(lambda _: next(left), word)
            for word in shlex.split(_without_spaces(command))[1:]
        ]
        assert not list(left), f"more values than placeholders: {command}"
        return words


def _without_spaces(command: str) -> str:
    """The command with placeholders such as `<next day>` as one word."""
    return _PLACEHOLDER.sub(lambda found: found[0].replace(" ", "-"), command)


@cache
def rows() -> list[Row]:
    """Every row of a table that names a command outside of its sign.

    Of a row without one the commands of its sign, as in the list of rebuilds.
    """
    found = list[Row]()
    for line in RUNBOOK.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            sign, rest = line.removeprefix("| ").split(" | ", 1)
            if commands := _COMMAND.findall(rest) or _COMMAND.findall(sign):
                found.append(Row(sign, tuple(dict.fromkeys(commands))))
    return found


def row(sign: str) -> Row:
    """The row with a sign, or the only one whose sign begins so."""
    fitting = [one for one in rows() if one.sign == sign]
    fitting = fitting or [one for one in rows() if one.sign.startswith(sign)]
    assert len(fitting) == 1, f"{len(fitting)} rows with the sign {sign!r}"
    return fitting[0]


def not_followed() -> list[tuple[str, str]]:
    """The commands that no test has carried out, with the sign of their row."""
    every = [(one.sign, command) for one in rows() for command in one.commands]
    return [one for one in every if one not in FOLLOWED]
