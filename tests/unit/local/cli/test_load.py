"""`zebros load` refuses what would go wrong later, before a row is read or sent."""

from pathlib import Path

import pytest

from local import cli

ROWS = "external_ids.crm,name\n1,Ann\n"
MAP = '[fields]\nname = "name"\n"external_ids.crm" = "external_ids.crm"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and its map, far from any running CRM."""
    monkeypatch.chdir(tmp_path)
    for name in ("ZEBROS_API", "ZEBROS_TOKEN", "ZEBROS_STACK", "ZEBROS_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    return tmp_path


def load(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli.main(["load", "accounts", *words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize("target", ["a.csv", "./sub/../a.csv", "link.csv", "map.toml", "also.csv"])
def test_the_rejects_never_take_the_place_of_what_is_read(
    capsys: pytest.CaptureFixture[str], folder: Path, target: str, dry: tuple[str, ...]
) -> None:
    (folder / "sub").mkdir()
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "also.csv").hardlink_to(folder / "a.csv")
    words = ("a.csv", "--map", "map.toml", "--rejects", target, *dry)
    code, said = load(capsys, *words)
    assert code == 65
    assert f"The rejects cannot go into {Path(target)}" in said
    assert (folder / "a.csv").read_text(encoding="utf-8") == ROWS
    assert (folder / "map.toml").read_text(encoding="utf-8") == MAP


def test_not_even_the_file_that_the_rejects_are_first_written_to_is_one_that_is_read(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.csv").rename(folder / "b.csv.part")
    assert load(capsys, "b.csv.part", "--rejects", "b.csv")[0] == 65
    assert (folder / "b.csv.part").read_text(encoding="utf-8") == ROWS


def test_the_default_place_of_the_rejects_may_not_be_the_file_either(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.csv.rejects.csv").symlink_to("a.csv")
    code, said = load(capsys, "a.csv")
    assert code == 65
    assert "--rejects FILE" in said


def test_a_joined_file_is_not_written_over(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "t.csv").write_text("who,boss\nAnn,Cleo\n", encoding="utf-8")
    join = '[joins.team]\nfile = "t.csv"\ncolumn = "name"\nkey = "who"\n'
    (folder / "map.toml").write_text(f'{join}{MAP}team_id = "team.boss"\n', encoding="utf-8")
    code, said = load(capsys, "a.csv", "--map", "map.toml", "--rejects", "t.csv")
    assert code == 65
    assert "cannot go into t.csv" in said
