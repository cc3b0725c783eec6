"""The transitions of accounts and contacts, and their events."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.events.accounts import AccountFields, AccountKind
from customers.events.contacts import ContactFields
from customers.model.accounts import (
    MAX_ANCESTORS,
    Account,
    ensure_linkable,
    ensure_valid_parents,
)
from customers.model.contacts import Contact
from kernel.domain.aggregate import Change
from kernel.domain.errors import Invalid, RuleViolation
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.money import LARGEST

NOW = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)

words = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)
money = st.fixed_dictionaries(
    {"minor_units": st.integers(-(2**53) + 1, 2**53 - 1), "currency": st.sampled_from(["EUR"])}
)
account_fields = st.fixed_dictionaries(
    {"name": words},
    optional={
        "kind": st.sampled_from(AccountKind),
        "sector": words,
        "country": st.sampled_from(["DE", "FR"]),
        "employees": st.integers(0, 10_000),
        "annual_revenue": money,
        "founded_year": st.integers(1000, 2027),
        "tags": st.lists(words, max_size=3),
        "custom_fields": st.dictionaries(
            st.sampled_from(["a", "b"]), st.integers(-LARGEST, LARGEST) | st.booleans()
        ),
    },
).map(AccountFields.model_validate)
contact_fields = st.fixed_dictionaries(
    {"last_name": words},
    optional={
        "first_name": words,
        "emails": st.lists(st.sampled_from(["A@x.org", "a@X.org ", "b@x.org"]), max_size=4),
        "phones": st.lists(st.sampled_from(["+49 30 123456", "+4930123456"]), max_size=4),
        "consent": st.dictionaries(st.sampled_from(["email", "phone"]), st.booleans()),
    },
).map(ContactFields.model_validate)


def an_account(fields: AccountFields | None = None, **more: Any) -> Account:
    wanted = fields or AccountFields(name="Acme")
    return Account.create("acme", new_id(), wanted, "ann", NOW).state.with_changes(**more)


def a_contact(fields: ContactFields) -> Contact:
    return Contact.create("acme", new_id(), fields, "ann", NOW).state


@given(account_fields, account_fields)
def test_the_event_of_a_change_has_the_changed_fields_and_previous_values(
    first: AccountFields, second: AccountFields
) -> None:
    before = an_account(first)
    change = before.update(second, NOW)
    after = change.state
    # Compared as JSON, because `true` equals 1 in Python.
    one, other = (json.loads(f.model_dump_json(), parse_int=str) for f in (first, second))
    differing = {n for n in AccountFields.model_fields if one.get(n) != other.get(n)}
    if not differing:
        assert change == Change(before)
        return
    (event,) = change.events
    data = event.model_dump(mode="json")
    assert set(data["changed"]) == differing
    assert set(data["previous"]) == {n for n in differing if n in first.model_dump()}
    back = event.current.model_copy(update={n: getattr(first, n) for n in data["changed"]})
    assert AccountFields.model_validate(dict(first)) == AccountFields.model_validate(
        {n: getattr(back, n) for n in AccountFields.model_fields}
    )
    # Fields that only the system sets are unchanged.
    assert (after.id, after.tenant_id, after.created_at) == (
        *(before.id, before.tenant_id, before.created_at),
    )


@given(contact_fields)
def test_a_contact_has_every_address_and_number_once_and_in_one_form(fields: ContactFields) -> None:
    contact = a_contact(fields)
    for values in (contact.emails, contact.phones):
        assert len(set(values)) == len(values)
    assert set(contact.emails) <= {"a@x.org", "b@x.org"}
    assert set(contact.phones) <= {"+4930123456"}


@given(account_fields)
def test_a_stored_account_is_read_unchanged(fields: AccountFields) -> None:
    account = an_account(fields)
    assert Account.model_validate_json(account.model_dump_json(exclude_none=True)) == account


@given(contact_fields)
def test_a_stored_contact_is_read_unchanged(fields: ContactFields) -> None:
    contact = a_contact(fields)
    assert Contact.model_validate_json(contact.model_dump_json(exclude_none=True)) == contact


@given(account_fields)
def test_an_empty_patch_changes_nothing(fields: AccountFields) -> None:
    account = an_account(fields)
    assert account.update(patched_fields(account, {}, AccountFields), NOW) == Change(account)


def carry_out(record: Account | Contact, verb: str, number: int) -> Change[Account | Contact]:
    match verb:
        case "archive":
            return record.archive(NOW)
        case "restore":
            return record.restore()
    if isinstance(record, Account):
        return record.update(AccountFields(name=f"n{number}"), NOW)
    return record.update(ContactFields(last_name=f"n{number}"))


@pytest.mark.parametrize("kind", ["Account", "Contact"])
@given(verbs=st.lists(st.sampled_from(["archive", "restore", "update"]), max_size=12))
def test_an_archived_record_can_only_be_restored_and_an_active_one_only_archived(
    kind: str, verbs: list[str]
) -> None:
    record: Account | Contact = (
        an_account() if kind == "Account" else a_contact(ContactFields(last_name="L"))
    )
    past = {"archive": "Archived", "restore": "Restored", "update": "Updated"}
    for number, verb in enumerate(verbs):
        allowed = (verb == "restore") == (record.archived_at is not None)
        if not allowed:
            with pytest.raises(RuleViolation) as fault:
                carry_out(record, verb, number)
            assert fault.value.slug == ("rule-violation" if verb == "restore" else "archived")
            continue
        change = carry_out(record, verb, number)
        after, (event,) = change.state, change.events
        assert type(event).__name__ == kind + past[verb]
        assert event.current == after
        assert (after.archived_at is not None) == (verb == "archive")
        record = after


@pytest.mark.parametrize(("year", "allowed"), [(2026, True), (2027, True), (2028, False)])
def test_the_founded_year_is_at_most_next_year(year: int, allowed: bool) -> None:
    fields = AccountFields(name="Acme", founded_year=year)
    if allowed:
        assert an_account(fields).update(fields, NOW).events == ()
        return
    for attempt in (lambda: an_account(fields), lambda: an_account().update(fields, NOW)):
        with pytest.raises(Invalid, match="between 1000 and 2027") as fault:
            attempt()
        assert fault.value.errors[0].field == "founded_year"


def test_a_link_needs_an_existing_account() -> None:
    account = an_account()
    ensure_linkable("account_id", account.id, account)
    for linked, message in (
        (None, "there is no account"),
        (account.archive(NOW).state, "archived"),
    ):
        with pytest.raises(Invalid, match=message) as fault:
            ensure_linkable("account_id", account.id, linked)
        assert fault.value.errors[0].field == "account_id"


@given(st.integers(0, MAX_ANCESTORS + 3), st.data())
def test_an_account_may_have_ancestors_but_is_never_its_own(count: int, data: Any) -> None:
    parents = [an_account() for _ in range(count)]
    account_id = data.draw(st.sampled_from([new_id(), *(p.id for p in parents)]))
    if account_id in {p.id for p in parents} or count > MAX_ANCESTORS:
        with pytest.raises(Invalid) as fault:
            ensure_valid_parents(account_id, parents)
        assert fault.value.errors[0].field == "parent_account_id"
    else:
        ensure_valid_parents(account_id, parents)
