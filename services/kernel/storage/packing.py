"""JSON as tables store it: compressed with a dictionary of the words that records have in common.

An opportunity of 700 bytes of JSON is mostly field names; packed it takes 200. A page of fifty
costs 2 read units instead of 6, and an event rarely adds a write unit (docs/adr/0008).
The format is DEFLATE with a preset dictionary (RFC 1951), after one byte: the dictionary's number.
The dictionaries are trained from event examples by tools/dictionary.py.
"""

import zlib
from pathlib import Path

_FOLDER = Path(__file__).with_name("dictionaries")
DICTIONARIES = tuple(
    (_FOLDER / f"{number}.txt").read_bytes() for number in range(len([*_FOLDER.glob("*.txt")]))
)
"""By number. Never edit a dictionary, add another: packed text needs the one it was packed with."""
_CURRENT = len(DICTIONARIES) - 1
_RAW = -13
"""DEFLATE without zlib's header and checksum (DynamoDB has its own), with a window of 8 KB, enough
for dictionary and record: allocating the default window of 32 KB takes longer than packing."""
_MEMORY_LEVEL = 6


def pack(text: str) -> bytes:
    """Pack JSON text for a binary attribute."""
    packer = zlib.compressobj(wbits=_RAW, memLevel=_MEMORY_LEVEL, zdict=DICTIONARIES[_CURRENT])
    return bytes((_CURRENT,)) + packer.compress(text.encode()) + packer.flush()


def is_current(packed: bytes) -> bool:
    """Whether an attribute is packed with the dictionary that `pack` uses."""
    return packed[:1] == bytes((_CURRENT,))


def unpack(packed: bytes) -> str:
    """The text of a packed attribute. Raises ValueError when it is not one."""
    try:
        unpacker = zlib.decompressobj(wbits=_RAW, zdict=DICTIONARIES[packed[0]])
        text = unpacker.decompress(packed[1:])
    except (zlib.error, IndexError) as error:
        raise ValueError(f"not packed text, or the dictionary is unknown: {error!r}") from error
    if not unpacker.eof:
        raise ValueError("not packed text: its end is missing")
    return text.decode()
