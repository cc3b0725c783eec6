"""A notification's id is derived from the event and the recipient."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.ids import PATTERN, new_id
from notifications.model.notifications import derived_id


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_a_notification_id_is_a_ulid_of_the_event_s_time_and_differs_by_recipient(
    one: str, other: str
) -> None:
    event_id = new_id()
    made = derived_id(event_id, one)
    assert re.match(PATTERN, made)
    assert made[:10] == event_id[:10]
    assert made == derived_id(event_id, one)
    assert (made == derived_id(event_id, other)) == (one == other)
