"""Bytes as base64 and back, and GUIDs: a column at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array: TypeAlias = pa.Array
Octets: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint8]]"
Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
_NONE = 255
_CODES = np.full(256, _NONE, np.uint8)
_CODES[_ALPHABET] = np.arange(64)
_HEX = "[0-9a-f]"
_GUID = (
    rf"^[{{(]?(?P<a>{_HEX}{{8}})-?(?P<b>{_HEX}{{4}})-?(?P<c>{_HEX}{{4}})-?(?P<d>{_HEX}{{4}})"
    rf"-?(?P<e>{_HEX}{{12}})[)}}]?$"
)


def text_to_guid(text: Array) -> Array:
    """Any of .NET's forms as 32 digits with hyphens between, in lower case."""
    plain = pc.cast(text, pa.string())
    found = pc.extract_regex(pc.ascii_lower(pc.utf8_trim_whitespace(plain)), _GUID)
    return pc.binary_join_element_wise(*found.flatten(), "-")


def _bytes_of(values: Array) -> tuple[Octets, Numbers]:
    """The bytes of all values behind each other, and the length of each (of a null: 0)."""
    plain = pc.fill_null(pc.cast(values, pa.large_binary()), b"")
    offsets = np.frombuffer(plain.buffers()[1], np.int64)[plain.offset : plain.offset + len(plain) + 1]
    buffer = plain.buffers()[2]
    data = np.frombuffer(b"" if buffer is None else buffer, np.uint8)[offsets[0] : offsets[-1]]
    return data, np.diff(offsets)


def _starts(lengths: Numbers) -> Numbers:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _moved(lengths: Numbers, rooms: Numbers) -> Numbers:
    """Where each byte goes when each value gets so much room."""
    total = int(lengths.sum())
    return np.arange(total) + np.repeat(_starts(rooms)[:-1] - _starts(lengths)[:-1], lengths)


def bytes_to_text(values: Array) -> Array:
    """Base64."""
    data, lengths = _bytes_of(values)
    rooms = -(-lengths // 3) * 3
    padded = np.zeros(int(rooms.sum()), np.uint8)
    padded[_moved(lengths, rooms)] = data
    one, two, three = padded.reshape(-1, 3).T.astype(np.uint32)
    bits = (one << 16) | (two << 8) | three
    text = _ALPHABET[
        np.stack([bits >> 18, bits >> 12 & 63, bits >> 6 & 63, bits & 63], 1).astype(np.uint8)
    ].reshape(-1)
    ends = _starts(rooms // 3 * 4)
    for missing in (1, 2):
        text[ends[1:][(rooms - lengths) >= missing] - missing] = ord("=")
    offsets = pa.py_buffer(ends)
    made = pa.LargeStringArray.from_buffers(len(values), offsets, pa.py_buffer(text))
    return pc.if_else(values.is_valid(), pc.cast(made, pa.string()), None)


def text_to_bytes(text: Array) -> Array:
    """The bytes of base64; null for what is none. White space within it does not count."""
    tight = pc.replace_substring_regex(text, r"\s", "")
    data, lengths = _bytes_of(tight)
    bare = pc.utf8_rtrim(tight, "=")
    missing = (pc.fill_null(pc.subtract(pc.binary_length(tight), pc.binary_length(bare)), 0)).to_numpy(
        zero_copy_only=False
    )
    codes = _CODES[data]
    starts = _starts(lengths)
    fits = text.is_valid().to_numpy(zero_copy_only=False) & (lengths % 4 == 0) & (missing <= 2)
    # Signs of equality count as nothing where they end a value, and nowhere else.
    counted = np.zeros(len(data) + 1, np.int64)
    np.cumsum(codes == _NONE, out=counted[1:])
    fits &= counted[starts[1:]] - counted[starts[:-1]] == missing
    kept = np.repeat(fits, lengths)
    sextets = np.where(codes == _NONE, 0, codes)[kept].astype(np.uint32).reshape(-1, 4)
    bits = (sextets[:, 0] << 18) | (sextets[:, 1] << 12) | (sextets[:, 2] << 6) | sextets[:, 3]
    octets = np.stack([bits >> 16, bits >> 8 & 255, bits & 255], 1).astype(np.uint8).reshape(-1)
    rooms = np.where(fits, lengths // 4 * 3, 0)
    sizes = np.where(fits, rooms - missing, 0)
    found = octets[_moved(sizes, rooms)]
    made = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(text), [None, pa.py_buffer(_starts(sizes)), pa.py_buffer(found)]
    )
    return pc.if_else(pa.array(fits), pc.cast(made, pa.binary()), None)
