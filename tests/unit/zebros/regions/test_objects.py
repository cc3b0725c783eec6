"""Objects of the lake and of report files in two regions: copied, deleted, never brought back."""

import pytest

from zebros.local.object_replication import Side, compare


class Bucket(Side):
    """A bucket in memory."""

    def __init__(self, *keys: str) -> None:
        self.objects = {key: f"content of {key}" for key in keys}

    def keys(self) -> set[str]:
        return set(self.objects)

    def copy_to(self, other: Side, key: str) -> None:
        assert isinstance(other, Bucket)
        other.objects[key] = self.objects[key]

    def delete(self, key: str) -> None:
        del self.objects[key]


def test_what_is_in_one_bucket_is_copied_to_the_other() -> None:
    east, west = Bucket("a"), Bucket("b")
    assert compare(east, west, set()) == {"a", "b"}
    assert east.objects == west.objects == {"a": "content of a", "b": "content of b"}


@pytest.mark.parametrize("where", [0, 1])
def test_what_is_deleted_in_one_is_deleted_in_the_other(where: int) -> None:
    buckets = (Bucket("a", "b"), Bucket("a", "b"))
    both = compare(*buckets, set())
    buckets[where].delete("a")
    both = compare(*buckets, both)
    assert both == {"b"}
    assert [set(one.objects) for one in buckets] == [{"b"}, {"b"}]
    buckets[0].objects["a"] = "again"
    compare(*buckets, both)
    assert buckets[1].objects["a"] == "again"
