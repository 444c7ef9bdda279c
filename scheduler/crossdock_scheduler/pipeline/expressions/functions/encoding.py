"""Functions between text, base64, data URIs and URI components.

Where Microsoft's page shows the result of ``...ToBinary`` as zeros and ones, Data Factory returns an object
with ``$content-type`` and ``$content``, and so does this.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from ..limits import check_length
from ..registry import function
from ..values import binary, content, decode, is_binary, to_text, unbase64

_SUBJECT = "Conversion"
_TEXT_TYPE = "text/plain;charset=utf-8"
_DATA_URI = re.compile(r"data:([^,;]*)((?:;[^,;]*)*?)(;base64)?,(.*)", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r";\s*charset=\"?([\w.-]+)", re.IGNORECASE)


def _bytes(value: Any) -> bytes:
    if is_binary(value):
        return content(value)
    return to_text(value).encode("utf-8", "surrogatepass")


@function(_SUBJECT, "base64(value: any)", "Text or binary data in base64.")
def to_base64(value: Any) -> str:
    data = _bytes(value)
    check_length(len(data) * 4 // 3)
    return base64.b64encode(data).decode()


@function(_SUBJECT, "base64ToBinary(value: string)", "The binary data that base64 holds.")
def base64_to_binary(value: str) -> dict[str, str]:
    return binary(unbase64(value))


@function(_SUBJECT, "decodeBase64(value: string)", "The text that base64 holds; as base64ToString.")
@function(_SUBJECT, "base64ToString(value: string)", "The text that base64 holds.")
def base64_to_string(value: str) -> str:
    return decode(unbase64(value))


@function(_SUBJECT, "dataUri(value: any)", "A data URI of text or binary data.")
def data_uri(value: Any) -> str:
    kind = str(value["$content-type"]) if is_binary(value) else _TEXT_TYPE
    return f"data:{kind};base64,{to_base64(value)}"


def _data_uri(text: str) -> tuple[str, bytes]:
    found = _DATA_URI.fullmatch(text.strip())
    if found is None:
        raise ValueError("was given a string that is not a data URI such as data:text/plain;base64,aGVsbG8=")
    kind, parameters, encoded, data = found.groups()
    raw = unquote_to_bytes(data)
    return f"{kind or 'text/plain'}{parameters}", unbase64(raw.decode("latin-1")) if encoded else raw


@function(_SUBJECT, "decodeDataUri(value: string)", "The binary data of a data URI; as dataUriToBinary.")
@function(_SUBJECT, "dataUriToBinary(value: string)", "The binary data of a data URI.")
def data_uri_to_binary(value: str) -> dict[str, str]:
    kind, data = _data_uri(value)
    return binary(data, kind)


@function(_SUBJECT, "dataUriToString(value: string)", "The text of a data URI.")
def data_uri_to_string(value: str) -> str:
    kind, data = _data_uri(value)
    charset = _CHARSET.search(kind)
    return decode(data, charset[1] if charset else "utf-8")


@function(_SUBJECT, "encodeUriComponent(value: any)", "Text for use in a URI; as uriComponent.")
@function(_SUBJECT, "uriComponent(value: any)", "Text for use in a URI: what is not safe there is escaped.")
def uri_component(value: Any) -> str:
    data = _bytes(value)
    check_length(len(data))
    text = quote(data, safe="")
    check_length(len(text))
    return text


@function(_SUBJECT, "uriComponentToBinary(value: string)", "The binary data that an escaped text holds.")
def uri_component_to_binary(value: str) -> dict[str, str]:
    return binary(unquote_to_bytes(value))


@function(_SUBJECT, "decodeUriComponent(value: string)", "Escaped text in plain; as uriComponentToString.")
@function(_SUBJECT, "uriComponentToString(value: string)", "Escaped text in plain.")
def uri_component_to_string(value: str) -> str:
    return unquote(value)
