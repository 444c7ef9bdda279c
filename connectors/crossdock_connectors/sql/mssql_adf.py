"""SQL Server, Azure SQL and Synapse SQL as Data Factory defines them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import SecretStr

from crossdock import (
    AdfEnd,
    AdfProperties,
    AdfSecret,
    AdfTranslation,
    WriteMode,
    adf_connection_string,
    adf_leftovers,
)
from crossdock_connectors import entra

from .adf_tables import first, needs_table, partition, query_timeout, secrets_of, table_of
from .mssql_copy_into import OURS
from .ranges import PLACEHOLDER

_ISOLATION = dict.fromkeys(
    ("ReadCommitted", "ReadUncommitted", "RepeatableRead", "Serializable", "Snapshot"), ""
)
_BEHAVIORS = {"insert": "insert", "upsert": "upsert", "storedProcedure": "stored_procedure"}
_TABLE = {"none": "none", "autoCreate": "auto_create"}
_WRITTEN = {
    "preCopyScript": "pre_copy_script",
    "sqlWriterStoredProcedureName": "stored_procedure",
    "sqlWriterTableType": "stored_procedure_table_type",
    "storedProcedureTableTypeParameterName": "stored_procedure_table_type_parameter_name",
}
_ENCRYPT = {
    "mandatory": "yes",
    "true": "yes",
    "yes": "yes",
    "strict": "strict",
    "optional": "no",
    "false": "no",
    "no": "no",
}
_DEFAULT_INSTANCE = "MSSQLSERVER"
_PROTOCOL = re.compile(r"\s*tcp:", re.IGNORECASE)
# Of a connection: nothing that is read or written depends on them.
_TUNING = (
    "connectRetryCount", "connectRetryInterval", "loadBalanceTimeout", "maxPoolSize", "minPoolSize",
    "multipleActiveResultSets", "packetSize", "pooling", "encryptedCredential", "azureCloudType",
    "servicePrincipalCredentialType",
)  # fmt: skip
_TUNING_PARTS = {
    "connectretrycount", "connectretryinterval", "load balance timeout", "max pool size", "min pool size",
    "multipleactiveresultsets", "packet size", "pooling", "persist security info", "application name", "app",
    "asynchronous processing", "async", "connection lifetime", "connection reset", "enlist",
    "poolblockingperiod", "replication", "transparentnetworkipresolution", "type system version",
    "workstation id", "wsid",
}  # fmt: skip


_PORT = 1433


def from_adf(end: AdfEnd) -> AdfTranslation:
    service = end.linked_service
    parts, whole = adf_connection_string(service)
    server = first(parts, "data source", "server", "address", "addr") or service.text("server")
    database = first(parts, "initial catalog", "database") or service.text("database")
    named = first(parts, "user id", "uid", "user")
    user = service.text("userName") or named
    secrets = secrets_of(service, parts, whole, user)
    options = _connection(service, parts)
    if server:
        secrets |= _sign_in(service, parts, user, options)
    adf_leftovers(service, parts, _TUNING_PARTS)
    service.ignore(*_TUNING)
    host, instance = _host(_PROTOCOL.sub("", server), service)
    if instance:
        options["instance"] = instance
    if options.get("auth") == "integrated":
        user, secrets = "", {}  # as the user of this process
    login = f"{quote(user, safe='')}@" if user and options.get("auth") != "entra" else ""
    table = table_of(end, _quoted)
    if end.is_sink:
        _write(end, options)
    else:
        _read(end, options)
    mode = WriteMode.APPEND if end.is_sink else None
    needs_table(end, table, options)
    named = f"#{quote(table)}" if table and not options.keys() & {"query", "procedure"} else ""
    address = f"mssql://{login}{host or 'computed'}/{quote(database or 'computed', safe='')}{named}"
    # A named instance has a port that only its server knows.
    reached = f"{host}:{_PORT}" if host and ":" not in host and not instance else host
    return AdfTranslation(address, options, secrets, mode, hosts=(reached,) if reached else ())


def _host(server: str, service: AdfProperties) -> tuple[str, str]:
    """The host, with the port if that is named, and without one the instance."""
    named, comma, port = server.partition(",")
    host, _, instance = (each.strip() for each in named.partition("\\"))
    if host.lower() == "(localdb)":
        what = "LocalDB is only there for programs of Windows; name an instance of SQL Server"
        service.refuse("server" if "server" in service else "connectionString", what)
    host = {".": "localhost", "(local)": "localhost", "(localdb)": "localhost"}.get(host.lower(), host)
    if comma:
        return f"{host}:{port.strip()}", ""  # the port counts, whatever the instance
    return host, "" if instance.upper() == _DEFAULT_INSTANCE else instance


def _connection(service: AdfProperties, parts: dict[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    encrypt = first(parts, "encrypt") or service.text("encrypt")
    if encrypt:
        options["encrypt"] = _ENCRYPT.get(encrypt.lower(), "yes")
    trust = first(parts, "trustservercertificate", "trust server certificate") or service.text(
        "trustServerCertificate"
    )
    if trust.lower() in ("true", "yes"):
        options["trust_server_certificate"] = "true"
    seconds = first(parts, "connection timeout", "connect timeout", "timeout") or service.text(
        "connectTimeout"
    )
    if seconds.isdigit() and 0 < int(seconds) <= 3600:
        options["connect_timeout"] = seconds
    for name in ("alwaysEncryptedSettings", "hostNameInCertificate"):
        if service.get(name):
            service.refuse(name, "this is not supported")
    for name in ("applicationIntent", "multiSubnetFailover", "commandTimeout", "failoverPartner"):
        if name in service:
            service.refuse(name, "the driver's default is used", "note")
    for name in ("applicationintent", "multisubnetfailover"):
        if first(parts, name):
            service.refuse("connectionString", f"{name}: the driver's default is used", "note")
    return options


def _sign_in(
    service: AdfProperties, parts: dict[str, str], user: str, options: dict[str, str]
) -> dict[str, SecretStr | AdfSecret]:
    kind = service.text("authenticationType").lower()
    integrated = first(parts, "integrated security", "trusted_connection") or service.text(
        "integratedSecurity"
    )
    if kind == "windows" or integrated.lower() in ("true", "yes", "sspi"):
        # A connection string that says so does not heed the user in it.
        options["auth"] = "integrated"
        if user:
            where = "userName" if "userName" in service else "connectionString"
            service.refuse(where, "Windows authentication is as the user of this process", "note")
    elif entra.names_identity(service) or not user or "managed" in kind or "principal" in kind:
        options["auth"] = "entra"
        who, proof = entra.from_adf(service)
        options |= who
        return proof
    return {}


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _read(end: AdfEnd, options: dict[str, str]) -> None:
    source = end.activity
    if query := source.text("sqlReaderQuery"):
        options["query"] = query
        if "?Adf" in query.replace(PLACEHOLDER, ""):
            source.refuse("sqlReaderQuery", "a condition of partitions in a query is not supported")
    if procedure := source.text("sqlReaderStoredProcedureName"):
        options["procedure"] = procedure
    if parameters := source.get("storedProcedureParameters"):
        options["parameters"] = _parameters(parameters)
    if level := source.choice("isolationLevel", {name: name for name in _ISOLATION}):
        options["isolation_level"] = level
    query_timeout(source, options)
    options["partition_option"] = partition(source, options)
    source.ignore("produceAdditionalTypes")


def _write(end: AdfEnd, options: dict[str, str]) -> None:
    sink = end.activity
    options["write_behavior"] = sink.choice("writeBehavior", _BEHAVIORS, "insert")
    options["table_option"] = sink.choice("tableOption", _TABLE, "none")
    upsert = sink.inner("upsertSettings")
    keys = upsert.names("keys")
    if keys and options["write_behavior"] == "upsert":
        options["keys"] = ",".join(keys)
    if schema := upsert.text("interimSchemaName"):
        options["interim_schema_name"] = schema
    upsert.ignore("useTempDB")
    options |= {option: value for name, option in _WRITTEN.items() if (value := sink.text(name))}
    if parameters := sink.get("storedProcedureParameters"):
        options["stored_procedure_parameters"] = _parameters(parameters)
    if "stored_procedure" in options:
        # Older definitions name a procedure and no behaviour.
        options["write_behavior"] = "stored_procedure"
    if (size := sink.whole("writeBatchSize")) is not None:
        options["write_batch_size"] = str(size)
    if (seconds := sink.seconds("writeBatchTimeout")) is not None:
        options["write_batch_timeout"] = str(seconds)
    if (lock := sink.flag("sqlWriterUseTableLock")) is not None:
        options["table_lock"] = "true" if lock else "false"
    _fetching(sink, options)


def _fetching(sink: AdfProperties, options: dict[str, str]) -> None:
    """How Synapse gets rows that are staged."""
    if sink.flag("allowPolyBase"):
        sink.refuse("allowPolyBase", "what PolyBase would fetch is fetched by COPY INTO", "note")
    if sink.get("polyBaseSettings"):
        sink.refuse("polyBaseSettings", "they are PolyBase's; COPY INTO leaves no row out", "note")
    if sink.flag("allowCopyCommand") or sink.flag("allowPolyBase"):
        options["allow_copy_command"] = "true"
    settings = sink.inner("copyCommandSettings")
    listed = settings.get("defaultValues")
    values = {}
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping) and isinstance(each.get("columnName"), str):
            values[each["columnName"]] = each.get("defaultValue")
        else:
            settings.refuse("defaultValues", "each is {columnName, defaultValue}", "error")
    if values:
        options["default_values"] = json.dumps(values)
    more = dict(given) if isinstance(given := settings.get("additionalOptions"), Mapping) else {}
    for name in [name for name in more if name.upper() in OURS]:
        settings.refuse("additionalOptions", f"{name} is not needed: no row is left out", "note")
        del more[name]
    if more:
        options["copy_command_options"] = json.dumps(more)


def _parameters(value: object) -> str:
    return json.dumps(dict(value)) if isinstance(value, Mapping) else str(value)
