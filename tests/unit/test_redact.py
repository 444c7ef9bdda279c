"""Secrets in texts: what is hidden of addresses, and the values that this process knows."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock import ConfigError, redact
from crossdock.classify import classified
from crossdock.redact import Address, RedactingFilter, inner_secrets, redacted, remember


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test remembers is not hidden in the next."""
    monkeypatch.setattr(redact, "_known", redact._Known())


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "shown", "bare", "names"),
        [
            ("https://ghp_tok@host/x", "https://***@host/x", "https://host/x", ["user"]),
            ("https://tok:x@host/x", "https://***@host/x", "https://host/x", ["password", "user"]),
            ("https://h/api?code=abc&n=1", "https://h/api?code=***&n=1", "https://h/api?n=1", ["code"]),
            ("x://h/t?sig=1", "x://h/t?sig=***", "x://h/t", ["sig"]),
            ("x://me:p@h/t#f", "x://me@h/t#f", "x://me@h/t#f", ["password"]),
            ("x://ya29abcdefghijklmnop1@h", "x://***@h", "x://h", ["user"]),
            ("x://h?api-key=1;b=2&c=3", "x://h?api-key=***&c=3", "x://h?c=3", ["api-key"]),
            ("x://h?a=1;sig=2&c=3", "x://h?a=1;sig=***&c=3", "x://h?a=1&c=3", ["sig"]),
            ("odbc://h;user=sa;password=p/d", "odbc://h;user=sa;password=***/d", "odbc://h;user=sa/d",
             ["password"]),
            ("x://h?refresh_token=a&clientSecret=b", "x://h?refresh_token=***&clientSecret=***", "x://h",
             ["refresh_token", "clientSecret"]),
        ],
    )  # fmt: skip
    def test_secrets_go(self, url: str, shown: str, bare: str, names: list[str]) -> None:
        address = Address(url)
        assert (address.shown, address.bare, address.names) == (shown, bare, names)
        assert Address(shown).bare == bare

    @pytest.mark.parametrize(
        "url",
        ["sftp://a.long.user-name@h/x", "x://h?primary_key=id&codes=1&page=2", "data/a?sig=1", "x://h?"],
    )
    def test_what_is_none_stays(self, url: str) -> None:
        address = Address(url)
        assert (address.shown, address.names) == (url, [])
        assert address.bare == url.removesuffix("?")

    def test_a_connector_names_more(self) -> None:
        url = "x://me@h/t?sv=1&n=2"
        assert Address(url, query=("s*",)).bare == "x://me@h/t?n=2"
        assert Address(url, query=("*",)).shown == "x://me@h/t?sv=***&n=***"
        name = "abfss://landing-zone-2026-europe@account.dfs.core.windows.net/x"
        assert Address(name, user=False).shown == name
        assert Address(name).shown != name
        assert Address(url, user=True).shown == "x://***@h/t?sv=1&n=2"

    @given(st.text(st.characters(exclude_characters="#", exclude_categories=["Cs"])))
    def test_secrets_are_lent_back(self, rest: str) -> None:
        url = f"x://me:pw@h/t?sig=1&n={rest}"
        assert Address(url).lend(Address(url).bare) == url

    def test_within_options(self) -> None:
        assert list(inner_secrets("AccountName=a;AccountKey=abc==;Suffix=x")) == ["abc=="]
        assert list(inner_secrets("?sv=1&sig=abc%2F&se=2")) == ["abc%2F"]
        assert list(inner_secrets("http://me:pw@proxy:3128")) == ["pw", "me"]
        assert list(inner_secrets("SELECT key FROM t WHERE a=1")) == []


VALUE = "p@ss \"w/ör+d'"


class TestKnown:
    @pytest.mark.parametrize(
        "form",
        [
            VALUE,
            quote(VALUE),
            quote(VALUE, safe=""),
            json.dumps(VALUE),
            repr(VALUE),
            base64.b64encode(VALUE.encode()).decode(),
        ],
    )
    def test_every_form_is_hidden(self, form: str) -> None:
        remember([VALUE])
        assert redacted(f"<{form}>").strip("<>\"'") == "***"

    def test_a_short_one_hides_no_part_of_a_word(self) -> None:
        remember(["an"])
        assert redacted("an answer: an") == "*** answer: ***"

    def test_one_within_another(self) -> None:
        remember(["secret", "secretkey"])
        assert redacted("secretkey secret") == "*** ***"

    def test_lines_of_a_key(self) -> None:
        remember(["-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwxyz\n-----END KEY-----"])
        assert "ijklmnop" not in redacted("bad line: abcdefghijklmnopqrstuvwxyz")

    def test_addresses_in_a_text_without_knowing(self) -> None:
        said = "GET https://me:pw@h/x?sig=abc&n=1 failed; give http://user:password@host:port"
        assert redacted(said) == "GET https://***@h/x?sig=***&n=1 failed; give http://user:password@host:port"

    def test_errors_hide_them(self) -> None:
        remember(["hunter2"])
        error = ConfigError("no hunter2", detail="hunter2!", hint="not hunter2")
        assert "hunter2" not in repr(error) + str(error) + error.detail

    def test_what_a_driver_says(self) -> None:
        remember(["hunter2"])
        first = OSError("cannot log in with hunter2")
        driver = RuntimeError("hunter2 is wrong")
        driver.__cause__ = first
        error = classified(driver, lambda _: None, "sink")
        assert "*** is wrong" in error.message
        assert "hunter2" not in f"{driver}{first}{error.detail}"

    def test_logs_hide_them(self) -> None:
        remember(["hunter2"])
        stream, log = io.StringIO(), logging.Logger("test")
        log.addHandler(logging.StreamHandler(stream))
        log.addFilter(RedactingFilter())
        try:
            raise ValueError("hunter2")
        except ValueError:
            log.exception("failed with %s", "hunter2")
        assert "failed with ***" in stream.getvalue()
        assert "hunter2" not in stream.getvalue()
