"""The SDK's signing with the account's key, without the import of the whole SDK."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

_SDK = "azure.storage.blob"
_ALONE = "_crossdock_azure_storage_shared"
_KINDS_OF_REQUEST = 100


def policy(account: str, key: str) -> Any:
    """The SDK's policy that signs requests with the key."""
    return _sorting_once(_authentication())(account, key)


@cache
def _sorting_once(sdk: ModuleType) -> Any:
    """The SDK's policy, which sorts the names of headers letter by letter in Python: half of what signing
    takes. Requests of one kind have the same names, whose order is kept here.
    """
    policy: Any = sdk.SharedKeyCredentialPolicy
    sort: Any = getattr(sdk, "_storage_header_sort", None)
    if sort is None or not hasattr(policy, "_get_canonicalized_headers"):
        return policy
    orders: dict[tuple[str, ...], list[str]] = {}

    class SortingOnce(policy):  # type: ignore[misc] # the base is known at run time only
        @staticmethod
        def _get_canonicalized_headers(request: Any) -> str:
            values = {
                name.lower(): value
                for name, value in request.http_request.headers.items()
                if name.startswith("x-ms-")
            }
            names = tuple(values)
            order = orders.get(names)
            if order is None:
                if len(orders) >= _KINDS_OF_REQUEST:
                    orders.clear()
                order = orders[names] = [name for name, _ in sort(list(values.items()))]
            return "".join([f"{name}:{values[name]}\n" for name in order if values[name] is not None])

    return SortingOnce


def _authentication() -> Any:
    """The SDK's module. Its package imports clients for everything the service can do, which takes as long as
    to copy a few hundred small files; the module needs nothing of them.
    """
    if _SDK not in sys.modules:
        try:
            return _alone()
        except (ImportError, OSError):  # this version of the SDK is laid out in another way
            sys.modules.pop(_ALONE, None)
    return importlib.import_module(f"{_SDK}._shared.authentication")


def _alone() -> Any:
    """The module in a package of its own, made of the same files."""
    if _ALONE not in sys.modules:
        sdk = find_spec(_SDK)
        if sdk is None or not sdk.submodule_search_locations:
            raise ImportError(_SDK)
        folder = Path(sdk.submodule_search_locations[0]) / "_shared"
        spec = spec_from_file_location(
            _ALONE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(_SDK)
        module = module_from_spec(spec)
        sys.modules[_ALONE] = module
        spec.loader.exec_module(module)
    return importlib.import_module(f"{_ALONE}.authentication")
