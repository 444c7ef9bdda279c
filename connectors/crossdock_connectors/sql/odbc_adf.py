"""Odbc as Data Factory defines it: by the name of a data source, never by a driver."""

from __future__ import annotations

import re
from urllib.parse import quote

from pydantic import SecretStr

from crossdock import AdfEnd, AdfSecret, AdfTranslation, WriteMode, adf_connection_string, adf_leftovers

from .adf_tables import needs_table, query_timeout

_ATTRIBUTES = {"dsn": "dsn", "server": "server", "database": "database", "port": "port", "uid": "user"}


def from_adf(end: AdfEnd) -> AdfTranslation:
    options, secrets = _connection(end)
    activity, dataset = end.activity, end.dataset
    if not end.is_sink:
        query_timeout(activity, options)
    if query := "" if end.is_sink else activity.text("query"):
        options["query"] = query
    table = dataset.text("tableName") or dataset.text("table")
    if table and (schema := dataset.text("schema")):
        table = f"{schema}.{table}"
    if end.is_sink:
        options["table_option"] = "none"
        if script := activity.text("preCopyScript"):
            options["pre_copy_script"] = script
        if (size := activity.whole("writeBatchSize")) is not None:
            options["write_batch_size"] = str(size)
        if (seconds := activity.seconds("writeBatchTimeout")) is not None:
            options["query_timeout"] = str(seconds)
    needs_table(end, table, options)
    named = f"#{quote(table)}" if table and not query else ""
    # An instance or a port may follow; the connection string quotes what it holds.
    host = re.split(r"[\\,]", options.get("server", "").removeprefix("tcp:"))[0]
    if host and options.get("port") and ":" not in host:
        host = f"{host}:{options['port']}"
    mode = WriteMode.APPEND if end.is_sink else None
    return AdfTranslation(f"odbc:///{named}", options, secrets, mode, hosts=(host,) if host else ())


def _connection(end: AdfEnd) -> tuple[dict[str, str], dict[str, SecretStr | AdfSecret]]:
    service = end.linked_service
    parts, whole = adf_connection_string(service)
    secrets: dict[str, SecretStr | AdfSecret] = {"connection_string": whole} if whole else {}
    options = {option: parts.pop(name) for name, option in _ATTRIBUTES.items() if parts.get(name)}
    if text := parts.pop("pwd", ""):
        secrets["password"] = SecretStr(text) if text.strip("*") else AdfSecret("password")
    adf_leftovers(service, parts)
    if user := service.text("userName"):
        options["user"] = user
    if (given := service.secret("password")) is not None:
        secrets["password"] = given
    if not secrets and "user" in options and "encryptedCredential" in service:
        secrets["password"] = AdfSecret("password")
    if "credential" in service:
        service.refuse("credential", "parts of the connection string that are secret are not supported")
    service.choice("authenticationType", {"Basic": "", "Anonymous": ""})
    service.ignore("encryptedCredential")
    return options, secrets
