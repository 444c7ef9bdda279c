"""TDS on the wire: packets, TLS inside PRELOGIN packets or below them, LOGIN7, and the tokens of answers."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .tds_types import COLLATION, Kind, Reader, TdsError, Value

SQL_BATCH, RPC, ATTENTION, BULK_LOAD, TRANSACTION, LOGIN7, PRELOGIN = 0x01, 0x03, 0x06, 0x07, 0x0E, 0x10, 0x12
_TABULAR = 0x04
_RESET = 0x08 | 0x10
_PACKET = 4096
# What a DONE says that it ends; a driver counts rows by it.
SELECT = 0xC1
COMMANDS = {"INSERT": 0xC3, "DELETE": 0xC4, "UPDATE": 0xC5}
DONEPROC, DONEINPROC = 0xFE, 0xFF
_PROCEDURES = {10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute", 15: "sp_unprepare"}
_BETWEEN_CALLS = (0x80, 0xFF)
DONE_MORE, DONE_ERROR, DONE_COUNT, DONE_ATTENTION = 0x01, 0x02, 0x10, 0x20


class Wire:
    """Messages over one connection, encrypted as the client asks: inside PRELOGIN packets (TDS 7), or
    below all of TDS (TDS 8, ``Encrypt=strict``)."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock, self._context = sock, context
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._received = b""
        self.strict = sock.recv(1, socket.MSG_PEEK) == b"\x16"
        self.packet_size = _PACKET
        self.was_reset = False
        if self.strict:
            self._handshake(self._plain, self._sock.sendall)

    def encrypt(self) -> None:
        """The handshake of TDS 7, after the answer to PRELOGIN."""
        if not self.strict:
            self._handshake(self._in_packets, lambda data: self._send(PRELOGIN, data))

    def _handshake(self, receive, send) -> None:  # type: ignore[no-untyped-def]
        tls = self._context.wrap_bio(self._in, self._out, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if out := self._out.read():
                    send(out)
                self._in.write(receive())
        if out := self._out.read():
            send(out)
        self._tls = tls

    def _plain(self) -> bytes:
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionError("the client went away")
        return data

    def _in_packets(self) -> bytes:
        kind, data = self.receive()
        if kind != PRELOGIN:
            raise TdsError("no handshake came")
        return data

    def receive(self) -> tuple[int, bytes]:
        """The next whole message: its type and what is in it."""
        parts: list[bytes] = []
        while True:
            kind, status, size = struct.unpack(">BBH", self._exactly(8)[:4])
            if status & _RESET:
                self.was_reset = True
            parts.append(self._exactly(size - 8))
            if status & 1:
                return kind, b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            if self._tls is None:
                self._received += self._plain()
                continue
            try:
                data = self._tls.read(1 << 20)
            except ssl.SSLWantReadError:
                self._in.write(self._plain())
                continue
            if not data:
                raise ConnectionError("the client closed the encrypted connection")
            self._received += data
        found, self._received = self._received[:size], self._received[size:]
        return found

    def waiting(self, seconds: float = 0) -> bool:
        """Whether the client has sent more (an attention, while an answer is on its way)."""
        return bool(self._received or self._in.pending) or bool(
            select.select([self._sock], [], [], seconds)[0]
        )

    def answer(self, data: bytes) -> None:
        self._send(_TABULAR, data)

    def part(self, data: bytes) -> bytes:
        """Send the full packets of an answer that goes on; returns what is left over."""
        room = self.packet_size - 8
        while len(data) > room:
            self._put(struct.pack(">BBHHBB", _TABULAR, 0, self.packet_size, 0, 1, 0) + data[:room])
            data = data[room:]
        return data

    def _send(self, kind: int, data: bytes) -> None:
        room = self.packet_size - 8
        for at in range(0, len(data) or 1, room):
            piece = data[at : at + room]
            last = at + room >= len(data)
            self._put(struct.pack(">BBHHBB", kind, last, len(piece) + 8, 0, 1, 0) + piece)

    def _put(self, packet: bytes) -> None:
        if self._tls is not None:
            self._tls.write(packet)
            packet = self._out.read()
        self._sock.sendall(packet)


def prelogin_answer(request: bytes, *, strict: bool) -> bytes:
    """Encryption is on for everything, whatever the client asks for. Raises TdsError where it cannot.

    ``strict``: it is on already, below TDS.
    """
    asked = {}
    at = 0
    while request[at] != 0xFF:
        token, start, size = struct.unpack_from(">BHH", request, at)
        asked[token], at = request[start : start + size], at + 5
    encryption = asked.get(1, b"\x00")[0]
    if encryption == 2 and not strict:
        raise TdsError("the client cannot encrypt")
    agreed = 2 if strict else 1 if encryption == 1 else 3
    options = {0: bytes((16, 0, 16, 0, 0, 0)), 1: bytes((agreed,)), 2: b"\x00", 3: b"", 4: b"\x00"}
    if 6 in asked:
        options[6] = b"\x01"
    table, values, start = b"", b"", 5 * len(options) + 1
    for token, value in options.items():
        table += struct.pack(">BHH", token, start + len(values), len(value))
        values += value
    return table + b"\xff" + values


@dataclass
class Login:
    """What a client says of itself. ``token`` is one of Entra ID."""

    user: str
    password: str = field(repr=False)
    database: str
    token: str = field(default="", repr=False)
    host: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Login:
        def text(index: int) -> bytes:
            start, size = struct.unpack_from("<HH", data, 36 + 4 * index)
            return data[start : start + 2 * size]

        # Nibbles swapped, then XOR A5.
        password = bytes((b ^ 0xA5) >> 4 | ((b ^ 0xA5) << 4 & 0xF0) for b in text(2))
        token = ""
        if data[27] & 0x10:
            where = struct.unpack_from("<I", data, struct.unpack_from("<H", data, 36 + 20)[0])[0]
            while data[where] != 0xFF:
                feature, size = struct.unpack_from("<BI", data, where)
                body = data[where + 5 : where + 5 + size]
                if feature == 2 and body[0] >> 1 == 1:
                    token = body[5 : 5 + struct.unpack_from("<I", body, 1)[0]].decode("utf-16-le")
                where += 5 + size
        user, host, database = (text(i).decode("utf-16-le") for i in (1, 0, 8))
        return cls(user, password.decode("utf-16-le"), database, token, host)


def _short(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return bytes((len(raw) // 2,)) + raw


def _change(kind: int, new: bytes, old: bytes) -> bytes:
    body = bytes((kind,)) + new + old
    return struct.pack("<BH", 0xE3, len(body)) + body


def login_answer(login: Login, packet_size: int) -> bytes:
    name = "Microsoft SQL Server"
    ack = b"\x01\x74\x00\x00\x04" + _short(name) + bytes((16, 0, 16, 0))
    features = b"\xae\x02" + struct.pack("<I", 0) + b"\xff" if login.token else b""
    return (
        _change(1, _short(login.database or "master"), _short("master"))
        + _change(7, bytes((5,)) + COLLATION, b"\x00")
        + _change(4, _short(str(packet_size)), _short(str(packet_size)))
        + struct.pack("<BH", 0xAD, len(ack)) + ack + features + done()
    )  # fmt: skip


def done(status: int = 0, count: int | None = None, command: int = SELECT, *, token: int = 0xFD) -> bytes:
    if count is not None:
        status |= DONE_COUNT
    return struct.pack("<BHHQ", token, status, command, count or 0)


def returned(status: int) -> bytes:
    """RETURNSTATUS: what a procedure returns."""
    return struct.pack("<Bi", 0x79, status)


def output(value: int) -> bytes:
    """RETURNVALUE: what a procedure gives to its first parameter, an int."""
    kind = Kind("int")
    return struct.pack("<BHBBIH", 0xAC, 0, 0, 1, 0, 0) + kind.info() + kind.encode(value)


@dataclass(frozen=True, slots=True)
class Call:
    """A procedure by its name, with the parameters in their order."""

    name: str
    values: list[tuple[str, Value]]


def calls(data: bytes) -> Iterator[Call]:
    """The calls of an RPC message."""
    reader = Reader(data, int.from_bytes(data[:4], "little"))
    while reader.at < len(data):
        size = reader.number(2)
        name = _PROCEDURES.get(reader.number(2), "?") if size == 0xFFFF else reader.text(size).lower()
        reader.take(2)
        values: list[tuple[str, Value]] = []
        while reader.at < len(data) and data[reader.at] not in _BETWEEN_CALLS:
            parameter = reader.text(reader.number(1))
            reader.take(1)
            values.append((parameter, reader.value(*reader.kind())))
        yield Call(name.rpartition(".")[2], values)
        if reader.at < len(data):
            reader.take(1)


def error(number: int, message: str, state: int = 1, level: int = 16, token: int = 0xAA) -> bytes:
    body = struct.pack("<iBBH", number, state, level, len(message)) + message.encode("utf-16-le")
    body += _short("crossdock-test") + _short("") + struct.pack("<i", 1)
    return struct.pack("<BH", token, len(body)) + body


def info(message: str) -> bytes:
    return error(0, message, level=0, token=0xAB)


def began(descriptor: int) -> bytes:
    return _change(8, b"\x08" + descriptor.to_bytes(8, "little"), b"\x00")


def ended(descriptor: int, *, committed: bool) -> bytes:
    return _change(9 if committed else 10, b"\x00", b"\x08" + descriptor.to_bytes(8, "little"))


def column_metadata(columns: Sequence[tuple[str, Kind]], flags: Sequence[int] | None = None) -> bytes:
    parts = [struct.pack("<BH", 0x81, len(columns))]
    for index, (name, kind) in enumerate(columns):
        user_type = 80 if kind.name == "timestamp" else 0
        parts.append(struct.pack("<IH", user_type, flags[index] if flags else 9) + kind.info() + _short(name))
    return b"".join(parts)


def row(kinds: Sequence[Kind], values: Sequence[Value]) -> bytes:
    return b"\xd1" + b"".join(kind.encode(value) for kind, value in zip(kinds, values, strict=True))


def batch_text(data: bytes) -> str:
    """The statements of a SQL_BATCH message, behind its headers."""
    return data[struct.unpack_from("<I", data)[0] :].decode("utf-16-le")


def bulk_rows(data: bytes) -> tuple[list[str], list[list[Value]]]:
    """The column names and rows of a BULK_LOAD message."""
    reader = Reader(data)
    if reader.number(1) != 0x81:
        raise TdsError("a bulk load begins with its columns")
    names, kinds = [], []
    for _ in range(reader.number(2)):
        reader.take(6)
        kinds.append(reader.kind())
        names.append(reader.text(reader.number(1)))
    rows: list[list[Value]] = []
    while (token := reader.number(1)) != 0xFD:
        if token == 0xD1:
            rows.append([reader.value(*kind) for kind in kinds])
        elif token == 0xD2:
            nulls = reader.take((len(kinds) + 7) // 8)
            rows.append([None if nulls[i // 8] >> i % 8 & 1 else reader.value(*kind)
                         for i, kind in enumerate(kinds)])  # fmt: skip
        else:
            raise TdsError(f"a bulk load holds no token 0x{token:02x}")
    return names, rows
