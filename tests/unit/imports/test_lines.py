"""The lines of a file: what is a record, what is rejected, and what identifies a record."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from imports.jobs import lines as of_file
from imports.jobs.lines import (
    MAX_LINE_BYTES,
    LineReader,
    RawLine,
    UnreadableFile,
    count_records,
    raw_lines,
)
from kernel.tasks.progress import Interrupted

UPLOAD = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "records"
    path.write_bytes(content)
    return path


def read(folder: Path, content: bytes) -> list[tuple[int, bytes, bool]]:
    return [tuple(one) for one in raw_lines(file_of(folder, content))]


def count(folder: Path, content: bytes) -> int:
    return count_records(file_of(folder, content), lambda: None)


def line_of(record: Any, *, by_email: bool = False, number: int = 7) -> of_file.Line:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return LineReader(UPLOAD, by_email=by_email).line(RawLine(number, content, too_long=False))


def test_blank_lines_are_skipped_and_counted_in_numbers(tmp_path: Path) -> None:
    content = b'\n{"a":1}\r\n \t \n\n{"b":2}'
    assert read(tmp_path, content) == [(2, b'{"a":1}', False), (5, b'{"b":2}', False)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize(
    ("size", "too_long"),
    [
        (MAX_LINE_BYTES, False),
        (MAX_LINE_BYTES + 1, True),
        (MAX_LINE_BYTES + 2, True),
        (5 * MAX_LINE_BYTES, True),
    ],
)
def test_a_line_has_at_most_so_many_bytes(
    tmp_path: Path, size: int, too_long: bool, end: bytes
) -> None:
    found = read(tmp_path, b"x" * size + end)
    assert [(number, long) for number, _, long in found] == [(1, too_long)]


def test_the_line_after_one_that_is_too_long_is_whole(tmp_path: Path) -> None:
    found = read(tmp_path, b"x" * 350_000 + b"\nnext\n")
    assert found[1:] == [(2, b"next", False)]
    assert len(found[0][1]) < MAX_LINE_BYTES + 3, "only its beginning is kept"


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n") == [
        (1, b"{}", False),
        (2, b"\xef\xbb\xbf{}", False),
    ]


def test_a_compressed_file_has_the_same_lines(tmp_path: Path) -> None:
    content = b'{"a":1}\n\n{"b":2}\n'
    assert read(tmp_path, gzip.compress(content)) == read(tmp_path, content)


@pytest.mark.parametrize("cut", [1, 8, 20])
def test_a_damaged_file_is_unreadable(tmp_path: Path, cut: int) -> None:
    with pytest.raises(UnreadableFile, match="gzip"):
        count(tmp_path, gzip.compress(b'{"a":1}\n' * 3000)[:-cut])


def test_records_are_counted(tmp_path: Path) -> None:
    assert count(tmp_path, b"") == 0
    assert count(tmp_path, b'{"a":1}\n\n{"b":2}') == 2
    assert count(tmp_path, b'{"a":1}\n' + b"wrong\n" * 500) == 501
    assert count(tmp_path, b"wrong\n" * 99 + b'{"a":1}\n') == 100


@pytest.mark.parametrize(
    "content", [b"wrong\n", b"wrong\n" * 100 + b'{"a":1}\n', b"[1]\n1\nnull\n"]
)
def test_a_file_without_an_object_among_its_first_lines_is_unreadable(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(UnreadableFile, match="not JSON Lines"):
        count(tmp_path, content)


def test_a_file_that_unpacks_to_too_much_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_file.MAX_UNPACKED_BYTES == 8 * 1024**3
    monkeypatch.setattr(of_file, "MAX_UNPACKED_BYTES", 1_000_000)
    assert count(tmp_path, gzip.compress(b"{}\n" * 300_000)) == 300_000
    for content in (b"{}\n" * 400_000, b"{" * 2_000_000, b"{}\n" + b"x" * 2_000_000):
        with pytest.raises(UnreadableFile, match="more than 1,000,000 bytes"):
            count(tmp_path, gzip.compress(content))


def test_a_file_of_blank_lines_is_not_read_for_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_file._MAX_LINES == 2_000_000
    monkeypatch.setattr(of_file, "_MAX_LINES", 10)
    assert count(tmp_path, b"\n" * 10) == 0
    with pytest.raises(UnreadableFile, match="more than 10 lines"):
        count(tmp_path, b"\n" * 11)


def test_counting_can_be_interrupted(tmp_path: Path) -> None:
    def stop() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        count_records(file_of(tmp_path, b"{}\n" * 1_001), stop)


@pytest.mark.parametrize(
    ("record", "by_email", "names"),
    [
        ({"external_ids": {"erp": " 4711 "}}, False, {("erp", "4711")}),
        ({"external_ids": {"erp": "Eva@X.com", "b": 5}}, False, {("erp", "eva@x.com"), ("b", "5")}),
        ({"external_ids": {"erp": "1"}, "emails": ["a@x.com"]}, False, {("erp", "1")}),
        ({"emails": [" A@x.com", "b@x.com"]}, True, {("", "a@x.com"), ("", "b@x.com")}),
    ],
)
def test_a_line_is_identified_as_its_batch_identifies_it(
    record: dict[str, Any], by_email: bool, names: set[tuple[str, str]]
) -> None:
    line = line_of(record, by_email=by_email)
    assert line.names == names
    assert json.loads(line.text) == record, "sent as it was written"


@pytest.mark.parametrize(
    "record",
    [{"name": "A"}, {"name": "A", "external_ids": {}}, {"name": "A", "external_ids": None}],
)
def test_a_line_without_an_identity_gets_one(record: dict[str, Any]) -> None:
    line = line_of({**record, "emails": ["a@x.com"]})
    assert json.loads(line.text)["external_ids"] == {"import": f"{UPLOAD}-7"}
    assert line.names == frozenset(), "no other line has it"


@pytest.mark.parametrize(
    "content",
    [
        b'{"name":"A","external_ids":"wrong"}',
        b'{"name":"A","external_ids":[1]}',
        b'{"name":"A","number":1e999}',
    ],
)
def test_a_line_that_its_context_rejects_stays_as_it_is(content: bytes) -> None:
    line = line_of(content)
    assert (line.text, line.problem) == (content.decode(), None)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[1]", 400),
        (b'"text"', 400),
        (b"{", 400),
        (b"{} {}", 400),
        (b'{"a":NaN}', 400),
        (b'{"a":-Infinity}', 400),
        (b'{"a":"\xff"}', 400),
        (b'{"a":' + b"9" * 5_000 + b"}", 400),
        (b'{"a":' * 50_000, 400),
    ],
)
def test_a_line_that_is_no_json_object_has_a_problem(content: bytes, status: int) -> None:
    line = line_of(content)
    assert line.problem is not None
    assert line.problem.status == status
    assert len(json.loads(line.text)) <= 1_000, "what is shown of it is text"
