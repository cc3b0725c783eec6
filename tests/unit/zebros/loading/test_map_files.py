"""A map file maps columns to fields; an invalid one is rejected with the place of the fault."""

from pathlib import Path

import pytest

from zebros.errors import BadInput
from zebros.loading import map_files
from zebros.loading.csv_files import inspect
from zebros.loading.csv_rows import BadRow, Row, rows
from zebros.loading.header_names import suggestion
from zebros.loading.map_model import Map
from zebros.loading.mapper import MappedRow, Mapper, Reference
from zebros.loading.record_types import RECORD_TYPES

ACCOUNTS, OPPORTUNITIES = RECORD_TYPES["accounts"], RECORD_TYPES["opportunities"]
LEAST = '[fields]\nname = "who"\n"external_ids.crm" = "id"\n'


def read(tmp_path: Path, text: str, kind: str = "accounts") -> Map:
    file = tmp_path / "map.toml"
    file.write_text(text, encoding="utf-8")
    return map_files.read_map(file, RECORD_TYPES[kind])


def mapped(
    tmp_path: Path, map_text: str, csv_text: str, kind: str = "accounts"
) -> list[MappedRow | BadRow]:
    file = tmp_path / "data.csv"
    file.write_text(csv_text, encoding="utf-8")
    mapper = Mapper(read(tmp_path, map_text, kind), RECORD_TYPES[kind], inspect(file), (tmp_path,))
    return [mapper.map_row(row) if isinstance(row, Row) else row for row in rows(mapper.file)]


def item(tmp_path: Path, map_text: str, csv_text: str, kind: str = "accounts") -> dict[str, object]:
    (only,) = mapped(tmp_path, map_text, csv_text, kind)
    assert isinstance(only, MappedRow), only
    return only.item


def reason(tmp_path: Path, map_text: str, csv_text: str, kind: str = "accounts") -> str:
    (only,) = mapped(tmp_path, map_text, csv_text, kind)
    assert isinstance(only, BadRow), only
    return only.reason


def test_columns_become_fields_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    text = LEAST + 'sector = "sector"\nemployees = "staff"\n'
    got = item(tmp_path, text, "id,who,sector,staff\n7, Ann & Co ,,12\n")
    assert got == {"name": "Ann & Co", "external_ids": {"crm": "7"}, "employees": 12}


def test_dotted_fields_need_no_quotes_in_toml(tmp_path: Path) -> None:
    text = (
        '[fields]\nname = "who"\nexternal_ids.crm = "id"\n'
        'custom_fields.route = { column = "route", values = { A = "north" } }\n'
    )
    got = item(tmp_path, text, "id,who,route\n7,Ann,A\n")
    assert got["external_ids"] == {"crm": "7"}
    assert got["custom_fields"] == {"route": "north"}


def test_misspellings_are_replaced_before_any_field_reads_them(tmp_path: Path) -> None:
    text = (
        '[columns.who]\nvalues = { GTXPro = "GTX Pro" }\nempty = ["N/A"]\n'
        '[fields]\nname = { template = "{who|nobody} in {city}" }\n"external_ids.crm" = "id"\n'
    )
    assert item(tmp_path, text, "id,who,city\n7,GTXPro,Oslo\n")["name"] == "GTX Pro in Oslo"
    assert item(tmp_path, text, "id,who,city\n7,N/A,Oslo\n")["name"] == "nobody in Oslo"


def test_a_template_of_empty_columns_is_empty(tmp_path: Path) -> None:
    text = '[fields]\nname = { template = "{a}, {b}" }\n"external_ids.crm" = "id"\n'
    assert reason(tmp_path, text, "id,a,b\n7,,\n") == "name: it is missing"


def test_texts_outside_the_list_are_kept_emptied_or_rejected(tmp_path: Path) -> None:
    def text(other: str) -> str:
        return LEAST + f'sector = {{ column = "s", values = {{ x = "y" }}, other = "{other}" }}\n'

    data = "id,who,s\n7,Ann,z\n"
    assert item(tmp_path, text("keep"), data)["sector"] == "z"
    assert "sector" not in item(tmp_path, text("empty"), data)
    assert reason(tmp_path, text("reject"), data) == "sector: 'z' is none of x"


def test_constants_and_defaults_and_conditions(tmp_path: Path) -> None:
    text = (
        '[fields]\nname = "who"\n"external_ids.crm" = "id"\n'
        'stage = "stage"\n'
        'region = { column = "region", default = "Elsewhere" }\n'
        'lost_reason = { constant = "Not recorded", when = { stage = ["lost", "gone"] } }\n'
    )
    data = "id,who,stage,region\n1,A,lost,\n2,B,won,North\n"
    lost, won = (
        one.item
        for one in mapped(tmp_path, text, data, "opportunities")
        if isinstance(one, MappedRow)
    )
    assert (lost["lost_reason"], lost["region"]) == ("Not recorded", "Elsewhere")
    assert "lost_reason" not in won
    assert won["region"] == "North"


def test_money_is_scaled_and_has_the_currency_of_map_or_column(tmp_path: Path) -> None:
    fixed = LEAST + 'annual_revenue = { column = "m", currency = "USD", scale = 1000000 }\n'
    assert item(tmp_path, fixed, "id,who,m\n7,Ann,1100.04\n")["annual_revenue"] == {
        "minor_units": 110_004_000_000,
        "currency": "USD",
    }
    column = LEAST + 'annual_revenue = { column = "m", currency_column = "c" }\n'
    assert item(tmp_path, column, "id,who,m,c\n7,Ann,5,jpy\n")["annual_revenue"] == {
        "minor_units": 5,
        "currency": "JPY",
    }
    assert "names no currency" in reason(tmp_path, column, "id,who,m,c\n7,Ann,5,\n")


def test_all_faults_of_a_row_are_reported_together(tmp_path: Path) -> None:
    text = LEAST + 'employees = "staff"\nfounded_year = "year"\n'
    assert reason(tmp_path, text, "id,who,staff,year\n7,,many,long ago\n") == (
        "name: it is missing; employees: 'many' is not a whole number; "
        "founded_year: 'long ago' is not a whole number"
    )


def test_a_row_without_an_external_id_is_rejected(tmp_path: Path) -> None:
    assert reason(tmp_path, LEAST, "id,who\n,Ann\n") == "external_ids: the row has no external id"


def test_references_are_not_looked_up_by_the_mapper(tmp_path: Path) -> None:
    text = LEAST + 'parent_account_id = { column = "parent", by = "external_ids.crm" }\n'
    with_parent, without = mapped(tmp_path, text, "id,who,parent\n7,Ann,Bo\n8,Bo,\n")
    assert isinstance(with_parent, MappedRow)
    assert isinstance(without, MappedRow)
    assert with_parent.references == (
        Reference("parent_account_id", "accounts", "external_ids.crm", "Bo", "reject"),
    )
    assert without.references == ()


def test_columns_of_a_joined_file_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "teams.csv").write_text("agent,boss\nAnn,Cleo\n", encoding="utf-8")
    join = '[joins.team]\nfile = "teams.csv"\ncolumn = "who"\nkey = "agent"\n'
    text = join + LEAST + 'team_id = "team.boss"\n'
    assert item(tmp_path, text, "id,who\n7,Ann\n")["team_id"] == "Cleo"
    assert reason(tmp_path, text, "id,who\n7,Dan\n") == "who: 'Dan' is not in teams.csv"
    lenient = text.replace('key = "agent"', 'key = "agent"\nmissing = "empty"')
    assert "team_id" not in item(tmp_path, lenient, "id,who\n7,Dan\n")


@pytest.mark.parametrize(
    ("teams", "message"),
    [
        ("agent,boss\nAnn,Cleo\nAnn,Dan\n", "'Ann' twice"),
        ("name,boss\nAnn,Cleo\n", "no column agent"),
        ("agent,chief\nAnn,Cleo\n", "no column boss"),
        ("agent,boss\nAnn\n", "Row 2"),
    ],
)
def test_an_ambiguous_or_invalid_join_is_rejected(tmp_path: Path, teams: str, message: str) -> None:
    (tmp_path / "teams.csv").write_text(teams, encoding="utf-8")
    join = '[joins.team]\nfile = "teams.csv"\ncolumn = "who"\nkey = "agent"\n'
    with pytest.raises(BadInput, match=message):
        mapped(tmp_path, join + LEAST + 'team_id = "team.boss"\n', "id,who\n7,Ann\n")


def test_a_wrong_header_is_rejected_with_missing_unknown_and_similar_columns(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadInput) as rejected:
        mapped(tmp_path, LEAST + 'sector = "sector"\n', "id,who,sektor\n7,Ann,x\n")
    assert "sector is missing (is it sektor?)" in rejected.value.message
    assert "sektor is unknown to the map" in rejected.value.message


def test_columns_that_the_map_ignores_are_not_loaded(tmp_path: Path) -> None:
    for ignore in ('["notes"]', '["*"]'):
        got = item(tmp_path, f"ignore = {ignore}\n{LEAST}", "id,who,notes\n7,Ann,x\n")
        assert "notes" not in got
    with pytest.raises(BadInput, match="notes is unknown"):
        mapped(tmp_path, LEAST, "id,who,notes\n7,Ann,x\n")


def test_a_column_with_data_but_without_a_name_is_rejected(tmp_path: Path) -> None:
    data = 'id,who,,\n7,Ann,,\n"8" x\n9,Bo,,secret\n'
    with pytest.raises(BadInput) as rejected:
        mapped(tmp_path, LEAST, data)
    assert "Column 4 of" in rejected.value.message
    assert "has no name, but row 4 has 'secret' in it" in rejected.value.message
    for ignore in ('[""]', '["*"]'):
        assert len(mapped(tmp_path, f"ignore = {ignore}\n{LEAST}", data)) == 3
    assert len(mapped(tmp_path, LEAST, data.replace("secret", " "))) == 3

    file = tmp_path / "a.csv"
    file.write_text("external_ids.crm,name,\n7,Ann,x\n", encoding="utf-8")
    shape = inspect(file)
    with pytest.raises(BadInput, match="Column 3 of"):
        Mapper(map_files.identity_map(shape.header, ACCOUNTS, file), ACCOUNTS, shape, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields = 3", "at fields"),
        ("[fields", "is not TOML"),
        ("[fields]\n", "at fields"),
        ('[fields]\nname = "who"\n', "no external id"),
        ('[fields]\n"external_ids.crm" = "id"\n', "leaves out name"),
        (LEAST + 'sektor = "s"\n', "fills sektor, which accounts do not have"),
        (LEAST + 'sector = { column = "s", constant = "x" }\n', "exactly one of column"),
        (LEAST + "sector = { }\n", "exactly one of column"),
        (LEAST + 'sector = { column = "s", colour = "x" }\n', "not an option of a map file"),
        (LEAST + 'annual_revenue = "m"\n', "name the currency"),
        (LEAST + 'sector = { column = "s", currency = "USD" }\n', "a currency is for money"),
        (
            LEAST + 'annual_revenue = { column = "m", currency = "usd" }\n',
            "is wrong at fields.annual_revenue: 'usd' is not an active ISO 4217 currency code",
        ),
        (
            LEAST + 'annual_revenue = { column = "m", currency = "XXX" }\n',
            "is wrong at fields.annual_revenue: 'XXX' is not",
        ),
        (LEAST + 'parent_account_id = "p"\n', "how accounts are found"),
        (LEAST + 'parent_account_id = { column = "p", by = "name" }\n', "external_ids.<system>"),
        (LEAST + 'sector = { column = "s", by = "external_ids.crm" }\n', "for references"),
        ('record = "contacts"\n' + LEAST, "is for contacts, not for accounts"),
        (LEAST + '[pipeline]\nname = "x"\nstages = []\n', "at pipeline.stages"),
    ],
)
def test_an_invalid_map_is_rejected_with_the_place_of_the_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        read(tmp_path, text)


def test_a_date_format_without_a_year_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    for layout in ('"%d/%m"', '["%Y-%m-%d", "%d.%m."]', '"%%Y %d/%m"'):
        text = f'{LEAST}opened_on = {{ column = "o", format = {layout} }}\n'
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=r"wrong at fields\.opened_on: .* no year"):
            map_files.read_map(file, OPPORTUNITIES)
    for layout in ("%d/%m/%y", "%c", "%x", "%G-W%V-%u", "%d%m%Y"):
        text = f'{LEAST}opened_on = {{ column = "o", format = "{layout}" }}\n'
        file.write_text(text, encoding="utf-8")
        map_files.read_map(file, OPPORTUNITIES)


def test_a_misspelt_field_suggests_a_similar_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as rejected:
        read(tmp_path, LEAST + 'anual_revenue = { column = "m", currency = "USD" }\n')
    assert rejected.value.hint == "Did you mean annual_revenue?"


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ('separator = ""', "must not be empty"),
        ("separator = 5", "must be text in quotes"),
        ('other = "drop"', "must be 'keep', 'reject' or 'empty'"),
        ("scale = 0", "must be more than 0"),
        ('required = "maybe"', "must be true or false"),
        ('when = "x"', "must be a table"),
    ],
)
def test_a_wrong_option_is_answered_by_what_would_be_right(
    tmp_path: Path, option: str, sentence: str
) -> None:
    with pytest.raises(BadInput) as rejected:
        read(tmp_path, f'{LEAST}tags = {{ column = "t", {option} }}\n')
    assert sentence in rejected.value.message
    assert "should" not in rejected.value.message


@pytest.mark.parametrize(
    ("header", "kind", "meant"),
    [
        ("Id", "accounts", "external_ids.<system>"),
        ("Record ID", "contacts", "external_ids.<system>"),
        ("Industry", "accounts", "sector"),
        ("Website URL", "accounts", "website"),
        ("Deal - Title", "opportunities", "name"),
        ("Phone", "contacts", "phones"),
        ("Email", "contacts", "emails"),
        ("sectr", "accounts", "sector"),
        ("Fax", "accounts", None),
        ("Rating", "accounts", None),
        ("Site", "accounts", None),
        ("Fiscal", "opportunities", None),
        ("Type", "opportunities", None),
        ("custom_field", "accounts", "custom_fields.<name>"),
    ],
)
def test_a_suggestion_is_what_somebody_meant_or_none(
    header: str, kind: str, meant: str | None
) -> None:
    assert suggestion(header, RECORD_TYPES[kind]) == meant


def test_without_a_map_the_columns_must_be_named_as_fields(tmp_path: Path) -> None:
    header = ("external_ids.crm", "name", "annual_revenue", "tags")
    identity = map_files.identity_map(header, ACCOUNTS, tmp_path / "a.csv")
    assert set(identity.fields) == set(header)
    with pytest.raises(BadInput) as rejected:
        map_files.identity_map(("Name", "sectr"), ACCOUNTS, tmp_path / "a.csv")
    assert "sectr (did you mean sector?)" in rejected.value.message
    assert "Name (did you mean name?)" in rejected.value.message
    assert "missing: name, external_ids.<system>" in rejected.value.message


def test_without_a_map_cells_are_parsed_by_their_field(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "external_ids.crm,name,annual_revenue,tags,parent_account_id\n"
        "7,Ann,12.50 USD,a; b;,01J9ZK4V3W8Q5D2T7Y6R1XNMHB\n",
        encoding="utf-8",
    )
    shape = inspect(file)
    mapper = Mapper(map_files.identity_map(shape.header, ACCOUNTS, file), ACCOUNTS, shape, ())
    (row,) = rows(shape)
    assert isinstance(row, Row)
    found = mapper.map_row(row)
    assert isinstance(found, MappedRow)
    assert found.item == {
        "external_ids": {"crm": "7"},
        "name": "Ann",
        "annual_revenue": {"minor_units": 1250, "currency": "USD"},
        "tags": ["a", "b"],
        "parent_account_id": "01J9ZK4V3W8Q5D2T7Y6R1XNMHB",
    }


@pytest.mark.parametrize("name", ["accounts", "products", "opportunities"])
def test_the_maps_of_the_flows_are_valid(name: str) -> None:
    folder = Path(__file__).parents[3] / "flows" / "maps"
    assert map_files.read_map(folder / f"{name}.toml", RECORD_TYPES[name]).record == name
