"""What Data Factory defines alike for every database: sign-in, table, partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from crossdock import AdfEnd, AdfProperties, AdfSecret

_RANGE = {
    "partitionColumnName": "partition_column",
    "partitionLowerBound": "partition_lower_bound",
    "partitionUpperBound": "partition_upper_bound",
}
_PARTITIONS = {name: name for name in ("None", "PhysicalPartitionsOfTable", "DynamicRange")}

_IN_PLACE_OF_A_TABLE = {"query", "procedure", "stored_procedure"}


def first(parts: dict[str, str], *names: str) -> str:
    """Take the parts of a connection string that mean the same; the first that is there counts."""
    found = [parts.pop(name) for name in names if name in parts]
    return found[0] if found else ""


def secrets_of(
    service: AdfProperties, parts: dict[str, str], whole: AdfSecret | None, user: str
) -> dict[str, SecretStr | AdfSecret]:
    """The password. Of a connection string that is ``whole`` a secret nothing is known before the run."""
    if (given := service.secret("password")) is not None:
        return {"password": given}
    if text := first(parts, "password", "pwd"):
        return {"password": SecretStr(text) if text.strip("*") else AdfSecret("password")}
    if whole:
        return {"password": whole}
    return {"password": AdfSecret("password")} if user and "encryptedCredential" in service else {}


def table_of(end: AdfEnd, quoted: Callable[[str], str]) -> str:
    """The dataset's table, as it stands behind the # of an address."""
    table, schema = end.dataset.text("table"), end.dataset.text("schema")
    legacy = end.dataset.text("tableName")
    return (f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)) if table else legacy


def needs_table(end: AdfEnd, table: str, options: Mapping[str, str]) -> None:
    """Without a table all tables would be read, and one called after the source's file written to.

    An activity that only asks what is there has no type of source or sink.
    """
    if table or not end.activity.text("type") or options.keys() & _IN_PLACE_OF_A_TABLE:
        return
    instead = "" if end.is_sink else ", and the activity no query"
    key = "tableName" if "tableName" in end.dataset else "table"
    end.dataset.refuse(key, f"the dataset names no table{instead}", "error")


def partition(source: AdfProperties, options: dict[str, str]) -> str:
    """The partition option; bounds and column go to ``options`` where it is DynamicRange.

    Data Factory reads in one piece unless it is told otherwise.
    """
    option = source.choice("partitionOption", _PARTITIONS, "None")
    settings = source.inner("partitionSettings")
    for name, wanted in _RANGE.items():
        value = settings.text(name)
        if value and option == "DynamicRange":
            options[wanted] = value
    return option


def query_timeout(source: AdfProperties, options: dict[str, str]) -> None:
    if (seconds := source.seconds("queryTimeout")) is not None:
        options["query_timeout"] = str(seconds)
