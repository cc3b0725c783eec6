"""The names of owners in place of their ids (docs/adr/0043).

A report shows the names that people have when it is made, also for deals of an earlier time: a file
is read today, by people who know each other by today's names.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kernel.domain.folding import fold
from kernel.domain.references import KnownPerson
from reporting.query.aggregation import Group
from reporting.report import NONE_LABEL, TOTAL_LABEL

type People = Callable[[Sequence[str]], Mapping[str, KnownPerson]]
"""Those of these people who are known."""


def owner_of(group: Group) -> str | None:
    """The id of a group's owner in a report by owner; None for opportunities without one."""
    return group.order[2] or None


def with_names(groups: list[Group], people: People) -> list[Group]:
    """The groups of a report by owner, labelled with names; unknown people keep their ids.

    A name that two people have, or that reads like another label, is followed by the id.
    """
    ids = sorted({one for group in groups if (one := owner_of(group)) is not None})
    if not ids:
        return groups
    known = people(ids)
    texts = {one: known[one].name if one in known else one for one in ids}
    count = Counter(map(fold, (NONE_LABEL, TOTAL_LABEL, *texts.values())))
    labels = {
        one: f"{text} ({one})" if one in known and count[fold(text)] > 1 else text
        for one, text in texts.items()
    }
    return [
        replace(group, labels=(labels[owner],)) if (owner := owner_of(group)) else group
        for group in groups
    ]
