"""One end of a copy: from a dataset and its linked service to an address, a format and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote

from pydantic import SecretStr

from crossdock import (
    AdfComputed,
    AdfEnd,
    AdfProperties,
    AdfSecret,
    AdfTranslation,
    ConnectorSpec,
    CrossdockError,
    registry,
)

from ..checks.expressions import told
from ..checks.parameters import parameters_of
from ..definitions import Definition, Factory, Finding, of_remark
from ..definitions.links import service_of
from ..expressions import ExpressionError, Scope
from ..linked_properties import asked_for
from ..policy import Policy
from ..secrets import resolved
from .legacy import folder_within, format_type, located, store_settings, structure_of
from .store_settings import file_settings, read_settings, write_settings
from .values import Values

Side = Literal["source", "sink", "stage"]
# What every source and sink has and nothing depends on; retries are the engine's.
_EVERYWHERE = ("type", "disableMetricsCollection")
# What the designer leaves in a linked service whose secret was once in a Key Vault.
_LEFT_OVER = ("secretName", "secretVersion")
_RETRIES = ("sourceRetryCount", "sourceRetryWait", "sinkRetryCount", "sinkRetryWait")


@dataclass(frozen=True, slots=True)
class End:
    """An end as ``crossdock.copy`` takes it. ``tabular`` is whether it has columns.

    ``below`` is the file or folder of a store, below the container or the linked service's folder.
    ``shape`` says what the definition names: columns, a list whose items are rows.
    """

    address: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, SecretStr | AdfSecret] = field(default_factory=dict, repr=False)
    mode: str = "error"
    tabular: bool = True
    below: str = ""
    shape: AdfTranslation = field(default_factory=AdfTranslation)

    @property
    def missing(self) -> dict[str, str]:
        """What is to be had before it can be reached, by option: secrets, mostly."""
        return {name: each.what for name, each in self.secrets.items() if isinstance(each, AdfSecret)}

    def given(self, *, secrets: bool = True) -> dict[str, str]:
        """The options; with the ``secrets`` that are known."""
        known = {
            name: value.get_secret_value()
            for name, value in self.secrets.items()
            if secrets and isinstance(value, SecretStr)
        }
        return self.options | known


@dataclass(slots=True)
class Ends:
    """Makes the ends of one copy activity and gathers what there is to say about them."""

    factory: Factory
    values: Values
    policy: Policy
    owner: Definition
    activity: str
    findings: list[Finding] = field(default_factory=list)

    def of_dataset(
        self,
        side: Side,
        reference: Mapping[str, Any],
        activity: AdfProperties,
        *,
        typed: bool = False,
        as_is: bool = False,
    ) -> End | None:
        """None where something is missing or has no connector, which the findings say.

        ``as_is``: where the dataset does not name a format, bytes are meant.
        """
        link = AdfProperties(reference)
        dataset = self.factory.find("dataset", link.text("referenceName"))
        if dataset is None:
            return None  # the checks of references say it
        own = self._scope(dataset, "dataset", self.values, link.get("parameters"))
        service_link = service_of(self.factory, dataset)
        service = self.factory.find("linkedService", name := service_link.text("referenceName"))
        if not name:
            self._say(dataset, "it names no linked service", "error", "BrokenDefinition")
        if service is None:
            return None
        of_service = self._scope(service, "linked_service", own, service_link.get("parameters"))
        service_spec = self.connector(service)
        found = self.connector(dataset, service_spec)
        if found is None or service_spec is None:
            return None
        store = service_spec if found.kind == "format" else found
        if store.name != service_spec.name:
            self._say(dataset, f"{dataset.type} does not go with the linked service's type {service.type}")
            return None
        properties = self._properties(dataset, own), self._properties(service, of_service)
        if properties[0] is None or properties[1] is None:
            return None
        end = AdfEnd(side, properties[1], properties[0], activity, typed)
        shape: ConnectorSpec | None = found
        if old := found.kind == "store":
            kind = format_type(properties[0], as_is=as_is)
            shape = self._named(kind, dataset)
            named = structure_of(dataset.read())
            end = replace(end, dataset=located(properties[0], kind), structure=named)
        made = self._translated(end, store, shape, dataset, old=old) if shape else None
        self._report(end, dataset, service)
        return replace(made, secrets=asked_for(made.secrets, service.name)) if made else None

    def folder(self, what: Literal["stage", "log", "script"], settings: AdfProperties) -> End | None:
        """The folder that a staged copy goes by, or that its log is in; the file of a script, as a folder."""
        link = settings.inner("linkedServiceName")
        found = self.linked_service(link)
        link.ignore_all()
        if found is None or (spec := self.connector(found[0])) is None:
            return None
        service, properties = found
        path = settings.text("path")
        if not path:
            settings.refuse("path", f"a {what} needs a path: a container or file system, and what is in it")
        if not path or spec.from_adf is None:
            return None
        location = AdfProperties({"location": {"folderPath": path}})
        made = self._made(spec, AdfEnd("stage", properties, location, AdfProperties({})), service)
        self._allow(made, service)
        self._remarks(properties, service)
        return End(made.address, None, made.options, asked_for(made.secrets, service.name))

    def linked_service(
        self, reference: AdfProperties, *, with_secrets: bool = True
    ) -> tuple[Definition, AdfProperties] | None:
        """The linked service that a reference names, and its evaluated typeProperties.

        Without secrets, those in a Key Vault are left as they are: one vault does not open another.
        """
        service = self.factory.find("linkedService", reference.text("referenceName"))
        if service is None:
            return None
        scope = self._scope(service, "linked_service", self.values, reference.get("parameters"))
        properties = self._properties(service, scope, with_secrets=with_secrets)
        return (service, properties) if properties is not None else None

    def database(self, reference: AdfProperties) -> End | None:
        """The database of a linked service, for an activity that has no dataset."""
        return self._reached(reference, "", needs_database=True)

    def place(self, reference: AdfProperties, path: str = "") -> End | None:
        """The store or the database of a linked service, or what is at a path in it."""
        found = self._reached(reference, path, needs_database=False)
        if found is None or not found.tabular or not path:
            return found
        return replace(found, address=f"{found.address}#{quote(path)}")

    def _reached(self, reference: AdfProperties, path: str, *, needs_database: bool) -> End | None:
        found = self.linked_service(reference)
        reference.ignore_all()
        if found is None or (spec := self.connector(found[0])) is None:
            return None
        service, properties = found
        is_table = spec.kind == "table"
        if spec.from_adf is None or (needs_database and not is_table):
            what = "database" if needs_database else "connection"
            self._say(service, f"a linked service of the type {service.type} has no {what}")
            return None
        side: Side = "source" if is_table else "stage"  # a stage has one path, from the root on
        location = AdfProperties({} if is_table else {"location": {"folderPath": path}})
        made = self._made(spec, AdfEnd(side, properties, location, AdfProperties({})), service)
        self._allow(made, service)
        self._remarks(properties, service)
        secrets = asked_for(made.secrets, service.name)
        return End(made.address, None, made.options, secrets, tabular=is_table)

    def names_no_columns(self, reference: Mapping[str, Any]) -> bool:
        """Whether a dataset is of bytes, or of files whose format it does not name."""
        dataset = self.factory.find("dataset", AdfProperties(reference).text("referenceName"))
        try:
            spec = registry().by_name(dataset.type) if dataset else None
        except CrossdockError:
            return False
        if dataset is None or spec is None or spec.kind == "table":
            return False
        named = dataset.read().inner("typeProperties").get("format")
        return not named if spec.kind == "store" else spec.open_format is None

    def connector(self, definition: Definition, near: ConnectorSpec | None = None) -> ConnectorSpec | None:
        """Who answers to the definition's type, ``near`` first; a finding where nobody does."""
        if near is not None and _answers(near, definition.type):
            return near
        return self._named(definition.type, definition)

    def _named(self, kind: str, definition: Definition) -> ConnectorSpec | None:
        try:
            spec = registry().by_name(kind)
        except CrossdockError as error:
            missing = error.code == "MissingDependency"
            self._say(definition, error.message if missing else f"no connector answers to the type {kind!r}")
            return None
        if _answers(spec, kind) and spec.from_adf is not None:
            return spec
        self._say(definition, f"no connector answers to the type {kind!r}")
        return None

    def _scope(self, definition: Definition, field_: str, around: Values, given: Any) -> Values:
        """The parameters of a dataset or a linked service, whose arguments are evaluated around it."""
        declared = parameters_of(definition)
        values = {each.name: each.default for each in declared.values() if not each.required}
        for name, value in (given if isinstance(given, Mapping) else {}).items():
            named = declared.get(name.lower())
            try:
                values[named.name if named else name] = around.of(value)
            except ExpressionError as error:
                self._say(self.owner, f"the parameter {name!r} of {definition.owner}: {told(error)}", "error")
        scope: Any = {field_: values}
        return Values(replace(_of_pipeline(around.scope), **scope), around.ahead)

    def _properties(
        self, definition: Definition, values: Values, *, with_secrets: bool = True
    ) -> AdfProperties | None:
        read = definition.read()
        try:
            evaluated = resolved(
                values.of(dict(read.inner("typeProperties"))), self, with_secrets=with_secrets
            )
        except ExpressionError as error:
            self._say(definition, told(error), "error")
            return None
        if not isinstance(evaluated, Mapping):
            self._say(definition, "typeProperties must be an object, and is an expression", "error")
            return None
        found = AdfProperties(evaluated, read.where("typeProperties"))
        # The designer repeats a linked service's parameters as keys beside those that they are for.
        found.ignore(*parameters_of(definition), *_LEFT_OVER)
        return found

    def _made(self, spec: ConnectorSpec, end: AdfEnd, definition: Definition) -> AdfTranslation:
        """What the connector makes of its definitions, which may hold anything."""
        assert spec.from_adf is not None  # noqa: S101 - ``connector`` saw to it
        try:
            return spec.from_adf(end)
        except ValueError:
            what = f"{spec.name} cannot make out an address, a number or a text in it"
            self._say(definition, what, "error", "BrokenDefinition")
            return AdfTranslation(f"{spec.name}:")

    def _translated(
        self,
        end: AdfEnd,
        store: ConnectorSpec,
        shape: ConnectorSpec,
        dataset: Definition,
        *,
        old: bool = False,
    ) -> End | None:
        self._fits(end, shape, store)
        made = self._made(store, end, dataset)
        allowed = self._allow(made, dataset)
        mode = made.mode.value if made.mode else "error"
        if shape is store or shape.from_adf is None:
            self._limit(end)
            return End(made.address, None, made.options, made.secrets, mode)
        location = end.dataset.inner("location")
        if not location:
            self._say(
                dataset, f"a dataset of the type {dataset.type} needs a location", "error", "BrokenDefinition"
            )
        self._is_of(location, "type", store)
        formed = self._made(shape, end, dataset)
        options = made.options | formed.options
        options |= self._store_options(end, store, made, old=old)
        if end.is_sink and shape.open_format is not None:
            options |= file_settings(
                end.activity.inner("formatSettings"), named=bool(location.text("fileName"))
            )
        container = made.container if old else ""
        below = _below(location, options, container, is_sink=end.is_sink)
        paths = [below, *(options.get(name, "") for name in ("wildcard_folder_path", "prefix"))]
        listed = [path for name in ("file_list_path", "partition_root_path") if (path := options.get(name))]
        reached = (*(f + each for f in made.folders for each in paths), *(listed if made.folders else ()))
        if allowed:
            self._allow(replace(made, folders=reached, hosts=()), dataset)
        address = made.address + quote(below)
        kept = {name: value for name, value in options.items() if not isinstance(value, AdfComputed)}
        tabular = shape.open_format is not None
        return End(address, shape.name, kept, made.secrets, mode, tabular, below, formed)

    def _store_options(
        self, end: AdfEnd, store: ConnectorSpec, made: AdfTranslation, *, old: bool
    ) -> dict[str, str]:
        settings = end.activity.inner("storeSettings")
        if settings:
            self._is_of(settings, "type", store)
            end.activity.ignore("recursive")  # of the first model; the settings say it
        elif old or _answers(store, end.activity.text("type")):
            settings = store_settings(end, made.container if old else "")
        found = write_settings(settings) if end.is_sink else read_settings(settings, made)
        if (most := end.activity.whole("maxConcurrentConnections")) is not None:
            found.setdefault("max_concurrent_connections", str(most))
        if end.is_sink:
            for name in ("writeBatchSize", "writeBatchTimeout"):
                if name in end.activity:
                    end.activity.refuse(name, "files have no batches", "note")
        return found

    def _fits(self, end: AdfEnd, spec: ConnectorSpec, store: ConnectorSpec) -> None:
        """A source or sink of the first model goes with a dataset of the second too."""
        if not _answers(store, end.activity.text("type")):
            self._is_of(end.activity, "type", spec)
        end.activity.ignore(*_EVERYWHERE)
        for name in _RETRIES:
            if end.activity.get(name) not in (None, 0, "0"):
                end.activity.refuse(name, "crossdock repeats what may succeed by itself", "note")

    def _is_of(self, properties: AdfProperties, name: str, spec: ConnectorSpec) -> None:
        kind = properties.text(name)
        if kind and not _answers(spec, kind):
            properties.refuse(name, f"{kind} does not go with {spec.adf_types[0]}")

    def _limit(self, end: AdfEnd) -> None:
        if end.activity.whole("maxConcurrentConnections") is not None:
            end.activity.refuse("maxConcurrentConnections", "parallelCopies says it for tables", "note")

    def _allow(self, made: AdfTranslation, definition: Definition) -> bool:
        """Whether all that is reached may be; else the first thing that may not is said."""
        for refusal in self.policy.refusals(made.folders, made.hosts)[:1]:
            self._say(definition, refusal, "error", "Forbidden")
            return False
        return True

    def _report(self, end: AdfEnd, dataset: Definition, service: Definition) -> None:
        end.dataset.inner("location").ignore("type", "folderPath", "fileName")
        self._remarks(end.dataset, dataset)
        self._remarks(end.linked_service, service)

    def _remarks(self, properties: AdfProperties, definition: Definition) -> None:
        for remark in properties.remarks():
            self.findings.append(of_remark(remark, definition.place, definition.owner))
        self.findings.extend(unread(properties, definition, ""))

    def _say(
        self,
        definition: Definition,
        message: str,
        severity: Literal["error", "unsupported"] = "unsupported",
        code: str = "NotSupported",
    ) -> None:
        if severity == "error" and code == "NotSupported":
            code = "InvalidExpression"
        self.findings.append(Finding(severity, code, message, definition.place, definition.owner))


def _of_pipeline(scope: Scope) -> Scope:
    """What a dataset and a linked service see of the run around them: ``pipeline()`` and the trigger."""
    return Scope(
        parameters=scope.parameters,
        global_parameters=scope.global_parameters,
        library_variables=scope.library_variables,
        system=scope.system,
        trigger=scope.trigger,
        ticks=scope.ticks,
    )


def unread(properties: AdfProperties, definition: Definition, activity: str) -> Iterator[Finding]:
    """Keys that nobody has read: what they ask for is not done."""
    for path in properties.unread():
        name = path.rpartition(".")[2]
        message = f"{name} is not supported here"
        yield Finding(
            "unsupported", "NotHonoured", message, definition.place.at(path), definition.owner, activity
        )


def _answers(spec: ConnectorSpec, kind: str) -> bool:
    return kind.lower() in map(str.lower, spec.adf_types)


def _below(location: AdfProperties, options: dict[str, str], container: str, *, is_sink: bool) -> str:
    """The path below the store's root. What the settings choose begins at the root itself."""
    folder, name = folder_within(location.text("folderPath"), container), location.text("fileName")
    if not is_sink and "wildcard_file_name" in options:
        name = ""
    if not is_sink and options.keys() & {"wildcard_folder_path", "prefix"}:
        folder = name = ""
    path = f"{folder}/" if folder else ""
    return path + name
