"""No option of a map is ignored: each pair has the effect of both, or is refused.

For every type of field, every source and every pair of options, a map that is accepted must map
some row differently when one of the two is taken away.
"""

import itertools
from pathlib import Path
from typing import Any

import pytest

from zebros.errors import BadInput
from zebros.loading.csv_files import CsvFile, inspect
from zebros.loading.csv_rows import BadRow, Row, rows
from zebros.loading.map_checks import check_map
from zebros.loading.map_model import Map
from zebros.loading.mapper import MappedRow, Mapper
from zebros.loading.record_types import RECORD_TYPES, FieldType

FIELDS = {
    FieldType.TEXT: ("accounts", "sector"),
    FieldType.INTEGER: ("accounts", "employees"),
    FieldType.MONEY: ("accounts", "annual_revenue"),
    FieldType.COUNTRY: ("accounts", "country"),
    FieldType.LIST: ("accounts", "tags"),
    FieldType.PHONE: ("accounts", "phone"),
    FieldType.WEBSITE: ("accounts", "website"),
    FieldType.PHONES: ("contacts", "phones"),
    FieldType.EMAILS: ("contacts", "emails"),
    FieldType.REFERENCE: ("contacts", "account_id"),
    FieldType.BOOLEAN: ("products", "active"),
    FieldType.DATE: ("opportunities", "opened_on"),
}
GOOD = {
    FieldType.TEXT: "retail",
    FieldType.INTEGER: "1,234",
    FieldType.MONEY: "1,234",
    FieldType.COUNTRY: "DEU",
    FieldType.LIST: "a|b",
    FieldType.PHONE: "020 7946 0018",
    FieldType.WEBSITE: "www.example.com",
    FieldType.PHONES: "020 7946 0018_020 7946 0019",
    FieldType.EMAILS: "a@b.example_c@d.example",
    FieldType.REFERENCE: "7|8",
    FieldType.BOOLEAN: "yes",
    FieldType.DATE: "05.01.2026",
}
OTHERS = ("", "X", "Y", "#N/A", "1.234", "12", "2026-01-05", "+442079460018", "no")
OPTIONS: dict[str, Any] = {
    "other": "reject",
    "when": {"w": "yes"},
    "required": True,
    "on_error": "drop value",
    "currency": "EUR",
    "currency_column": "cur",
    "scale": 1000,
    "decimal": ",",
    "thousands": "'",
    "format": "%d.%m.%Y",
    "separator": "|",
    "country": "GB",
    "country_column": "cty",
    "by": "external_ids.erp",
    "missing": "empty",
}
NAMES = ["values", "default", *OPTIONS]


def value_of(option: str, type_: FieldType) -> Any:
    good = GOOD[type_]
    if option == "values":
        return {"X": good}
    if option == "default":
        return good
    points = (FieldType.EMAILS, FieldType.PHONES)
    return "_" if option == "separator" and type_ in points else OPTIONS[option]


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> dict[FieldType, CsvFile]:
    """A file for each type: all texts, with each text of the other columns."""
    found = {}
    for type_ in FIELDS:
        file = tmp_path_factory.mktemp("probes") / f"{type_}.csv"
        texts = (GOOD[type_], *OTHERS)
        table = itertools.product(texts, ("yes", "no"), ("USD", "JPY"), ("US", "GB", ""))
        lines = [f'{n},"{a}",{w},{cur},{cty}' for n, (a, w, cur, cty) in enumerate(table)]
        file.write_text("\n".join(["id,a,w,cur,cty", *lines]) + "\n", encoding="utf-8")
        found[type_] = inspect(file)
    return found


def outcome(type_: FieldType, source: dict[str, Any], file: CsvFile) -> list[Any] | None:
    """What the map makes of each row; None when it is refused."""
    record, field = FIELDS[type_]
    needed: dict[str, Any] = {}
    if type_ is FieldType.MONEY and "currency_column" not in source:
        needed = {"currency": "USD"}
    elif type_ is FieldType.REFERENCE:
        needed = {"by": "external_ids.crm"}
    name = "last_name" if record == "contacts" else "name"
    fields = {name: {"constant": "A"}, "external_ids.crm": "id", field: {**needed, **source}}
    try:
        map_ = Map.model_validate({"ignore": ["*"], "fields": fields})
        check_map(map_, RECORD_TYPES[record], "The map")
        mapper = Mapper(map_, RECORD_TYPES[record], file, (Path(),))
    except (BadInput, ValueError):
        return None
    found: list[Any] = []
    for row in rows(file):
        assert isinstance(row, Row)
        mapped = mapper.map_row(row)
        if isinstance(mapped, BadRow):
            found.append(mapped.reason)
        else:
            assert isinstance(mapped, MappedRow)
            found.append((mapped.item.get(field), mapped.references, mapped.left_out))
    return found


@pytest.mark.parametrize("origin", ["column", "template", "constant"])
@pytest.mark.parametrize("type_", FIELDS)
def test_every_pair_of_options_has_its_effect_or_is_refused(
    probes: dict[FieldType, CsvFile], type_: FieldType, origin: str
) -> None:
    text = {"column": "a", "template": "{a}", "constant": GOOD[type_]}[origin]
    ignored, accepted = [], 0
    for pair in itertools.combinations(NAMES, 2):
        options = {one: value_of(one, type_) for one in pair}
        with_both = outcome(type_, {origin: text, **options}, probes[type_])
        if with_both is None:
            continue
        accepted += 1
        for one in pair:
            rest = {name: value for name, value in options.items() if name != one}
            if outcome(type_, {origin: text, **rest}, probes[type_]) == with_both:
                ignored.append(f"{one} beside {', '.join(rest)}")
    assert ignored == []
    assert accepted > 0 or origin == "constant"


@pytest.mark.parametrize("origin", ["column", "template"])
@pytest.mark.parametrize("type_", FIELDS)
@pytest.mark.parametrize("option", ["values", "default", "when", "required", "on_error"])
def test_options_about_texts_work_on_every_type(
    probes: dict[FieldType, CsvFile], type_: FieldType, origin: str, option: str
) -> None:
    source = {origin: "a" if origin == "column" else "{a}"}
    needed = {
        FieldType.DATE: {"format": "%d.%m.%Y"},
        FieldType.PHONE: {"country": "GB"},
        FieldType.PHONES: {"country": "GB", "separator": "_"},
        FieldType.MONEY: {"decimal": "."},
    }.get(type_, {})
    without = outcome(type_, {**source, **needed}, probes[type_])
    with_it = outcome(type_, {**source, **needed, option: value_of(option, type_)}, probes[type_])
    assert with_it is not None
    assert with_it != without
