"""PostgreSQL as Data Factory defines it, the versions with a connection string and without."""

from __future__ import annotations

from urllib.parse import quote

from crossdock import (
    AdfEnd,
    AdfProperties,
    AdfTranslation,
    WriteMode,
    adf_connection_string,
    adf_leftovers,
)

from .adf_tables import first, needs_table, partition, query_timeout, secrets_of, table_of

_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_UNVERIFIED = ("disable", "allow", "prefer", "require")
# EncryptionMethod and ValidateServerCertificate of the first versions.
_ENCRYPTED = {("0", ""): "disable", ("1", ""): "require", ("1", "0"): "require", ("1", "1"): "verify-full"}
_METHODS = {"BulkInsert": "insert", "CopyCommand": "insert", "Upsert": "upsert"}
_TUNING = (
    "pooling",
    "connectionTimeout",
    "timeout",
    "readBufferSize",
    "logParameters",
    "timezone",
    "encoding",
    "encryptedCredential",
)
_TUNING_PARTS = {"pooling", "timeout", "command timeout", "encoding", "commandtimeout"}


_PORT = 5432


def from_adf(end: AdfEnd) -> AdfTranslation:
    service = end.linked_service
    parts, whole = adf_connection_string(service)
    host = first(parts, "host", "server") or service.text("server")
    port = first(parts, "port") or service.text("port")
    user = first(parts, "username", "user id", "uid", "user") or service.text("username")
    database = first(parts, "database", "db") or service.text("database")
    secrets = secrets_of(service, parts, whole, user)
    options = _options(end, service, parts)
    if end.is_sink:
        _write(end, options)
    else:
        _read(end, options)
    adf_leftovers(service, parts, _TUNING_PARTS)
    service.ignore(*_TUNING)
    if service.flag("trustServerCertificate") and options.get("sslmode") not in _UNVERIFIED:
        service.refuse("trustServerCertificate", "this is not supported; name an sslMode that verifies none")
    for name in ("sslCertificate", "sslKey", "sslPassword", "authenticationType"):
        if service.text(name).lower() not in ("", "basic"):
            service.refuse(name, "this is not supported")
    login = f"{quote(user, safe='')}@" if user else ""
    place = f"{host or 'computed'}:{port}" if port else host or "computed"
    table = table_of(end, _quoted)
    needs_table(end, table, options)
    named = f"#{quote(table)}" if table and "query" not in options else ""
    address = f"postgresql://{login}{place}/{quote(database or 'computed', safe='')}{named}"
    hosts = (place if port or ":" in place else f"{place}:{_PORT}",) if host else ()
    return AdfTranslation(address, options, secrets, _mode(end), hosts=hosts)


def _options(end: AdfEnd, service: AdfProperties, parts: dict[str, str]) -> dict[str, str]:
    options = {}
    mode = (first(parts, "sslmode", "ssl mode") or service.text("sslMode")).lower()
    encrypted, verified = first(parts, "encryptionmethod"), first(parts, "validateservercertificate")
    mode = mode or _ENCRYPTED.get((encrypted, verified), "")
    if mode.isdigit() and int(mode) < len(_SSL):
        mode = _SSL[int(mode)]
    if mode in _SSL:
        options["sslmode"] = mode
    elif mode:
        service.refuse("sslMode", f"{mode!r} is not supported; supported are {', '.join(_SSL)}")
    if schema := service.text("schema"):
        options["schema_name"] = schema.partition(",")[0]
    if (seconds := service.whole("commandTimeout")) is not None:
        options["query_timeout"] = str(seconds)
    return options


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read(end: AdfEnd, options: dict[str, str]) -> None:
    if query := end.activity.text("query"):
        options["query"] = query
    query_timeout(end.activity, options)
    if partition(end.activity, options) == "PhysicalPartitionsOfTable":
        end.activity.refuse("partitionOption", "places in the table's files are read in parallel", "note")


def _mode(end: AdfEnd) -> WriteMode | None:
    return WriteMode.APPEND if end.is_sink else None


def _write(end: AdfEnd, options: dict[str, str]) -> None:
    sink = end.activity
    options["write_behavior"] = sink.choice("writeMethod", _METHODS, "insert")
    options["table_option"] = "none"
    keys = sink.inner("upsertSettings").names("keys")
    if keys and options["write_behavior"] == "upsert":
        options["keys"] = ",".join(keys)
    if script := sink.text("preCopyScript"):
        options["pre_copy_script"] = script
    for name in ("writeBatchSize", "writeBatchTimeout"):
        if name in sink:
            sink.refuse(name, "rows are sent by COPY, whose batches are chosen by size", "note")
