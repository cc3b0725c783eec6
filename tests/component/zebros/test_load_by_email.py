"""Contacts matched by e-mail address: a second load, or a second vendor, doubles nobody."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.component.conftest import examples
from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection

COMPARED = ("created", "updated", "unchanged", "skipped", "rejected", "incomplete", "rejects")
BY_EMAIL = """
match_by = "email"
[fields]
last_name = "n"
emails = { column = "m", on_error = "drop value" }
title = "t"
"""


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)


def load(capsys: pytest.CaptureFixture[str], map_: str, *lines: str) -> dict[str, Any]:
    """The outcome of a load, which is that of its dry run."""
    Path("m.toml").write_text(map_, encoding="utf-8")
    Path("f.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["load", "contacts", "f.csv", "--map", "m.toml", "--json", "--in-flight", "1"]
    dry_code = cli.main([*words, "--dry-run"])
    dry = json.loads(capsys.readouterr().out)
    code = cli.main(words)
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert dry_code == code
    assert {name: dry[name] for name in COMPARED} == {name: figures[name] for name in COMPARED}
    return figures


def counts(figures: dict[str, Any]) -> tuple[int, int, int, int]:
    created, updated, unchanged, rejected = (
        figures[name] for name in ("created", "updated", "unchanged", "rejected")
    )
    return created, updated, unchanged, rejected


def stored() -> list[dict[str, Any]]:
    with in_process.client() as client:
        return list(client.items("/contacts"))


def test_a_file_without_ids_is_loaded_twice_and_doubles_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = ("n,m,t", "Lee,Ann@x.example,Buyer", ",only@x.example,")
    assert counts(load(capsys, BY_EMAIL, *lines)) == (2, 0, 0, 0)
    assert counts(load(capsys, BY_EMAIL, *lines)) == (0, 0, 2, 0)
    changed = ("n,m,t", "Lee,ann@X.example,Director", "Known,only@x.example,")
    assert counts(load(capsys, BY_EMAIL, *changed)) == (0, 2, 0, 0)
    found = {one["emails"][0]: one for one in stored()}
    assert found["ann@x.example"]["title"] == "Director"
    load(capsys, BY_EMAIL, *lines)
    found = {one["emails"][0]: one for one in stored()}
    assert found["only@x.example"]["last_name"] == "Known", "a row without a name keeps it"
    assert all("external_ids" not in one for one in found.values())


def test_the_export_of_a_second_vendor_updates_the_same_contacts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = BY_EMAIL + '"external_ids.crm" = "i"\n'
    second = BY_EMAIL + '"external_ids.hubspot" = "i"\n'
    figures = load(capsys, first, "i,n,m,t", "1,Lee,ann@x.example,", "2,Day,,")
    assert counts(figures) == (2, 0, 0, 0)
    lines = ("i,n,m,t", "77,Lee,ANN@x.example;lee@y.example,Buyer", "78,New,new@x.example,")
    assert counts(load(capsys, second, *lines)) == (1, 1, 0, 0)
    load(capsys, second, *lines)
    (ann,) = (one for one in stored() if "ann@x.example" in one.get("emails", []))
    assert ann["external_ids"] == {"crm": "1", "hubspot": "77"}
    assert ann["emails"] == ["ann@x.example", "lee@y.example"]
    assert ann["version"] == 2, "the second time nothing changes"
    assert len(stored()) == 3


def test_a_row_that_means_two_contacts_is_rejected_with_both(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with in_process.client() as client:
        ids = [
            client.post("/contacts", {"last_name": name, "emails": ["info@x.example"]})["id"]
            for name in ("A", "B")
        ]
    figures = load(capsys, BY_EMAIL, "n,m,t", "C,info@x.example,", "D,d@x.example,")
    assert counts(figures) == (1, 0, 0, 1)
    assert all(one in figures["rejects"][0]["reason"] for one in ids)
    assert len(stored()) == 3, "not loaded without its address, although that could be dropped"


def test_the_second_row_with_an_address_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    figures = load(
        capsys, BY_EMAIL, "n,m,t", "A,a@x.example;c@x.example,", "B,b@x.example,", "C,C@x.example,"
    )
    assert counts(figures) == (2, 0, 0, 1)
    (reject,) = figures["rejects"]
    assert (reject["row"], reject["reason"]) == (4, "emails: c@x.example is already in row 2")


def test_a_row_with_the_id_and_one_with_an_address_of_the_same_contact(
    capsys: pytest.CaptureFixture[str],
) -> None:
    map_ = BY_EMAIL + '"external_ids.crm" = "i"\n'
    assert counts(load(capsys, map_, "n,m,t,i", "A,a@x.example;c@x.example,,1")) == (1, 0, 0, 0)
    figures = load(
        capsys, map_, "n,m,t,i", "B,b@x.example,,1", "A,bad;C@x.example,,", "New,d@x.example,,"
    )
    assert counts(figures) == (1, 1, 0, 1)
    (reject,) = figures["rejects"]
    assert reject["row"] == 3
    assert reject["reason"].endswith("is already that of row 2")
    (changed,) = (one for one in stored() if one.get("external_ids"))
    assert changed["last_name"] == "B"
    assert changed["emails"] == ["a@x.example", "c@x.example", "b@x.example"]


def test_a_row_needs_an_id_or_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    figures = load(capsys, BY_EMAIL, "n,m,t", "A,,", "B,b@,")
    assert counts(figures) == (0, 0, 0, 2)
    reasons = [one["reason"] for one in figures["rejects"]]
    assert reasons[0] == "external_ids: the row has no external id, and no e-mail address"
    assert "needs at least one entry, or emails an e-mail address" in reasons[1]
    by_content = 'without_id = "by content"\n' + BY_EMAIL
    for expected in ((2, 0, 0, 0), (0, 0, 2, 0)):
        figures = load(capsys, by_content, "n,m,t", "A,,", "B,b@x.example,")
        assert counts(figures) == expected


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("accounts", 'match_by = "email"\n[fields]\nname = "n"\n', "only contacts"),
        ("contacts", 'match_by = "email"\n[fields]\nlast_name = "n"\n', "has no emails"),
        ("contacts", 'match_by = "phone"\n[fields]\nlast_name = "n"\n', "must be 'email'"),
    ],
)
def test_a_map_that_cannot_be_matched_by_email_is_refused(
    capsys: pytest.CaptureFixture[str], kind: str, text: str, reason: str
) -> None:
    Path("m.toml").write_text(text, encoding="utf-8")
    Path("f.csv").write_text("n\nA\n", encoding="utf-8")
    assert cli.main(["load", kind, "f.csv", "--map", "m.toml"]) == 65
    assert reason in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("header", "row", "line"),
    [
        ("Last Name,Email", "Lee,{n}@x.example", 'match_by = "email"'),
        ("Id,Last Name,Email", "{n},Lee,{n}@x.example", '# match_by = "email"'),
        ("Last Name,Email", "Lee,info@x.example", '# match_by = "email"'),
        ("Last Name,Phone", "Lee,1{n}", None),
    ],
)
def test_a_suggested_map_matches_by_email_where_addresses_identify(
    capsys: pytest.CaptureFixture[str], header: str, row: str, line: str | None
) -> None:
    lines = [header, *(row.replace("{n}", str(n)) for n in range(3))]
    Path("f.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert cli.main(["load", "contacts", "f.csv", "--suggest-map"]) == 0
    found = [one for one in capsys.readouterr().out.splitlines() if "match_by" in one]
    assert [one.split("   ")[0] for one in found] == ([line] if line else [])


def test_a_dry_run_has_the_outcome_of_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    cases = iter(range(10_000))
    text = BY_EMAIL + '"external_ids.crm" = "i"\n'

    @examples(10)
    @given(data=st.data())
    def compare(data: st.DataObject) -> None:
        case = next(cases)
        addresses = ["", *(f"{name}{case}@x.example" for name in "abAB"), "wrong@"]
        # In the second file only: rows change each other's outcome by a contact that has both.
        pair = f"a{case}@x.example;b{case}@x.example"
        for cells in (addresses, [*addresses, pair]):
            row = st.tuples(
                st.sampled_from(["", f"{case}-1", f"{case}-2"]),
                st.sampled_from(["", "Lee", "Li"]),
                st.sampled_from(cells),
                st.sampled_from(["", "Buyer"]),
            )
            table = data.draw(st.lists(row, min_size=1, max_size=6))
            load(capsys, text, "i,n,m,t", *(",".join(one) for one in table))

    compare()


def test_a_row_whose_only_address_is_wrong_is_recognised_by_its_content(
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_content = 'without_id = "by content"\n' + BY_EMAIL
    figures = load(capsys, by_content, "n,m,t", "Lee,/o=Exchange/cn=ann,Buyer")
    assert (counts(figures), figures["incomplete"]) == ((1, 0, 0, 0), 1)
    assert figures["rejects"][0]["reason"].startswith("emails.0: '/o=Exchange/cn=ann' is not")
    figures = load(capsys, by_content, "n,m,t", "Lee,/o=Exchange/cn=ann,Buyer")
    assert (counts(figures), figures["incomplete"]) == ((0, 0, 1, 0), 1)
    assert [one["last_name"] for one in stored()] == ["Lee"]


def test_a_row_that_is_rejected_because_of_a_wrong_address_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (reject,) = load(capsys, BY_EMAIL, "n,m,t", "Lee,ann@,")["rejects"]
    assert "emails.0: 'ann@' is not a plain e-mail address" in reject["reason"]
    assert "loaded without it" not in reject["reason"]
