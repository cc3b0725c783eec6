"""JSON as tables store it: compressed against a dictionary of the words our records share.

An opportunity of 700 bytes of JSON is mostly names of fields; packed it takes 200. So fifty of them
are read for 2 units and not 6, and an event rarely makes its transaction dearer (docs/adr/0008).
The format is DEFLATE with a preset dictionary (RFC 1951), after one byte: the dictionary's number.
The dictionaries are trained from event examples by tools/dictionary.py.
"""

import zlib
from pathlib import Path

_FOLDER = Path(__file__).with_name("dictionaries")
DICTIONARIES = tuple(
    (_FOLDER / f"{number}.txt").read_bytes() for number in range(len([*_FOLDER.glob("*.txt")]))
)
"""By number. Text packed with one can be read with nothing else: never edit one, add another."""
_CURRENT = len(DICTIONARIES) - 1
_RAW = -13
"""DEFLATE without zlib's header and checksum (DynamoDB has one), in a window of 8 KB, which holds
dictionary and record: allocating the default window of 32 KB takes longer than packing."""
_MEMORY_LEVEL = 6


def pack(text: str) -> bytes:
    """JSON text as a binary attribute stores it."""
    packer = zlib.compressobj(wbits=_RAW, memLevel=_MEMORY_LEVEL, zdict=DICTIONARIES[_CURRENT])
    return bytes((_CURRENT,)) + packer.compress(text.encode()) + packer.flush()


def unpack(packed: bytes) -> str:
    """The text of a packed attribute. Raises ValueError when it is none."""
    try:
        unpacker = zlib.decompressobj(wbits=_RAW, zdict=DICTIONARIES[packed[0]])
        text = unpacker.decompress(packed[1:])
    except (zlib.error, IndexError) as error:
        raise ValueError(f"not packed text, or the dictionary is unknown: {error!r}") from error
    if not unpacker.eof:
        raise ValueError("not packed text: its end is missing")
    return text.decode()
