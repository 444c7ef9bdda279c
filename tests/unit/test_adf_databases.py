"""What the connectors of databases make of linked services and datasets."""

from __future__ import annotations

import pytest
from test_adf_connectors import BLOB, VAULT, Json, made, plain, said


@pytest.mark.parametrize(
    ("service", "address", "options", "secrets"),
    [
        (
            {
                "connectionString": "Data Source=tcp:h.example,1444;Initial Catalog=d;"
                "User ID=u;Password='p;w''q';Encrypt=True"
            },
            "mssql://u@h.example:1444/d#%5Bs%5D.%5Bt%5D",
            {"encrypt": "yes"},
            {"password": "p;w'q"},
        ),
        (
            {"connectionString": "Server=.;Database=d;Integrated Security=SSPI;TrustServerCertificate=true"},
            "mssql://localhost/d#%5Bs%5D.%5Bt%5D",
            {"auth": "integrated", "trust_server_certificate": "true"},
            {},
        ),
        (
            {
                "server": "h",
                "database": "d",
                "authenticationType": "SystemAssignedManagedIdentity",
                "pooling": True,
            },
            "mssql://h/d#%5Bs%5D.%5Bt%5D",
            {"auth": "entra"},
            {},
        ),
        (
            {
                "server": " Tcp:h,1433",
                "database": "d",
                "userName": "DOM\\u",
                "password": {"type": "SecureString", "value": "***"},
            },
            "mssql://DOM%5Cu@h:1433/d#%5Bs%5D.%5Bt%5D",
            {},
            {"password": "<password>"},
        ),
    ],
)
def test_sql_server(service: Json, address: str, options: dict[str, str], secrets: dict[str, str]) -> None:
    found, end = made("SqlServer", service, {"schema": "s", "table": "t"})
    assert (found.address, plain(found)) == (address, secrets)
    assert found.options == options | {"partition_option": "None"}
    assert list(end.linked_service.unread()) == []
    assert said(end.linked_service) == []


@pytest.mark.parametrize("key", ["userName", "connectionString"])
def test_windows_signs_in_as_this_process_whoever_is_named(key: str) -> None:
    text = "Integrated Security=True;Data Source=h;Initial Catalog=d"
    service = {"connectionString": text, "password": {"type": "SecureString", "value": "p"}}
    service |= {"userName": "DOM\\u"} if key == "userName" else {key: f"{text};User ID=DOM\\u"}
    found, end = made("SqlServer", service, {"schema": "s", "table": "t"})
    assert (found.address, plain(found)) == ("mssql://h/d#%5Bs%5D.%5Bt%5D", {})
    assert found.options["auth"] == "integrated"
    assert said(end.linked_service) == [("note", key)]
    assert list(end.linked_service.unread()) == []


@pytest.mark.parametrize(
    ("server", "address", "instance"),
    [
        ("h\\SQLEXPRESS", "mssql://u@h/d", "SQLEXPRESS"),
        (" tcp:h \\ Two ", "mssql://u@h/d", "Two"),
        (".\\SQLEXPRESS", "mssql://u@localhost/d", "SQLEXPRESS"),
        ("h\\SQLEXPRESS,1444", "mssql://u@h:1444/d", ""),
        ("h\\mssqlserver", "mssql://u@h/d", ""),
    ],
)
@pytest.mark.parametrize("key", ["server", "connectionString"])
def test_a_named_instance_is_looked_for_unless_the_port_is_named(
    server: str, address: str, instance: str, key: str
) -> None:
    whole = {"connectionString": f"Server={server};Database=d;User ID=u"}
    parts = {"server": server, "database": "d", "userName": "u"}
    found, end = made("SqlServer", whole if key == "connectionString" else parts)
    assert (found.address, found.options.get("instance", "")) == (address, instance)
    assert said(end.linked_service) == []


def test_localdb_is_not_to_be_had() -> None:
    _, end = made("SqlServer", {"server": "(LocalDB)\\MSSQLLocalDB", "database": "d", "userName": "u"})
    assert said(end.linked_service) == [("unsupported", "server")]


def test_parts_of_a_connection_string_that_change_no_data_are_not_said() -> None:
    blob = "BlobEndpoint=https://a.blob.core.windows.net/;QueueEndpoint=https://a.queue.core.windows.net/;"
    blob += "FileEndpoint=https://f;TableEndpoint=https://t;SharedAccessSignature=sv=1&sig=2"
    _, end = made("AzureBlobStorage", {"connectionString": blob}, BLOB)
    assert said(end.linked_service) == []
    sql = "Server=h;Database=d;User ID=u;Workstation ID=w;Enlist=False;Asynchronous Processing=True"
    _, end = made("SqlServer", {"connectionString": sql}, {"tableName": "t"})
    assert said(end.linked_service) == []
    _, end = made("SqlServer", {"connectionString": f"{sql};Current Language=French"}, {"tableName": "t"})
    assert said(end.linked_service) == [("unsupported", "connectionString")]


@pytest.mark.parametrize("kind", ["PostgreSqlV2", "AzurePostgreSql", "Odbc", "AzureSqlDatabase"])
def test_how_long_a_query_may_take(kind: str) -> None:
    found, end = made(kind, {}, {"tableName": "t"}, {"queryTimeout": "00:01:30"})
    assert found.options["query_timeout"] == "90"
    assert list(end.activity.unread()) == []


def test_a_query_of_sql_server_may_say_where_its_ranges_belong() -> None:
    source = {"sqlReaderQuery": "SELECT a FROM t WHERE ?AdfDynamicRangePartitionCondition"}
    found, end = made("SqlServer", {"server": "h", "database": "d"}, {}, source)
    assert found.options["query"] == source["sqlReaderQuery"]
    assert said(end.activity) == []
    _, end = made("SqlServer", {"server": "h", "database": "d"}, {}, {"sqlReaderQuery": "SELECT ?AdfTabular"})
    assert said(end.activity) == [("unsupported", "sqlReaderQuery")]


def test_reading_from_sql_server() -> None:
    source = {
        "sqlReaderStoredProcedureName": "dbo.p",
        "storedProcedureParameters": {"day": {"value": "1", "type": "Int"}},
        "isolationLevel": "readcommitted",
        "queryTimeout": "1.00:00:05",
        "partitionOption": "dynamicrange",
        "partitionSettings": {
            "partitionColumnName": "id",
            "partitionLowerBound": "1",
            "partitionUpperBound": 9,
        },
    }
    found, end = made(
        "SqlServer", {"server": "h", "database": "d", "userName": "u"}, {"tableName": "t"}, source
    )
    assert found.address == "mssql://u@h/d"
    assert found.options == {
        "procedure": "dbo.p",
        "parameters": '{"day": {"value": "1", "type": "Int"}}',
        "isolation_level": "ReadCommitted",
        "query_timeout": "86405",
        "partition_option": "DynamicRange",
        "partition_column": "id",
        "partition_lower_bound": "1",
        "partition_upper_bound": "9",
    }
    assert list(end.activity.unread()) == []


def test_writing_to_sql_server() -> None:
    sink = {
        "writeBehavior": "Upsert",
        "upsertSettings": {"useTempDB": False, "interimSchemaName": "stage", "keys": ["a", "b"]},
        "preCopyScript": "DELETE t",
        "writeBatchSize": 1000,
        "writeBatchTimeout": "00:30:00",
        "sqlWriterUseTableLock": True,
    }
    found, end = made(
        "AzureSqlDatabase", {"server": "h", "database": "d"}, {"tableName": "dbo.t"}, sink, "sink"
    )
    assert found.mode == "append"
    assert found.options == {
        "auth": "entra", "write_behavior": "upsert", "table_option": "none", "keys": "a,b",
        "interim_schema_name": "stage", "pre_copy_script": "DELETE t", "write_batch_size": "1000",
        "write_batch_timeout": "1800", "table_lock": "true",
    }  # fmt: skip
    assert list(end.activity.unread()) == []


def test_writing_to_synapse() -> None:
    sink = {
        "allowPolyBase": True,
        "polyBaseSettings": {"rejectType": "percentage", "rejectValue": 10},
        "copyCommandSettings": {
            "defaultValues": [
                {"columnName": "tag", "defaultValue": "it's"},
                {"columnName": "n", "defaultValue": 3},
            ],
            "additionalOptions": {"MAXERRORS": "10000", "DATEFORMAT": "'ymd'"},
        },
    }
    found, end = made("AzureSqlDW", {"server": "h", "database": "d"}, {"tableName": "dbo.t"}, sink, "sink")
    assert found.options == {
        "auth": "entra", "write_behavior": "insert", "table_option": "none", "allow_copy_command": "true",
        "default_values": '{"tag": "it\'s", "n": 3}', "copy_command_options": '{"DATEFORMAT": "\'ymd\'"}',
    }  # fmt: skip
    assert list(end.activity.unread()) == []
    assert sorted(said(end.activity)) == [
        ("note", "allowPolyBase"),
        ("note", "copyCommandSettings.additionalOptions"),
        ("note", "polyBaseSettings"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "sink"), [("SqlServer", {"writeBehavior": "upsert"}), ("PostgreSql", {"writeMethod": "Upsert"})]
)
@pytest.mark.parametrize("keys", ["id", {"a": 1}, [1], [None]])
def test_keys_that_are_no_list_of_names_are_an_error(kind: str, sink: Json, keys: object) -> None:
    found, end = made(kind, {}, {"tableName": "t"}, sink | {"upsertSettings": {"keys": keys}}, "sink")
    assert "keys" not in found.options
    assert said(end.activity) == [("error", "upsertSettings.keys")]


def test_postgres() -> None:
    service = {"server": "h", "port": 5433, "database": "d", "username": "u", "sslMode": 2, "password": VAULT}
    found, end = made("PostgreSqlV2", service, {"schema": "s", "table": 't"x'}, {"query": ""})
    assert found.address == "postgresql://u@h:5433/d#%22s%22.%22t%22%22x%22"
    assert (found.options, found.hosts) == ({"sslmode": "prefer"}, ("h:5433",))
    assert list(end.linked_service.unread()) == []
    older, _ = made(
        "PostgreSql", {"connectionString": "host=h;port=1;database=d;uid=u;encryptionmethod=1;password=p"}
    )
    assert (older.address, plain(older)) == ("postgresql://u@h:1/d", {"password": "p"})


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ("EncryptionMethod=1", "require"),
        ("EncryptionMethod=1;ValidateServerCertificate=0", "require"),
        ("EncryptionMethod=1;ValidateServerCertificate=1", "verify-full"),
        ("EncryptionMethod=0", "disable"),
        ("EncryptionMethod=1;ValidateServerCertificate=1;SSL Mode=prefer", "prefer"),
    ],
)
def test_how_postgres_is_encrypted(more: str, mode: str) -> None:
    found, end = made("AzurePostgreSql", {"connectionString": f"host=h;database=d;uid=u;{more}"})
    assert found.options["sslmode"] == mode
    assert said(end.linked_service) == []


@pytest.mark.parametrize(("mode", "refused"), [(3, False), (5, True)])
def test_a_certificate_that_is_trusted_is_one_that_nobody_verifies(mode: int, refused: bool) -> None:
    service = {"server": "h", "database": "d", "sslMode": mode, "trustServerCertificate": True}
    _, end = made("PostgreSqlV2", service)
    assert said(end.linked_service) == ([("unsupported", "trustServerCertificate")] if refused else [])


def test_postgres_reads_ranges_of_the_column_that_is_named() -> None:
    source = {
        "query": "SELECT * FROM t WHERE ?AdfDynamicRangePartitionCondition",
        "partitionOption": "DynamicRange",
        "partitionSettings": {
            "partitionColumnName": "id", "partitionLowerBound": "1", "partitionUpperBound": 9,
            "partitionNames": ["p1"],
        },
    }  # fmt: skip
    found, end = made("AzurePostgreSql", {}, {}, source)
    assert found.options == {
        "query": source["query"], "partition_column": "id", "partition_lower_bound": "1",
        "partition_upper_bound": "9",
    }  # fmt: skip
    assert said(end.activity) == []
    # Which partitions are read would make a difference to the data.
    assert [each.rpartition(".")[2] for each in end.activity.unread()] == ["partitionNames"]
    found, _ = made("AzurePostgreSql", {}, {}, source | {"partitionOption": "None"})
    assert found.options == {"query": source["query"]}


def test_odbc_by_the_name_of_a_data_source() -> None:
    service = {"connectionString": "DSN=shop;Extra=1", "userName": "u", "authenticationType": "Basic"}
    found, end = made("Odbc", service, {"tableName": "t"})
    assert (found.address, found.options) == ("odbc:///#t", {"dsn": "shop", "user": "u"})
    assert said(end.linked_service) == [("unsupported", "connectionString")]


def test_odbc_as_a_sink() -> None:
    sink = {"preCopyScript": "DELETE FROM t", "writeBatchSize": 50, "writeBatchTimeout": "00:01:00"}
    found, end = made("Odbc", {"connectionString": "DSN=d"}, {"tableName": "t"}, sink, "sink")
    assert found.options == {
        "dsn": "d", "table_option": "none", "pre_copy_script": "DELETE FROM t", "write_batch_size": "50",
        "query_timeout": "60",
    }  # fmt: skip
    assert said(end.activity) == []
