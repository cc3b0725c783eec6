"""Gives everything of a person to another one, by the calls of the API for each type of record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zebros.client.api import Client

PATHS = ("/accounts", "/contacts", "/opportunities", "/tasks")
_PAGE = 100


@dataclass(slots=True)
class HandedOver:
    """What was given away of one type of record."""

    path: str
    records: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    """The results of records that were not."""


def hand_over(
    client: Client, body: dict[str, Any], progress: Callable[[str, int], None]
) -> list[HandedOver]:
    """Give away page by page; the same call again continues after an interruption.

    `body` has the members from_id, to_id and, if the team is named, team_id. Raises ApiError when
    nothing can be given away, such as for an unknown person.
    """
    done = [HandedOver(path) for path in PATHS]
    for one in done:
        cursor = None
        while True:
            page = {**body, "limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            answer = client.post(f"{one.path}/reassign", page)
            given = [result for result in answer["results"] if result["status"] == 200]
            one.records += len(given)
            one.failed += [result for result in answer["results"] if result["status"] != 200]
            progress(one.path, one.records)
            if (cursor := answer.get("next_cursor")) is None:
                break
    return done
