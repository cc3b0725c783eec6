"""Settings: the environment as named tuples, and the error for a wrong one."""

from typing import NamedTuple

import pytest

from kernel.runtime.settings import SettingsError, read_settings


class Settings(NamedTuple):
    """Two required and two optional settings."""

    table_name: str
    batch_size: int
    queue_url: str = ""
    grace_seconds: int = 60


def test_fields_are_read_from_variables_of_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_NAME", "table")
    monkeypatch.setenv("BATCH_SIZE", "10")
    monkeypatch.setenv("GRACE_SECONDS", "0")
    monkeypatch.setenv("QUEUE_URL", "")
    assert read_settings(Settings) == Settings("table", 10, "", 0)


def test_a_missing_or_empty_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_SIZE", "10")
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("TABLE_NAME", raising=False)
        else:
            monkeypatch.setenv("TABLE_NAME", value)
        with pytest.raises(SettingsError, match="TABLE_NAME is not set"):
            read_settings(Settings)


def test_a_value_that_is_not_a_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_NAME", "table")
    monkeypatch.setenv("BATCH_SIZE", "ten")
    with pytest.raises(SettingsError, match="BATCH_SIZE must be a whole number, not 'ten'"):
        read_settings(Settings)
