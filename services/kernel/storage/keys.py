"""Partition keys of records: `TENANT#<tenant>#<TYPE>#<id>`."""

import re

_KEY = re.compile(r"TENANT#(?P<tenant>[^#]+)#(?P<type>[^#]+)#(?P<id>.+)")


def subject_of(key: str) -> tuple[str, str]:
    """The tenant and the subject (`opportunity/<id>`) of a record's key; empty for another key."""
    named = _KEY.fullmatch(key)
    return (named["tenant"], f"{named['type'].lower()}/{named['id']}") if named else ("", "")
