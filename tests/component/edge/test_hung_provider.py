"""The authorizer while the identity provider hangs, drips or refuses: real connections, real waits.

Before last good keys lived on, five valid users were turned away with 401, three seconds each, and
a provider that sends a byte at a time took 141 s of one request.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge import authorizer, keys
from edge.refusals import CannotCheck
from tests.component.edge.provider import Mood, Provider
from tests.component.edge.tenants import register
from tests.component.edge.test_authorizer import ARN

USERS = ("rep", "manager", "admin", "reader", "support")
OUTAGES = (Mood.HANGING, Mood.DRIPPING, Mood.REFUSING)
PATIENCE_S = keys._PATIENCE_SECONDS
FIRST_PATIENCE_S = keys._FIRST_PATIENCE_SECONDS
SPARE_S = 0.8
"""For a busy machine."""


class Outcomes(NamedTuple):
    """What the authorizer answered, and how long it took."""

    counts: dict[str, int]
    slowest_s: float
    total_s: float


@pytest.fixture
def provider(tmp_path: Path, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    one = Provider(tmp_path)
    for name, value in {
        "ISSUER_BASE": one.issuer.base,
        "AUDIENCE": "zebros-api",
        "PEOPLE_KEY": "people",
        "MACHINES_KEY": "machines",
    }.items():
        monkeypatch.setenv(name, value)
    register(cloud, "acme", "globex")
    yield one
    one.mood = Mood.WELL
    one.close()


def asked(*tokens: str) -> Outcomes:
    """Ask with each token in turn."""
    outcomes: Counter[str] = Counter()
    times = []
    for token in tokens:
        started = time.perf_counter()
        event = {"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}
        try:
            answer = authorizer.handler(event, None)
            outcomes[answer["policyDocument"]["Statement"][0]["Effect"]] += 1
        except CannotCheck:
            outcomes["503"] += 1
        except Exception as why:
            outcomes[str(why)] += 1
        times.append(time.perf_counter() - started)
    return Outcomes(dict(outcomes), max(times), sum(times))


def later(provider: Provider, seconds: float, tenant: str = "acme") -> None:
    """Let time pass for the keys of a tenant in this process."""
    one = authorizer.keys().of(f"{provider.issuer.base}{tenant}", tenant)
    one._clock = lambda before=one._clock: before() + seconds


def new_process() -> None:
    """Forget what a function instance keeps in memory."""
    authorizer.keys.cache_clear()
    authorizer.registry.cache_clear()


@pytest.mark.parametrize("mood", OUTAGES)
def test_valid_users_have_access_while_the_provider_does_not_answer(
    provider: Provider, mood: Mood
) -> None:
    valid = [provider.issuer.mint("acme", user) for user in USERS]
    assert asked(*valid).counts == {"Allow": 5}
    provider.mood = mood
    provider.taken()
    later(provider, keys.KEYS_SECONDS + 1)
    during = asked(*valid)
    assert during.counts == {"Allow": 5}
    assert during.slowest_s < PATIENCE_S + SPARE_S
    assert during.total_s < PATIENCE_S + 2 * SPARE_S, "one of them waits, not each"
    assert provider.taken() == 1
    print(f"{mood}: {during}")


@pytest.mark.parametrize("mood", OUTAGES)
def test_a_new_process_has_the_last_good_keys_too(provider: Provider, mood: Mood) -> None:
    valid = [provider.issuer.mint("acme", user) for user in USERS]
    asked(*valid)
    provider.mood = mood
    provider.taken()
    new_process()
    assert asked(*valid).counts == {"Allow": 5}
    assert provider.taken() == 0, "the stored keys are fresh"
    new_process()
    later(provider, keys.KEYS_SECONDS + 1)
    assert asked(*valid).counts == {"Allow": 5}
    assert provider.taken() == 1


@pytest.mark.parametrize("mood", OUTAGES)
def test_without_any_known_key_the_answer_is_503_and_few_requests_wait(
    provider: Provider, mood: Mood
) -> None:
    provider.mood = mood
    valid = [provider.issuer.mint("acme", user) for user in USERS]
    found = asked(*valid)
    assert found.counts == {"503": 5}
    assert found.total_s < FIRST_PATIENCE_S + 2 * SPARE_S
    assert provider.taken() == 1
    print(f"{mood}: {found}")


def test_the_provider_is_asked_again_after_a_pause_and_its_answer_ends_the_outage(
    provider: Provider,
) -> None:
    provider.mood = Mood.REFUSING
    token = provider.issuer.mint("acme", "rep")
    assert asked(token, token).counts == {"503": 2}
    assert provider.taken() == 1
    later(provider, keys._PAUSE_SECONDS)
    assert asked(token, token).counts == {"503": 2}
    assert provider.taken() == 1
    provider.mood = Mood.WELL
    assert asked(token).counts == {"503": 1}
    later(provider, keys._PAUSE_SECONDS)
    assert asked(token, token).counts == {"Allow": 2}
    assert provider.taken() == 2, "discovery and keys"


def test_an_answer_that_comes_too_late_for_its_request_is_used_by_the_next(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_FIRST_PATIENCE_SECONDS", 0.2)
    provider.mood = Mood.HANGING
    token = provider.issuer.mint("acme", "rep")
    assert asked(token).counts == {"503": 1}
    provider.mood = Mood.WELL
    ends = time.monotonic() + 5
    while asked(token).counts != {"Allow": 1}:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_an_expired_token_has_no_access_during_an_outage(provider: Provider) -> None:
    asked(provider.issuer.mint("acme", "rep"))
    provider.mood = Mood.HANGING
    later(provider, keys.KEYS_SECONDS + 1)
    found = asked(provider.issuer.mint("acme", "rep", lifetime_s=-1))
    assert found.counts == {"Unauthorized": 1}
    assert found.slowest_s < SPARE_S, "nothing is asked for it"


def test_a_forged_token_has_no_access_during_an_outage(provider: Provider) -> None:
    asked(provider.issuer.mint("acme", "rep"))
    provider.mood = Mood.HANGING
    later(provider, keys.KEYS_SECONDS + 1)
    found = asked(*(provider.issuer.mint("acme", "rep", foreign_key=True) for _ in range(5)))
    assert found.counts == {"Unauthorized": 5}


def test_a_withdrawn_key_is_not_used_after_five_minutes_when_the_provider_answers(
    provider: Provider,
) -> None:
    old = provider.issuer.mint("acme", "rep")
    assert asked(old).counts == {"Allow": 1}
    (provider.issuer.home / "acme.pem").unlink()
    realm = provider.issuer.realm("acme")
    del realm.key, realm.key_id
    later(provider, keys.KEYS_SECONDS - 1)
    assert asked(old).counts == {"Allow": 1}
    later(provider, 1)
    assert asked(old).counts == {"Unauthorized": 1}
    new_process()
    assert asked(old).counts == {"Unauthorized": 1}, "nor by a process that starts later"


def test_keys_are_not_used_for_longer_than_a_day_of_outage(provider: Provider) -> None:
    token = provider.issuer.mint("acme", "rep", lifetime_s=7 * 86_400)
    asked(token)
    provider.mood = Mood.REFUSING
    later(provider, keys.LAST_GOOD_SECONDS - 1)
    assert asked(token).counts == {"Allow": 1}
    later(provider, 1)
    assert asked(token).counts == {"503": 1}
    new_process()
    later(provider, keys.LAST_GOOD_SECONDS)
    assert asked(token).counts == {"503": 1}


def test_a_token_with_a_new_key_cannot_be_checked_during_an_outage(provider: Provider) -> None:
    """The provider has changed its keys and hangs: the token may be good."""
    asked(provider.issuer.mint("acme", "rep"))
    (provider.issuer.home / "acme.pem").unlink()
    realm = provider.issuer.realm("acme")
    del realm.key, realm.key_id
    provider.mood = Mood.REFUSING
    token = provider.issuer.mint("acme", "rep")
    assert asked(token, token).counts == {"503": 2}
    provider.mood = Mood.WELL
    later(provider, keys._PAUSE_SECONDS)
    assert asked(token).counts == {"Allow": 1}


def test_one_tenant_s_outage_is_nobody_else_s(provider: Provider) -> None:
    asked(provider.issuer.mint("globex", "rep"))
    provider.mood = Mood.HANGING
    assert asked(provider.issuer.mint("acme", "rep")).counts == {"503": 1}
    found = asked(*(provider.issuer.mint("globex", user) for user in USERS))
    assert found.counts == {"Allow": 5}
    assert found.slowest_s < SPARE_S


@pytest.mark.parametrize("stored", ["", "{}", '{"keys": []}', "[1]", '{"keys": 1}', "x"])
def test_stored_keys_in_another_form_are_not_used(
    provider: Provider, cloud: Any, stored: str
) -> None:
    item = {"pk": {"S": "KEYS#acme"}, "sk": {"S": "KEYS"}}
    item |= {"doc": {"S": stored}, "at": {"S": str(time.time())}}
    cloud.put_item(TableName="table", Item=item)
    assert asked(provider.issuer.mint("acme", "rep")).counts == {"Allow": 1}


def test_stored_keys_from_the_future_are_not_used(provider: Provider, cloud: Any) -> None:
    """They would never be old."""
    token = provider.issuer.mint("acme", "rep")
    asked(token)
    key = {"pk": {"S": "KEYS#acme"}, "sk": {"S": "KEYS"}}
    item = cloud.get_item(TableName="table", Key=key)["Item"]
    for ahead_s, connections in ((3, 0), (60, 2)):
        cloud.put_item(TableName="table", Item={**item, "at": {"S": str(time.time() + ahead_s)}})
        new_process()
        provider.taken()
        asked(token)
        assert provider.taken() == connections


def test_without_the_table_keys_live_in_the_process(
    provider: Provider, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.issuer.mint("acme", "rep")
    asked(token)
    known = authorizer.registry().find("acme")
    monkeypatch.setattr(authorizer.registry(), "find", lambda _: known)
    cloud.delete_table(TableName="table")
    later(provider, keys.KEYS_SECONDS)
    assert asked(token, token).counts == {"Allow": 2}
    provider.mood = Mood.REFUSING
    later(provider, keys.KEYS_SECONDS)
    assert asked(token, token).counts == {"Allow": 2}
