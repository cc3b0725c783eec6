"""`zebros load` detects unusable files and targets before a row is sent."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from zebros import cli

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
def test_the_rejects_never_replace_a_source_file(
    capsys: pytest.CaptureFixture[str], folder: Path, target: str, dry: tuple[str, ...]
) -> None:
    (folder / "sub").mkdir()
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "also.csv").hardlink_to(folder / "a.csv")
    words = ("a.csv", "--map", "map.toml", "--rejects", target, *dry)
    code, message = load(capsys, *words)
    assert code == 65
    assert f"The rejects cannot be written to {Path(target)}" in message
    assert (folder / "a.csv").read_text(encoding="utf-8") == ROWS
    assert (folder / "map.toml").read_text(encoding="utf-8") == MAP


def test_the_temporary_rejects_file_never_replaces_a_source_file(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.csv").rename(folder / "b.csv.part")
    assert load(capsys, "b.csv.part", "--rejects", "b.csv")[0] == 65
    assert (folder / "b.csv.part").read_text(encoding="utf-8") == ROWS


def test_the_default_rejects_file_never_replaces_a_source_file(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.csv.rejects.csv").symlink_to("a.csv")
    code, message = load(capsys, "a.csv")
    assert code == 65
    assert "--rejects FILE" in message


def test_the_rejects_never_replace_a_joined_file(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "t.csv").write_text("who,boss\nAnn,Cleo\n", encoding="utf-8")
    join = '[joins.team]\nfile = "t.csv"\ncolumn = "name"\nkey = "who"\n'
    (folder / "map.toml").write_text(f'{join}{MAP}team_id = "team.boss"\n', encoding="utf-8")
    code, message = load(capsys, "a.csv", "--map", "map.toml", "--rejects", "t.csv")
    assert code == 65
    assert "cannot be written to t.csv" in message


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sub", "The rejects cannot be written to sub: it is not a file"),
        ("pipe", "it is not a file"),
        ("nowhere/r.csv", "There is no folder nowhere to write the rejects into"),
        (f"{'r' * 255}", "The rejects cannot be written to"),
    ],
)
def test_an_unusable_rejects_file_is_rejected_before_the_first_row(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    target: str,
    message: str,
    dry: tuple[str, ...],
) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    before = sorted(folder.iterdir())
    code, err = load(capsys, "a.csv", "--rejects", target, *dry)
    assert (code, message in err) == (65, True), err
    assert "--rejects FILE" in err
    assert sorted(folder.iterdir()) == before


def test_a_read_only_folder_is_rejected_before_the_first_row(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def reject(path: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        if "w" in mode:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode, *args, **more)

    monkeypatch.setattr(Path, "open", reject)  # root is never rejected
    code, message = load(capsys, "a.csv")
    assert code == 65
    assert "The rejects cannot be written to a.csv.rejects.csv: Permission denied" in message


def test_earlier_rejects_remain_until_the_load_has_ended(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "a.csv.rejects.csv").write_text("of an earlier load", encoding="utf-8")
    assert load(capsys, "a.csv")[0] == 69
    assert (folder / "a.csv.rejects.csv").read_text(encoding="utf-8") == "of an earlier load"


def test_one_row_is_counted_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["load", "accounts", "a.csv", "--dry-run"]) == 0
    caught = capsys.readouterr()
    assert "1 row at most." in caught.err
    assert caught.out.startswith("1 row is ready to be loaded, 0 would be rejected.")


def test_the_rejects_file_of_a_dry_run_is_complete(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.cli.load._LISTED", 2)
    (folder / "bad.csv").write_text("external_ids.crm,name\n" + "x\n" * 3)
    words = ("load", "accounts", "bad.csv", "--dry-run", "--rejects", "r.csv", "--json")
    assert cli.main(words) == 3
    assert len(json.loads(capsys.readouterr().out)["rejects"]) == 2
    assert len((folder / "r.csv").read_text().splitlines()) == 4
