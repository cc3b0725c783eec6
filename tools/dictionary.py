"""Trains a packing dictionary from the event examples: `python -m tools.dictionary NUMBER`.

It writes services/kernel/storage/dictionaries/NUMBER.txt. Packed text needs the dictionary it was
packed with, so a released one must never change: train the next number instead, and add its digest
to the test (docs/adr/0008).

DEFLATE encodes references to the end of a dictionary in the fewest bits, so the documents are
joined from the rarest to the most frequent (opportunities), without repetitions.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from tools.drift import ROOT

EXAMPLES = ROOT / "events" / "examples"
FOLDER = ROOT / "services" / "kernel" / "storage" / "dictionaries"
MAX_BYTES = 5_600
"""The window of packing has 8 KB; the rest is for the text itself."""
RAREST_FIRST = ("notifications", "reporting", "activities", "customers", "opportunities")
_MIN_MATCH = 12
"""Shorter repetitions are not removed."""
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_TOKEN = re.compile(r'"[^"]*":?|[{}\[\],]|[^"{}\[\],]+')


def documents() -> Iterator[str]:
    """The texts in tables, most frequent first: of each context records, then events."""
    for context in reversed(RAREST_FIRST):
        events = [json.loads(path.read_text("utf-8")) for path in _examples(context)]
        yield from (_text(_record(event)) for event in events)
        yield from (_text(event) for event in events)


def trained(limit: int = MAX_BYTES) -> str:
    """The dictionary's text."""
    dictionary = ""
    for document in documents():
        dictionary = _new_parts(document, dictionary) + dictionary
    return dictionary[-limit:]


def _examples(context: str) -> list[Any]:
    return sorted((EXAMPLES / context).glob("*.json"))


def _record(event: dict[str, Any]) -> dict[str, Any]:
    """A record as its table stores it, without the id, which is in the item's key."""
    record = {name: value for name, value in event["data"]["current"].items() if name != "id"}
    return {**record, "sequence": int(event["sequence"])}


def _text(document: dict[str, Any]) -> str:
    """Compact JSON, with ids and instants cut to their common beginning."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return _INSTANT.sub("20", _ULID.sub("01", text))


def _new_parts(document: str, dictionary: str) -> str:
    """The parts of a document that the dictionary does not have yet."""
    tokens, parts, position = _TOKEN.findall(document), "", 0
    while position < len(tokens):
        end, match = position, ""
        while end < len(tokens) and match + tokens[end] in parts + dictionary:
            match += tokens[end]
            end += 1
        if len(match) >= _MIN_MATCH:
            position = end
        else:
            parts += tokens[position]
            position += 1
    return parts


if __name__ == "__main__":
    path = FOLDER / f"{int(sys.argv[1])}.txt"
    if path.exists():
        sys.exit(
            f"{path.relative_to(ROOT)} exists; it must not change, because packed text needs it"
        )
    path.parent.mkdir(exist_ok=True)
    path.write_text(trained(), encoding="utf-8")
