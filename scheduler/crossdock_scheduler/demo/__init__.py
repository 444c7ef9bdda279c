"""``crossdock service demo``: a service and two nodes on this machine, driven by Microsoft's own client.

It needs a folder with CSV files, and works beside it: ``service/`` has the state of the service, ``first/``
and ``second/`` those of the nodes, ``parquet-by-service/`` what the pipelines have made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.mgmt.datafactory import DataFactoryManagementClient

from crossdock import ConfigError, InternalError, VerificationError

from .definitions import EACH, FACTORY, GROUP, RUNTIME, STAGED, create_pipelines, create_runtime
from .processes import Agent, command, node, service
from .rows import differences
from .screen import code, say, title

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
NODES = ("first", "second")
_WAIT = 60.0
# A copy is caught when so much of it is at the stage, or a twentieth of its source.
_CAUGHT = 1 << 20


@dataclass(frozen=True)
class Token:
    """A credential for Microsoft's clients that always has the same token."""

    token: str

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self.token, 2**31)


def demo(csv: Path) -> None:
    """Raises CrossdockError where something does not go as it should."""
    files = sorted(csv.resolve().glob("*.csv"))
    if not files:
        raise ConfigError(f"{csv} has no CSV files, of which the demo makes Parquet files")
    work = csv.resolve().parent
    parquet, stage = work / "parquet-by-service", work / "stage"
    with ExitStack() as stack:
        url, token, ca = stack.enter_context(service(work / "service"))
        client = stack.enter_context(
            DataFactoryManagementClient(
                Token(token), SUBSCRIPTION, base_url=url, connection_verify=str(ca), logging_enable=False
            )
        )
        code("""\
            client = DataFactoryManagementClient(credential, subscription, base_url=url)
            client.factories.create_or_update("demo", "flights", {})
            client.integration_runtimes.create_or_update("demo", "flights", "here", self_hosted)
            key = client.integration_runtimes.list_auth_keys("demo", "flights", "here").auth_key1""")
        key = create_runtime(client)
        agents = [stack.enter_context(node(work / name, ca, key, name)) for name in NODES]
        code("""\
            client.linked_services.create_or_update("demo", "flights", "csv", file_server)
            client.datasets.create_or_update("demo", "flights", "table_csv", delimited_text)
            client.datasets.create_or_update("demo", "flights", "table_parquet", parquet)
            client.pipelines.create_or_update("demo", "flights", "to-parquet", for_each_table_copy)""")
        create_pipelines(client, csv.resolve(), parquet, stage)
        own = {"CROSSDOCK_HOME": str(work / "service")}
        login = [f"--ca={ca}", f"--group={GROUP}", f"--factory={FACTORY}"]
        command("login", url, *login, environment=own | {"CROSSDOCK_TOKEN": token})
        run_id = _run(client, EACH, tables=[each.stem for each in files])
        command("pipeline", "show", run_id, "--follow", environment=own)
        command("ir", "status", RUNTIME, environment=own)
        _compare(client, run_id, parquet)

        title("The node that carries out a staged copy is killed; the other one ends the copy")
        largest = max(files, key=lambda each: each.stat().st_size)
        run_id = _run(client, STAGED, table=largest.stem)
        job, other, killed = _kill_half_way(agents, stage, min(_CAUGHT, largest.stat().st_size // 20))
        command("pipeline", "show", run_id, "--follow", environment=own)
        if f"job {job} has ended: succeeded" not in other.log:
            raise VerificationError(f"{other.name} has not ended the copy: {other.log}")
        later = other.said_at(f"job {job} begins") - killed
        say(f"{other.name} began it {later:.1f} seconds later, and has ended it.")
        _check_once(stage, largest, parquet / "staged" / f"{largest.stem}.parquet")


def _run(client: Any, pipeline: str, **parameters: Any) -> str:
    code(f"""\
        client.pipelines.create_run("demo", "flights", "{pipeline}", parameters={parameters})""")
    run_id: str = client.pipelines.create_run(GROUP, FACTORY, pipeline, parameters=parameters).run_id
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


def _kill_half_way(agents: Sequence[Agent], stage: Path, enough: int) -> tuple[str, Agent, float]:
    """End the node that has the copy, without warning, when so many bytes are staged: the job, who is left to
    do it, and when that was."""
    until, had = time.monotonic() + _WAIT, False
    while (staged := _bytes_in(stage)) < max(enough, 1):
        has = any(each.jobs for each in agents)
        if time.monotonic() > until or (had and not has):
            raise InternalError("the staged copy ended before it could be killed")
        had = has
        time.sleep(0.005)
    for each, other in (agents, agents[::-1]):
        if jobs := each.jobs:
            each.kill()
            say(f"{each.name} had the copy, and {staged / 1e6:.1f} MB of it at the stage.")
            return jobs[0], other, time.time()
    raise InternalError("the staged copy ended before it could be killed")


def _bytes_in(folder: Path) -> int:
    """Files come and go meanwhile."""
    found = 0
    for each in folder.rglob("*"):
        try:
            found += each.stat().st_size if each.is_file() else 0
        except FileNotFoundError:
            continue
    return found


def _check_once(stage: Path, source: Path, sink: Path) -> None:
    """Raises VerificationError where a row is not there once, or something is left at the stage."""
    rows, missing, more = differences(source, sink)
    say(f"{source.name} has {rows:,} rows; of them {missing} are missing, and {more} are there twice.")
    if missing or more:
        raise VerificationError(f"of {rows} rows {missing} are missing, and {more} are there too often")
    if left := _bytes_in(stage):
        raise VerificationError(f"{left} bytes are left at the stage {stage}")
    say("Nothing is left at the stage.")
