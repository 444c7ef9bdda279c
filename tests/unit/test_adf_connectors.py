"""What the built-in connectors make of linked services and datasets."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import SecretStr

from crossdock import (
    AdfEnd,
    AdfProperties,
    AdfSecret,
    AdfTranslation,
    Location,
    adf_connection_string,
    registry,
)
from crossdock_scheduler.pipeline.policy import Policy

Json = dict[str, Any]
VAULT = {"type": "AzureKeyVaultSecret", "secretName": "s", "store": {"referenceName": "vault"}}


def made(
    kind: str,
    service: Json,
    dataset: Json | None = None,
    activity: Json | None = None,
    side: Literal["source", "sink", "stage"] = "source",
) -> tuple[AdfTranslation, AdfEnd]:
    spec = registry().by_name(kind)
    assert spec.from_adf is not None
    end = AdfEnd(side, AdfProperties(service), AdfProperties(dataset or {}), AdfProperties(activity or {}))
    return spec.from_adf(end), end


def said(properties: AdfProperties) -> list[tuple[str, str]]:
    return [(each.severity, each.path.lstrip(".")) for each in properties.remarks()]


def plain(found: AdfTranslation) -> dict[str, str]:
    """The secrets, as texts."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else f"<{value.what}>"
        for name, value in found.secrets.items()
    }


BLOB = {"location": {"container": "c", "folderPath": "f"}}


@pytest.mark.parametrize(
    ("service", "options", "secrets"),
    [
        (
            {"connectionString": "AccountName=a;AccountKey=a2V5==;EndpointSuffix=core.windows.net"},
            {"account": "a"},
            {"account_key": "a2V5=="},
        ),
        (
            {"connectionString": "BlobEndpoint=http://127.0.0.1:10000/dev;AccountName=dev;AccountKey=k"},
            {"account": "dev", "endpoint": "http://127.0.0.1:10000/dev"},
            {"account_key": "k"},
        ),
        ({"connectionString": VAULT}, {}, {"connection_string": "<the Key Vault secret 's' of 'vault'>"}),
        (
            {"sasUri": {"type": "SecureString", "value": "https://a.blob.core.windows.net/?sv=1&sig=x"}},
            {"endpoint": "https://a.blob.core.windows.net"},
            {"sas_token": "sv=1&sig=x"},
        ),
        (
            {"serviceEndpoint": "https://a.blob.core.windows.net/", "accountKind": "StorageV2"},
            {"endpoint": "https://a.blob.core.windows.net", "auth": "entra"},
            {},
        ),
    ],
)
def test_blob_storage(service: Json, options: dict[str, str], secrets: dict[str, str]) -> None:
    found, end = made("AzureBlobStorage", service, BLOB)
    assert (found.address, found.options, plain(found)) == ("az://c/", options, secrets)
    assert list(end.linked_service.unread()) == []


def test_every_address_that_blob_storage_may_reach_is_said() -> None:
    uri = {"sasUri": {"type": "SecureString", "value": "https://10.0.0.5:444/?sig=x"}}
    for kind in ("AzureBlobStorage", "AzureBlobFS"):
        found, _ = made(kind, uri | {"url": "https://a.dfs.core.windows.net"}, BLOB)
        assert "10.0.0.5:444" in found.hosts
    open_to_all, _ = made(
        "AzureBlobStorage", {"authenticationType": "Anonymous", "containerUri": "https://10.0.0.6/c"}
    )
    assert open_to_all.hosts == ("10.0.0.6:443",)


def test_a_stage_of_blob_storage_has_its_container_in_its_path() -> None:
    found, _ = made(
        "AzureBlobStorage",
        {"connectionString": "AccountName=a"},
        {"location": {"folderPath": "c/f/g"}},
        side="stage",
    )
    assert found.address == "az://c/f/g/"


def test_the_lake() -> None:
    service = {
        "url": "https://a.dfs.core.windows.net/",
        "servicePrincipalId": "id",
        "tenant": "t",
        "accountKey": VAULT,
    }
    found, end = made("AzureBlobFS", service, {"location": {"fileSystem": "raw"}})
    assert found.address == "abfss://raw@a.dfs.core.windows.net/"
    assert found.options == {"auth": "entra", "client_id": "id", "tenant_id": "t"}
    assert found.hosts == ("a.dfs.core.windows.net:443",)
    assert said(end.linked_service) == []


SERVICES: list[tuple[str, Json, Json]] = [
    ("AzureBlobFS", {"url": "https://a.dfs.core.windows.net/"}, {"location": {"fileSystem": "raw"}}),
    ("AzureBlobStorage", {"serviceEndpoint": "https://a.blob.core.windows.net/"}, BLOB),
    ("AzureSqlDatabase", {"server": "h.example", "database": "d"}, {"table": "t"}),
]
PRINCIPAL = {"servicePrincipalId": "app", "tenant": "t"}
KIND, PROOF = "servicePrincipalCredentialType", "servicePrincipalCredential"
EMBEDDED = {
    "servicePrincipalEmbeddedCert": "pfx",
    "servicePrincipalEmbeddedCertPassword": {"type": "SecureString", "value": "***"},
}
APPLICATIONS: list[tuple[Json, Json]] = [
    ({"servicePrincipalKey": "k"}, {"client_secret": "k"}),
    ({KIND: "ServicePrincipalKey", PROOF: "k"}, {"client_secret": "k"}),
    (
        {KIND: "ServicePrincipalCert", PROOF: VAULT},
        {"client_certificate": "<the Key Vault secret 's' of 'vault'>"},
    ),
    (
        EMBEDDED,
        {
            "client_certificate": "pfx",
            "client_certificate_password": "<servicePrincipalEmbeddedCertPassword>",
        },
    ),
    ({}, {"client_secret": "<servicePrincipalKey>"}),
]


def signing_in(found: AdfTranslation) -> Json:
    names = ("auth", "client_id", "tenant_id", "managed_identity")
    return {name: found.options[name] for name in names if name in found.options}


@pytest.mark.parametrize(("kind", "service", "dataset"), SERVICES, ids=[each[0] for each in SERVICES])
@pytest.mark.parametrize(("proof", "secrets"), APPLICATIONS)
def test_an_application_signs_in(kind: str, service: Json, dataset: Json, proof: Json, secrets: Json) -> None:
    """Said by the linked service, or by the credential that it refers to."""
    who = PRINCIPAL | proof
    for given in (who, {"credential": {"type": "ServicePrincipal"} | who}):
        found, end = made(kind, service | given, dataset)
        assert signing_in(found) == {"auth": "entra", "client_id": "app", "tenant_id": "t"}
        assert {name: each for name, each in plain(found).items() if name.startswith("client")} == secrets
        assert said(end.linked_service) == list(end.linked_service.unread()) == []


@pytest.mark.parametrize(("kind", "service", "dataset"), SERVICES, ids=[each[0] for each in SERVICES])
@pytest.mark.parametrize("credential", [{"resourceId": "/subscriptions/1"}, {}, {"referenceName": "c"}])
def test_a_managed_identity_signs_in(kind: str, service: Json, dataset: Json, credential: Json) -> None:
    found, end = made(kind, service | {"credential": {"type": "ManagedIdentity"} | credential}, dataset)
    known = {"managed_identity": credential["resourceId"]} if "resourceId" in credential else {}
    assert signing_in(found) == {"auth": "entra"} | known
    assert said(end.linked_service) == ([] if known else [("note", "credential")])
    assert list(end.linked_service.unread()) == []


@pytest.mark.parametrize(
    ("kind", "service", "option"),
    [
        ("AzureBlobStorage", {"connectionString": "AccountName=a"}, "account_key"),
        ("AzureBlobFS", {"url": "https://a.dfs.core.windows.net"}, "account_key"),
        ("SqlServer", {"connectionString": "Server=h;Database=d;User ID=u"}, "password"),
        ("PostgreSql", {"connectionString": "Host=h;Database=d;UID=u"}, "password"),
        ("Odbc", {"connectionString": "DSN=d", "userName": "u"}, "password"),
    ],
)
def test_a_secret_that_data_factory_keeps_encrypted_is_to_be_had_first(
    kind: str, service: Json, option: str
) -> None:
    found, _ = made(kind, service | {"encryptedCredential": "x"})
    assert isinstance(found.secrets[option], AdfSecret)
    assert "auth" not in found.options


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("02:00:00", 7200), ("1.00:00:05", 86405), ("0.12:00:00.5", 43200), ("90", 90), (90, 90), (None, None)],
)
def test_spans_of_time(span: object, seconds: int | None) -> None:
    found = AdfProperties({"x": span})
    assert found.seconds("X") == seconds
    assert said(found) == []


@pytest.mark.parametrize("span", ["two hours", "1:2", "-1", "²", "9" * 5000, ["02:00:00"]])
def test_what_is_no_span_of_time_is_an_error(span: object) -> None:
    found, end = made("SqlServer", {}, {"tableName": "t"}, {"queryTimeout": span})
    assert "query_timeout" not in found.options
    assert said(end.activity) == [("error", "queryTimeout")]


def test_text_without_a_delimiter_is_not_taken_for_text_with_commas() -> None:
    found, end = made("DelimitedText", {}, {"columnDelimiter": "", "compressionCodec": "lzo"})
    assert found.options["delimiter"] == ""
    assert said(end.dataset) == [("unsupported", "compressionCodec")]
    assert next(iter(end.dataset.remarks())).message.endswith("snappy, lz4")


@pytest.mark.parametrize("kind", ["SqlServer", "PostgreSql", "Odbc", "AzureBlobStorage"])
def test_a_driver_in_a_connection_string_is_refused(kind: str) -> None:
    _, end = made(
        kind, {"connectionString": "DRIVER = {/tmp/evil.so};Server=h;Database=d;AccountName=a;DSN=x;UID=u"}
    )
    assert ("error", "connectionString") in said(end.linked_service)


def test_a_secret_is_never_in_what_is_shown() -> None:
    service = AdfProperties({"connectionString": "Server=h;Password=hunter2;hunter2-rest=x;b}=y"})
    parts, whole = adf_connection_string(service)
    assert (parts["password"], whole) == ("hunter2", None)
    found, end = made("SqlServer", {"connectionString": "Server=h;Database=d;User ID=u;Password=a;hunter2=x"})
    assert "hunter2" not in "".join(each.message for each in end.linked_service.remarks())
    assert "Password" not in repr(found.options)
    assert "'a'" not in repr(found)


def test_properties_have_no_case_and_remember_what_was_read() -> None:
    found = AdfProperties({"Name": "x", "Inner": {"A": 1, "b": None, "c": 2}, "Left": 1, "none": None}, "at")
    assert found.text("NAME") == "x"
    assert found.inner("inner").whole("a") == 1
    assert list(found.unread()) == ["at.Left", "at.Inner.c"]
    found.inner("inner").flag("C")
    assert [(each.path, each.severity) for each in found.remarks()] == [("at.Inner.c", "error")]
    assert isinstance(found.secret("left"), SecretStr)
    assert found.secret("nothing") is None
    assert isinstance(AdfProperties({"p": VAULT}).secret("p"), AdfSecret)


@pytest.mark.parametrize(
    ("name", "private", "refused"),
    [
        ("sql.example", False, False), ("8.8.8.8:1433", False, False), ("10.1.2.3", False, True),
        ("10.1.2.3:1433", False, True), ("[::1]:5432", False, True), ("[::ffff:10.0.0.1]", False, True),
        ("localhost.", False, True), ("169.254.169.254", False, True), ("10.1.2.3", True, False),
        ("127.1", False, True), ("2130706433:80", False, True), ("0x7f.1", False, True),
        ("0177.0.0.1.", False, True), ("\uff11\uff12\uff17.0.0.1", False, True), ("0", False, True),
        ("[64:ff9b::a00:1]", False, True), ("[2002:a00:1::]", False, True), ("[::10.0.0.1]", False, True),
        ("[fec0::1]", False, True), ("[fd00:ec2::254]", False, True), ("224.0.0.1", False, True),
        ("100.64.0.1", False, True), ("168.63.129.16", False, True), ("[2606:4700::1111]", False, False),
        ("134744072", False, False), ("10.9.0.1", False, False), ("10.10.0.1", False, True),
        ("h/db?host=10.0.0.1", True, True), ("u@h", True, True), ("h:1/x", True, True), ("h#x", True, True),
    ],
)  # fmt: skip
def test_hosts_that_may_be_reached(name: str, private: bool, refused: bool) -> None:
    assert bool(Policy(private=private, networks=("10.9.0.0/16",)).host(name)) is refused


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("PostgreSqlV2", {"server": "h/d?host=10.0.0.1", "username": "u", "database": "d"}),
        ("SqlServer", {"server": "h,1433/d#x", "userName": "u", "database": "d"}),
        ("AzureBlobFS", {"url": "https://a@evil.example"}),
    ],
)
def test_a_host_that_is_more_than_a_host_is_refused(kind: str, service: Json) -> None:
    found, _ = made(kind, service, {"location": {"fileSystem": "x"}})
    assert Policy().refusals(found.folders, found.hosts)


def test_names_of_containers_and_databases_cannot_change_the_address() -> None:
    lake, _ = made(
        "AzureBlobFS", {"url": "https://a.dfs.core.windows.net"}, {"location": {"fileSystem": "x@evil/"}}
    )
    assert Location.parse(lake.address).authority == "x%40evil%2F@a.dfs.core.windows.net"
    table, _ = made("SqlServer", {"server": "h", "database": "d/?#x", "userName": "u@evil/"})
    assert (Location.parse(table.address).authority, Location.parse(table.address).fragment) == (
        "u%40evil%2F@h",
        "",
    )


@pytest.mark.parametrize("kind", ["AzureSqlDatabase", "Odbc"])
def test_spans_of_more_than_a_day_are_taken(kind: str) -> None:
    spec = registry().by_name(kind)
    config = spec.config(query_timeout="216000")
    assert config.query_timeout == 60 * 3600
    if kind == "AzureSqlDatabase":
        found, _ = made(kind, {}, {"table": "t"}, {"writeBatchTimeout": "60:00:00"}, "sink")
        config = spec.config(write_batch_timeout=found.options["write_batch_timeout"])
        assert config.write_batch_timeout == 216000


@pytest.mark.parametrize(
    ("kind", "key", "codec"),
    [
        ("Avro", "avroCompressionCodec", "xz"),
        ("Avro", "avroCompressionCodec", "bzip2"),
        ("Orc", "orcCompressionCodec", "zlib"),
        ("Parquet", "compressionCodec", "gzip"),
    ],
)
def test_codecs_of_blocks(kind: str, key: str, codec: str) -> None:
    found, end = made(kind, {}, {key: codec}, side="sink")
    assert (found.options["compression"], said(end.dataset)) == (codec, [])
    _, end = made(kind, {}, {key: "lzo"}, side="sink")
    assert said(end.dataset) == [("unsupported", key)]


def test_a_signature_may_be_for_the_datasets_container() -> None:
    uri = {"sasUri": {"type": "SecureString", "value": "https://a.blob.core.windows.net/c?sig=x"}}
    found, end = made("AzureBlobStorage", uri, BLOB)
    assert (found.address, plain(found), said(end.linked_service)) == ("az://c/", {"sas_token": "sig=x"}, [])
    _, end = made("AzureBlobStorage", uri, {"location": {"container": "other"}})
    assert said(end.linked_service) == [("unsupported", "sasUri")]
