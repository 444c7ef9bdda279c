"""Functions of XML. XML is binary data of the type ``application/xml``; JSON of it is Newtonsoft's.

Documents with a type declaration are refused, and with them entities of their own; nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from ..errors import short
from ..limits import check_items, check_length
from ..registry import function
from ..values import CONTENT_TYPE, binary, check_depth, content, decode, int_or, is_binary, to_text

_SUBJECT = "Conversion"
_TYPE = "application/xml;charset=utf-8"
_DECLARATION = re.compile(r"\s*<\?xml\s+([^?]*)\?>")
_ATTRIBUTE = re.compile(r"""([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_COSTLY_STEP = re.compile(r"//|::|\.\.")
_WORK = 10_000_000_000  # elements, to the power of the steps of an XPath that visit all of them


def is_xml(value: Any) -> bool:
    """Whether a value is XML."""
    return is_binary(value) and "xml" in str(value[CONTENT_TYPE]).lower()


@function(
    _SUBJECT, "xml(value: string|object)", "XML of text that is XML, or of an object with one property."
)
def xml(value: Any) -> dict[str, str]:
    if is_xml(value):
        return dict(value)
    if is_binary(value):
        value = decode(content(value))
    if isinstance(value, str):
        _parse(value)
        return binary(value.encode(), _TYPE)
    check_depth(value)
    return binary(etree.tostring(_document(value), encoding="utf-8"), _TYPE)


@function(
    _SUBJECT,
    "xpath(xml: object|string, xpath: string)",
    "What an XPath 1.0 expression finds in XML: an array of nodes or texts, or the value that it computes.",
)
def xpath(value: Any, path: str) -> Any:
    root = _parse(decode(content(value)) if is_binary(value) else to_text(value))
    elements = sum(1 for _ in root.iter())
    if elements ** min(len(_COSTLY_STEP.findall(path)), 8) > _WORK:
        raise ValueError(f"would visit each of {elements:,} elements too often: use fewer of //, :: and ..")
    try:
        found = root.getroottree().xpath(path, smart_strings=False)
    except etree.XPathError as error:
        raise ValueError(f"was given an XPath that cannot be evaluated: {error}") from None
    if isinstance(found, float):
        return int_or(found)
    if isinstance(found, list):
        check_items(len(found))
        check_length(len(found) and sum(len(each) for each in found if isinstance(each, str)))
        return [each if isinstance(each, str) else _node(each) for each in found]
    return found


def _node(node: Any) -> Any:
    if isinstance(node, tuple):  # a namespace: prefix and URI
        return node[1]
    return binary(etree.tostring(node, encoding="utf-8", with_tail=False), _TYPE)


def _parse(text: str) -> Any:
    check_length(len(text))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
    )
    # lxml refuses a declared encoding in text that is decoded already.
    body = _DECLARATION.sub("", text.removeprefix("\ufeff"), count=1)
    try:
        root = etree.fromstring(body.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"was given text that is not XML: {error.msg}") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("was given XML with a document type declaration, which is not read")
    return root


# -- XML to JSON ---------------------------------------------------------------------------------------


def xml_to_json(data: bytes) -> dict[str, Any]:
    """An object of XML: attributes are ``@name``, text beside them ``#text``, equal elements an array."""
    text = decode(data)
    root = _parse(text)
    result: dict[str, Any] = {}
    if declaration := _DECLARATION.match(text):
        found = _ATTRIBUTE.findall(declaration[1])
        result["?xml"] = {f"@{name}": double or single for name, double, single in found}
    result[_name(root)] = _json_of(root, {})
    check_depth(result)
    return result


def _json_of(element: Any, declared: Mapping[str | None, str]) -> Any:
    result: dict[str, Any] = {}
    for prefix, uri in element.nsmap.items():
        if declared.get(prefix) != uri:
            result["@xmlns" if prefix is None else f"@xmlns:{prefix}"] = uri
    for key, value in element.attrib.items():
        result[f"@{_qualified(key, element.nsmap)}"] = value
    texts = [element.text or ""]
    for child in element:
        texts.append(child.tail or "")
        if isinstance(child.tag, str):
            _append(result, _name(child), _json_of(child, element.nsmap))
    text = "".join(each for each in texts if each.strip())
    if not result:
        return text or (None if element.text is None else element.text.strip() or None)
    if text:
        result["#text"] = text
    return result


def _append(result: dict[str, Any], name: str, value: Any) -> None:
    if name not in result:
        result[name] = value
    elif isinstance(result[name], list):
        result[name].append(value)
    else:
        result[name] = [result[name], value]


def _name(element: Any) -> str:
    local = str(etree.QName(element).localname)
    return f"{element.prefix}:{local}" if element.prefix else local


def _qualified(key: str, prefixes: Mapping[str | None, str]) -> str:
    name = etree.QName(key)
    if not name.namespace:
        return key
    known = {uri: prefix for prefix, uri in prefixes.items() if prefix}
    return f"{known.get(name.namespace, 'xml')}:{name.localname}"


# -- JSON to XML ---------------------------------------------------------------------------------------


def _document(value: Mapping[str, Any]) -> Any:
    roots = [(key, each) for key, each in value.items() if not key.startswith("?")]
    if len(roots) != 1 or isinstance(roots[0][1], list | tuple):
        raise ValueError(
            "takes an object with one property that is not an array: it becomes the root element"
        )
    key, each = roots[0]
    return _element(key, each, {})


def _element(name: str, value: Any, prefixes: dict[str | None, str]) -> Any:
    attributes: dict[str, Any] = {}
    children: dict[str, Any] = {}
    if isinstance(value, Mapping):
        for key, each in value.items():
            (attributes if key.startswith("@") else children)[key] = each
    own = dict(prefixes)
    for key in [each for each in attributes if each == "@xmlns" or each.startswith("@xmlns:")]:
        own[key[7:] or None] = str(attributes.pop(key))
    try:
        element = etree.Element(_clark(name, own, default=True), nsmap=own)
        for key, each in attributes.items():
            element.set(_clark(key[1:], own, default=False), _xml_text(each))
        if not isinstance(value, Mapping):
            element.text = None if value is None else _xml_text(value)
    except ValueError as error:
        raise ValueError(f"cannot make XML of the property '{short(name)}': {error}") from None
    for key, each in children.items():
        _add_child(element, key, each, own)
    return element


def _add_child(element: Any, key: str, value: Any, prefixes: dict[str | None, str]) -> None:
    if key == "#text":
        element.text = _xml_text(value)
        return
    for each in value if isinstance(value, list | tuple) else (value,):
        element.append(_element(key, each, prefixes))


def _clark(name: str, prefixes: Mapping[str | None, str], *, default: bool) -> str:
    prefix, colon, local = name.partition(":")
    if colon and prefix in prefixes:
        return f"{{{prefixes[prefix]}}}{local}"
    if default and not colon and None in prefixes:
        return f"{{{prefixes[None]}}}{name}"
    return name


def _xml_text(value: Any) -> str:
    return to_text(value).lower() if isinstance(value, bool) else to_text(value)
