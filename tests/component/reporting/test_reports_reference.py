"""The measurement of reports compares two programs that must find the same figures."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.bench.reports import make_lake, make_report
from tools.bench.reports_reference import by_owner


def test_the_report_and_the_reference_of_its_measurement_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reference measures orjson, which is in its own environment; its results are json's.
    monkeypatch.setitem(sys.modules, "orjson", SimpleNamespace(loads=json.loads))
    make_lake(tmp_path / "lake", 6_000)
    make_report(tmp_path / "lake", tmp_path / "report.json")
    totals = json.loads((tmp_path / "report.json").read_text())
    assert len(totals) == 375  # 250 owners, half of them with deals in two currencies
    assert totals == by_owner(tmp_path / "lake")
