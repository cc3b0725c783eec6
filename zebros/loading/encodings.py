"""The encoding of a file: certain, chosen by somebody, or a proposal (docs/adr/0035).

UTF-8 and byte order marks are certain. Any other encoding only looks likely, and a wrong one reads
text as other text without an error; so it is proposed with lines of the file as they would read.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zebros.errors import BadInput
from zebros.text import count_of

BROKEN = "\udcff"
"""What undefined bytes are read as: a surrogate, which no encoding can produce itself."""
ERRORS = "zebros.broken"
"""The error handler for `open()` that reads undefined bytes as `BROKEN`."""
REPLACED = "\ufffd"
"""The replacement character, by which programs show a byte that they could not read."""

_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_FAMILIES = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32"}
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_MEANT = {
    "ascii": "utf-8-sig",
    "utf-8": "utf-8-sig",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "tis-620": "cp874",
}
"""The encodings of which others are a part. Programs write the larger ones under both names
(https://encoding.spec.whatwg.org/#names-and-labels)."""
_NOT_FOR_FILES = frozenset({"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape"})
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]")
"""Control characters (U+0080 to U+009F are what bytes of a Windows encoding are in an ISO one), and
characters for private use."""
_ASCII = 'az AZ 09 ,;|\t"\r\n'
_SAMPLE_BYTES = 1 << 16
_LINES_SHOWN, _LINES_COMPARED, _LINE_CHARACTERS = 3, 200, 100
_PROPOSALS = 8
_MOST_MESS = 0.6
"""How unlike text a reading may be to be proposed; names are too short for the usual 0.2."""
_CANDIDATES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *(
        "iso8859_15",
        "iso8859_2",
        "cp932",
        "euc_jp",
        "gb18030",
        "big5",
        "cp949",
        "koi8_r",
        "cp866",
        "cp850",
        "cp852",
    ),
    "mac_roman",
]
"""What exports and spreadsheets write; without rare ones, the right one is proposed more often."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return BROKEN, error.end
    raise error


codecs.register_error(ERRORS, _mark)


class Encoding(NamedTuple):
    """How the bytes of a file become text."""

    codec: str
    note: str
    """The encoding for people."""


class Proposal(NamedTuple):
    """An encoding that may be the right one."""

    encoding: str
    lines: tuple[str, ...]
    """Lines of the file as they would read."""
    same: tuple[str, ...] = ()
    """Other encodings that read every line of the sample in the same way."""

    @property
    def note(self) -> str:
        """The same encodings for people."""
        return f"or {', '.join(self.same)}: these lines read the same" if self.same else ""


class EncodingUncertain(BadInput):
    """Several encodings fit a file, and somebody has to choose one."""

    def __init__(self, path: Path, reason: str, proposals: list[Proposal]) -> None:
        self.proposals = proposals
        if not proposals:
            shown = "No known encoding fits."
        else:
            width = max(len(one.encoding) for one in proposals)
            shown = "\n".join(
                ["These encodings fit; such lines would read:"]
                + [
                    f"  {(one.encoding if n == 0 else ''):<{width}}  {line}"
                    for one in proposals
                    for n, line in enumerate((*one.lines, *filter(None, [one.note])))
                ]
            )
        super().__init__(
            f"The encoding of {path} is not certain: {reason}. Nothing was loaded. {shown}",
            hint="Choose the one that reads right: `--encoding NAME`, or `encoding` in the map. "
            "With `--encoding utf-8`, only the rows that are not UTF-8 are rejected.",
        )

    def document(self) -> dict[str, Any]:
        proposals = [one._asdict() for one in self.proposals]
        return {**super().document(), "encodings": proposals}


@dataclass(frozen=True, slots=True)
class Bytes:
    """What one reading of a file's bytes has shown."""

    path: Path
    head: bytes
    is_utf8: bool
    is_ascii: bool
    has_escape: bool
    """Whether there is a byte 0x1B, with which ISO-2022 encodings switch character sets."""


def mark_of(head: bytes) -> str | None:
    """The codec of the byte order mark with which a file begins."""
    return next((codec for mark, codec in _MARKS.items() if head.startswith(mark)), None)


def known_codec(name: str, subject: str) -> str:
    """The codec that programs mean by the name of an encoding. Raises BadInput for no such name."""
    try:
        codec = codecs.lookup(name.strip()).name
        codec = _MEANT.get(codec, codec)
        if codec in _NOT_FOR_FILES:
            raise LookupError
        wide = codec.startswith(("utf-16", "utf-32"))
        if not wide and _ASCII.encode(codec) not in (  # an EBCDIC, or no encoding of text
            _ASCII.encode(),
            codecs.BOM_UTF8 + _ASCII.encode(),
        ):
            raise LookupError
    except (LookupError, ValueError, TypeError, UnicodeError):
        raise BadInput(
            f"{name[:40]!r} is not an encoding of CSV files ({subject}).",
            hint="Use a name such as utf-8, cp1252, cp1250, cp1251, cp1253, shift_jis or gb18030.",
        ) from None
    return codec


def choose(content: Bytes, wanted: str | None) -> Encoding:
    """The encoding of a file; `wanted` is the one that somebody chose.

    Raises EncodingUncertain when nobody did and it is not certain, BadInput when the chosen one
    contradicts the file.
    """
    path, marked = content.path, mark_of(content.head)
    codec = (
        known_codec(wanted, "`--encoding`, or `encoding` in the map")
        if wanted is not None
        else None
    )
    if marked:
        family = _FAMILIES[marked]
        if codec and not codec.startswith(family.casefold()):
            raise BadInput(
                f"{path} begins with the byte order mark of {family}, so it is not {codec}.",
                hint="Leave the encoding out.",
            )
        note = f"{family} with a byte order mark" if family == "UTF-8" else family
        if marked != "utf-8-sig" or content.is_utf8:
            return Encoding(marked, note)
        return Encoding(marked, _partly(content, note))
    nul = b"\0" in content.head.split(b"\n", 1)[0]
    if codec:
        if content.is_utf8 and not content.is_ascii and codec != "utf-8-sig":
            raise BadInput(
                f"{path} is UTF-8, not {codec}: every character in it is valid UTF-8.",
                hint="Leave the encoding out.",
            )
        if codec == "utf-8-sig":
            return Encoding(codec, "UTF-8" if content.is_utf8 else _partly(content, "UTF-8"))
        return Encoding(codec, codec)
    if nul:
        raise _uncertain(content, "it has NUL bytes, as UTF-16 has", [])
    if content.has_escape and content.is_ascii and (found := _proposals(content, [])):
        raise EncodingUncertain(path, "it has escape sequences, as ISO-2022 has", found)
    if content.is_utf8:
        return Encoding("utf-8-sig", "UTF-8")
    lines = _Lines.of(path)
    if lines.valid and lines.valid >= lines.broken:
        return Encoding("utf-8-sig", _partly(content, "UTF-8"))
    number, byte = lines.first
    several = f" ({lines.broken:,} such lines, {lines.valid:,} that are)" if lines.valid else ""
    raise _uncertain(
        content, f"byte 0x{byte:02X} in line {number} is not UTF-8{several}", lines.sample
    )


def _partly(content: Bytes, note: str) -> str:
    count = count_of(_Lines.of(content.path).broken, "line", "lines")
    return f"{note} with broken bytes in {count}"


@dataclass(slots=True)
class _Lines:
    """The lines of a file with other than ASCII characters, as UTF-8."""

    valid: int
    broken: int
    first: tuple[int, int]
    """(line, byte) of the first byte that is not UTF-8."""
    sample: list[bytes]

    @classmethod
    def of(cls, path: Path) -> "_Lines":
        """Read a file line by line."""
        lines, size = cls(0, 0, (0, 0), []), 0
        with path.open("rb") as file:
            for number, line in enumerate(_split(file), 1):
                if line.isascii():
                    continue
                if size < _SAMPLE_BYTES:
                    lines.sample.append(line[:_SAMPLE_BYTES])
                    size += len(line)
                try:
                    line.decode()
                    lines.valid += 1
                except UnicodeDecodeError as error:
                    lines.broken += 1
                    if not lines.first[0]:
                        lines.first = (number, line[error.start])
        return lines


def _split(file: Any) -> Iterator[bytes]:
    """The lines of a binary file; a carriage return ends a line as well."""
    for line in file:
        if b"\r" in line[:-2]:
            yield from line.splitlines(keepends=True)
        else:
            yield line


def _uncertain(content: Bytes, reason: str, sample: list[bytes]) -> EncodingUncertain:
    return EncodingUncertain(content.path, reason, _proposals(content, sample))


def _proposals(content: Bytes, sample: list[bytes]) -> list[Proposal]:
    """Encodings in which the sample is text, the likeliest first; each reads it differently."""
    if not sample:  # UTF-16 without its mark, or an ISO-2022 encoding
        with content.path.open("rb") as file:
            sample = [file.read(_SAMPLE_BYTES)]
        candidates: Iterator[str]
        wide = b"\0" in content.head
        candidates = iter(_WIDE if wide else ("iso2022_jp", "iso2022_jp_2", "iso2022_kr"))
    else:
        candidates = _detected(b"".join(sample))
    found: dict[str, list[str]] = {}
    for codec in candidates:
        try:
            # An incremental decoder allows a sample that ends within a character.
            text = codecs.getincrementaldecoder(codec)().decode(b"".join(sample))
        except (UnicodeError, LookupError):
            continue
        if text.isascii() or not _is_text(text):
            continue
        if text in found or len(found) < _PROPOSALS:
            found.setdefault(text, []).append(codec)
    order = {codec: n for n, codec in enumerate(_CANDIDATES)}
    proposals = []
    for text, several in found.items():
        several.sort(key=lambda codec: order.get(codec, -1))  # the most usual one of those
        proposals.append(Proposal(several[0], _shown(text), tuple(several[1:])))
    return proposals


def _shown(text: str) -> tuple[str, ...]:
    """The lines that have the most characters beyond ASCII that no line before them has."""
    left = [line.strip() for line in text.splitlines() if not line.isascii()][:_LINES_COMPARED]
    shown: list[str] = []
    seen: set[str] = set()
    while left and len(shown) < _LINES_SHOWN:
        best = max(left, key=lambda line: len(_beyond_ascii(line) - seen))
        left.remove(best)
        shown.append(best)
        seen |= _beyond_ascii(best)
    return tuple(map(_excerpt, shown))


def _beyond_ascii(line: str) -> set[str]:
    return {one for one in line if not one.isascii()}


def _excerpt(line: str) -> str:
    """A part of a long line that has its first character beyond ASCII."""
    first = next(n for n, one in enumerate(line) if not one.isascii())
    begin = max(0, first - _LINE_CHARACTERS // 2) if len(line) > _LINE_CHARACTERS else 0
    return line[begin : begin + _LINE_CHARACTERS]


def _detected(sample: bytes) -> Iterator[str]:
    """The codecs that a detector finds, the likeliest first, then the others of the list."""
    from charset_normalizer import from_bytes  # not at the top: few files need it

    found = from_bytes(sample, cp_isolation=_CANDIDATES, threshold=_MOST_MESS)
    yield from dict.fromkeys([*(one.encoding for one in found), *_CANDIDATES])


def _is_text(text: str) -> bool:
    """Whether a text has no control characters and none for private use."""
    return _NOT_TEXT.search(text) is None
