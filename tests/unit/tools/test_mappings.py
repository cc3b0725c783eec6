"""The figures of the strategy's file and the templates' Mappings cannot drift apart."""

import sys
import textwrap
from pathlib import Path

import pytest

from tools import drift, mappings

STRATEGY = """
    Sizes:
      mvp: {Memory: 128, Zone: a, Ports: [1, 2], Open: true}
      growth: {Memory: 512, Zone: b, Ports: [3], Open: false}
    Classes:
      Api: {Memory: 1024}
      Edge: {Memory: 64}
"""
TEMPLATE = """\
    Parameters: {Phase: {Type: String}}

    Mappings:

    Resources:
      A:
        Type: AWS::SNS::Topic
        Properties:
          Memory: !FindInMap [Sizes, !Ref Phase, Memory]
          Rest: [!FindInMap [Sizes, !Ref Phase, Zone], !FindInMap [Sizes, !Ref Phase, Ports]]
          Open: !If [Yes, !FindInMap [Sizes, !Ref Phase, Open], !FindInMap [Classes, Api, Memory]]
"""
OTHER = """\
    Mappings:
      Old:
        mvp: {Memory: 1}
    Resources:
      B: {Type: AWS::SNS::Topic, Properties: {P: !FindInMap [Classes, Edge, Memory]}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (mappings, drift):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(mappings, "STRATEGY", tmp_path / "strategy.yaml")
    write(tmp_path, "strategy.yaml", STRATEGY)
    write(tmp_path, "template.yaml", TEMPLATE)
    write(tmp_path, "infra/other.yaml", OTHER)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")


def test_a_template_gets_the_figures_it_reads_and_no_others(folder: Path) -> None:
    written = mappings.render()
    assert (
        textwrap.dedent("""\
        Mappings:
          # From strategy.yaml; `make contracts` writes them.
          Sizes:
            mvp: {Memory: 128, Zone: "a", Ports: [1, 2], Open: true}
            growth: {Memory: 512, Zone: "b", Ports: [3], Open: false}
          Classes:
            Api: {Memory: 1024}

        Resources:
    """)
        in written[folder / "template.yaml"]
    )
    other = written[folder / "infra" / "other.yaml"]
    assert other.startswith("Mappings:\n  # From strategy.yaml")
    assert "Edge: {Memory: 64}" in other
    assert "Old" not in other


@pytest.mark.usefixtures("folder")
def test_rendering_again_changes_nothing() -> None:
    for path, text in mappings.render().items():
        path.write_text(text, encoding="utf-8")
    assert all(path.read_text(encoding="utf-8") == text for path, text in mappings.render().items())


def test_a_changed_figure_is_drift(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drift.main(mappings.render(), "make contracts")
    monkeypatch.setattr(sys, "argv", ["mappings", "--check"])
    drift.main(mappings.render(), "make contracts")
    write(folder, "strategy.yaml", STRATEGY.replace("128", "129"))
    with pytest.raises(SystemExit, match=r"not up to date, run `make contracts`: template\.yaml$"):
        drift.main(mappings.render(), "make contracts")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{Memory: 64}", "{Memory: 64, Time: 3}"), "no template uses Classes.Edge.Time"),
        (("Edge: {Memory: 64}", "Edge: {}"), "other.yaml uses Classes.Edge.Memory, which strat"),
        (("Zone: b, ", ""), "template.yaml uses Sizes.growth.Zone, which strategy.yaml lacks"),
        (("Sizes:", "Others:"), r"template.yaml uses Sizes.\?.\w+, which strategy.yaml lacks"),
    ],
)
def test_a_figure_that_nobody_reads_or_nobody_wrote_is_an_error(
    folder: Path, change: tuple[str, str], message: str
) -> None:
    write(folder, "strategy.yaml", STRATEGY.replace(*change))
    with pytest.raises(SystemExit, match=message):
        mappings.render()


def test_a_template_with_figures_needs_the_section(folder: Path) -> None:
    write(folder, "template.yaml", TEMPLATE.replace("Mappings:", ""))
    with pytest.raises(SystemExit, match=r"template\.yaml uses figures but has no `Mappings:`"):
        mappings.render()
