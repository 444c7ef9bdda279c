"""``crossdock service demo``: a service and a node on this machine, driven by Microsoft's own client.

It needs a folder with CSV files, and works beside it: ``service/`` has the state of the service, ``node/``
that of the node, ``parquet-by-service/`` what the pipeline has made.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from azure.core.credentials import AccessToken
from azure.mgmt.datafactory import DataFactoryManagementClient

from crossdock import ConfigError, InternalError, VerificationError

GROUP, FACTORY, RUNTIME, PIPELINE = "demo", "flights", "here", "to-parquet"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
_WAIT = 60.0


@dataclass(frozen=True)
class Token:
    """A credential for Microsoft's clients that always has the same token."""

    token: str

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self.token, 2**31)


def demo(csv: Path) -> None:
    """Raises CrossdockError where something does not go as it should."""
    tables = sorted(each.stem for each in csv.glob("*.csv"))
    if not tables:
        raise ConfigError(f"{csv} has no CSV files, of which the demo makes Parquet files")
    work = csv.resolve().parent
    with service(work / "service") as (url, token, ca):
        own = {"CROSSDOCK_HOME": str(work / "service")}
        client = DataFactoryManagementClient(
            Token(token), SUBSCRIPTION, base_url=url, connection_verify=str(ca), logging_enable=False
        )
        with client:
            key = _runtime(client)
            with node(work / "node", ca, key):
                _define(client, csv.resolve(), work / "parquet-by-service")
                run_id = _run(client, tables)
                login = [f"--ca={ca}", f"--group={GROUP}", f"--factory={FACTORY}"]
                command("login", url, *login, environment=own | {"CROSSDOCK_TOKEN": token})
                command("pipeline", "show", run_id, "--follow", environment=own)
                command("ir", "status", RUNTIME, environment=own)
                _compare(client, run_id, work / "parquet-by-service")


def _runtime(client: Any) -> str:
    code("""\
        client = DataFactoryManagementClient(credential, subscription, base_url=url)
        client.factories.create_or_update("demo", "flights", {})
        client.integration_runtimes.create_or_update("demo", "flights", "here", self_hosted)
        key = client.integration_runtimes.list_auth_keys("demo", "flights", "here").auth_key1""")
    client.factories.create_or_update(GROUP, FACTORY, {})
    runtime = {"properties": {"type": "SelfHosted"}}
    client.integration_runtimes.create_or_update(GROUP, FACTORY, RUNTIME, runtime)
    key: str = client.integration_runtimes.list_auth_keys(GROUP, FACTORY, RUNTIME).auth_key1
    return key


def _define(client: Any, csv: Path, parquet: Path) -> None:
    code("""\
        client.linked_services.create_or_update("demo", "flights", "csv", file_server)
        client.datasets.create_or_update("demo", "flights", "table_csv", delimited_text)
        client.datasets.create_or_update("demo", "flights", "table_parquet", parquet)
        client.pipelines.create_or_update("demo", "flights", "to-parquet", for_each_table_copy)""")
    via = {"referenceName": RUNTIME, "type": "IntegrationRuntimeReference"}
    kinds = {
        "csv": (csv, "DelimitedText", {"firstRowAsHeader": True, "nullValue": "NA", "columnDelimiter": ","}),
        "parquet": (parquet, "Parquet", {}),
    }
    for name, (folder, kind, more) in kinds.items():
        host = {"type": "FileServer", "connectVia": via, "typeProperties": {"host": str(folder)}}
        client.linked_services.create_or_update(GROUP, FACTORY, name, {"properties": host})
        file = {"value": f"@concat(dataset().table, '.{name}')", "type": "Expression"}
        dataset = {
            "type": kind,
            "linkedServiceName": {"referenceName": name, "type": "LinkedServiceReference"},
            "parameters": {"table": {"type": "string"}},
            "typeProperties": {"location": {"type": "FileServerLocation", "fileName": file}, **more},
        }
        client.datasets.create_or_update(GROUP, FACTORY, f"table_{name}", {"properties": dataset})
    client.pipelines.create_or_update(GROUP, FACTORY, PIPELINE, {"properties": _pipeline()})


def _pipeline() -> dict[str, Any]:
    table = {"table": {"value": "@item()", "type": "Expression"}}
    copy = {
        "name": "copy",
        "type": "Copy",
        "inputs": [{"referenceName": "table_csv", "type": "DatasetReference", "parameters": table}],
        "outputs": [{"referenceName": "table_parquet", "type": "DatasetReference", "parameters": table}],
        "typeProperties": {
            "source": {"type": "DelimitedTextSource", "storeSettings": {"type": "FileServerReadSettings"}},
            "sink": {"type": "ParquetSink", "storeSettings": {"type": "FileServerWriteSettings"}},
        },
    }
    items = {"value": "@pipeline().parameters.tables", "type": "Expression"}
    loop = {
        "name": "for each table",
        "type": "ForEach",
        "typeProperties": {"items": items, "activities": [copy]},
    }
    return {"activities": [loop], "parameters": {"tables": {"type": "array"}}}


def _run(client: Any, tables: list[str]) -> str:
    code(f"""\
        client.pipelines.create_run("demo", "flights", "to-parquet", parameters={{"tables": {tables}}})""")
    run_id: str = client.pipelines.create_run(GROUP, FACTORY, PIPELINE, parameters={"tables": tables}).run_id
    say(f"The run is {run_id}.")
    return run_id


def _compare(client: Any, run_id: str, parquet: Path) -> None:
    """What the activities say that they have copied, and what is there."""
    from pyarrow.parquet import read_metadata

    code("client.activity_runs.query_by_pipeline_run(group, factory, run_id, filters)")
    now = datetime.now(UTC)
    window = {"lastUpdatedAfter": now - timedelta(days=1), "lastUpdatedBefore": now + timedelta(days=1)}
    runs = client.activity_runs.query_by_pipeline_run(GROUP, FACTORY, run_id, window).value
    said = sorted(each.output["rowsCopied"] for each in runs if each.activity_type == "Copy")
    there = {each.name: read_metadata(each).num_rows for each in sorted(parquet.glob("*.parquet"))}
    for name, rows in there.items():
        say(f"{name:18} {rows:>9,} rows")
    if sorted(there.values()) != said:
        raise VerificationError(f"the activities say {said} rows, the files have {sorted(there.values())}")
    say(f"The outputs of the {len(said)} copies say the same.")


# -- processes -------------------------------------------------------------------------------------------


@contextmanager
def service(home: Path) -> Iterator[tuple[str, str, Path]]:
    """A service on any free port: its address, the token of its owner, and the CA by which it is trusted."""
    with started(home, "service", "start", "--port", "0", until=" state in ") as (process, heard):
        url = next(word for word in heard.split() if word.startswith("https://")).rstrip(",")
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        token = process.stdout.readline().strip()
        yield url, token, home / "service" / "tls" / "ca.pem"


@contextmanager
def node(home: Path, ca: Path, key: str) -> Iterator[None]:
    """This machine as a node of the runtime that the key is of."""
    given = {"CROSSDOCK_HOME": str(home), "AUTH_KEY": key}
    command("node", "register", "--ca", str(ca), "--name", "demo", environment=given)
    with started(home, "node", "start", until=" works for "):
        yield


@contextmanager
def started(home: Path, *arguments: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, once it has said so; it is stopped at the end."""
    prompt(f"$ crossdock {shlex.join(arguments)} &")
    home.mkdir(parents=True, exist_ok=True)
    log = home / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            _crossdock(*arguments), env={**os.environ, "CROSSDOCK_HOME": str(home)},
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        began = time.monotonic()
        while until not in (heard := log.read_text()):
            if process.poll() is not None or time.monotonic() - began > _WAIT:
                raise InternalError(f"crossdock {arguments[0]} did not start: {heard.strip()}")
            time.sleep(0.05)
        yield process, heard
    finally:
        process.terminate()
        process.communicate()


def command(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run ``crossdock`` on this terminal; a failure ends the demo."""
    prompt(f"$ crossdock {shlex.join(arguments)}")
    done = subprocess.run(_crossdock(*arguments), env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise InternalError(f"crossdock {arguments[0]} ended with the exit code {done.returncode}")


def _crossdock(*arguments: str) -> list[str]:
    # -P: Python shall not look for modules in the demo's folder, which has one named csv.
    return [sys.executable, "-P", "-m", "crossdock", *arguments]


def prompt(text: str) -> None:
    typer.secho(f"\n{text}", fg="cyan")
    sys.stdout.flush()


def code(text: str) -> None:
    """Lines of Python that are carried out now."""
    lines = [line.strip() for line in text.splitlines()]
    prompt("\n".join(f">>> {line}" for line in lines))


def say(text: str) -> None:
    typer.echo(f"  {text}")
    sys.stdout.flush()
