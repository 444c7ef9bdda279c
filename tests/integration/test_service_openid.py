"""Tokens of an OpenID Connect issuer: which hold, and what becomes of its keys; and limits of rate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers.openid import AUDIENCE, OpenId, openid, rsa_key
from servers.service import ServiceProcess, service
from servers.tenants import path

from crossdock import ConfigError
from crossdock_scheduler.service.auth.issuer_keys import IssuerKeys
from crossdock_scheduler.service.auth.limits import Buckets
from crossdock_scheduler.service.auth.oidc import Issuer, RoleOf
from crossdock_scheduler.service.auth.roles import Role
from crossdock_scheduler.service.database import Database
from crossdock_scheduler.service.database.migrate import migrate
from crossdock_scheduler.service.definitions import factories
from crossdock_scheduler.service.errors import ApiError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenId]:
    with openid(tmp_path_factory.mktemp("openid")) as found:
        yield found


@pytest.fixture
def issuer(server: OpenId, monkeypatch: pytest.MonkeyPatch) -> OpenId:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    server.keys, server.asked, server.down = {"one": rsa_key()}, 0, False
    return server


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database.embedded(tmp_path)
    migrate(found)
    yield found
    found.close()


def test_roles_of_a_token(issuer: OpenId, database: Database) -> None:
    with database.write() as connection:
        mine = factories.put(connection, "s", "g", "mine", {})
    roles = [RoleOf.parsed(each) for each in ("ops=operator", "team=owner@MINE", "gone=owner@nowhere")]
    trusted = Issuer(issuer.url, AUDIENCE, "groups", roles)
    token = issuer.token("one", groups=["team", "gone", "other"], preferred_username="ann")
    found = trusted.principal(database, token)
    assert (found.name, found.may(Role.OWNER, mine.id), found.may(Role.READER, None)) == ("ann", True, False)
    all_of_them = trusted.principal(database, issuer.token("one", groups="ops"))
    assert (all_of_them.may(Role.OPERATOR, mine.id), all_of_them.may(Role.CONTRIBUTOR, mine.id)) == (
        True,
        False,
    )
    nobody = trusted.principal(database, issuer.token("one", groups=["gone"]))
    assert not nobody.may(Role.READER, mine.id)


def test_elliptic_keys(issuer: OpenId, database: Database) -> None:
    issuer.keys["two"] = ec.generate_private_key(ec.SECP256R1())
    token = issuer.token("two", algorithm="ES256", roles=["reader"])
    assert Issuer(issuer.url, AUDIENCE).principal(database, token).may(Role.READER, None)


@pytest.mark.parametrize(
    ("claim", "value", "said"),
    [
        ("aud", "another", "another audience"),
        ("aud", None, "not right"),
        ("iss", "https://elsewhere.example", "another has issued it"),
        ("exp", -1000, "has run out"),
        ("exp", None, "not right"),
        ("nbf", 1000, "does not hold yet"),
        ("sub", None, "not right"),
    ],
)
def test_tokens_that_do_not_hold(
    issuer: OpenId, database: Database, claim: str, value: str | int | None, said: str
) -> None:
    """Numbers are seconds from now."""
    given = int(time.time()) + value if isinstance(value, int) else value
    token = issuer.token("one", roles=["owner"], **{claim: given})
    with pytest.raises(ApiError, match=said) as caught:
        Issuer(issuer.url, AUDIENCE).principal(database, token)
    assert caught.value.status == 401


def test_signatures_that_are_not_the_issuers(issuer: OpenId, database: Database) -> None:
    public = issuer.keys["one"].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    # The public key taken for a shared secret; pyjwt itself refuses to make such a token of a PEM.
    shared = jwt.encode({"iss": issuer.url, "aud": AUDIENCE}, public.hex(), "HS256", {"kid": "one"})
    unsigned = jwt.encode({"iss": issuer.url, "aud": AUDIENCE}, None, "none", {"kid": "one"})
    for token in (issuer.token("one", key=rsa_key(), roles=["owner"]), shared, unsigned, "nonsense"):
        with pytest.raises(ApiError) as caught:
            Issuer(issuer.url, AUDIENCE).principal(database, token)
        assert caught.value.status == 401


def test_keys_are_kept_and_asked_for_again(issuer: OpenId) -> None:
    keys = IssuerKeys(issuer.url, not_before=60)
    assert keys.named("one") is not None
    assert [keys.named("one") is not None for _ in range(5)] == [True] * 5
    assert issuer.asked == 1
    issuer.keys["new"] = rsa_key()
    # However often somebody shows a key that is not known.
    assert [keys.named("new") for _ in range(5)] == [None] * 5
    assert issuer.asked == 1
    keys.not_before = 0
    assert keys.named("new") is not None
    assert issuer.asked == 2


def test_issuer_that_is_down(issuer: OpenId, database: Database) -> None:
    issuer.down = True
    with pytest.raises(ApiError) as caught:
        Issuer(issuer.url, AUDIENCE).principal(database, issuer.token("one"))
    assert (caught.value.status, "Retry-After" in caught.value.headers) == (503, True)
    issuer.down = False
    keys = IssuerKeys(issuer.url, not_before=0.0)
    assert keys.named("one") is not None
    issuer.down = True
    assert keys.named("unknown") is None
    assert keys.named("one") is not None


def test_settings_that_are_none() -> None:
    with pytest.raises(ConfigError, match="https://"):
        Issuer("http://issuer.example", AUDIENCE)
    with pytest.raises(ConfigError, match="--oidc-audience"):
        Issuer("https://issuer.example", "")
    with pytest.raises(ConfigError, match="VALUE=ROLE"):
        RoleOf.parsed("team=king")


def test_buckets_fill_up_again() -> None:
    now = 0.0
    buckets = Buckets(2, lambda: now)
    assert [buckets.take("a") for _ in range(3)] == [1, 0, None]
    assert (buckets.wait("a"), buckets.take("b"), buckets.wait("b")) == (30, 1, 0)
    now = 30.0
    assert (buckets.take("a"), buckets.take("a")) == (0, None)
    assert [Buckets(0).take("a") for _ in range(5)] == [0] * 5


@pytest.fixture
def limited(issuer: OpenId, tmp_path: Path) -> Iterator[ServiceProcess]:
    trust = ["--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE]
    limits = ["--writes-per-minute", "3", "--failures-per-minute", "2"]
    with service(tmp_path, *trust, *limits) as found:
        yield found


def test_at_the_service(limited: ServiceProcess, issuer: OpenId) -> None:
    with limited.client(issuer.token("one", roles=["owner"])) as its:
        answers = [its.put(path("factory"), json={}) for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert answers[0].headers["x-ms-ratelimit-remaining-subscription-writes"] == "2"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
        assert answers[3].json()["error"]["code"] == "TooManyRequests"
        assert its.get(path("factory")).status_code == 200
    with limited.client() as owner:
        assert owner.put(path("factory"), json={}).status_code == 200
    with httpx.Client(base_url=limited.url, verify=limited.tls()) as stranger:
        wrong = {"Authorization": "Bearer nonsense"}
        codes = [stranger.get(path("factory"), headers=wrong).status_code for _ in range(3)]
    assert codes == [401, 401, 429]
