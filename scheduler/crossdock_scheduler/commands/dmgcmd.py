"""``dmgcmd``: the command line of Microsoft's self-hosted integration runtime, for scripts that have it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Arguments = Sequence[str]
Meant = tuple[list[str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Action:
    """``takes``: how many arguments at least and at most. ``means`` gives the arguments of ``crossdock`` and
    what else its environment has: secrets are in no argument. Without it, ``why_not`` says why."""

    short: str
    long: str
    shown: str
    summary: str
    takes: tuple[int, int] = (0, 0)
    means: Callable[[Arguments], Meant] | None = None
    why_not: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.lower() for each in (self.short, self.long) if each)


def _plain(*command: str) -> Callable[[Arguments], Meant]:
    return lambda _: (["node", *command], {})


def _register(given: Arguments) -> Meant:
    return ["node", "register", *(["--name", given[1]] if given[1:] else [])], {"AUTH_KEY": given[0]}


def _key(given: Arguments) -> Meant:
    return ["node", "key"], {"AUTH_KEY": given[0]}


def _backup(command: str) -> Callable[[Arguments], Meant]:
    return lambda given: (["node", command, given[0]], {"CROSSDOCK_BACKUP_PASSWORD": given[1]})


def _remote(given: Arguments) -> Meant:
    return ["node", "enable-remote-access", *given], {}


ACTIONS = (
    Action("-rn", "-RegisterNewNode", "KEY [NAME]", "register this node", (1, 2), _register),
    Action(
        "-era", "-EnableRemoteAccess", "PORT [THUMBPRINT]", "let the runtime have other nodes; opens no port",
        (1, 2), _remote,
    ),
    Action(
        "-erac", "-EnableRemoteAccessInContainer", "PORT [THUMBPRINT]", "the same in a container", (1, 2),
        _remote,
    ),
    Action(
        "-dra", "-DisableRemoteAccess", "", "refuse other nodes of the runtime",
        means=_plain("disable-remote-access"),
    ),
    Action("-k", "-Key", "KEY", "replace the key", (1, 1), _key),
    Action("-gbf", "-GenerateBackupFile", "FILE PASSWORD", "back this node up", (2, 2), _backup("backup")),
    Action("-ibf", "-ImportBackupFile", "FILE PASSWORD", "restore a backup", (2, 2), _backup("restore")),
    Action("-r", "-Restart", "", "have the agent begin anew", means=_plain("restart")),
    Action("-s", "-Start", "", "start the agent; it runs until it is stopped", means=_plain("start")),
    Action("-t", "-Stop", "", "stop the agent", means=_plain("stop")),
    Action("-sus", "-StartUpgradeService", "", "start the updater", means=_plain("update", "--on")),
    Action("-tus", "-StopUpgradeService", "", "stop the updater", means=_plain("update", "--off")),
    Action("-tonau", "-TurnOnAutoUpdate", "", "updates by itself", means=_plain("update", "--on")),
    Action("-toffau", "-TurnOffAutoUpdate", "", "no updates by itself", means=_plain("update", "--off")),
    Action(
        "-ssa", "-SwitchServiceAccount", "USER [PASSWORD]", "run as another account", (1, 2),
        why_not="the account is the one that starts the agent, as User= of its systemd unit says",
    ),
    Action(
        "-elma", "-EnableLocalMachineAccess", "", "allow this machine and private addresses",
        means=_plain("policy", "--allow-private"),
    ),
    Action(
        "-dlma", "-DisableLocalMachineAccess", "", "forbid this machine and private addresses",
        means=_plain("policy", "--forbid-private"),
    ),
    Action(
        "", "-DisableLocalFolderPathValidation", "", "allow folders of this machine",
        means=_plain("policy", "--any-path"),
    ),
    Action(
        "", "-EnableLocalFolderPathValidation", "", "forbid folders of this machine",
        means=_plain("policy", "--no-path"),
    ),
    Action(
        "-eesp", "-EnableExecuteSsisPackage", "", "run packages of SSIS, by dtexec",
        means=_plain("policy", "--ssis", "dtexec"),
    ),
    Action(
        "-desp", "-DisableExecuteSsisPackage", "", "run no packages of SSIS",
        means=_plain("policy", "--no-ssis"),
    ),
    Action(
        "-gesp", "-GetExecuteSsisPackage", "", "whether packages of SSIS are run: true or false",
        means=_plain("policy", "--get-ssis"),
    ),
)  # fmt: skip


def help_text() -> str:
    lines = ["dmgcmd ACTION args...", ""]
    for each in ACTIONS:
        names = ", ".join(name for name in (each.short, each.long) if name)
        absent = "" if each.means else " (not here)"
        lines.append(f"{names} {each.shown}".rstrip() + f": {each.summary}{absent}")
    return "\n".join(lines)


def meant(given: Arguments) -> Meant:
    """What ``crossdock`` is to be called with. Raises ValueError, with a sentence, for what is not here."""
    name, arguments = given[0], given[1:]
    found = next((each for each in ACTIONS if name.lower() in each.names), None)
    if found is None:
        raise ValueError(f"there is no action {name!r}; dmgcmd -help lists them")
    least, most = found.takes
    if not least <= len(arguments) <= most:
        raise ValueError(f"{found.long} takes: {found.shown or 'no arguments'}")
    if found.means is None:
        raise ValueError(f"{found.long} does nothing here: {found.why_not}")
    return found.means(arguments)


def main() -> None:
    """Exits as ``crossdock`` does, with 2 for an action that is not here."""
    given = sys.argv[1:]
    if not given or given[0].lower() in {"-help", "--help", "-h", "-?", "/?"}:
        sys.stdout.write(help_text() + "\n")
        sys.exit(0 if given else 2)
    try:
        arguments, environment = meant(given)
    except ValueError as error:
        sys.stderr.write(f"dmgcmd: {error}\n")
        sys.exit(2)
    os.execve(  # noqa: S606 - this very program; the arguments that had secrets are gone
        sys.executable, [sys.executable, "-m", "crossdock", *arguments], os.environ | environment
    )


if __name__ == "__main__":
    main()
