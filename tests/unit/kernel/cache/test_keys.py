"""Keys of cached values."""

from hypothesis import given
from hypothesis import strategies as st

from kernel.cache.keys import cache_key

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["a:b", "a", "b", ":", "%3A", "v1", "lease", "\ud800"]
)
NAMES = st.tuples(TEXTS, TEXTS, st.integers(1, 20), st.lists(TEXTS, max_size=3).map(tuple))


@given(NAMES, NAMES)
def test_two_values_never_have_the_same_key(
    one: tuple[str, str, int, tuple[str, ...]], other: tuple[str, str, int, tuple[str, ...]]
) -> None:
    keys = [cache_key(t, kind, version, *parts) for t, kind, version, parts in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_a_key_names_tenant_kind_and_version() -> None:
    assert cache_key("acme", "board", 3, "a:b") == "zebros:acme:board:v3:a%3Ab"
