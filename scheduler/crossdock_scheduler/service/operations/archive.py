"""A file that only a password opens: scrypt makes the key, AES-GCM encrypts and shows any change.

Format, version 1: ``MAGIC``, then salt (16), scrypt's log2(N), r and p (a byte each), a nonce (7) and the
blocks. A block is its length (4, big-endian, with the tag) and its ciphertext. All that comes before the
blocks is authenticated with each of them, and so are a block's number and whether it is the last: what is
cut off, moved or altered is refused (the STREAM construction, Hoang, Reyhanitabar, Rogaway and Vizar 2015).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from crossdock import DataError

MAGIC = b"crossdock backup 1\n"
_BLOCK = 1 << 20
_LOG_N, _R, _P = 16, 8, 1
# A file that somebody else made must not make us take all memory: 2**20 with r = 8 is 1 GiB.
_MOST_LOG_N = 20
_HEAD = struct.Struct(">16s3B7s")
_LENGTH = struct.Struct(">I")
_TAG = 16


class Writer:
    """Encrypts what is written to it; ``close`` is what makes the file whole."""

    def __init__(self, file: BinaryIO, password: str) -> None:
        head = _HEAD.pack(os.urandom(16), _LOG_N, _R, _P, os.urandom(7))
        self._file, self._head, self._waiting, self._number = file, MAGIC + head, bytearray(), 0
        self._cipher = _cipher(head, password)
        file.write(self._head)

    def write(self, data: bytes) -> None:
        self._waiting += data
        # One block is kept back: the last is to say that it is.
        while len(self._waiting) > _BLOCK:
            self._block(bytes(self._waiting[:_BLOCK]), last=False)
            del self._waiting[:_BLOCK]

    def close(self) -> None:
        self._block(bytes(self._waiting), last=True)

    def _block(self, data: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._head, self._number, last=last), data, self._head)
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1


def blocks(file: BinaryIO, password: str) -> Iterator[bytes]:
    """What was written, a block at a time. Raises DataError for what is not whole, or another password.

    Nothing of it counts before the last block has come.
    """
    head = file.read(len(MAGIC) + _HEAD.size)
    if not head.startswith(MAGIC) or len(head) != len(MAGIC) + _HEAD.size:
        raise DataError("this is no backup of a service, or one of another version of crossdock")
    _, log_n, r, p, _ = _HEAD.unpack(head[len(MAGIC) :])
    if not (10 <= log_n <= _MOST_LOG_N and r == _R and p == _P):
        raise DataError("the backup was altered: its header is wrong")
    cipher, number, length = _cipher(head[len(MAGIC) :], password), 0, file.read(_LENGTH.size)
    while True:
        size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else 0
        if not _TAG <= size <= _BLOCK + _TAG or len(sealed := file.read(size)) != size:
            raise _wrong(number)
        length = file.read(_LENGTH.size)
        try:
            yield cipher.decrypt(_nonce(head, number, last=not length), sealed, head)
        except InvalidTag:
            raise _wrong(number) from None
        if not length:
            return
        number += 1


def _wrong(number: int) -> DataError:
    if number == 0:
        return DataError("the password is not the backup's, or the file was altered or cut off")
    return DataError("the backup is not whole: it was altered or cut off")


def _cipher(head: bytes, password: str) -> AESGCM:
    salt, log_n, r, p, _ = _HEAD.unpack(head)
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << log_n, r=r, p=p).derive(password.encode()))


def _nonce(head: bytes, number: int, *, last: bool) -> bytes:
    return head[-7:] + struct.pack(">IB", number, last)
