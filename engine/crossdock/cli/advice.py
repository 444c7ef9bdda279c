"""What to do about each error code: ``crossdock errors CODE``, and the page of the documentation.

By code: what usually causes it, and what to try, in this order. A test says when a code has none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .. import errors
from ..errors import CrossdockError

DOCS_VARIABLE = "CROSSDOCK_DOCS"
"""Where somebody has published the built documentation (``make docs``), such as a company's own server. There
is no public address: without the variable an error names the command that explains it."""

ADVICE: dict[str, tuple[str, ...]] = {
    "UserError": ("The sentence says what the request lacks. Correct it and begin anew.",),
    "InvalidConfig": (
        "An option is misspelt or has a value of another kind: `crossdock connectors NAME` lists the "
        "options.",
        "An address has another form than its connector takes: the connector's example shows one.",
        "Nothing says which format a file has: name it with `--source-format` or `--sink-format`.",
        "A run is running already, or has ended: `crossdock runs show ID`.",
    ),
    "MissingDependency": (
        "Install what the sentence names, into the environment that runs crossdock: `pip install "
        "'crossdock[...]'`.",
        "`crossdock doctor` lists every library and driver that is missing.",
    ),
    "AuthenticationFailed": (
        "The password, key, token or SAS is wrong or has run out. Give it anew: `-s "
        "password=env:NAME`, `-k sas_token=@FILE`.",
        "A run that is resumed has its secrets given again: `crossdock runs resume ID -k password=env:NAME`.",
        "With Entra ID: does `az login`, the managed identity or the application belong to the tenant "
        "of the resource?",
    ),
    "AccessDenied": (
        "Who signs in is known, and lacks a role or a right: the sentence names it where the server does.",
        "Of files: `ls -ld` shows whose they are. Of Azure Storage: Storage Blob Data Contributor, "
        "and the account's firewall.",
        "On a node: `crossdock node policy` shows which folders and addresses its jobs may reach.",
    ),
    "NotFound": (
        "The name is misspelt, or its case differs. `crossdock browse ADDRESS` shows what is there.",
        "A pattern matches nothing; in quotes it is matched by crossdock and not by the shell.",
        "A database or container must exist; tables and folders are made.",
    ),
    "Unreachable": (
        "Wrong host or port, a firewall, or the server is not running: `crossdock test-connection "
        "ADDRESS` tries only that.",
        "Behind a proxy: `crossdock doctor` says whether it answers. Databases are reached without one.",
    ),
    "AlreadyExists": (
        "By default nothing that exists is touched. `--mode overwrite` replaces it, `--mode append` "
        "adds rows to a table.",
        "A stage or a run id is taken: choose another, or remove that one with `crossdock runs forget ID`.",
    ),
    "NotSupported": (
        "The connector cannot do that: `crossdock connectors NAME` says what it can.",
        "It is said before any data moves. Often another mode, another format or a stage (`--stage`) "
        "does it.",
    ),
    "SchemaMismatch": (
        "A column is missing at the sink or has another type. `crossdock schema ADDRESS` shows both sides.",
        "`--map 'a=b,c:int64=d'` chooses, renames and converts columns; `--mode overwrite` makes the "
        "table anew.",
        "Of text files the types are guessed: `-s types=NAME:string` says them.",
    ),
    "NoSpace": (
        "The sink is full; what was staged there is removed. Make room and begin anew.",
        "An interrupted run may hold space: `crossdock runs` lists them, `crossdock runs forget ID` "
        "removes one.",
    ),
    "Transient": (
        "It was tried again several times. `crossdock runs resume ID` goes on where it was, as soon "
        "as the server is well.",
    ),
    "Throttled": (
        "The server takes fewer requests than were sent: lower `--parallel-copies`, or set "
        "`max_concurrent_connections`.",
        "`crossdock runs resume ID` goes on.",
    ),
    "ShortRead": (
        "A file was cut short, or a connection ended early, and trying again did not help. Compare "
        "its size with what was promised.",
        "`crossdock runs resume ID` goes on.",
    ),
    "DataError": (
        "The sentence names row, column and value where they are known.",
        "`--skip-rows` leaves such rows out, and `--log FOLDER` says which they were.",
        "A value of text that stands for null (`-s null_value=NA`), or another type (`-s "
        "types=NAME:string`), is often the reason.",
    ),
    "SourceChanged": (
        "Somebody wrote to the source while it was copied. Begin anew when it rests, or copy a "
        "snapshot of it.",
        "Of many files: `--skip-files inconsistent` leaves those out that change.",
    ),
    "VerificationFailed": (
        "What the sink has is not what was read. Nothing was deleted at the source. Copy again with "
        "`--verify-full`, to see whether it is the same place.",
        "If it is: the sink changes values (a trigger, a column's type), or a disk is broken. If it "
        "is not: tell us.",
    ),
    "StageLost": (
        "Staged data is gone: it ran out at the store, was removed, or the machine lost power. "
        "`crossdock runs resume ID` carries it again.",
    ),
    "Cancelled": ("Somebody stopped the run, by Ctrl-C or SIGTERM. `crossdock runs resume ID` goes on.",),
    "Internal": (
        "A fault of crossdock or of a connector: `-v` shows the traceback, without secrets. Please "
        "report it with that.",
        "`crossdock runs resume ID` goes on where the sentence says so.",
    ),
    "Usage": (
        "The command line cannot be read. `--help` after the command shows its arguments and options.",
    ),
}  # fmt: skip


def known() -> Iterator[type[CrossdockError]]:
    """The errors that have a code of their own, parents first."""
    yield from _below(CrossdockError)


def _below(base: type[CrossdockError]) -> Iterator[type[CrossdockError]]:
    for error in base.__subclasses__():
        if error.__module__ == errors.__name__:
            yield error
            yield from _below(error)


def page(code: str) -> str:
    """The address of what explains a code: in the documentation, else a command."""
    base = os.environ.get(DOCS_VARIABLE, "").rstrip("/")
    return f"{base}/reference/errors.html#{code.lower()}" if base else f"crossdock errors {code}"
