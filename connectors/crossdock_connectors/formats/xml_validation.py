"""Schemas that XML files name, and whether the files are as these say.

Only files beside the XML are read, through the store: nothing comes from a network or from elsewhere on this
machine, whatever a schema includes or a DTD declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

from lxml import etree

from crossdock import CrossdockError, DataError

LARGEST = 64 << 20
_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"

Beside = Callable[[str], bytes]


class _Resolver(etree.Resolver):  # type: ignore[misc]  # lxml has no types
    """Serves what a document refers to; what cannot be had is kept, for libxml2 does not say it."""

    def __init__(self, beside: Beside) -> None:
        super().__init__()
        self._beside = beside
        self.failed: CrossdockError | None = None

    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        try:
            content = self._beside(unquote(system_url))
        except CrossdockError as error:
            self.failed = self.failed or error
            raise
        return self.resolve_string(content, context, base_url=system_url)


def schema_for(attributes: dict[str, str], path: str, beside: Beside) -> etree.XMLSchema:
    """The schema that the root of the file ``path`` names. Raises DataError where that cannot be had."""
    named = attributes.get(f"{_INSTANCE}noNamespaceSchemaLocation", "").split()
    named += attributes.get(f"{_INSTANCE}schemaLocation", "").split()[1::2]
    if not named:
        raise DataError(f"{path} names no XML schema (xsi:schemaLocation), and is to be validated with one")
    resolver = _Resolver(beside)
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False, huge_tree=False)
    parser.resolvers.add(resolver)
    base = quote(path)
    try:
        # One schema that has all of them: each may be for a namespace of its own.
        parts = [etree.parse(_joined(base, each), parser).getroot() for each in named]
        return etree.XMLSchema(parts[0] if len(parts) == 1 else _importing(parts, named, base, parser))
    except (etree.LxmlError, OSError, CrossdockError) as error:
        why = resolver.failed or (error if isinstance(error, CrossdockError) else None)
        said = why.message if why else str(error).splitlines()[0][:200]
        raise DataError(f"{path}: its XML schema {', '.join(named)} cannot be read: {said}") from error


def _joined(base: str, reference: str) -> str:
    """A reference as libxml2 resolves it against the path of a file."""
    folder, slash, _ = base.rpartition("/")
    return f"{folder}{slash}{reference}"


def _importing(
    parts: list[etree._Element], named: list[str], base: str, parser: etree.XMLParser
) -> etree._Element:
    space = "http://www.w3.org/2001/XMLSchema"
    root = etree.Element(f"{{{space}}}schema", nsmap={"xs": space})
    for part, location in zip(parts, named, strict=True):
        target = part.get("targetNamespace")
        one = etree.SubElement(root, f"{{{space}}}{'import' if target else 'include'}")
        one.set("schemaLocation", location)
        if target:
            one.set("namespace", target)
    return etree.fromstring(etree.tostring(root), parser, base_url=base)


def check_dtd(chunks: Iterator[bytes], path: str, encoding: str | None, beside: Beside) -> None:
    """Raise DataError unless the file is as the DTD says that it names or has in it. It is read whole."""
    resolver = _Resolver(beside)
    parser = etree.XMLParser(
        dtd_validation=True, load_dtd=True, resolve_entities=False, no_network=True, huge_tree=False,
        encoding=encoding,
    )  # fmt: skip
    parser.resolvers.add(resolver)
    content = bytearray()
    for each in chunks:
        content += each
        if len(content) > LARGEST:
            raise DataError(
                f"{path} is too large to be validated with a DTD, which takes {LARGEST >> 20} MiB at most"
            )
    try:
        etree.fromstring(bytes(content), parser, base_url=quote(path))
    except (etree.XMLSyntaxError, CrossdockError) as error:
        if resolver.failed is not None:
            raise DataError(f"{path}: its DTD cannot be read: {resolver.failed.message}") from error
        position = getattr(error, "position", (1, 0))
        said = str(getattr(error, "msg", "") or error).splitlines()[0][:200]
        raise DataError(f"{path}, line {position[0]}: {said}") from error
