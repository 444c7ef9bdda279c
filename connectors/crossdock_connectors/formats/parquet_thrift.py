"""Thrift's compact protocol, as much as Parquet footers need: reading fields and passing over values.

Positions are offsets into the bytes that were given. What is not well-formed raises IndexError, KeyError
or RecursionError; nothing is allocated by a length that was read.
"""

from __future__ import annotations

from collections.abc import Iterator

from .block_files import read_varint, varint

# Compact protocol: the type nibble of a field header.
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(14)
_VARINTS = frozenset((I16, I32, I64))
_FIXED = {BYTE: 1, DOUBLE: 8, UUID: 16}
_FIXED_ELEMENT = {TRUE: 1, FALSE: 1, **_FIXED}  # a bool takes a byte here, unlike as a field


def fields(data: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Type, id and position of each field of a struct."""
    field_id = 0
    while True:
        kind, field_id, position = read_field(data, position, field_id)
        if kind == STOP:
            return
        yield kind, field_id, position
        position = skip(data, position, kind)


def read_field(data: bytes, position: int, last_id: int) -> tuple[int, int, int]:
    """Read a field header: its type, its id, the position of its value."""
    byte = data[position]
    kind, delta = byte & 0x0F, byte >> 4
    if kind == STOP:
        return STOP, last_id, position + 1
    if delta:
        return kind, last_id + delta, position + 1
    raw, end = read_varint(data, position + 1)
    return kind, (raw >> 1) ^ -(raw & 1), end


def skip(data: bytes, position: int, kind: int) -> int:
    """The position behind a value of that type."""
    if kind in _VARINTS:
        while data[position] & 0x80:
            position += 1
        return position + 1
    if kind == BINARY:
        size, position = read_varint(data, position)
        return position + size
    if kind in (TRUE, FALSE):  # the value of a bool field is its type
        return position
    if kind == STRUCT:
        while True:
            inner, _, position = read_field(data, position, 0)
            if inner == STOP:
                return position
            position = skip(data, position, inner)
    if kind in (LIST, SET, MAP):
        return _skip_container(data, position, kind)
    return position + _FIXED[kind]


def _skip_container(data: bytes, position: int, kind: int) -> int:
    if kind == MAP:
        count, position = read_varint(data, position)
        if not count:
            return position
        kinds: tuple[int, ...] = (data[position] >> 4, data[position] & 0x0F)
        position += 1
    else:
        kinds = (data[position] & 0x0F,)
        position, count = list_header(data, position)
    if all(inner in _FIXED_ELEMENT for inner in kinds):  # without a loop: the count may be a lie
        return position + count * sum(_FIXED_ELEMENT[inner] for inner in kinds)
    for _ in range(count):
        for inner in kinds:
            position = skip(data, position, inner) if inner not in (TRUE, FALSE) else position + 1
    return position


def list_header(data: bytes, position: int) -> tuple[int, int]:
    """The position of the first element and the number of elements."""
    count = data[position] >> 4
    if count < 15:
        return position + 1, count
    count, position = read_varint(data, position + 1)
    return position, count


def list_of_structs(count: int) -> bytes:
    return bytes([count << 4 | STRUCT]) if count < 15 else bytes([0xF0 | STRUCT]) + varint(count)
