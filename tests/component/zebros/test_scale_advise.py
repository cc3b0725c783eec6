"""`zebros scale advise` and `zebros scale bill`: sentences and amounts of the API's answers."""

import json
from base64 import b64encode
from contextlib import nullcontext
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from scaling.model.advice import ASSUMPTIONS, advise
from scaling.model.bill import bill_of
from scaling.service.advice import bill_view
from scaling.service.advice_views import AdviceState, phase_view, tenant_view
from tests.unit.scaling.tenants import FOUR, TODAY
from zebros.cli import main
from zebros.client.connection import Connection

SETTINGS = {"items": [{"setting": "memory", "resource": "CustomersApi", "value": 256}]}
SIZES, TIMES = (128, 256, 512, 1024), (20.0, 10.0, 5.0, 4.9)
COSTS = (0.00000042, 0.0000004, 0.00000045, 0.0000008)


def answer() -> dict[str, Any]:
    found = advise(FOUR, "growth", TODAY)
    state = AdviceState(
        as_of=TODAY,
        system=phase_view(found.system),
        tables=[],
        tenants=[tenant_view(one, found.system) for one in found.tenants],
        left_out=2,
        assumptions=list(ASSUMPTIONS),
    )
    return state.model_dump(mode="json", exclude_none=True)


class Api:
    """The API's answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **query: Any) -> Any:
        self.asked.append((path, query))
        if path == "/scaling/settings":
            return SETTINGS
        if path == "/scaling/advice":
            return answer()
        month = TODAY.replace(month=10, day=1)
        found = bill_of(FOUR, "growth", month, TODAY, "operator", query["cents"])
        return bill_view(found).model_dump(mode="json", exclude_none=True)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr(Connection, "client", lambda _self: nullcontext(made))
    return made


def packed(kind: str, values: tuple[float, ...]) -> str:
    return b64encode(pack(f"<{len(values)}{kind}", *values)).decode().rstrip("=")


def measured(folder: Path, url: str | None = None, power: int = 512) -> str:
    lists = (packed("h", SIZES), packed("f", TIMES), packed("f", COSTS))
    drawn = "https://lambda-power-tuning.show/#" + ";".join(lists)
    result = {
        "power": str(power),
        "cost": 0.00000045,
        "duration": 5.0,
        "stateMachine": {"visualization": drawn if url is None else url},
    }
    file = folder / "result.json"
    file.write_text(json.dumps(result), encoding="utf-8")
    return f"CustomersApi={file}"


def test_the_advice_is_sentences(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "advise"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "Phase"
    assert lines[1].startswith("- Plan the move to enterprise: there are 230 users of 4 tenants")
    assert "Tenant falling" in lines
    assert "- falling: tier startup; it was growing." in lines
    assert lines[-1] == f"- {ASSUMPTIONS[-1]}"
    assert "2 smaller tenants are left out" in printed.err
    assert api.asked == [("/scaling/advice", {"tenant": None})]


def test_one_tenant_is_asked_for(api: Api) -> None:
    assert main(["scale", "advise", "--tenant", "large"]) == 0
    assert api.asked == [("/scaling/advice", {"tenant": "large"})]


def test_a_measurement_says_how_much_memory_a_function_needs(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", "advise", "--tuning", measured(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Memory of CustomersApi") + 1
    assert lines[start : start + 7] == [
        "- CustomersApi: 512 MB (5.0 ms, 0.45 USD per million invocations) is best by the "
        "measurement.",
        "- It has 256 MB (10.0 ms, 0.40 USD per million invocations) now.",
        "- Above 512 MB a larger size saves less than a tenth of the time.",
        "- Alternative: 256 MB (10.0 ms, 0.40 USD per million invocations).",
        "- Alternative: 128 MB (20.0 ms, 0.42 USD per million invocations).",
        "- Alternative: 1024 MB (4.9 ms, 0.80 USD per million invocations).",
        "- Deploy with CustomersMemory=512.",
    ]


def test_the_memory_that_it_has_may_be_the_best(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", "advise", "--tuning", measured(tmp_path, power=256)]) == 0
    assert "- Nothing to do." in capsys.readouterr().out.splitlines()


def float_list(value: float) -> str:
    return packed("f", (value,))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://lambda-power-tuning.show/",
        "https://lambda-power-tuning.show/#gAAAAQ;ZooQR;QdWhOE",
        "https://example.com/#AAA;AAAA;AAAA",
        f"https://example.com/#{packed('h', (128,))};{packed('f', (1, 2))};{float_list(1)}",
        f"https://example.com/#{packed('h', (128,))};{float_list(float('nan'))};{float_list(1)}",
        f"https://example.com/#{packed('h', (-1,))};{float_list(1)};{float_list(1)}",
        f"https://example.com/#{packed('h', (128,))};{float_list(1)};{float_list(1)};",
    ],
)
def test_a_curve_that_cannot_be_read_leaves_the_result(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert main(["scale", "advise", "--tuning", measured(tmp_path, url)]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Memory of CustomersApi") + 1
    assert lines[start + 1] == "- It has 256 MB now, which was not measured."
    assert lines[start + 2].startswith("- The result has no readable curve")
    assert lines[start + 3] == "- Deploy with CustomersMemory=512."


def test_json_has_everything(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "scale", "advise", "--tuning", measured(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in answer()} == answer()
    (memory,) = found["memory"]
    assert (memory["function"], memory["now"], memory["enough"]) == ("CustomersApi", 256, 512)
    assert memory["parameter"] == "CustomersMemory=512"
    assert [one["megabytes"] for one in memory["options"]] == [512, 256, 128, 1024]


def test_a_bill_is_printed_by_tenant(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "bill"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:3] == ["tenant", "USD", "customers"]
    rows = [line.split() for line in printed[1:5]]
    assert [row[0] for row in rows] == ["large", "falling", "growing", "small"]
    cents = [round(float(cell.replace(",", "")) * 100) for row in rows for cell in row[1:]]
    whole = sum(cents[0::8])
    assert whole == sum(cents) - whole
    assert (
        f"2026-10, 31 days in phase growth: {whole / 100:,.2f} USD, of which fixed" in printed[-1]
    )


def test_a_bill_is_printed_by_feature(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "bill", "--by", "feature", "--invoice", "1234.56"]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in printed[1:8]]
    assert [name for name, _ in rows] == [
        *("customers", "opportunities", "activities", "reports", "imports"),
        *("notifications", "platform"),
    ]
    assert sum(round(float(usd) * 100) for _, usd in rows) == 123_456
    assert api.asked == [("/scaling/bill", {"month": None, "cents": 123_456})]
    assert main(["--json", "scale", "bill", "--month", "2026-10"]) == 0
    assert json.loads(capsys.readouterr().out)["month"] == "2026-10"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--month", "2026-13"], "--month must be a month such as 2026-11, not 2026-13."),
        (["--month", "2026-100"], "--month must be a month such as 2026-11, not 2026-100."),
        (["--month", "last"], "--month must be a month such as 2026-11, not last."),
        (["--invoice", "-1"], "--invoice must be an amount in USD such as 1234.56, not -1."),
        (["--invoice", "1.234"], "--invoice must be an amount in USD such as 1234.56, not 1.234."),
        (["--invoice", "inf"], "--invoice must be an amount in USD such as 1234.56, not inf."),
        (["--invoice", "much"], "--invoice must be an amount in USD such as 1234.56, not much."),
        (["--invoice", "1e99"], "--invoice must be an amount in USD such as 1234.56, not 1e99."),
    ],
)
def test_a_wrong_option_is_refused_in_a_sentence(
    api: Api, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["scale", "bill", *words]) == 65
    assert message in " ".join(capsys.readouterr().err.split())
    assert api.asked == []
