"""How ``-s key=value`` and its relatives are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from crossdock import ConfigError
from crossdock.cli.key_values import key_values
from crossdock.cli.options import parallel_copies


def test_key_values() -> None:
    found = key_values(["delimiter==", " null_value =NA", "empty=", "at=@@home", "url=a=b"], "-s")
    assert found == {"delimiter": "=", "null_value": "NA", "empty": "", "at": "@home", "url": "a=b"}
    assert key_values(None, "-s") == {}


def test_a_secret_from_a_file_loses_only_its_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b" hunter2 \r\n")
    assert key_values([f"password=@{secret}"], "-k") == {"password": " hunter2 "}


def test_a_secret_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    assert key_values(["password=env:DB_PASSWORD"], "-k") == {"password": "hunter2"}


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (["null_value"], "-s takes key=value, but 'null_value' has no '='"),
        (["=NA"], "-s takes key=value, but one has no key"),
        (["a=1", "a=2"], "-s was given the key 'a' twice"),
        (["p=env:NOT_SET_ANYWHERE"], "-s p: the environment variable 'NOT_SET_ANYWHERE' is not set"),
    ],
)
def test_malformed(items: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        key_values(items, "-s")
    assert caught.value.message == sentence


def test_a_secret_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"-k p: cannot read .*none: No such file"):
        key_values([f"p=@{tmp_path / 'none'}"], "-k")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        key_values([f"p=@{binary}"], "-k")


def test_no_message_repeats_a_value() -> None:
    for items in (["=hunter2"], ["a=hunter2", "a=hunter2"]):
        with pytest.raises(ConfigError) as caught:
            key_values(items, "-s")
        assert "hunter2" not in str(caught.value)


def test_parallel_copies() -> None:
    assert parallel_copies("auto") == "auto"
    assert parallel_copies("8") == 8
    for bad in ("0", "-1", "many", "1.5", "²", ""):
        with pytest.raises(typer.BadParameter):
            parallel_copies(bad)
