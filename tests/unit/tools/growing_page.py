"""Reads the commands of docs/growing.md, so that tests carry them out as they are written."""

import re
import shlex

from tools.growing.__main__ import PAGE

TEXT = PAGE.read_text(encoding="utf-8")
VALUES = {
    "<registry>": "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "<ApiUrl>": "https://api.crm.example.com/v1",
    "<token>": "token",
    "<certificate>": "arn:aws:acm:us-east-1:123456789012:certificate/1",
}
"""What a reader writes in place of a placeholder."""


def commands() -> list[list[str]]:
    """The words of every command of the page's blocks, without comments."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S):
        for line in block.splitlines():
            for placeholder, value in VALUES.items():
                line = line.replace(placeholder, value)
            if words := shlex.split(line, comments=True):
                found.append(words)
    return found


def beginning_with(*words: str) -> list[list[str]]:
    """The commands that begin with these words."""
    return [one for one in commands() if tuple(one[: len(words)]) == words]
