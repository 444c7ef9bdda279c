"""Signing with the account's key is the SDK's, and does not wait for the import of the SDK's clients."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from crossdock_connectors.azure import shared_key
from crossdock_connectors.azure.auth import Message

KEY = base64.b64encode(b"k" * 32).decode()


def signed() -> str:
    headers = {"Content-Length": "5", "x-ms-date": "Sat, 21 Nov 2026 00:00:00 GMT", "x-ms-meta-b": "x y"}
    message = Message("PUT", "https://a.blob.core.windows.net/c/p%20q", {"comp": "block"}, headers)
    shared_key.policy("a", KEY).on_request(message)
    return headers["Authorization"]


def fresh(then: str) -> list[str]:
    """What a new interpreter prints after signing."""
    source = f"import sys\nfrom tests.unit.test_azure_shared_key import shared_key, signed\n{then}"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")


def test_signs_as_the_sdk_does_without_its_clients() -> None:
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

    assert isinstance(shared_key.policy("a", KEY), SharedKeyCredentialPolicy)  # it is imported: its own
    signature, imported, *_ = fresh("print(signed())\nprint('azure.storage.blob' in sys.modules)")
    assert (signature, imported) == (signed(), "False")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "names",
    [
        ("x-ms-date", "x-ms-version"),
        # As the service sorts them, and the alphabet does not.
        ("x-ms-meta-a-b", "x-ms-meta-a_b", "x-ms-meta-ab", "x-ms-meta-A", "x-ms-meta-a1", "x-ms-blob-type"),
    ],
)
def test_keeps_the_order_of_names_for_the_next_request(names: tuple[str, ...], order: int) -> None:
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

    ours, sdks = shared_key.policy("a", KEY), SharedKeyCredentialPolicy("a", KEY)
    for number in range(3):
        headers = {name: f"{number} {name}" for name in names[::order]} | {"Content-Length": "5"}
        messages = [Message("PUT", "https://a.blob.core.windows.net/c/b", {}, dict(headers)) for _ in "12"]
        ours.on_request(messages[0])
        sdks.on_request(messages[1])
        assert messages[0].headers == messages[1].headers
        assert messages[0].headers["Authorization"]


def test_an_sdk_laid_out_in_another_way_is_imported_whole() -> None:
    elsewhere = "shared_key.spec_from_file_location = lambda *_, **__: None"
    signature, imported, *_ = fresh(
        f"{elsewhere}\nprint(signed())\nprint('azure.storage.blob' in sys.modules)"
    )
    assert (signature, imported) == (signed(), "True")
