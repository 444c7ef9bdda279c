"""Requests: what may be shown of an address, and options as texts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, model_validator

from crossdock import ConfigError, ConnectorConfig
from crossdock.credentials import public_url
from crossdock.files.settings import StoreReadSettings, StoreWriteSettings
from crossdock.mapping import parse_map
from crossdock.request import CopyRequest, Resolved, SinkEnd, SourceEnd, validate_options


class TestPublicUrl:
    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("pg://u:p@h:5/db?sslmode=x#t", "pg://u@h:5/db?sslmode=x#t"),
            ("pg://u:p%40ss@h/db", "pg://u@h/db"),
            ("pg://u:p@ss:w@h/db", "pg://u@h/db"),
            ("pg://:p@h/db", "pg://@h/db"),
            ("https://h/c?sv=1&sig=abc%2F&se=2", "https://h/c?sv=1&sig=***&se=2"),
            ("https://h/c?SIG=abc", "https://h/c?SIG=***"),
            ("s3://b/k?X-Amz-Signature=zz&x=1", "s3://b/k?X-Amz-Signature=***&x=1"),
            (
                "x://h?access_key=1&account-key=2&api%5Fkey=3",
                "x://h?access_key=***&account-key=***&api%5Fkey=***",
            ),
            ("x://h?password=", "x://h?password=***"),
        ],
    )
    def test_secrets_go(self, url: str, shown: str) -> None:
        assert public_url(url) == shown

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite:///db.sqlite#flights",
            "sqlite:////abs/db.sqlite#t",
            "file:///a%20b/c#d",
            "mem://",
            "x://h?keyboard=1&primary_key=id&q=a+b%26c&empty=&flag",
            "x://user@h/p",
            "x://h/mail@example.org:80/y",
            "data/a?sig=1#b.csv",
            "C:/data/x.csv",
            "plain",
            "",
        ],
    )
    def test_all_else_stays_as_it_is(self, url: str) -> None:
        assert public_url(url) == url

    @given(st.text(st.characters(exclude_characters="/?#@", exclude_categories=["Cs"])), st.text())
    def test_no_password_is_shown(self, password: str, rest: str) -> None:
        shown = public_url(f"x://user:{password}@host/{rest}")
        assert shown.startswith("x://user@host/")

    @given(st.text())
    def test_twice_is_the_same_as_once(self, url: str) -> None:
        assert public_url(public_url(url)) == public_url(url)


class Config(ConnectorConfig):
    size: int = Field(1, ge=1, description="a size")
    name: str = Field(description="a name")
    password: SecretStr | None = Field(None, description="a secret")
    flag: bool = Field(False, description="a flag")
    items: list[str] = Field(default=[], description="some items")

    @model_validator(mode="after")
    def _together(self) -> Config:
        if self.flag and self.size > 5:
            raise ValueError("flag and a large size exclude each other")
        return self


class TestOptions:
    def test_texts_become_values(self) -> None:
        given_options = {"name": "n", "size": "3", "flag": "true", "password": "p", "items": "a,b"}
        config = validate_options(Config, given_options, "thing")
        assert (config.name, config.size, config.flag, config.items) == ("n", 3, True, ["a", "b"])
        assert config.password.get_secret_value() == "p"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({}, "thing needs the option name; give it with name=..."),
            ({"name": "n", "size": "x"}, "thing: the option size is not valid: "),
            ({"name": "n", "size": "0"}, "thing: the option size is not valid: "),
            (
                {"name": "n", "flag": "true", "size": "9"},
                "thing: the options are not valid: flag and a large",
            ),
            ({"name": "n", "more": "x"}, "thing: the option more is not valid: "),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, options: dict[str, str], said: str) -> None:
        with pytest.raises(ConfigError) as caught:
            validate_options(Config, options, "thing")
        assert said in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.__cause__ is None
        assert "pydantic" not in caught.value.message

    def test_secrets_are_in_no_message(self) -> None:
        with pytest.raises(ConfigError) as caught:
            validate_options(Config, {"name": "n", "password": "hunter2", "size": "x"}, "thing")
        assert "hunter2" not in str(caught.value) + repr(caught.value) + caught.value.detail


def test_what_is_journaled_comes_back() -> None:
    request = CopyRequest(
        source="a",
        sink="b",
        map=parse_map("b:decimal(9,2)=x,a=y", ["c=$$FILEPATH"]),
        bandwidth=5,
        source_options={"k": "v"},
    )
    again = CopyRequest.load(json.loads(json.dumps(request.dump())))
    assert again == request
    # A journal of before tables' types were kept.
    older = json.loads(json.dumps(request.dump()))
    del older["map"]["targets"]
    assert CopyRequest.load(older) == request


@pytest.mark.parametrize(
    ("read", "write"),
    [({}, {}), ({"modified_datetime_start": "2024-05-01"}, {"metadata": "a=1", "preserve": "Attributes"})],
)
def test_a_decision_that_is_journaled_comes_back(read: dict[str, str], write: dict[str, str]) -> None:
    resolved = Resolved(
        payload="tabular",
        source=SourceEnd(
            connector="file", root="/x", format="csv", pattern="*", notes=("a", "b"),
            settings=validate_options(StoreReadSettings, read, "file"),
        ),
        sink=SinkEnd(
            connector="file", root="/y", extension=".parquet", replaces=".csv",
            settings=validate_options(StoreWriteSettings, write, "file"),
        ),
    )  # fmt: skip
    assert Resolved.load(json.loads(json.dumps(resolved.dump()))) == resolved


class Bare(ConnectorConfig):
    size: int = Field(1, ge=1, description="a size")


class Together(Bare):
    @model_validator(mode="after")
    def _together(self) -> Together:
        raise ValueError("one of two is needed")


class Default(Bare):
    size: int = Field(0, ge=1, validate_default=True, description="a size")


class Later(Bare):
    def model_post_init(self, _: object) -> None:
        raise ValueError("one of two is needed")


class TestNoOptions:
    def test_are_the_defaults(self) -> None:
        found = validate_options(Bare, {}, "thing")
        assert (found, found.size, found.model_fields_set) == (Bare(), 1, set())

    @pytest.mark.parametrize("model", [Together, Default, Later])
    def test_are_validated_where_the_model_says_something_of_them(self, model: type[ConnectorConfig]) -> None:
        with pytest.raises(ConfigError):
            validate_options(model, {}, "thing")
