"""Copies the objects of the lake and of report files between two local platforms, both ways.

What is new in one bucket is copied to the other, and what was in both and is deleted in one is
deleted in the other, as by the replication rules of the buckets (infra/shared.yaml).
"""

from typing import Any

from zebros.client import aws
from zebros.local.home import Home
from zebros.regions.pair import Pair

_BUCKETS = ("lake_bucket", "files_bucket")
"""Keys of state.json."""
_KEPT = ("ContentType", "ContentEncoding", "ContentDisposition", "Metadata")


class Buckets:
    """The buckets of both platforms."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._both: dict[str, set[str]] = {name: set() for name in _BUCKETS}
        """The keys that both regions had, by bucket."""

    def step(self) -> None:
        """Compare the buckets, and copy and delete what differs."""
        states = [(region, Home(home).state()) for region, home in self._pair.homes().items()]
        if len(states) < 2 or not all(state for _, state in states) or self._pair.network().cut:
            return
        aws.use_no_account()
        clients = [aws.client("s3", str(state["endpoint"]), region=name) for name, state in states]
        for name in _BUCKETS:
            first, second = (
                Side(client, str(state[name]))
                for client, (_, state) in zip(clients, states, strict=True)
            )
            self._both[name] = compare(first, second, self._both[name])


class Side:
    """A bucket of one platform."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def keys(self) -> set[str]:
        """The keys of all objects."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return {one["Key"] for page in pages for one in page.get("Contents", ())}

    def copy_to(self, other: "Side", key: str) -> None:
        """Copy an object."""
        found = self._client.get_object(Bucket=self._bucket, Key=key)
        kept = {name: found[name] for name in _KEPT if found.get(name)}
        other._client.put_object(Bucket=other._bucket, Key=key, Body=found["Body"].read(), **kept)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._client.delete_object(Bucket=self._bucket, Key=key)


def compare(first: Side, second: Side, both: set[str]) -> set[str]:
    """Make two buckets the same; `both` are the keys that both had. Returns those they have now."""
    here, there = first.keys(), second.keys()
    for one, other, missing in ((first, second, here - there), (second, first, there - here)):
        for key in sorted(missing):
            if key in both:
                one.delete(key)
            else:
                one.copy_to(other, key)
    return (here & there) | ((here ^ there) - both)
