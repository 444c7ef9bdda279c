"""The other process of the conformance kit."""

from __future__ import annotations

import os

import pytest

from crossdock.contract.elsewhere import elsewhere


def test_it_has_the_environment_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords come from there, and the server of processes began before they were set."""
    assert elsewhere(os.getenv, "CROSSDOCK_TEST_ELSEWHERE") is None
    monkeypatch.setenv("CROSSDOCK_TEST_ELSEWHERE", "here")
    assert elsewhere(os.getenv, "CROSSDOCK_TEST_ELSEWHERE") == "here"
