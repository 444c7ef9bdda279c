"""Connections to PostgreSQL that fail, and TLS, against real servers: one sentence, exit code 2."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers.azurite import free_port
from servers.postgres import Postgres
from servers.postgres import postgres as started
from servers.waiting import eventually

import crossdock
from crossdock import retry
from crossdock.cli.main import run


@pytest.fixture(scope="module")
def secure() -> Iterator[Postgres]:
    """A server that speaks TLS and lets nobody in without."""
    with started(tls=True) as server:
        (server.folder / "data" / "pg_hba.conf").write_text("hostssl all postgres 127.0.0.1/32 trust\n")
        server.run("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def refused(kind: type[crossdock.CrossdockError], url: str, words: str, **options: Any) -> None:
    """Whichever side it is, in one sentence that is soon there."""
    for source, sink, given in (
        (url, "/nowhere/out.parquet", {"source_options": options}),
        ("rows://here", url, {"sink_options": options}),
    ):
        began = time.monotonic()
        with pytest.raises(kind) as caught:
            crossdock.copy(source, sink, **given)  # type: ignore[arg-type]
        assert time.monotonic() - began < 20
        assert caught.value.exit_code == 2
        assert words in caught.value.message
        assert "\n" not in caught.value.message
        assert "hunter2" not in f"{caught.value} {caught.value.detail}"


class TestConnecting:
    def test_nobody_listens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Were it tried again, this would take minutes.
        monkeypatch.setattr(retry, "FIRST_WAIT", 60.0)
        url = f"postgresql://postgres:hunter2@127.0.0.1:{free_port()}/db#t"
        refused(crossdock.UnreachableError, url, "refuses connections: is it running there?")

    def test_no_such_host(self) -> None:
        refused(
            crossdock.UnreachableError, "postgresql://u:hunter2@no-such-host.invalid/db#t", "no such host"
        )

    def test_nobody_answers(self) -> None:
        """A firewall drops what is sent: the connection is there and nothing comes back."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(8)
            port = silent.getsockname()[1]
            url = f"postgresql://u:hunter2@127.0.0.1:{port}/db?connect_timeout=2#t"
            refused(crossdock.UnreachableError, url, "does not answer")

    def test_the_command_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        url = f"postgresql://postgres:hunter2@127.0.0.1:{free_port()}/db"
        assert run(["copy", f"{url}#t", "/nowhere/x.parquet"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "hunter2" not in said

    def test_one_that_goes_away_is_tried_again(
        self, database: str, postgres: Postgres, tmp_path: Path
    ) -> None:
        """The sessions of the copy are ended while it reads; it goes on in new ones, and has all rows."""
        name = database.rpartition("/")[2]
        postgres.run(
            "CREATE TABLE t AS SELECT i, repeat('x', 600) AS w FROM generate_series(1, 150000) i", name
        )
        ended: list[int] = []

        def end(snapshot: crossdock.Snapshot) -> None:
            if snapshot.rows_done and not ended:
                ended.append(1)
                postgres.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                )

        shelf = tmp_path / "shelf"
        result = crossdock.copy(
            f"{database}#t",
            f"shelf://{shelf}",
            sink_options={"slow": "0.05"},
            parallel_copies=2,
            progress=end,
        )
        assert ended
        assert result.rows_copied == 150_000
        assert result.retries or any("two snapshots" in note for note in result.notes)


class TestTls:
    def url(self, secure: Postgres, **parameters: str) -> str:
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        return f"postgresql://postgres@127.0.0.1:{secure.port}/postgres?{query}"

    def test_a_verified_server(self, secure: Postgres, tmp_path: Path) -> None:
        url = self.url(secure, sslmode="verify-full", sslrootcert=str(secure.folder / "ca.pem"))
        assert ", TLSv1." in crossdock.test_connection(url).version
        crossdock.copy("rows://here", f"{url}#verified", mode="overwrite")
        assert crossdock.preview(f"{url}#verified", rows=3).rows.num_rows == 3

    def test_options_say_the_same(self, secure: Postgres) -> None:
        options = {"sslmode": "verify-full", "sslrootcert": str(secure.folder / "ca.pem")}
        assert crossdock.test_connection(self.url(secure), source_options=options).user == "postgres"

    def test_an_untrusted_certificate(self, secure: Postgres, tmp_path: Path) -> None:
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
        options = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "other.pem")}
        refused(crossdock.AuthError, f"{self.url(secure)}#t", "certificate that is not trusted", **options)

    def test_a_certificate_for_another_name(self, secure: Postgres) -> None:
        """The name of the address is the one that is verified, wherever its server is."""
        url = f"postgresql://postgres@db.example.com:{secure.port}/postgres?hostaddr=127.0.0.1"
        options = {"sslmode": "verify-full", "sslrootcert": str(secure.folder / "ca.pem")}
        refused(crossdock.AuthError, f"{url}#t", "certificate for another name", **options)
        lax = options | {"sslmode": "verify-ca"}
        assert crossdock.test_connection(url, source_options=lax).user == "postgres"

    def test_a_file_that_is_not_there(self, secure: Postgres, tmp_path: Path) -> None:
        options = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "none.pem")}
        refused(crossdock.ConfigError, f"{self.url(secure)}#t", "no file of trusted certificates", **options)

    def test_a_server_of_old_versions(self, secure: Postgres) -> None:
        """TLS 1.0 and 1.1."""
        settings = secure.folder / "data" / "postgresql.auto.conf"
        before = settings.read_text()
        old = {
            "min_protocol_version": "TLSv1",
            "max_protocol_version": "TLSv1.1",
            "ciphers": "ALL:@SECLEVEL=0",
        }
        settings.write_text("".join(f"ssl_{name} = '{value}'\n" for name, value in old.items()))
        try:
            secure.process.send_signal(signal.SIGHUP)
            eventually(lambda: not self.speaks(secure), 20)
            refused(crossdock.AuthError, f"{self.url(secure)}#t", "TLS 1.2 or later", sslmode="require")
        finally:
            settings.write_text(before)
            secure.process.send_signal(signal.SIGHUP)
            eventually(lambda: self.speaks(secure), 20)

    def speaks(self, secure: Postgres) -> bool:
        try:
            return bool(crossdock.test_connection(self.url(secure, sslmode="require")).version)
        except crossdock.AuthError:
            return False

    def test_a_server_without_tls(self, postgres: Postgres) -> None:
        refused(crossdock.AuthError, f"{postgres.url()}#t", "does not encrypt", sslmode="require")
