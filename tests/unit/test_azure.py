"""Azure: names of blocks, addresses, credentials, checksums, proxies, and what errors say."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product

import pytest
from azure.core.exceptions import ClientAuthenticationError

from crossdock import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthError,
    Block,
    ConfigError,
    CrossdockError,
    InternalError,
    Location,
    NoSpaceError,
    NotFoundError,
    NotSupportedError,
    StageLostError,
    ThrottledError,
    TransientError,
    UploadRequest,
)
from crossdock.plugins import registry
from crossdock_connectors.azure import proxy
from crossdock_connectors.azure.address import place
from crossdock_connectors.azure.auth import signer, with_sas
from crossdock_connectors.azure.blob import SPEC
from crossdock_connectors.azure.blob_list import parse
from crossdock_connectors.azure.blob_store import BlobStore
from crossdock_connectors.azure.blob_upload import Upload
from crossdock_connectors.azure.checksum import crc64
from crossdock_connectors.azure.config import AzureConfig, BlobConfig
from crossdock_connectors.azure.errors import classify, clock_skew, refused, retry_after
from crossdock_connectors.azure.http1 import Reply, request_head

KEY = base64.b64encode(b"a key of an account, not a real one").decode()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AZURE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def _where(url: str, **options: object) -> tuple[str, str, str]:
    found = place(BlobConfig.model_validate(options), Location.parse(url))
    return found.service.url, found.container, found.root


class TestBlockIds:
    def test_one_length_and_no_two_alike(self) -> None:
        upload = Upload.new("x", UploadRequest("run"), "*")
        some = product((0, 1, 49_999), (1, 2, 10**9), (0, 1, 49_999))
        ids = {upload.block_id(Block(s, a, i, 0, 1)) for s, a, i in some}
        assert len(ids) == 27
        assert {len(base64.b64decode(name, validate=True)) for name in ids} == {24}

    def test_the_same_in_every_process(self) -> None:
        upload = Upload("x", "run.0a1b2c3d", "*", False)
        assert upload.block_id(Block(1, 2, 3, 4, 5)) == "Eg1ZZBY3m5cAAAABAAAAAAAAAAIAAAAD"
        assert Upload.decode(upload.encode()) == upload

    def test_uploads_of_one_run_have_their_own(self) -> None:
        first, second = (Upload.new("x", UploadRequest("run"), "*") for _ in range(2))
        assert first.block_id(Block(0, 1, 0, 0, 1)) != second.block_id(Block(0, 1, 0, 0, 1))

    def test_another_version_is_refused(self) -> None:
        handle = Upload("x", "run", "*", False, version=1).encode()
        with pytest.raises(InternalError, match="version 1"):
            Upload.decode(handle)


class TestAddresses:
    def test_https(self) -> None:
        url = "https://contoso.blob.core.windows.net/landing/a%20b/c"
        assert _where(url) == ("https://contoso.blob.core.windows.net", "landing", "a b/c/")

    def test_az(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert _where("az://landing/a", account="contoso") == (
            "https://contoso.blob.core.windows.net", "landing", "a/",
        )  # fmt: skip
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "fabrikam")
        assert _where("az://landing") == ("https://fabrikam.blob.core.windows.net", "landing", "")

    def test_endpoint(self) -> None:
        endpoint = "https://127.0.0.1:10000/devstoreaccount1"
        found = place(BlobConfig(endpoint=endpoint), Location.parse("az://landing/"))
        assert (found.service.account, found.service.base) == ("devstoreaccount1", "/devstoreaccount1")
        assert found.service.authority == "127.0.0.1:10000"
        assert found.url_path("a b/ü#?") == "/landing/a%20b/%C3%BC%23%3F"

    def test_connection_string(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = f"AccountName=contoso;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        assert _where("az://landing")[0] == "https://contoso.blob.core.chinacloudapi.cn"
        assert signer(BlobConfig(), "contoso", "contoso.blob.core.windows.net").kind == "key"

    def test_the_environments_sas_goes_to_its_own_account_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = "BlobEndpoint=https://contoso.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=SECRET"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        assert signer(BlobConfig(), "contoso", "contoso.blob.core.windows.net").suffix == "sv=1&sig=SECRET"
        with pytest.raises(AuthError, match="needs a SAS"):
            signer(BlobConfig(auth="sas"), "fabrikam", "fabrikam.blob.core.windows.net")

    def test_an_endpoint_of_another_protocol(self) -> None:
        with pytest.raises(ConfigError, match="the endpoint is not of the form"):
            _where("az://landing", endpoint="ftp://127.0.0.1:21/acc", account="contoso")

    def test_a_name_that_is_no_text(self) -> None:
        """Files on disk may have such a name, which no address can say."""
        where = place(BlobConfig(account="contoso"), Location.parse("az://landing/root"))
        with pytest.raises(ConfigError, match="no UTF-8; rename the file"):
            where.name("folder/bad\udcff")
        assert where.name("folder/ü\u200b😀") == "root/folder/ü\u200b😀"

    def test_no_secret_in_a_place(self) -> None:
        found = place(BlobConfig(), Location.parse("https://contoso.blob.core.windows.net/land?sig=SECRET"))
        assert found.sas
        assert "SECRET" not in repr(found)

    def test_secrets_of_a_source_do_not_go_unencrypted(self) -> None:
        """A service that fetches by itself is told how: with a SAS or a token."""
        assert SPEC.open_store is not None
        options = {"account": "contoso", "account_key": KEY, "proxy": "", "allow_http": True}
        stores = {}
        for scheme in ("http", "https"):
            config = SPEC.config.model_validate(options | {"endpoint": f"{scheme}://127.0.0.1/contoso"})
            stores[scheme] = SPEC.open_store(config, Location.parse("az://landing"))
        plain, tls = stores["http"], stores["https"]
        assert isinstance(plain, BlobStore)
        assert isinstance(tls, BlobStore)
        assert not plain.can_copy_from(tls)
        assert all(to.can_copy_from(plain) for to in (plain, tls))
        assert tls.can_copy_from(tls)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("az://landing", "account"),
            ("https://contoso.blob.core.windows.net/a", "name of a container"),
            ("https://UPPER_case.blob.core.windows.net/landing", "storage account"),
            ("https://contoso.blob.core.windows.net/Landing", "name of a container"),
            ("https://contoso.blob.core.windows.net/landing/a/../b", "folder of blobs"),
        ],
    )
    def test_refused(self, url: str, says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            _where(url)

    @pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", ".", "a/.", "a/..b", "a b"])
    def test_prefixes(self, prefix: str) -> None:
        where = place(BlobConfig(account="contoso"), Location.parse("az://landing/root"))
        assert where.prefix(prefix) == f"root/{prefix}"

    @pytest.mark.parametrize("prefix", ["/a", "../a", "a/../b", "./a", "a\nb", "a\x7f"])
    def test_prefixes_that_lead_elsewhere(self, prefix: str) -> None:
        where = place(BlobConfig(account="contoso"), Location.parse("az://landing/root"))
        with pytest.raises(ConfigError, match="does not begin the name of a blob"):
            where.prefix(prefix)

    def test_no_character_is_dropped(self) -> None:
        """The standard library's parser of addresses drops tabs and line ends."""
        assert Location.parse("az://landing/a\tb\r\nc").path == "/a\tb\r\nc"

    def test_the_registry_knows_the_hosts(self) -> None:
        plugins = registry()
        for host in (
            "contoso.blob.core.windows.net",
            "contoso.z6.blob.storage.azure.net",
            "c.blob.core.usgovcloudapi.net",
        ):
            assert plugins.by_scheme("https", host).name == "azureblob"
        with pytest.raises(ConfigError, match=r"the host 'example\.com'.*\*\.blob\.\*"):
            plugins.by_scheme("https", "user:secret@example.com:8443")

    def test_plain_http_is_refused(self) -> None:
        assert SPEC.open_store is not None
        config = BlobConfig(endpoint="http://127.0.0.1:10000/a", account_key=KEY)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="allow_http=true"):
            SPEC.open_store(config, Location.parse("az://landing"))


class TestCredentials:
    def test_what_is_given_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        assert signer(AzureConfig(), "contoso", "contoso.blob.core.windows.net").kind == "key"
        assert (
            signer(
                AzureConfig.model_validate({"sas_token": "sig=x"}), "contoso", "contoso.blob.core.windows.net"
            ).kind
            == "sas"
        )
        assert signer(AzureConfig(), "contoso", "contoso.blob.core.windows.net", "?sv=1&sig=x").kind == "sas"
        assert (
            signer(AzureConfig(auth="anonymous"), "contoso", "contoso.blob.core.windows.net").kind
            == "anonymous"
        )

    def test_a_key_goes_to_its_own_account_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "fabrikam")
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        with pytest.raises(AuthError, match="needs the account's key"):
            signer(AzureConfig(auth="key"), "contoso", "contoso.blob.core.windows.net")

    def test_a_sign_in_goes_to_azure_only_unless_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An address alone sends neither a token nor the environment's SAS to somebody else's host."""
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=SECRET")
        host = "contoso.blob.core.windows.net.example"
        for config in (BlobConfig(), BlobConfig(auth="sas")):
            with pytest.raises((ConfigError, AuthError)):
                signer(config, "contoso", host)
        monkeypatch.delenv("AZURE_STORAGE_SAS_TOKEN")
        with pytest.raises(ConfigError, match=r"no host of Azure.*auth=entra"):
            signer(BlobConfig(), "contoso", host)
        assert signer(BlobConfig(auth="entra"), "contoso", host).kind == "entra"
        assert signer(BlobConfig(endpoint=f"https://{host}"), "contoso", host).kind == "entra"
        assert signer(BlobConfig(), "contoso", host, "sv=1&sig=own").kind == "sas"

    def test_a_sas_out_of_its_time(self) -> None:
        late, early = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
        with pytest.raises(AuthError, match="expired at"):
            with_sas(f"?se={late:%Y-%m-%dT%H:%M:%SZ}&sig=SECRET")
        with pytest.raises(AuthError, match="not valid before"):
            with_sas(f"st={early:%Y-%m-%dT%H:%M:%SZ}&sig=SECRET")
        for damaged in ("sv=1&sig=é", "sv=1&sig=a b", "sv=1&sig=a\nX-Header: 1"):
            with pytest.raises(ConfigError, match="holds characters that none has"):
                with_sas(damaged)
        with pytest.raises(ConfigError, match="no signature"):
            with_sas("sv=2021")

    def test_no_secret_is_shown(self) -> None:
        config = BlobConfig.model_validate({"account_key": KEY, "sas_token": "sig=SECRET"})
        shown = repr(config) + repr(with_sas("sig=SECRET")) + repr(proxy.parse("http://u:SECRET@h:1"))
        assert "SECRET" not in shown
        assert KEY not in shown


def test_crc64_is_the_services() -> None:
    """Against the definition, bit by bit."""
    data = os.urandom(1000)
    value = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
    wanted = base64.b64encode((value ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")).decode()
    assert crc64()(memoryview(data)) == {"x-ms-content-crc64": wanted}


class TestProxies:
    @pytest.mark.parametrize(
        "rules", ["*", "core.windows.net", ".windows.net", "a,*.windows.net", "A.BLOB.core.windows.net"]
    )
    def test_bypassed(self, rules: str) -> None:
        assert proxy.bypassed("a.blob.core.windows.net", rules)

    @pytest.mark.parametrize("rules", ["", "windows.net.example", "ows.net", "10.0.0.0/8"])
    def test_not_bypassed(self, rules: str) -> None:
        assert not proxy.bypassed("a.blob.core.windows.net", rules)

    def test_networks(self) -> None:
        assert proxy.bypassed("10.1.2.3", "10.0.0.0/8")
        assert not proxy.bypassed("11.1.2.3", "10.0.0.0/8")

    def test_credentials(self) -> None:
        assert proxy.parse("http://us%40er:p%3Aw@host:3128").authorization == "Basic dXNAZXI6cDp3"

    @pytest.mark.parametrize("url", ["socks5://host:1", "http://host:port", "http://:80"])
    def test_refused_without_the_password(self, url: str) -> None:
        with pytest.raises(ConfigError, match="not of the form"):
            proxy.parse(url.replace("//", "//u:SECRET@"))


def _reply(status: int, code: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named | ({"x-ms-error-code": code} if code else {}))


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (403, "AuthorizationPermissionMismatch", AccessDeniedError),
            (403, "AuthorizationFailure", AccessDeniedError),
            (403, "AuthenticationFailed", AuthError),
            (401, "InvalidAuthenticationInfo", AuthError),
            (401, "NoAuthenticationInformation", AuthError),
            (404, "ContainerNotFound", NotFoundError),
            (404, "", NotFoundError),
            (409, "BlobAlreadyExists", AlreadyExistsError),
            (409, "InvalidBlobType", NotSupportedError),
            (412, "LeaseIdMissing", AccessDeniedError),
            (400, "InvalidBlockList", StageLostError),
            (400, "Md5Mismatch", TransientError),
            (400, "SomethingNew", InternalError),
            (408, "", TransientError),
            (429, "", ThrottledError),
            (500, "InternalError", TransientError),
            (500, "OperationTimedOut", TransientError),
            (502, "", TransientError),
            (503, "ServerBusy", ThrottledError),
            (504, "", TransientError),
            (507, "AccountLimitExceeded", NoSpaceError),
        ],
    )
    def test_kinds(self, status: int, code: str, kind: type[CrossdockError]) -> None:
        error = refused(_reply(status, code), b"", "https://host/c/x")
        assert type(error) is kind
        assert error.message.count(". ") == 0, "one sentence"

    def test_the_code_may_be_in_the_body_only(self) -> None:
        body = b"<Error><Code>LeaseIdMissing</Code><Message>m</Message></Error>"
        assert "lease" in refused(_reply(412), body, "x").message

    def test_an_expired_sas_is_not_a_wrong_key(self) -> None:
        body = b"<Message>Signature not valid in the specified time frame</Message>"
        assert "expired" in refused(_reply(403, "AuthenticationFailed"), body, "x").message
        assert "account key" in refused(_reply(403, "AuthenticationFailed"), b"MAC signature", "x").message

    @pytest.mark.parametrize(("minutes", "word"), [(-20, "ahead of"), (20, "behind")])
    def test_a_clock_that_is_off(self, minutes: int, word: str) -> None:
        theirs = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
        error = refused(_reply(403, "AuthenticationFailed", date=theirs), b"MAC signature", "x")
        assert f"20 minutes {word} the service's" in error.message
        assert abs(clock_skew(_reply(403, date="nonsense"))) == 0

    def test_retry_after(self) -> None:
        assert retry_after(_reply(503, retry_after="7")) == 7
        assert retry_after(_reply(503, x_ms_retry_after_ms="250")) == 0.25
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        assert 25 < (retry_after(_reply(503, retry_after=soon)) or 0) <= 30
        assert retry_after(_reply(503)) is None
        assert retry_after(_reply(503, retry_after="soon")) is None

    def test_the_sdks_messages_stay_inside(self) -> None:
        error = classify(ClientAuthenticationError("the password hunter2 is wrong"))
        assert isinstance(error, AuthError)
        assert "hunter2" not in error.message + error.detail


def test_headers_cannot_be_injected() -> None:
    with pytest.raises(ValueError, match="line end"):
        request_head("PUT", "/", "host", {"x-ms-meta-a": "b\r\nx-ms-evil: c"})
    with pytest.raises(ValueError, match="line end"):
        request_head("PUT", "/\nx", "host", {})


def test_listing_with_folders_and_encoded_names() -> None:
    facts = "<Etag>0x1</Etag><Content-Length>{}</Content-Length>{}"
    blob = f"<Blob><Name{{}}>{{}}</Name><Properties>{facts}</Properties></Blob>"
    blobs = (
        blob.format("", "r/a&amp;b", 5, "<Last-Modified>Sat, 21 Nov 2026 10:00:00 GMT</Last-Modified>")
        + blob.format("", "r/folder/", 0, "")
        + blob.format("", "r/dir", 0, "<ResourceType>directory</ResourceType>")
        + blob.format(' Encoded="true"', "r/%EF%BF%BE", 1, "")
    )
    body = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>m</NextMarker></EnumerationResults>"
    page = parse(body.encode(), "r/")
    infos, marker = page.infos, page.marker
    assert [(info.path, info.size, info.etag) for info in infos] == [("a&b", 5, "0x1"), ("\ufffe", 1, "0x1")]
    assert infos[0].modified == datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()
    assert marker == "m"
