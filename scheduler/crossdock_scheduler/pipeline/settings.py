"""What the definitions do not say: another value of a linked service, parameters, secrets.

Read from a file of settings, from the command line and from the environment; applied to a factory, they make
a new one. Secrets come from a file, the environment or a Key Vault and stay ``SecretStr``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from crossdock import AdfProperties, ConfigError, adf_connection_string
from crossdock.credentials import fetch
from crossdock.redact import inner_secrets, is_secret_name, remember

from .checks.parameters import parameters_of
from .definitions import KINDS, Definition, Factory, Place
from .definitions.json_text import read_json
from .expressions import did_you_mean
from .linked_properties import is_secret, slug, unlikely, variable
from .policy import Policy

_SECTIONS = ("linkedServices", "parameters", "globalParameters", "webHooks", "ssis")
_SOURCES = ("env", "file", "keyVault")
_LOCAL: Mapping[str, tuple[str, ...]] = {
    "webHooks": ("listen", "address", "certificate", "key"),
    "ssis": ("dtexec",),
}
Overrides = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by name, as they were given. ``local`` is about this machine: by section, texts by key.

    A value that came from elsewhere is a ``SecretStr``; ``apply`` and ``arguments`` decide what it is.
    """

    linked_services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    global_parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    local: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def arguments(self, pipeline: Definition) -> dict[str, Any]:
        """The parameters that the pipeline has; what it declares as a SecureString is hidden in all texts.

        Raises ConfigError for one that it has not.
        """
        declared = parameters_of(pipeline)
        unknown = [name for name in self.parameters if name.lower() not in declared]
        _refuse(
            f"{pipeline.owner} has no parameter {name!r}"
            f"{did_you_mean(name, [each.name for each in declared.values()])}"
            for name in unknown
        )
        found = {}
        for name, value in self.parameters.items():
            parameter = declared[name.lower()]
            found[parameter.name] = plain = _plain(value)
            if parameter.type == "securestring" and isinstance(plain, str):
                remember([plain])
        return found

    def policy(self, around: Policy) -> Policy:
        """``around`` with what this machine offers to definitions."""
        hooks, packages = self.local.get("webHooks"), self.local.get("ssis")
        made = replace(around, web_hooks=dict(hooks)) if hooks else around
        return replace(made, dtexec=packages["dtexec"]) if packages else made


def read_settings(file: Path | None = None, given: Sequence[str] = ()) -> Settings:
    """The settings of a file, and over them those of the command line: ``NAME.property=value``.

    Raises ConfigError, which says all that is wrong and never repeats a value.
    """
    wrong: list[str] = []
    content = _content(file, wrong) if file else {}
    services: Overrides = {}
    for name, values in _objects(content, "linkedServices", wrong).items():
        services[name] = {
            key: _linked(values[key], f"{file}: linkedServices.{name}.{key}", key, wrong) for key in values
        }
    for text in given:
        _add(text, services, wrong)
    flat: dict[str, dict[str, Any]] = {}
    for section in ("parameters", "globalParameters"):
        listed = _object(content, section, wrong)
        flat[section] = {key: _value(listed[key], f"{file}: {section}.{key}", wrong) for key in listed}
    local = {name: _of_machine(content, name, wrong) for name in _LOCAL if name in content}
    _refuse(wrong)
    return Settings(services, flat["parameters"], flat["globalParameters"], local)


def apply(settings: Settings, factory: Factory, environment: Mapping[str, str]) -> Factory:
    """The factory with these values in place of its own. Of the environment, the variables count that are
    called ``CROSSDOCK_LINKED_SERVICE_<NAME>_<PROPERTY>`` after a secret property of a linked service.

    Raises ConfigError, which says every name that the factory does not have.
    """
    services = {each.name.lower(): each for each in factory.of_kind("linkedService")}
    wrong = [
        f"the factory has no linked service {name!r}{did_you_mean(name, [s.name for s in services.values()])}"
        for name in settings.linked_services
        if name.lower() not in services
    ]
    changed: dict[int, Definition] = {}
    given = _of_environment(services.values(), environment, wrong)
    for each in services.values():
        values = given.get(each.name, {})
        for name, overrides in settings.linked_services.items():
            if name.lower() == each.name.lower():
                values |= {key.lower(): (key, value) for key, value in overrides.items()}
        if values:
            changed[id(each)] = _linked_service(each, dict(values.values()), wrong)
    wrong += _unknown_globals(settings, factory)
    _refuse(wrong)
    made = tuple(changed.get(id(each), each) for each in factory.definitions)
    if settings.global_parameters:
        made = _globals(made, settings.global_parameters)
    return replace(factory, definitions=made)


# -- reading --------------------------------------------------------------------------------------------


def _content(file: Path, wrong: list[str]) -> Mapping[str, Any]:
    value, fault = read_json(file, str(file))
    if value is None:
        wrong.append(fault.message if fault else f"{file} holds no JSON object")
        return {}
    known = {each.lower(): each for each in _SECTIONS}
    unknown = [name for name in value if name.lower() not in known]
    wrong += [f"{file}: {name!r} is no setting{did_you_mean(name, _SECTIONS)}" for name in unknown]
    return {known[name.lower()]: each for name, each in value.items() if name.lower() in known}


def _object(content: Mapping[str, Any], section: str, wrong: list[str]) -> Mapping[str, Any]:
    value = content.get(section, {})
    if isinstance(value, Mapping):
        return value
    wrong.append(f"{section} must be an object of values by name")
    return {}


def _objects(content: Mapping[str, Any], section: str, wrong: list[str]) -> dict[str, Mapping[str, Any]]:
    found = {}
    for name, value in _object(content, section, wrong).items():
        if isinstance(value, Mapping):
            found[name] = value
        else:
            wrong.append(f"{section}.{name} must be an object of properties")
    return found


def _of_machine(content: Mapping[str, Any], section: str, wrong: list[str]) -> dict[str, str]:
    found = {}
    for name, value in _object(content, section, wrong).items():
        if name not in _LOCAL[section]:
            wrong.append(f"{section}.{name} is no setting{did_you_mean(name, _LOCAL[section])}")
        elif not isinstance(value, str) or not value:
            wrong.append(f"{section}.{name} must be a text")
        else:
            found[name] = value
    needed = ("listen", "address") if section == "webHooks" else _LOCAL[section]
    wrong += [f"{section} needs {name!r}" for name in needed if name not in found]
    return found


def _linked(value: Any, where: str, name: str, wrong: list[str]) -> Any:
    """A value of a linked service: a secret in a file is one of ours, its expressions are evaluated."""
    if isinstance(value, Mapping) and "keyVault" in value:
        return _of_vault(value, where, wrong)
    found = _value(value, where, wrong)
    if isinstance(found, str) and is_secret(name):
        _remember(found)
        return {"type": "SecureString", "value": SecretStr(found)}
    return found


def _of_vault(value: Mapping[str, Any], where: str, wrong: list[str]) -> dict[str, Any]:
    store, secret = value["keyVault"], value.get("secretName")
    if not isinstance(store, str) or not isinstance(secret, str) or len(value) > 3:
        wrong.append(
            f'{where} must be {{"keyVault": "LINKED SERVICE", "secretName": "...", "secretVersion": "..."}}'
        )
    reference = {"referenceName": store, "type": "LinkedServiceReference"}
    found = {"type": "AzureKeyVaultSecret", "store": reference, "secretName": secret}
    return found | ({"secretVersion": value["secretVersion"]} if "secretVersion" in value else {})


def _value(value: Any, where: str, wrong: list[str]) -> Any:
    """A value, with what it refers to fetched: that is a SecretStr."""
    if not isinstance(value, Mapping) or not any(key in value for key in _SOURCES):
        return value
    key, origin = next(iter(value.items()))
    if len(value) != 1 or not isinstance(origin, str) or key == "keyVault":
        also = "; a Key Vault is for linked services" if key == "keyVault" else ""
        wrong.append(f'{where} must be a value, {{"env": "NAME"}} or {{"file": "path"}}{also}')
        return None
    return _fetched(f"env:{origin}" if key == "env" else f"@{origin}", where, wrong)


def _fetched(text: str, where: str, wrong: list[str]) -> Any:
    try:
        found = fetch(text, where)
    except ConfigError as error:
        wrong.append(error.message)
        return None
    return SecretStr(found)


def _add(text: str, services: Overrides, wrong: list[str]) -> None:
    """``NAME.property=value``; ``env:NAME`` and ``@PATH`` as for every option, ``@@...`` for that text."""
    target, equals, value = text.partition("=")
    name, dot, key = target.partition(".")
    if not (equals and dot and name and key):
        shown = repr(target) if equals else "the text given"
        wrong.append(f"--linked-service {shown} is not of the form NAME.property=value")
        return
    where = f"--linked-service {name}.{key}"
    found: Any
    if value.startswith("env:") or (value.startswith("@") and not value.startswith("@@")):
        found = _fetched(value, where, wrong)
    else:
        found = value[1:] if value.startswith("@@") else value
        if (is_secret(key) and slug(key) != "CONNECTIONSTRING") or any(_secrets_in(found)):
            _remember(found)
            wrong.append(
                f"{where}: a secret is not given on the command line, where others see it; give "
                f"{name}.{key}=env:NAME or {name}.{key}=@FILE, or put it into the file of --settings"
            )
    taken = next((each for each in services if each.lower() == name.lower()), name)
    others = {each: one for each, one in services.get(taken, {}).items() if each.lower() != key.lower()}
    services[taken] = others | {key: found}


# -- applying -------------------------------------------------------------------------------------------


def _of_environment(
    services: Iterable[Definition], environment: Mapping[str, str], wrong: list[str]
) -> dict[str, dict[str, tuple[str, Any]]]:
    """The secrets that variables hold, by linked service and lower-case property."""
    mine = [name for name in environment if name.startswith(variable("", "").rstrip("_"))]
    found: dict[str, dict[str, tuple[str, Any]]] = {}
    for name in mine:
        named = [
            (each.name, key)
            for each in services
            if name.startswith(start := variable(each.name, ""))
            for key in _secrets_of(each)
            if name == start + slug(key)
        ]
        alike = list(dict.fromkeys(service for service, _ in named))
        if len(alike) > 1:
            wrong.append(f"the variable {name} is of several linked services: {', '.join(alike)}")
        for service, key in named:
            found.setdefault(service, {}).setdefault(key.lower(), (key, SecretStr(environment[name])))
    return found


def _secrets_of(service: Definition) -> list[str]:
    from .linked_properties import SECRETS

    own = [name for name in service.read().inner("typeProperties") if is_secret(name)]
    return list({each.lower(): each for each in (*SECRETS, *own)}.values())


def _linked_service(service: Definition, values: Mapping[str, Any], wrong: list[str]) -> Definition:
    properties = service.read()
    own = {key: properties.inner("typeProperties")[key] for key in properties.inner("typeProperties")}
    spelled = {key.lower(): key for key in own}
    for key, value in values.items():
        if key.lower() not in spelled and (near := unlikely(key, own)):
            wrong.append(f"{service.owner} has no property {key!r}: did you mean {near!r}?")
        there = own.get(spelled.get(key.lower(), ""))
        own[spelled.get(key.lower(), key)] = _as_property(key, value, there)
    if any(is_secret(key) for key in values):
        # What only Data Factory can decrypt is in the way of what is given in its place.
        own.pop(spelled.get("encryptedcredential", ""), None)
    name = properties.where("typeProperties").rpartition(".")[2]
    return replace(service, properties={**service.properties, name: own})


def _as_property(key: str, value: Any, there: Any) -> Any:
    """A value that came from elsewhere stays a secret where the property is one, or holds one."""
    if not isinstance(value, SecretStr):
        return value
    text = value.get_secret_value()
    if is_secret(key) or isinstance(there, Mapping) or any(_secrets_in(text)):
        _remember(text)
        return value
    return _no_expression(text)


def _no_expression(text: str) -> str:
    """What evaluates to the text: in a definition, @ begins an expression."""
    return f"@{text}" if text.startswith("@") else text.replace("@{", "@@{")


def _unknown_globals(settings: Settings, factory: Factory) -> Iterator[str]:
    known = factory.global_parameters
    for name in settings.global_parameters if known is not None else ():
        if name.lower() not in {each.lower() for each in known or ()}:
            yield f"the factory has no global parameter {name!r}{did_you_mean(name, known or ())}"


def _globals(definitions: tuple[Definition, ...], values: Mapping[str, Any]) -> tuple[Definition, ...]:
    """One more definition of the factory: of several, the last counts."""
    spelled = {
        name.lower(): name
        for each in definitions
        if each.kind == "factory"
        for name in each.read().inner("globalParameters")
    }
    given = {spelled.get(name.lower(), name): {"value": _plain(value)} for name, value in values.items()}
    place = Place("--settings", "globalParameters")
    return (*definitions, Definition("factory", KINDS["factory"], {"globalParameters": given}, place))


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _remember(text: str) -> None:
    remember([text, *_secrets_in(text)])


def _secrets_in(text: str) -> Iterator[str]:
    """Those of an address or a connection string, also of one with quotes and blanks."""
    yield from inner_secrets(text)
    parts, _ = adf_connection_string(AdfProperties({"connectionString": text}))
    yield from (value for name, value in parts.items() if value and is_secret_name(name))


def _refuse(wrong: Any) -> None:
    if found := list(dict.fromkeys(wrong)):
        raise ConfigError("; ".join(found))
