"""The records in a TFRecord file, each with its checksums (TensorFlow, `tfrecord` format).

A record is the length of its payload in 8 bytes, a checksum of those, the payload and a checksum
of it. A checksum is CRC-32C (RFC 3720, section 12.1), rotated, with a constant added to it.
"""

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from single_shot.labels.annotations import AnnotationError

import numpy as np

LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
MAX_RECORD_BYTES = 256 * 2**20
POLYNOMIAL = 0x82F63B78  # of CRC-32C, its bits reversed
MASK = 0xA282EAD8
BLOCK, BLOCKS_AT_ONCE = 1024, 1024
SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


@lru_cache
def _table():
    """Return (BLOCK, 256) uint32: what each byte at each place of a block adds to its checksum."""
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = np.where(last & 1, (last >> 1) ^ np.uint32(POLYNOMIAL), last >> 1)
    rows = [last]
    while len(rows) < BLOCK:
        rows.append((rows[-1] >> 8) ^ last[rows[-1] & 255])
    return np.stack(rows[::-1])


def crc32c(content: bytes) -> int:
    """Return the CRC-32C of at least four bytes.

    It is linear: the bytes of a block add up by exclusive or, and what came before is added to the
    first four. Zeros before the first byte count for nothing.
    """
    padded = np.zeros(-len(content) % BLOCK + len(content), dtype=np.uint8)
    padded[len(padded) - len(content) :] = np.frombuffer(content, dtype=np.uint8)
    start = len(padded) - len(content)
    padded[start : start + 4] ^= 0xFF
    table, places, checksum = _table(), np.arange(BLOCK), 0
    blocks = padded.reshape(-1, BLOCK)
    for first in range(0, len(blocks), BLOCKS_AT_ONCE):
        added = table[places, blocks[first : first + BLOCKS_AT_ONCE]]
        for each in np.bitwise_xor.reduce(added, axis=1).tolist():
            before = checksum.to_bytes(4, "little")
            checksum = each
            for place, byte in enumerate(before):
                checksum ^= int(table[place, byte])
    return checksum ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """Return a checksum as it is stored."""
    return ((checksum >> 15 | checksum << 17) + MASK) & 0xFFFFFFFF


def read_payloads(path: Path) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield number, place in the file and payload of every record, None where it is spoiled.

    Raises AnnotationError where the file is cut off or no TFRecord.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            number = 0
            while file.tell() < size:
                length = _length(file, size, f"{path} record {number}")
                start = file.tell()
                payload = file.read(length)
                whole = CHECKSUM.unpack(file.read(CHECKSUM.size))[0] == masked(crc32c(payload))
                yield number, start, payload if whole else None
                number += 1
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from None


def _length(file, size, where):
    """Return the length of the record that begins here; raise AnnotationError."""
    head = file.read(LENGTH.size + CHECKSUM.size)
    if len(head) < LENGTH.size + CHECKSUM.size:
        raise AnnotationError(f"{where}: the file ends within it; copy or export it again")
    (length,), (checksum,) = LENGTH.unpack_from(head), CHECKSUM.unpack_from(head, LENGTH.size)
    if checksum != masked(crc32c(head[: LENGTH.size])):
        raise AnnotationError(
            f"{where}: no TFRecord, or spoiled, by the checksum of its length; unpack it if it is "
            "compressed (gunzip), or export it again"
        )
    if not 4 <= length <= MAX_RECORD_BYTES:
        raise AnnotationError(
            f"{where}: {length:,} bytes, not from 4 to {MAX_RECORD_BYTES:,}; are its images whole?"
        )
    if length > size - file.tell() - CHECKSUM.size:
        raise AnnotationError(f"{where}: the file ends within it; copy or export it again")
    return length


def is_later_shard(path: Path) -> bool:
    """Return whether a file is a part of a set, and not its first."""
    found = SHARD.search(path.name)
    return found is not None and int(found[1]) > 0


def shards_of(path: Path) -> list[Path]:
    """Return the files of a set, which may be in parts such as `train.record-00000-of-00010`.

    path: any of them. Raises AnnotationError where a part is absent.
    """
    found = SHARD.search(path.name)
    if not found:
        return [path]
    before, after = path.name[: found.start()], path.name[found.end() :]
    count = int(found[2])
    shards = [path.with_name(f"{before}-{n:05}-of-{found[2]}{after}") for n in range(count)]
    for shard in shards:
        if not shard.is_file():
            raise AnnotationError(f"{shard}: no such file, but {path.name} is there; put it there")
    return shards
