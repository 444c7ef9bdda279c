"""Xml as Data Factory defines it: only read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from crossdock import AdfEnd, AdfTranslation

from .compressed import compression_of, within_archives

_VALIDATION = {name: name for name in ("none", "xsd", "dtd")}


def from_adf(end: AdfEnd) -> AdfTranslation:
    dataset, settings = end.dataset, end.activity.inner("formatSettings")
    settings.ignore("type")
    within_archives(settings)
    prefixes = settings.get("namespacePrefixes")
    namespaces = settings.flag("namespaces", True)
    options = {
        "attribute_prefix": "@",
        "text_column": "_value_",
        "infer": "true" if settings.flag("detectDataType", True) else "false",
        "namespaces": "true" if namespaces else "false",
        "own_prefixes": "true",
        "validation_mode": settings.choice("validationMode", _VALIDATION, "none"),
        **compression_of(dataset.inner("compression"), "type", "level"),
    }
    if isinstance(prefixes, Mapping) and prefixes:
        options["namespace_prefixes"] = json.dumps({k: str(v) for k, v in prefixes.items()})
    if null := dataset.text("nullValue"):
        options["null_value"] = null
    encoding = dataset.text("encodingName")
    if encoding and encoding.lower() not in ("utf-8", "utf-8 without bom"):
        options["encoding"] = encoding
    return AdfTranslation(options=options)
