"""A file that only a password opens: scrypt (RFC 7914) makes its key, AES-256-GCM keeps its content.

The header, with the parameters of scrypt, is authenticated with the content: a file that was altered or cut
off does not open, and neither does one of another kind.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_MAGIC = b"CROSSDOCK BACKUP"
_VERSION = 1
# Magic, version, kind, log2 of scrypt's cost, block size, lanes, salt, nonce.
_HEADER = struct.Struct(">16sB15sBBB16s12s")
_COST, _BLOCK, _LANES = 17, 8, 1
# What the parameters of a foreign file may make us spend: 1 GB.
_MOST_COST = 20
_LEAST_PASSWORD = 8


def sealed(kind: str, content: bytes, password: str) -> bytes:
    """The file. Raises ValueError for a password that is too short."""
    if len(password) < _LEAST_PASSWORD:
        raise ValueError(f"the password of a backup has at least {_LEAST_PASSWORD} characters")
    salt, nonce = os.urandom(16), os.urandom(12)
    named = kind.encode().ljust(15, b"\0")
    header = _HEADER.pack(_MAGIC, _VERSION, named, _COST, _BLOCK, _LANES, salt, nonce)
    return header + AESGCM(_key(password, salt, _COST, _BLOCK, _LANES)).encrypt(nonce, content, header)


def opened(kind: str, file: bytes, password: str) -> bytes:
    """The content. Raises ValueError with the reason where it does not open."""
    if len(file) < _HEADER.size or not file.startswith(_MAGIC):
        raise ValueError("it is no backup of crossdock")
    header = file[: _HEADER.size]
    _, version, named, cost, block, lanes, salt, nonce = _HEADER.unpack(header)
    if version != _VERSION:
        raise ValueError(f"it is a backup of version {version}, this release knows {_VERSION}")
    if named != kind.encode().ljust(15, b"\0"):
        raise ValueError(f"it is no backup of a {kind}")
    if not 14 <= cost <= _MOST_COST or block != _BLOCK or lanes != _LANES:
        raise ValueError("its header is damaged")
    try:
        return AESGCM(_key(password, salt, cost, block, lanes)).decrypt(nonce, file[_HEADER.size :], header)
    except InvalidTag:
        raise ValueError("the password is wrong, or the file is damaged") from None


def _key(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return Scrypt(salt, 32, 2**cost, block, lanes).derive(password.encode())
