"""A suggested map says what headers and first rows prove, and marks the rest with CHECK."""

from pathlib import Path
from typing import Any

import pytest

from zebros.loading.csv_files import inspect
from zebros.loading.map_files import read_map
from zebros.loading.map_model import Map
from zebros.loading.mapper import Mapper
from zebros.loading.record_types import PEOPLE
from zebros.loading.suggested_map import SuggestedMap, guessed_type


def suggested(tmp_path: Path, *lines: str) -> tuple[str, Map]:
    """The text of a file's map, and the map, which fits the file."""
    file = tmp_path / "f.csv"
    file.write_bytes("\n".join(lines).encode() + b"\n")
    csv_file = inspect(file)
    record_type = guessed_type(csv_file.header)
    text = SuggestedMap(csv_file, record_type).text()
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    map_ = read_map(tmp_path / "m.toml", record_type)
    Mapper(map_, record_type, csv_file, (tmp_path,))
    return text, map_


def sources(map_: Map) -> dict[str, Any]:
    """The columns, or the template, of each field."""
    return {
        name: source.template or (source.column if source.column else source.constant)
        for name, source in map_.fields.items()
    }


@pytest.mark.parametrize(
    ("lines", "record", "expected"),
    [
        (
            [
                "Record ID,Company name,Company Domain Name,Website URL",
                "1,Umbra,u.example,w.example",
            ],
            "accounts",
            {
                "external_ids.hubspot": "Record ID",
                "name": "Company name",
                "website": ["Website URL", "Company Domain Name"],
            },
        ),
        (
            [
                "Organization - ID,Organization - Name,Organization - Country of Address",
                "1,Umbra,Germany",
            ],
            "accounts",
            {
                "external_ids.pipedrive": "Organization - ID",
                "name": "Organization - Name",
                "country": "Organization - Country of Address",
            },
        ),
        (
            [
                "(Do Not Modify) Account,Account Name,No. of Employees,Address 1: Country/Region",
                "475b158c-541c,Umbra,12,U.S.",
            ],
            "accounts",
            {
                "external_ids.dynamics": "(Do Not Modify) Account",
                "name": "Account Name",
                "employees": "No. of Employees",
                "country": "Address 1: Country/Region",
            },
        ),
        (
            [
                "Person - ID,Person - Name,Person - First name,Person - Last name,"
                "Person - Email - Work,Person - Email - Home,Person - Phone - Work,"
                "Person - Phone - Mobile",
                "1,Ann Lee,Ann,Lee,a@x.example,b@x.example,+1 415 555 0100,+1 415 555 0101",
            ],
            "contacts",
            {
                "external_ids.pipedrive": "Person - ID",
                "first_name": "Person - First name",
                "last_name": "Person - Last name",
                "emails": "{Person - Email - Work};{Person - Email - Home}",
                "phones": "{Person - Phone - Work};{Person - Phone - Mobile}",
            },
        ),
        (
            [
                "Given Name,Family Name,Group Membership,E-mail 1 - Value,E-mail 4 - Value,"
                "Phone 5 - Value,Organization 1 - Name,Organization 1 - Title",
                "Ann,Lee,* myContacts,a@x.example,b@x.example,1,Umbra,Buyer",
            ],
            "contacts",
            {
                "account_id": "Organization 1 - Name",
                "first_name": "Given Name",
                "last_name": "Family Name",
                "emails": "{E-mail 1 - Value};{E-mail 4 - Value}",
                "phones": "Phone 5 - Value",
                "title": "Organization 1 - Title",
                "tags": "Group Membership",
            },
        ),
        (
            [
                "Anrede,Vorname,Nachname,Firma,Position,Fax geschäftlich,Telefon geschäftlich,"
                "Mobiltelefon,E-Mail-Adresse,E-Mail 2: Adresse,E-Mail-Typ",
                "Frau,Ann,Lee,Umbra,Einkauf,1,2,3,a@x.example,b@x.example,SMTP",
            ],
            "contacts",
            {
                "account_id": "Firma",
                "first_name": "Vorname",
                "last_name": "Nachname",
                "emails": "{E-Mail-Adresse};{E-Mail 2: Adresse}",
                "phones": "{Telefon geschäftlich};{Mobiltelefon}",
                "title": "Position",
            },
        ),
        (
            [
                "Id,LastName,FirstName,Name,Title,Company,Country,Phone,Website,Industry,"
                "AnnualRevenue,NumberOfEmployees,Email",
                "00Q1,Lee,Ann,Ann Lee,Buyer,Umbra,US,1,w.example,IT,1,1,a@x.example",
            ],
            "contacts",
            {
                "external_ids.crm": "Id",
                "account_id": "Company",
                "first_name": "FirstName",
                "last_name": "LastName",
                "emails": "Email",
                "phones": "Phone",
                "title": "Title",
            },
        ),
        (
            [
                "Product - ID,Product - Name,Product - Price,Product - Currency of Price",
                "1,A,1,EUR",
            ],
            "products",
            {
                "external_ids.pipedrive": "Product - ID",
                "name": "Product - Name",
                "price": "Product - Price",
            },
        ),
        (
            [
                "Record Id,Deal Name,Account Name.id,Account Name,Contact Name.id,Closing Date",
                "zcrm_1,Big,zcrm_2,Umbra,zcrm_3,2027-01-31",
            ],
            "opportunities",
            {
                "external_ids.zoho": "Record Id",
                "name": "Deal Name",
                "account_id": "Account Name.id",
                "contact_id": "Contact Name.id",
                "expected_close_on": "Closing Date",
            },
        ),
        (
            [
                "RecordId,OpportunityName,BidCurrency,BidAmount,ForecastCloseDate,ActualCloseDate,"
                "Pipeline,OpportunityState,LinkedOrganisation",
                "1,Big,USD,5,2027-01-31,2025-01-31,Sales,WON,Umbra",
            ],
            "opportunities",
            {
                "external_ids.crm": "RecordId",
                "name": "OpportunityName",
                "account_id": "LinkedOrganisation",
                "amount": "BidAmount",
                "stage": "OpportunityState",
                "expected_close_on": "ForecastCloseDate",
                "closed_on": "ActualCloseDate",
            },
        ),
        (
            ["id,Email,Name,Description,Currency", "cus_1,a@x.example,Ann Lee,,usd"],
            "contacts",
            {"external_ids.crm": "id", "last_name": "Name", "emails": "Email"},
        ),
        (
            ["Kundennummer,Firma,Land", "00042,Umbra,DE"],
            "accounts",
            {"external_ids.crm": "Kundennummer", "name": "Firma", "country": "Land"},
        ),
        (
            ["ContactId,AccountId,OpportunityId,Name", "003a,001a,006000000000001AAA,Big"],
            "opportunities",
            {
                "external_ids.salesforce": "OpportunityId",
                "name": "Name",
                "account_id": "AccountId",
                "contact_id": "ContactId",
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_columns_of_exports_become_fields(
    tmp_path: Path, lines: list[str], record: str, expected: dict[str, Any]
) -> None:
    _, map_ = suggested(tmp_path, *lines)
    assert map_.record == record
    assert sources(map_) == expected


def test_a_german_export_of_deals_needs_no_edits(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path,
        "Deal - ID,Deal - Titel,Deal - Wert,Deal - Währung von Wert,Deal - Organisation,"
        "Deal - Phase,Deal - Deal erstellt,Deal - Deal abgeschlossen am,Deal - Grund für Verlust,"
        "Deal - Status,Deal - Voraussichtliches Abschlussdatum",
        "1,A,1500,EUR,Umbra,Qualifiziert,2026-07-09 07:43:21,,,Offen,2026-12-31",
        "2,B,5,CHF,,Angebot,2026-07-09 07:43:21,2026-08-31 23:30:00,,Gewonnen,",
        "3,C,5,JPY,,Angebot,2026-07-09 07:43:21,2026-08-31 23:30:00,Zu teuer,Verloren,",
        "4,D,5,JPY,,Angebot,2026-07-09 07:43:21,,,Gelöscht,",
    )
    assert map_.skip == {"Deal - Status": ["Gelöscht"]}
    assert map_.fields["stage"].values == {
        "Offen: Qualifiziert": "qualifiziert",
        "Gewonnen: Angebot": "won",
        "Verloren: Angebot": "lost",
    }
    assert map_.fields["amount"].currency_column == "Deal - Währung von Wert"
    assert map_.fields["lost_reason"].column == "Deal - Grund für Verlust"
    assert map_.fields["closed_on"].column == "Deal - Deal abgeschlossen am"


def test_a_column_named_as_a_word_of_the_map_is_ignored_like_others(tmp_path: Path) -> None:
    _, map_ = suggested(tmp_path, "id,title,stage,pipeline,won,status", "1,A,New,Sales,yes,Open")
    assert {"pipeline", "won"} <= set(map_.ignore)


def test_a_form_of_address_is_no_title(tmp_path: Path) -> None:
    header = "First Name,Last Name,Title,Job Title"
    _, map_ = suggested(tmp_path, header, "Ann,Lee,Ms.,Buyer", "Bo,Lee,Mr,")
    assert map_.fields["title"].column == "Job Title"
    _, map_ = suggested(tmp_path, "First Name,Last Name,Title", "Ann,Lee,Ms.", "Bo,Lee,Mr")
    assert "title" not in map_.fields
    _, map_ = suggested(tmp_path, "First Name,Last Name,Title", "Ann,Lee,Buyer")
    assert map_.fields["title"].column == "Title"


def test_the_kind_of_an_account_is_what_its_text_says(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path, "id,Account Name,Type", "1,A,Former Customer", "2,B,Customer", "3,C,lead"
    )
    assert map_.fields["kind"].values == {
        "Former Customer": "former",
        "Customer": "customer",
        "lead": "prospect",
    }
    text, map_ = suggested(tmp_path, "id,Account Name,Type", "1,A,Evangelist")
    assert "kind" not in map_.fields
    assert '# kind = "Type"   # CHECK' in text


def test_an_amount_has_the_currency_of_its_own_column_or_of_its_sign(tmp_path: Path) -> None:
    deals = "Opportunity ID,Opportunity Name,Expected Revenue Currency,Amount Currency,Amount"
    _, map_ = suggested(tmp_path, deals, "1,A,EUR,CHF,1")
    assert map_.fields["amount"].currency_column == "Amount Currency"
    _, map_ = suggested(tmp_path, "id,Account Name,Annual Revenue,Currency", "1,A,1,US Dollar")
    assert map_.fields["annual_revenue"].currency_column == "Currency"
    assert map_.columns["Currency"].values == {"US Dollar": "USD"}
    text, map_ = suggested(tmp_path, "sku,name,price", "1,A,€1", "2,B,£2", "3,C,3 €")
    assert map_.fields["price"].currency == "EUR"
    assert "CHECK: amounts with £ are left out" in text
    text, map_ = suggested(tmp_path, "sku,name,price", "1,A,$1")
    assert map_.fields["price"].currency == "USD"
    assert "CHECK: $ is also that of other currencies" in text


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["2027-01-31", "2025-02-30"], ("%Y-%m-%d",)),
        (["1/31/2027 5:40 PM"], ("%m/%d/%Y %I:%M %p",)),
        (["01.02.27", "31.12.27"], ("%d.%m.%y",)),
        (["2027-01-31T10:00:00.000+0000"], ("%Y-%m-%dT%H:%M:%S.%f%z",)),
        (["27 Nov 2026", "01 May 2026"], ("%d %b %Y",)),
        (["31/12/2027", "1/2/2027"], ("%d/%m/%Y",)),
        (["1/2/2027"], ("%d/%m/%Y", "%m/%d/%Y")),
        (["1/2/2027", "1/31/2027 5:40 PM"], ("%m/%d/%Y", "%m/%d/%Y %I:%M %p")),
        (["31/12/2027", "1/31/2027"], ("%d/%m/%Y", "%m/%d/%Y")),
    ],
    ids=lambda value: value[0],
)
def test_the_format_of_dates_is_what_most_of_them_prove(
    tmp_path: Path, texts: list[str], formats: tuple[str, ...]
) -> None:
    rows = [f"{n},A,{text}" for n, text in enumerate(texts)]
    _, map_ = suggested(tmp_path, "id,Deal Name,Close Date", *rows)
    assert map_.fields["expected_close_on"].formats == formats
    assert map_.fields["expected_close_on"].lenient


def test_a_column_that_proves_the_order_of_day_and_month_decides_for_the_others(
    tmp_path: Path,
) -> None:
    text, map_ = suggested(
        tmp_path, "id,Deal Name,Close Date,Created Date,Other", "1,A,1/31/2027,2/3/2025,4/5/2026"
    )
    assert map_.fields["opened_on"].formats == ("%m/%d/%Y",)
    assert "CHECK: the month first, as in other columns" in text
    _, map_ = suggested(
        tmp_path, "id,Deal Name,Close Date,Created Date,Other", "1,A,1/31/2027,2/3/2025,31/1/2026"
    )
    assert map_.fields["opened_on"].formats == ("%d/%m/%Y", "%m/%d/%Y")


def test_stages_with_different_names_stay_different(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path,
        "id,Deal Name,Stage",
        *("1,A,Новая", "2,B,Переговоры", "3,C,Won't buy", "4,D,Vintage", "5,E,Personal meeting"),
    )
    keys = map_.fields["stage"].values
    assert len(set(keys.values())) == 5
    assert map_.pipeline is not None
    kinds = {stage.key: stage.kind for stage in map_.pipeline.stages}
    assert {kinds[key] for key in keys.values()} == {"open"}


def test_a_closed_deal_without_a_day_is_pointed_out(tmp_path: Path) -> None:
    text, map_ = suggested(tmp_path, "id,Deal Name,Stage", "1,A,Closed Won")
    assert "closed_on" not in map_.fields
    assert "# closed_on" in text


def test_a_needed_field_without_a_column_is_pointed_out(tmp_path: Path) -> None:
    _, map_ = suggested(tmp_path, "Person - ID,Person - Name,Email", "1,Ann Lee,a@x.example")
    assert map_.fields["last_name"].column == "Person - Name"
    file = tmp_path / "g.csv"
    file.write_text("id,employees\n1,5\n", encoding="utf-8")
    csv_file = inspect(file)
    text = SuggestedMap(csv_file, guessed_type(csv_file.header)).text()
    assert '# name = "…"   # CHECK: accounts need it' in text


@pytest.mark.parametrize("header", ["id,name,active", "User ID,Full Name,Is Active"])
def test_a_file_of_people_needs_no_edits(tmp_path: Path, header: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"{header}\n7f3a,Ann Lee,true\n", encoding="utf-8")
    text = SuggestedMap(inspect(file), PEOPLE).text()
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    map_ = read_map(tmp_path / "m.toml", PEOPLE)
    identifier, name, active = header.split(",")
    assert sources(map_) == {
        "external_ids.crm": identifier,
        "id": identifier,
        "name": name,
        "active": active,
    }
    assert "ignore" not in text
    assert "CHECK: the `sub` of the person's tokens" in text


def test_people_without_a_column_of_ids_are_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name\nAnn Lee\n", encoding="utf-8")
    assert '# id = "…"   # CHECK: people need it' in SuggestedMap(inspect(file), PEOPLE).text()


def test_a_file_without_rows_has_a_map(tmp_path: Path) -> None:
    assert set(suggested(tmp_path, "id,name,employees")[1].fields) == {
        "external_ids.crm",
        "name",
        "employees",
    }


def test_texts_for_empty_cells_and_rows_of_sums_are_proposed(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path,
        "Account Owner,Account Name,Industry",
        "Sam,None,-None-",
        "Sam,[not provided],IT",
        "Grand Totals (2 records),,",
    )
    assert map_.columns["Industry"].empty == ["-None-"]
    assert map_.columns["Account Name"].empty == ["[not provided]"]
    assert map_.skip == {"Account Owner": ["Grand Totals (2 records)"]}


def test_names_and_codes_of_countries_in_any_case_are_known(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path,
        "id,Account Name,Country",
        "1,A,us",
        "2,B,Deutschland",
        "3,C,DE",
        "4,D,Atlantis",
        "5,E,FRA",
    )
    assert map_.fields["country"].values == {"us": "US", "Deutschland": "DE", "FRA": "FR"}


def test_words_for_yes_and_no_and_separators_are_found(tmp_path: Path) -> None:
    _, map_ = suggested(
        tmp_path, "sku,product name,active,tags,id", '1,A,x,"a, b",1', "2,B,inactive,c,2"
    )
    assert map_.fields["active"].values == {"x": "yes", "inactive": "no"}
    assert map_.fields["active"].lenient
    assert map_.fields["tags"].separator == ","


def test_a_value_with_control_characters_is_a_comment_of_one_line(tmp_path: Path) -> None:
    text, _ = suggested(tmp_path, "id,name,note", '1,A,"a\rb\x0bc"')
    assert '"note",  # a b c' in text


def test_a_parent_that_is_named_is_pointed_out(tmp_path: Path) -> None:
    text, map_ = suggested(
        tmp_path, "Record Id,Account Name,Parent Account.id,Parent Account", "1,A,2,B"
    )
    assert map_.fields["parent_account_id"].column == "Parent Account.id"
    text, map_ = suggested(tmp_path, "Record Id,Account Name,Parent Account", "1,A,B")
    assert "parent_account_id" not in map_.fields
    assert "CHECK: found by ids, not by names" in text


def test_deals_without_a_stage_are_pointed_out(tmp_path: Path) -> None:
    text, map_ = suggested(tmp_path, "Opportunity ID,Deal Name,Amount", "1,A,5")
    assert "stage" not in map_.fields
    assert "# stage" in text
