"""A SQL Server to test against: TDS over TLS, which Microsoft's own drivers log in to; SQLite behind it."""

from __future__ import annotations

import atexit
import itertools
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import trustme

from . import tds_pool
from . import tds_wire as wire_
from .old_tls import until
from .tds_database import Database
from .tds_engine import Session
from .tds_tsql import SqlError, Token, token_of
from .tds_types import TdsError
from .tds_wire import Login, Wire

USER, PASSWORD, TOKEN = "crossdock", "Pass;word}1", "a-token-of-entra"
_ROOT = Path(__file__).parents[2]


@cache
def _authority() -> tuple[trustme.CA, Path]:
    """One for the process: the driver's bulk copy looks only once where SSL_CERT_FILE is."""
    folder = Path(tempfile.mkdtemp(prefix="crossdock-tds-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority, file = trustme.CA(), folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return authority, file


class _AttentionError(Exception):
    """The client wants no more of this answer."""


@dataclass
class TdsServer:
    """``port`` to connect to. ``ca`` is the file of the authority that its certificate comes from."""

    database: Database
    port: int
    ca: Path

    def url(self, table: str = "", database: str = "test") -> str:
        """``pool``: a dedicated SQL pool of Synapse over the same tables."""
        return f"mssql://{USER}@localhost:{self.port}/{database}" + (f"#{table}" if table else "")


@contextmanager
def tds_server(folder: Path, newest: str = "TLSv1_2") -> Iterator[TdsServer]:
    """A server in a process of its own: the driver waits with the interpreter lock in its hand.

    ``newest`` is the latest version of TLS that it speaks.
    """
    authority, ca = _authority()
    certificate = folder / "tds-server.pem"
    issued = authority.issue_cert("localhost")
    certificate.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    database = Database(folder / "tds.db")
    database.create()
    command = [sys.executable, "-m", "tests.servers.tds", str(database.path), str(certificate), newest]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield TdsServer(database, int(process.stdout.readline()), ca)
        finally:
            process.kill()


@dataclass
class _Serving:
    """What the sessions share."""

    database: Database
    open: dict[int, socket.socket] = field(default_factory=dict)

    def kill(self, spid: int) -> None:
        if sock := self.open.get(spid):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def main(path: str, certificate: str, newest: str = "TLSv1_2") -> None:
    """Serve until the standard input ends, so never longer than the test."""
    # TDS 7 handshakes inside of packets, which versions of TLS after 1.2 do not fit into.
    context = until(ssl.PROTOCOL_TLS_SERVER, ssl.TLSVersion[newest])
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["tds/8.0"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = _Serving(Database(Path(path)))
        threading.Thread(target=_accept, args=(listener, serving, context), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()


def _accept(listener: socket.socket, server: _Serving, context: ssl.SSLContext) -> None:
    for spid in itertools.count(51):
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=_serve, args=(sock, server, context, spid), daemon=True)
        server.open[spid] = sock
        thread.start()


def _serve(sock: socket.socket, server: _Serving, context: ssl.SSLContext, spid: int) -> None:
    try:
        with sock, suppress(OSError, TdsError, EOFError):
            wire = Wire(sock, context)
            if login := _log_in(wire):
                _Client(wire, server, spid).serve(login)
    finally:
        server.open.pop(spid, None)


def _log_in(wire: Wire) -> Login | None:
    kind, data = wire.receive()
    if kind != wire_.PRELOGIN:
        raise TdsError("a connection begins with PRELOGIN")
    wire.answer(wire_.prelogin_answer(data, strict=wire.strict))
    wire.encrypt()
    kind, data = wire.receive()
    if kind != wire_.LOGIN7:
        raise TdsError("LOGIN7 follows PRELOGIN")
    login = Login.parse(data)
    known = login.token == TOKEN if login.token else (login.user, login.password) == (USER, PASSWORD)
    if not known:
        refusal = wire_.error(18456, f"Login failed for user '{login.user}'.", level=14)
        wire.answer(refusal + wire_.done(wire_.DONE_ERROR))
        return None
    if login.database not in ("", "test", "master", tds_pool.NAME):
        refusal = wire_.error(
            4060, f'Cannot open database "{login.database}" requested by the login.', level=11
        )
        wire.answer(refusal + wire_.done(wire_.DONE_ERROR))
        return None
    wire.answer(wire_.login_answer(login, wire.packet_size))
    return login


class _Client:
    """Answers the messages of one client."""

    def __init__(self, wire: Wire, server: _Serving, spid: int) -> None:
        self._wire = wire
        self._session = Session(server.database, spid, self._sleep, server.kill)
        self._prepared: dict[int, tuple[str, list[str]]] = {}

    def serve(self, login: Login) -> None:
        try:
            self._session.signed_in(login.host)
            self._session.is_pool = login.database == tds_pool.NAME
            while True:
                kind, data = self._wire.receive()
                if self._wire.was_reset:
                    self._wire.was_reset = False
                    self._session.reset()
                try:
                    self._message(kind, data)
                except _AttentionError:
                    self._wire.answer(wire_.done(wire_.DONE_ATTENTION))
        finally:
            self._session.close()

    def _message(self, kind: int, data: bytes) -> None:
        if kind == wire_.SQL_BATCH:
            self._batch(wire_.batch_text(data))
        elif kind == wire_.BULK_LOAD:
            self._bulk(data)
        elif kind == wire_.RPC:
            self._call(data)
        elif kind == wire_.TRANSACTION:
            self._transaction(data)
        elif kind == wire_.ATTENTION:
            raise _AttentionError
        else:
            raise TdsError(f"messages of the type {kind} are not known here")

    def _batch(self, sql: str, variables: dict[str, Token] | None = None) -> None:
        out = b""
        pending: bytes | None = None
        try:
            for result in self._session.run(sql, variables):
                if pending is not None:
                    out += pending
                count = result.count
                if result.message is not None:
                    out += wire_.info(result.message)
                if result.columns:
                    out += wire_.column_metadata(result.columns)
                    kinds = [kind for _, kind in result.columns]
                    count = 0
                    for values in result.rows:
                        out += wire_.row(kinds, values)
                        count += 1
                        if len(out) > self._wire.packet_size:
                            out = self._wire.part(out)
                            self._look()
                command = wire_.COMMANDS.get(result.verb, wire_.SELECT)
                pending = wire_.done(wire_.DONE_MORE, count, command)
                status = wire_.done(0, count, command)
            out += status if pending is not None else wire_.done()
        except _AttentionError:
            # What is left of a token that began in the packet before comes first.
            out += wire_.done(wire_.DONE_ATTENTION)
        except SqlError as error:
            out += wire_.error(error.number, error.message, level=error.level) + wire_.done(wire_.DONE_ERROR)
        self._wire.answer(out)

    def _look(self) -> None:
        if self._wire.waiting():
            kind, _ = self._wire.receive()
            if kind == wire_.ATTENTION:
                self._wire.part(b"")
                raise _AttentionError

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._wire.waiting(min(left, 0.1)):
                self._look()

    def _bulk(self, data: bytes) -> None:
        names, rows = wire_.bulk_rows(data)
        try:
            count = self._session.load(names, rows)
        except SqlError as error:
            self._wire.answer(wire_.error(error.number, error.message) + wire_.done(wire_.DONE_ERROR))
            return
        self._wire.answer(wire_.done(0, count))

    def _call(self, data: bytes) -> None:
        """Calls of the server's own procedures; parameters become variables of the statements."""
        calls = list(wire_.calls(data))
        if len(calls) == 1 and calls[0].name == "sp_executesql":
            values = calls[0].values
            variables = {key.lower(): token_of(value) for key, value in values[2:]}
            self._batch(str(values[0][1]), variables)
            return
        out = b""
        for index, call in enumerate(calls):
            try:
                out += self._called(call)
                status = 0
            except SqlError as error:
                out += wire_.error(error.number, error.message, level=error.level)
                status = wire_.DONE_ERROR
            more = wire_.DONE_MORE if index + 1 < len(calls) else 0
            out += wire_.returned(0) + wire_.done(status | more, token=wire_.DONEPROC)
        self._wire.answer(out)

    def _called(self, call: wire_.Call) -> bytes:
        """One of several calls: a statement that is prepared, and executed with arrays of parameters."""
        if call.name == "sp_prepare":
            handle = len(self._prepared) + 1
            _, names, sql, *_ = (value for _, value in call.values)
            self._prepared[handle] = (str(sql), re.findall(r"@\w+", str(names)))
            return wire_.output(handle)
        if call.name == "sp_execute":
            sql, listed = self._prepared[int(str(call.values[0][1]))]
            given = [token_of(value) for _, value in call.values[1:]]
            variables = dict(zip((name.lower() for name in listed), given, strict=True))
            counts = [result.count for result in self._session.run(sql, variables)]
            more = [wire_.done(wire_.DONE_MORE, count, token=wire_.DONEINPROC) for count in counts]
            return b"".join(more)
        if call.name == "sp_unprepare":
            return b""
        raise SqlError(2812, f"Could not find stored procedure '{call.name}'.")

    def _transaction(self, data: bytes) -> None:
        request = int.from_bytes(data[int.from_bytes(data[:4], "little") :][:2], "little")
        sql = {5: "BEGIN TRAN", 7: "COMMIT", 8: "ROLLBACK"}.get(request, "")
        try:
            list(self._session.run(sql))
        except SqlError as error:
            self._wire.answer(wire_.error(error.number, error.message) + wire_.done(wire_.DONE_ERROR))
            return
        token = wire_.began(1) if request == 5 else wire_.ended(1, committed=request == 7)
        self._wire.answer(token + wire_.done())


if __name__ == "__main__":
    main(*sys.argv[1:])
