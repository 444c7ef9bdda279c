"""``crossdock service``: the control plane on this machine."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from crossdock import ConfigError, MissingDependencyError
from crossdock.cli import options

from .service_audit import audit
from .service_backup import backup, restore
from .service_state import DatabaseOption, SecretFileOption, StateOption, folder_of, need_service
from .service_tokens import token

service = typer.Typer(
    help="The control plane: Data Factory's REST API on this machine.", no_args_is_help=True
)
service.command()(backup)
service.command()(restore)
service.add_typer(token, name="token")
service.add_typer(audit, name="audit")


@service.command()
def start(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="The name or address to listen on.")] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8443,
    database: DatabaseOption = None,
    cert: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    endpoint: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="How nodes reach the service, if that is another address."),
    ] = "",
    secret_file: SecretFileOption = None,
    drain_delay: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=600,
            help="How long it goes on answering after it was told to stop, while /readyz says no.",
        ),
    ] = 0.0,
    log_format: Annotated[
        str, typer.Option(metavar="[text|json]", help="How the log on stderr is written.")
    ] = "text",
    max_links: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="How many linked runtimes an integration runtime may have."),
    ] = 100,
    lease: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=2,
            max=3600,
            help="A job goes to another node when its own has been silent for so long.",
        ),
    ] = 10.0,
    missed: Annotated[
        str,
        typer.Option(
            metavar="[latest|all|none]",
            help="Which of the times of a schedule trigger that came while no service ran are run.",
        ),
    ] = "latest",
    missed_within: Annotated[
        float, typer.Option(metavar="HOURS", min=0, help="Those that are longer ago are not.")
    ] = 24.0,
    oidc_issuer: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Its tokens are taken too: https://login.microsoftonline.com/TENANT/v2.0"
        ),
    ] = "",
    oidc_audience: Annotated[
        str, typer.Option(metavar="NAME", help="For whom its tokens are: the service's own application.")
    ] = "",
    oidc_claim: Annotated[
        str, typer.Option(metavar="NAME", help="Where its tokens say who may do what; roles or groups.")
    ] = "roles",
    oidc_role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE=ROLE[@FACTORY]",
            help="Whoever has the value in the claim has the role: owner, contributor, operator or reader; "
            "may be repeated. Default: the roles' own names.",
        ),
    ] = None,
    reads_per_minute: Annotated[
        int, typer.Option(min=0, help="How much each principal may read; 0: there is no limit.")
    ] = 12_000,
    writes_per_minute: Annotated[
        int, typer.Option(min=0, help="How much each principal may change; 0: there is no limit.")
    ] = 6_000,
    failures_per_minute: Annotated[
        int, typer.Option(min=0, help="How often one address may fail to sign in; 0: there is no limit.")
    ] = 60,
    notify: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Who is told when the state of a node or a runtime changes, an address a line: an https one "
            "of a web hook, or one of apprise, such as mailto://...",
        ),
    ] = None,
    state: StateOption = None,
) -> None:
    """Serve until it is told to stop (Ctrl-C or SIGTERM): then requests in flight are answered.

    A second signal ends it at once.

    The first time, it prints the token of its first owner. Without --cert it makes a CA of its own; clients
    trust it by tls/ca.pem in the state folder.
    """
    need_service()
    from ..service.auth.access import Limits
    from ..service.auth.oidc import Issuer, RoleOf
    from ..service.operations.logs import LogFormat, log_to_stderr
    from ..service.server import Settings, run
    from ..service.triggers.misfires import Misfires, Missed

    if log_format not in list(LogFormat):
        raise ConfigError(f"--log-format {log_format}: it is {' or '.join(LogFormat)}")
    if missed not in list(Missed):
        raise ConfigError(f"--missed {missed}: it is {', '.join(Missed)}")
    misfires = Misfires(Missed(missed), missed_within * 3600)
    session = options.session_of(context)
    session.command = "service start"
    folder = folder_of(state)

    # Whatever reads a log of JSON reads nothing else.
    say = logging.getLogger(__name__).info if log_format == LogFormat.JSON else session.say

    def ready(address: str, token: str | None) -> None:
        say(f"serving at {address}, state in {folder}")
        if cert is None:
            say(f"clients trust it by {folder / 'tls' / 'ca.pem'}")
        if token is not None:
            say("the first owner's token, which is not shown again, on the next line")
            session.show(token)

    if not oidc_issuer and (oidc_audience or oidc_role):
        raise ConfigError("--oidc-audience and --oidc-role need --oidc-issuer")
    roles = [RoleOf.parsed(each) for each in oidc_role or ()]
    issuer = Issuer(oidc_issuer, oidc_audience, oidc_claim, roles) if oidc_issuer else None
    limits = Limits(reads_per_minute, writes_per_minute, failures_per_minute)
    log_to_stderr(LogFormat(log_format))
    run(
        Settings(
            folder,
            host,
            port,
            database,
            cert,
            key,
            endpoint,
            secret_file,
            drain_delay,
            max_links,
            misfires,
            issuer,
            limits,
            notify,
            lease,
        ),
        ready,
    )


@service.command()
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with CSV files.")],
) -> None:
    """Show a service and two nodes at work: pipelines make Parquet files of CSV files, beside their folder.

    The node that carries out a copy is killed, and the other one ends it. All of it is driven by Microsoft's
    own client for Data Factory.
    """
    if any(find_spec(name) is None for name in ("azure", "fastapi", "httpx", "jwt", "lark", "psutil")) or (
        find_spec("azure.mgmt.datafactory") is None
    ):
        raise MissingDependencyError(
            "the demo needs more packages; install them with: pip install 'crossdock[demo]'"
        )
    from ..demo import demo as shown

    options.session_of(context).command = "service demo"
    shown(folder)
