"""The options that every command has; they may stand before or after the command."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zebros.client.connection import DEFAULT_HOME

WITH_VALUE = frozenset({"--api", "--token", "--tenant", "--user", "--home", "--stack"})
FLAGS = frozenset({"--json"})


def to_front(command: Any, words: Sequence[str]) -> list[str]:
    """The words of a command line with the shared options first.

    An option that the command itself declares stays where it is.
    """
    own = _options_of(command, words)
    front: list[str] = []
    rest: list[str] = []
    following = iter(words)
    for word in following:
        name = word.split("=", 1)[0]
        if word == "--":
            rest += [word, *following]
        elif name in own or name not in WITH_VALUE | FLAGS:
            rest.append(word)
        elif name in FLAGS or "=" in word:
            front.append(word)
        else:
            front += [word, *_next(following)]
    return front + rest


def _options_of(command: Any, words: Sequence[str]) -> set[str]:
    """The options that the subcommand among the words declares."""
    leaf = command
    for word in words:
        leaf = getattr(leaf, "commands", {}).get(word, leaf)
    if leaf is command:
        return set()
    return {name for parameter in leaf.params for name in getattr(parameter, "opts", [])}


def _next(words: Iterator[str]) -> list[str]:
    return [value for value in [next(words, None)] if value is not None]


def command_name(words: Sequence[str]) -> str | None:
    """The first word that is neither an option nor its value."""
    following = iter(words)
    for word in following:
        if word in WITH_VALUE:
            next(following, None)
        elif not word.startswith("-"):
            return word
    return None


def home(words: Sequence[str]) -> Path:
    """The value of --home or ZEBROS_HOME, which is also needed when parsing has failed."""
    folder = os.environ.get("ZEBROS_HOME") or str(DEFAULT_HOME)
    following = iter(words)
    for word in following:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name == "--home":
            folder = value if equals else next(following, folder)
    return Path(folder)
