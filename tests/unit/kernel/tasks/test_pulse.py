"""The pulse of a worker: a file whose time says when its loop last went round."""

import os
import time
from pathlib import Path

import pytest

from kernel.tasks.worker.pulse import LONGEST_SILENCE_S, NAME, Pulse, silence_s
from worker import health
from zebros.local import parts


def test_a_beat_renews_the_file_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "work" / NAME
    pulse, now = Pulse(file), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert silence_s(file) is None
    pulse.beat()
    assert 0 <= (silence_s(file) or 0) < 60
    for later, renewed in ((0.9, False), (1.0, True)):
        now[0] = 100.0 + later
        os.utime(file, (1, 1))
        pulse.beat()
        assert (file.stat().st_mtime > 1) is renewed


def test_a_folder_that_cannot_be_written_does_not_end_the_worker(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    Pulse(tmp_path / "work" / NAME).beat()
    assert silence_s(tmp_path / "work" / NAME) is None


def test_a_clock_that_was_set_back_is_no_silence(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.touch()
    os.utime(file, (time.time() + 900, time.time() + 900))
    assert silence_s(file) == 0


@pytest.mark.parametrize(
    ("seconds", "code", "text"),
    [
        (None, 1, "the worker has not started"),
        (LONGEST_SILENCE_S - 5, 0, ""),
        (LONGEST_SILENCE_S + 1, 1, "the worker hangs: it gave no sign of life for 181 s"),
    ],
)
def test_a_container_is_healthy_while_its_worker_gives_signs_of_life(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seconds: float | None,
    code: int,
    text: str,
) -> None:
    monkeypatch.setenv("WORK_FOLDER", str(tmp_path))
    if seconds is not None:
        (tmp_path / NAME).touch()
        os.utime(tmp_path / NAME, (time.time() - seconds, time.time() - seconds))
    assert health.main() == code
    printed = capsys.readouterr().out
    assert printed.startswith(text)
    assert bool(printed) is bool(text)


def test_the_longest_wait_of_a_sound_worker_is_no_silence() -> None:
    """Four attempts of 25 s and their pauses (kernel/runtime/aws.py)."""
    assert LONGEST_SILENCE_S > 4 * 25 + 20


def test_the_local_platform_reads_the_same_file(tmp_path: Path) -> None:
    assert (parts.PULSE, parts.LONGEST_SILENCE_S) == (NAME, LONGEST_SILENCE_S)
    assert parts.silence_s(tmp_path / NAME) == 0, "it is starting"
    (tmp_path / NAME).touch()
    os.utime(tmp_path / NAME, (time.time() - 200, time.time() - 200))
    assert 199 < parts.silence_s(tmp_path / NAME) < 300
