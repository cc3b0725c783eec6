"""The servers of these tests themselves."""

import socket
import tempfile
from pathlib import Path

import pytest

from tests.identity import servers
from tests.identity.servers import HOST, Missing, Postgres


def test_a_port_in_use_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = tempfile.mkdtemp

    def noted(**words: str) -> str:
        made.append(make(**words))
        return made[-1]

    monkeypatch.setattr(servers.tempfile, "mkdtemp", noted)
    with socket.create_server((HOST, 0)) as taken:
        monkeypatch.setattr(servers, "free_port", lambda: taken.getsockname()[1])
        try:
            with pytest.raises(AssertionError) as failed:
                Postgres("password")
        except Missing as why:
            pytest.skip(str(why))
    sentence = "PostgreSQL's port was taken by another program: run the tests again."
    assert str(failed.value) == sentence
    assert [one for one in made if Path(one).exists()] == [], "its folder is removed"
