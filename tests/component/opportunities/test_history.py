"""After any request, the events of an opportunity have no gap and its rules hold."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.component.conftest import Answer, ApiClient, examples, published
from tests.component.opportunities.conftest import ANY

REQUESTS = st.one_of(
    st.tuples(st.just("/stage"), st.fixed_dictionaries({"stage": st.sampled_from(
        ["lead", "proposal", "negotiation", "won", "lost", "nowhere"])})),
    st.tuples(st.just("/won"), st.sampled_from([{}, {"closed_on": "2026-02-01"}])),
    st.tuples(st.just("/lost"), st.sampled_from([{}, {"reason": "price"}, {"reason": " "}])),
    st.tuples(st.just("/reopen"), st.sampled_from([{}, {"stage": "proposal"}, {"stage": "won"}])),
    st.tuples(st.just("/owner"), st.sampled_from([{"owner_id": "ann"}, {"owner_id": "bob"}])),
    st.tuples(st.just(""), st.sampled_from([
        {"name": "New"}, {"region": None}, {"amount": {"minor_units": 100, "currency": "USD"}},
        {"amount": {"minor_units": 1.5, "currency": "USD"}}, {"stage": "won"},
        {"owner_id": "bob", "name": "Bob's"}, {"owner_id": None}, {"opened_on": "2026-03-01"},
    ])),
    st.tuples(st.just("/batch"), st.sampled_from([
        {"name": "Imported"}, {"name": "Imported", "stage": "lost", "lost_reason": "price"},
        {"name": "Imported", "stage": "won"}, {"name": "Imported", "stage": "lead"},
        {"name": "Imported", "stage": "lost"}, {"name": "Imported", "closed_on": "2026-02-02"},
        {"name": "Imported", "lost_reason": "budget", "owner_id": "cleo"},
    ])),
)  # fmt: skip


def ask(api: ApiClient, opportunity: Any, path: str, body: dict[str, Any]) -> Answer:
    if path == "/batch":
        item = {**body, "external_ids": opportunity["external_ids"]}
        return api("POST", "/opportunities/batch", {"items": [item]})
    return api("POST" if path else "PATCH", f"/opportunities/{opportunity['id']}{path}", body, ANY)


@examples(15)
@given(st.lists(REQUESTS, max_size=10))
def test_every_change_is_one_version_and_its_events_have_no_gap(
    api: ApiClient, cloud: Any, requests: list[tuple[str, dict[str, Any]]]
) -> None:
    number = str(len(published(cloud)))
    created = api("POST", "/opportunities", {"name": "Deal", "external_ids": {"crm": number}})
    opportunity = created.json
    subject, count = f"opportunity/{opportunity['id']}", 1
    for path, body in requests:
        answer = ask(api, opportunity, path, body)
        assert answer.status in (200, 207, 422), answer.text
        seen = api("GET", f"/opportunities/{opportunity['id']}").json
        events = [f for f in published(cloud) if f["subject"] == subject]
        assert [int(f["sequence"]) for f in events] == list(range(1, len(events) + 1))
        assert [f["id"] for f in events] == sorted({f["id"] for f in events})
        news = events[count:]
        if answer.status == 422 or seen["version"] == opportunity["version"]:
            assert (seen, news) == (opportunity, []), "rejected, or nothing to change"
        else:
            assert seen["version"] == opportunity["version"] + 1
            assert len(news) >= 1
            assert all(f["data"]["current"] == seen for f in news)
        assert (seen["status"] != "open") == ("closed_on" in seen)
        assert (seen["status"] == "lost") == ("lost_reason" in seen)
        opportunity, count = seen, len(events)
