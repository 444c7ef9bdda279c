"""The secrets of a run: hidden in texts, left out of its journal, had again by whoever goes on with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import AuthError, ConfigError, CrossdockError
from .redact import Address, inner_secrets, is_secret_name, remember
from .request import CopyRequest, Resolved, SinkEnd
from .spi.record import record
from .spi.spec import Secrets

if TYPE_CHECKING:
    from .spi.spec import ConnectorSpec

SIDES = ("source", "sink")
FLAGS = {"source": "-s", "sink": "-k", "stage": "--stage-option", "log": "--log-option"}
Ask = Callable[[str], str]


class Fetched(str):
    """An option's value that came from elsewhere; ``origin`` says from where, and is no secret."""

    __slots__ = ("origin",)
    origin: str

    def __new__(cls, value: str, origin: str) -> Fetched:
        made = super().__new__(cls, value)
        made.origin = origin
        return made


def fetch(text: str, where: str) -> str:
    """What an option's text stands for: ``env:NAME`` a variable, ``@PATH`` a file, ``@@...`` that text.

    Raises ConfigError, which never repeats a value.
    """
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        path = Path(text[1:]).expanduser().absolute()
        return Fetched(_content(path, where), f"@{path}")
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if name not in os.environ:
            raise ConfigError(f"{where}: the environment variable {name!r} is not set")
        return Fetched(os.environ[name], text)
    return text


def _content(path: Path, where: str) -> str:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{where}: cannot read {path}: {why}", hint="a value that starts with @: @@"
        ) from error
    return content.removesuffix("\n").removesuffix("\r")


# -- hiding -----------------------------------------------------------------------------------------


def public_url(url: str) -> str:
    """The address without secrets: nothing else of it changes."""
    return _address(url).shown


def _address(url: str) -> Address:
    spec = _spec_of(url)
    rule = spec.secrets if spec else Secrets()
    return Address(url, rule.query, rule.user)


def _spec_of(url: str) -> ConnectorSpec | None:
    from .plugins import registry
    from .spi.spec import Location

    try:
        location = Location.parse(url)
        return registry().by_scheme(location.scheme, location.authority)
    except (CrossdockError, ValueError):
        return None


def _spec(name: str) -> ConnectorSpec | None:
    from .plugins import registry

    return registry().specs.get(name)


def know(source: str, sink: str, options: Mapping[str, Mapping[str, str]]) -> None:
    """Hide the secrets of a run in all texts that this process writes from now on."""
    for side, url in zip(SIDES, (source, sink), strict=True):
        spec = _spec_of(url)
        remember(_address(url).telling())
        remember(_of_environment(spec))
        typed = _secret_keys(spec) if options[side] else set()
        for key, value in options[side].items():
            remember(inner_secrets(value))
            if key in typed or is_secret_name(key):
                remember([value])


def _of_environment(spec: ConnectorSpec | None) -> Iterator[str]:
    """The secrets that a connector may take from variables. An address there, of a proxy, is none itself."""
    for names in spec.secrets.environment.values() if spec else ():
        for value in filter(None, map(os.environ.get, names)):
            yield from inner_secrets(value)
            if "://" not in value:
                yield value


def know_resolved(resolved: Resolved) -> None:
    """As ``know``, for a process that is given no more."""
    for side in SIDES:
        end = getattr(resolved, side)
        know_end = {name: {} for name in SIDES} | {side: end.options | end.format_options}
        roots = {name: end.root if name == side else "" for name in SIDES}
        know(roots["source"], roots["sink"], know_end)


def _secret_keys(*specs: ConnectorSpec | None) -> set[str]:
    fields = (item for spec in specs if spec for item in spec.config.model_fields.items())
    return {name for name, about in fields if "Secret" in str(about.annotation)}


# -- leaving out ------------------------------------------------------------------------------------


def stored(
    request: CopyRequest, resolved: Resolved, given: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """What a journal keeps of a request: no secret, but which there were, and where one came from."""
    lost: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    ends: dict[str, Any] = {}
    for side in SIDES:
        end, url = getattr(resolved, side), getattr(request, side)
        address = _address(url)
        hidden = _hidden(end.options, end.connector) | _hidden(end.format_options, end.format)
        lost[side] = _needed(address, hidden, given[side])
        options = getattr(request, f"{side}_options")
        asked |= {side: address.shown, f"{side}_options": _without(options, hidden)}
        kept = {
            "root": _address(end.root).bare,
            "options": _without(end.options, hidden),
            "format_options": _without(end.format_options, hidden),
        }
        ends[side] = replace(end, **kept)
    if resolved.log is not None and request.log is not None:
        address, hidden = _address(request.log), _hidden(resolved.log.options, resolved.log.connector)
        lost["log"] = _needed(address, hidden, given.get("log", {})) | {
            "connector": resolved.log.connector,
            "root": _address(resolved.log.root).bare,
            "kept": _without(resolved.log.options, hidden),
        }
        asked |= {"log": address.shown, "log_options": _without(request.log_options, hidden)}
    return {
        "request": replace(request, **asked).dump(),
        "resolved": replace(resolved, **ends).dump(),
        "secrets": lost,
    }


def _needed(address: Address, hidden: set[str], given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "address": address.names,
        "bare": address.bare,
        "options": {key: getattr(given.get(key), "origin", "") for key in sorted(hidden)},
    }


def _hidden(options: Mapping[str, str], connector: str) -> set[str]:
    typed = _secret_keys(_spec(connector)) if options else set()
    # An empty value is none: it says that there is no proxy, say.
    return {key for key, value in options.items() if value and (key in typed or any(inner_secrets(value)))}


def _without(options: Mapping[str, str], hidden: set[str]) -> dict[str, str]:
    return {key: value for key, value in options.items() if key not in hidden}


# -- having again -----------------------------------------------------------------------------------


@record
class Again:
    """What is given to a run that goes on: addresses and options by side. ``ask`` a person for the rest.

    ``called``: the side that people know under another name.
    """

    addresses: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ask: Ask | None = None
    called: Mapping[str, str] = field(default_factory=dict)

    def name(self, side: str) -> str:
        return self.called.get(side, side)

    def as_called(self, called: Mapping[str, str]) -> Again:
        """The same for a run whose sides people know under these names."""
        addresses = {side: self.addresses.get(called.get(side, side)) for side in SIDES}
        options = {side: self.options.get(called.get(side, side), {}) for side in SIDES}
        return Again(addresses, options, self.ask, called)


@record
class _Lost:
    """A secret that is needed again. ``key`` is the option, empty for the address."""

    side: str
    key: str
    what: str
    how: str


def complete(
    run_id: str, resolved: Resolved, lost: Mapping[str, Any], again: Again, sides: tuple[str, ...] = SIDES
) -> Resolved:
    """``resolved`` as a journal has it, with its secrets. Raises AuthError, which says what is missing."""
    from .options import add_options

    missing: list[_Lost] = []
    if "log" in lost and sides == SIDES:
        resolved = replace(resolved, log=_log_again(lost["log"], again, missing))
    again = again.as_called(resolved.called())
    options = {side: dict(again.options.get(side, {})) for side in SIDES}
    for side in sides:
        facts = lost.get(side, {})
        if address := again.addresses.get(side):
            resolved = _readdressed(resolved, side, address, facts.get("bare", ""), again.name(side))
        missing += _missing(getattr(resolved, side), side, facts, again, options[side])
    if missing and again.ask is None:
        raise _incomplete(run_id, missing)
    for secret in missing:
        assert again.ask is not None  # noqa: S101 - looked at above
        answer = again.ask(secret.what)
        remember([answer])
        if secret.side == "log":
            assert resolved.log is not None  # noqa: S101 - it is what is missing something
            resolved = replace(resolved, log=_log_with(resolved.log, lost["log"], secret.key, answer))
        elif secret.key:
            options[secret.side][secret.key] = answer
        else:
            bare = lost[secret.side]["bare"]
            resolved = _readdressed(resolved, secret.side, answer, bare, again.name(secret.side))
    resolved = add_options(resolved, options["source"], options["sink"], again.called)
    know_resolved(resolved)
    return resolved


def _log_again(facts: Mapping[str, Any], again: Again, missing: list[_Lost]) -> SinkEnd:
    """The log's folder with what is given again for it; what is not goes to ``missing``."""
    end, options = SinkEnd(facts["connector"], facts["root"]), dict(again.options.get("log", {}))
    if address := again.addresses.get("log"):
        end = _log_with(end, facts, "", address)
    missing += _missing(end, "log", facts, again, options)
    remember(value for key, value in options.items() if is_secret_name(key) or key in facts["options"])
    return replace(end, options=facts["kept"] | options)


def _log_with(end: SinkEnd, facts: Mapping[str, Any], key: str, given: str) -> SinkEnd:
    """The same with a secret: an option, or the address with its own."""
    if key:
        return replace(end, options=end.options | {key: given})
    address = _address(given)
    remember(address.telling())
    if address.bare != facts["bare"]:
        raise ConfigError(f"{address.shown} is not the log of the run, which is {facts['bare']}")
    return replace(end, root=address.lend(end.root))


def _missing(
    end: Any, side: str, facts: Mapping[str, Any], again: Again, options: dict[str, str]
) -> Iterator[_Lost]:
    """What was left out and nobody gives; values whose origin is known are put into ``options``."""
    spec, wanted = _spec(end.connector), facts.get("options", {})
    places = spec.secrets.environment if spec else {}
    given = _secret_keys(spec, _spec(end.format)) & options.keys()
    others = given - wanted.keys()
    names, called = facts.get("address", []), again.name(side)
    flag = FLAGS[called]
    if names and not (given or again.addresses.get(side) or _is_set(places.get("", ()))):
        how = f"--{called} ADDRESS" + _or_variables(places.get("", ()))
        yield _Lost(side, "", f"the {called}'s address with {' and '.join(names)}", how)
    for key, origin in wanted.items():
        if key in options or others:
            continue
        if origin:
            try:
                options[key] = fetch(origin, f"{flag} {key}")
                continue
            except ConfigError:
                pass  # it is not there any more: then as without an origin
        if not _is_set(places.get(key, ())):
            how = f"{flag} {key}={origin or 'env:NAME'}" + _or_variables(places.get(key, ()))
            yield _Lost(side, key, f"the {called}'s {key}", how)


def _is_set(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in names)


def _or_variables(names: tuple[str, ...]) -> str:
    return f", or in {names[0]}" if names else ""


def _incomplete(run_id: str, missing: list[_Lost]) -> AuthError:
    parts = " and ".join(f"{secret.what} ({secret.how})" for secret in missing)
    error = AuthError(f"no journal keeps secrets, so the run {run_id!r} needs again {parts}")
    error.side, error.run_id, error.resumable = missing[0].side, run_id, True
    return error


def _readdressed(resolved: Resolved, side: str, url: str, bare: str, called: str) -> Resolved:
    """The same with the secrets of ``url``. Raises ConfigError where that is another address."""
    address, end = _address(url), getattr(resolved, side)
    remember(address.telling())
    if address.bare != bare:
        raise ConfigError(f"{address.shown} is not the {called} of the run, which is {bare}")
    return replace(resolved, **{side: replace(end, root=address.lend(end.root))})
