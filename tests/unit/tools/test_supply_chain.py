"""What `make supply-chain` makes of the findings of its judges."""

from pathlib import Path
from typing import Any

import pytest

from tools.drift import ROOT
from tools.supply_chain.findings import Accepted, Finding, accepted, verdict
from tools.supply_chain.judges import ARTEFACTS, LICENCES, licences, pinned

KEY = Finding("secrets", "AWS Access Key", "services/a.py", 7)
KNOWN = Accepted("secrets", "AWS*", "services/*", "An example of AWS's documentation")


def test_a_finding_without_an_explanation_is_wrong() -> None:
    assert verdict([KEY], []) == ["secrets: AWS Access Key in services/a.py, line 7"]
    assert verdict([KEY], [KNOWN]) == []


@pytest.mark.parametrize(
    "other",
    [
        Accepted("bandit", "AWS*", "services/*", "x"),
        Accepted("secrets", "Private Key", "services/*", "x"),
        Accepted("secrets", "AWS*", "tests/*", "x"),
    ],
)
def test_an_explanation_of_something_else_does_not_cover_it_and_is_not_needed(
    other: Accepted,
) -> None:
    assert verdict([KEY], [other]) == [
        "secrets: AWS Access Key in services/a.py, line 7",
        f"no finding needs {other.judge}: {other.kind} in {other.place}",
    ]


def test_every_explanation_has_a_reason() -> None:
    assert all(len(one.reason) > 10 for one in accepted())


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"license": {"id": "MIT"}}], {"MIT"}),
        (
            [{"expression": "MIT AND (BSD-3-Clause OR GPL-3.0-only)"}],
            {"MIT", "BSD-3-Clause", "GPL-3.0-only"},
        ),
        ([{"license": {"name": "License :: OSI Approved :: MIT License"}}], {"MIT"}),
        ([{"license": {"name": "Some licence"}}], {"Some licence"}),
        ([], {"none"}),
    ],
)
def test_the_licences_of_a_package_are_read(entries: list[Any], expected: set[str]) -> None:
    assert licences({"name": "x", "licenses": entries}) == expected


def test_licences_that_bind_the_code_of_a_service_are_not_accepted() -> None:
    assert not {one for one in LICENCES if "GPL" in one or "SSPL" in one or "none" in one}


def test_the_pins_of_every_artefact_are_read_with_normalized_names(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "typing_extensions==4.16.0 \\\n    --hash=sha256:ab\nboto3==1.4 \\\n    # via x\n"
    )
    assert pinned(file) == {"typing-extensions": "4.16.0", "boto3": "1.4"}
    built = {path.parent.name for path in (ROOT / "layers").glob("*/requirements.txt")}
    assert {name.removeprefix("layer-") for name in ARTEFACTS} == built | {"worker"}
