"""ExecuteSSISPackage: from its JSON to the options of ``dtexec``, and what that says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from crossdock import AdfComputed, AdfProperties, AdfSecret, ConfigError

from ..activity_types import ActivityType, Attempt, register
from ..definitions import Definition, Factory, Finding
from ..definitions.activities import Activity
from ..definitions.findings import NOT_CONFIGURED
from ..planning.activity import Planning
from ..policy import Policy
from ..secrets import resolved
from .command import Command, typed, values_of
from .program import ran

_LOCATIONS = {name: name.lower() for name in ("File", "InlinePackage", "SSISDB")}
_LEVELS = {"None": "0", "Basic": "1", "Performance": "2", "Verbose": "3"}
_SETS = ("projectParameters", "packageParameters", "projectConnectionManagers", "packageConnectionManagers")
_UNUSED = ("executioncredential", "loglocation")
_NEEDED = (
    "needs before it runs: the program that runs packages, ssis.dtexec in the settings, or on a node "
    "crossdock node policy --ssis PROGRAM"
)
_AS_US = "packages run as the user of this process"


class Package(Planning):
    def read(self) -> None:
        """Say what is wrong or cannot be done; nothing is run yet."""
        given, policy = self.properties, self.ends.policy
        if policy.dtexec is None:
            self.say("note", NOT_CONFIGURED, _NEEDED, self.activity.path)
        elif shutil.which(policy.dtexec) is None:
            message = f"ssis.dtexec: {policy.dtexec!r} is no program that can be run"
            self.say("error", "NotFound", message, self.activity.path)
        given.ignore("connectVia", "propertyOverrides", *_SETS)
        given.choice("loggingLevel", _LEVELS)
        for name, why in (
            ("executionCredential", _AS_US),
            ("logLocation", "what dtexec writes is in the output"),
        ):
            if name in given:
                given.refuse(name, why, "note")
        if given.text("runtime").lower() == "x86" and self._kind() != "ssisdb":
            given.refuse("runtime", "the program that the settings name decides it", "note")
        if given.text("environmentPath"):
            given.refuse("environmentPath", "environments of the catalogue are not supported")
        self._read_location(given.inner("packageLocation"))

    def run(self, attempt: Attempt) -> Mapping[str, Any]:
        self.read()
        self.report()
        against = [each.message for each in self.findings if each.severity != "note"]
        if against:
            raise ConfigError(f"the activity {self.activity.name!r}: {'; '.join(against)}")
        if attempt.policy.dtexec is None:
            raise ConfigError(f"the activity {self.activity.name!r} {_NEEDED}")
        program, command = shutil.which(attempt.policy.dtexec), self._command()
        assert program is not None  # noqa: S101 - a finding else
        started = time.monotonic()
        with command.arguments() as arguments:
            log = ran([program, *arguments], attempt.cancel)
        return {"exitCode": 0, "executionDuration": round(time.monotonic() - started), "log": log}

    def _kind(self) -> str:
        location = self.properties.inner("packageLocation")
        return location.choice("type", _LOCATIONS, "ssisdb")

    def _read_location(self, location: AdfProperties) -> None:
        kind, inner = self._kind(), location.inner("typeProperties")
        path = location.text("packagePath")
        inner.ignore("packagePassword", "packageName", "packageContent", "packageLastModifiedDate")
        for name in ("accessCredential", "configurationAccessCredential"):
            if name in inner:
                inner.refuse(name, _AS_US, "note")
        if inner.get("childPackages"):
            inner.refuse("childPackages", "packages within the definition cannot call each other")
        inner.text("configurationPath")
        if kind == "inlinepackage":
            if not inner.text("packageContent"):
                inner.refuse("packageContent", "an InlinePackage needs it", "error")
            return
        if not path:
            location.refuse("packagePath", "a path of the package is needed", "error")
        if kind == "ssisdb" and not self._server():
            location.refuse(
                "type", "the server of the catalogue is not known: no runtime names catalogServerEndpoint"
            )
        for each in (path if kind == "file" else "", inner.text("configurationPath")):
            if each and not isinstance(each, AdfComputed) and (refusal := self.ends.policy.folder(each)):
                self.say("error", "Forbidden", refusal, location.where("packagePath"))

    def _server(self) -> str:
        """Of the runtime's catalogue."""
        via = self.properties.inner("connectVia")
        name = via.text("referenceName")
        via.ignore_all()
        runtime = self.ends.factory.find("integrationRuntime", name)
        if runtime is None:
            return ""
        properties = runtime.read().inner("typeProperties").inner("ssisProperties")
        return properties.inner("catalogInfo").text("catalogServerEndpoint")

    # -- the options -----------------------------------------------------------------------------------

    def _command(self) -> Command:
        needed = {name: self.properties[name] for name in self.properties if name.lower() not in _UNUSED}
        values = resolved(needed, self.ends)
        given, kind, command = AdfProperties(values), self._kind(), Command()
        location = given.inner("packageLocation")
        inner, path = location.inner("typeProperties"), location.text("packagePath")
        if kind == "inlinepackage":
            command.package = inner.text("packageContent")
        elif kind == "file":
            command.open.append(("/File", path))
        else:
            command.open += [("/ISServer", "\\SSISDB\\" + path.strip("\\/").replace("/", "\\"))]
            command.open.append(("/Server", self._server()))
            command.open.append(("/Par", "$ServerOption::SYNCHRONIZED(Boolean);True"))
            level = given.choice("loggingLevel", _LEVELS, "1")
            command.open.append(("/Par", f"$ServerOption::LOGGING_LEVEL(Int16);{level}"))
            if given.text("runtime").lower() == "x86":
                command.open.append(("/X86", ""))
        if (password := inner.secret("packagePassword")) is not None:
            command.add("/Decrypt", "", _known("packagePassword", password))
        if configuration := inner.text("configurationPath"):
            command.open.append(("/ConfigFile", configuration))
        for name, value in _assigned(given):
            if kind == "ssisdb":
                command.add("/Par", f"{name}{typed(value)};", value)
            else:
                command.add("/Set", f"{_path(name)};", value)
        for name, value in given.inner("propertyOverrides").items():
            one = AdfProperties(value if isinstance(value, Mapping) else {"value": value})
            found = _value(name, one.get("value"))
            hidden = one.flag("isSensitive") and not isinstance(found, SecretStr)
            command.add("/Set", f"{name};", SecretStr(str(found)) if hidden else found)
        return command


def _assigned(given: AdfProperties) -> Iterator[tuple[str, Any]]:
    """Parameters and properties of connection managers, as the catalogue calls them."""
    for key in _SETS:
        scope = "$Project" if key.startswith("project") else "$Package"
        for name, value in values_of(given.inner(key)) if "Parameters" in key else ():
            yield f"{scope}::{name}", _value(name, value)
        for manager, properties in given.inner(key).items() if "Managers" in key else ():
            for name, value in values_of(properties if isinstance(properties, Mapping) else {}):
                yield f"{scope}::CM.{manager}.{name}", _value(name, value)


def _path(name: str) -> str:
    """The same of a package that is a file."""
    scope, _, rest = name.partition("::")
    if rest.startswith("CM."):
        manager, _, key = rest.removeprefix("CM.").rpartition(".")
        return f"\\Package.Connections[{manager}].Properties[{key}]"
    return f"\\Package.Variables[{scope}::{rest}].Properties[Value]"


def _value(name: str, value: Any) -> Any:
    found = AdfProperties({name: value}).secret(name) if isinstance(value, Mapping) else value
    if isinstance(found, AdfSecret):
        return _known(name, found)
    if not isinstance(found, str | bool | int | float | SecretStr):
        raise ConfigError(f"{name}: a text, a number, or true or false is needed")
    return found


def _known(name: str, found: SecretStr | AdfSecret) -> SecretStr:
    if isinstance(found, AdfSecret):
        raise ConfigError(f"{name} needs {found.what}, which the definition does not hold")
    return found


def _plan(factory: Factory, pipeline: Definition, activity: Activity, policy: Policy) -> list[Finding]:
    planned = Package(factory, pipeline, activity, policy)
    planned.read()
    planned.report()
    return planned.findings


def _run(attempt: Attempt) -> Mapping[str, Any]:
    planned = Package(attempt.factory, attempt.pipeline, attempt.activity, attempt.policy, attempt.scope)
    return planned.run(attempt)


register(
    ActivityType(
        "ExecuteSSISPackage",
        "runs a package of SSIS with dtexec, where that is allowed",
        _plan,
        _run,
        lambda _: False,
    )
)
