"""Checks of a ConnectorSpec: what a plugin says about itself, and that saying it costs nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_origin

import pytest
from pydantic import SecretBytes, SecretStr, ValidationError

from ..errors import CrossdockError
from ..spi import ConnectorConfig, ConnectorSpec
from .base import Contract

_SECRET = re.compile(
    r"(^|_)(password|passwd|pwd|passphrase|secret|token|sas|credentials?)($|_)"
    r"|(^|_)(account|access|api|private|shared|encryption)_?key($|_)|connection_?string"
)
_OURS = ("crossdock.contract", "crossdock.contract.opening", "numpy", "pyarrow", "typer")
_FACTORIES = {
    "store": ("open_store",),
    "format": ("open_format",),
    "table": ("open_source", "open_sink"),
}


def check_spec(spec: ConnectorSpec) -> None:
    """Raise AssertionError with the first thing that is wrong with the spec, in one sentence."""
    for check in (_names, _config, _secrets, _addresses, _factories, _capabilities, _light, _classifies):
        check(spec)


def _names(spec: ConnectorSpec) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", spec.name), f"the name {spec.name!r} is not a lower-case word"
    assert re.fullmatch(r"\S.*", spec.summary), "the summary is one line, not empty"
    assert "crossdock copy " in spec.example, "the example is a line that starts with: crossdock copy"
    assert "\n" not in spec.example.strip(), "the example is one line"


def _config(spec: ConnectorSpec) -> None:
    config = spec.config
    assert issubclass(config, ConnectorConfig), f"{config.__name__} is not a ConnectorConfig"
    for key, value in (("extra", "forbid"), ("frozen", True)):
        assert config.model_config.get(key) == value, f"{config.__name__} must keep {key}={value!r}"
    humps = [name for name in config.model_fields if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]
    assert not humps, f"options are in snake_case, which camelCase is made to: {', '.join(humps)}"
    bare = [name for name, field in config.model_fields.items() if not (field.description or "").strip()]
    assert not bare, f"options without a description: {', '.join(bare)}"
    with pytest.raises(ValidationError, match="no_such_option"):
        config.model_validate({"no_such_option": 1})
    if spec.defaults is not None:
        said = {name: getattr(spec.defaults, name, None) for name in config.model_fields}
        assert said == dict(config()), f"defaults are not those of {config.__name__}"


def _secrets(spec: ConnectorSpec) -> None:
    for name, field in spec.config.model_fields.items():
        # The path of a file that holds one is none, nor is a choice among known words.
        harmless = name.endswith("_file") or get_origin(field.annotation) is Literal
        if _SECRET.search(name) and not harmless:
            assert holds_secret(field.annotation), f"the option {name!r} looks secret: make it a SecretStr"


def holds_secret(annotation: Any) -> bool:
    """Whether an option of this type is a secret, or may hold one."""
    inner = get_args(annotation)
    return annotation in (SecretStr, SecretBytes) or any(holds_secret(each) for each in inner)


def _addresses(spec: ConnectorSpec) -> None:
    if spec.kind == "format":
        assert not spec.schemes, "a format has extensions, not schemes"
    else:
        assert spec.schemes, f"a {spec.kind} is chosen by its URL schemes"
        assert not spec.extensions, f"a {spec.kind} has schemes, not extensions"
    wrong = [s for s in spec.schemes if s and not re.fullmatch(r"[a-z][a-z0-9+.-]+", s)]
    assert not wrong, f"not URL schemes (lower case, without ://): {wrong}"
    wrong = [e for e in spec.extensions if not e.startswith(".") or e != e.lower()]
    assert not wrong, f"extensions start with a dot and are lower case: {wrong}"


def _factories(spec: ConnectorSpec) -> None:
    own = _FACTORIES[spec.kind]
    given = [name for names in _FACTORIES.values() for name in names if getattr(spec, name) is not None]
    foreign = [name for name in given if name not in own]
    assert not foreign, f"a {spec.kind} does not have {', '.join(foreign)}"
    assert given or spec.kind == "format", f"a {spec.kind} needs {' or '.join(own)}"


def _capabilities(spec: ConnectorSpec) -> None:
    said = spec.capabilities
    if spec.kind == "table":
        writes = spec.open_sink is not None
        assert bool(said.write_modes) == writes, "write_modes are declared exactly where there is a sink"
        assert said.read_back == "no" or writes, "read_back needs a sink"
    if spec.kind == "format":
        assert (said.block_range, said.max_blocks) == (None, None), "blocks are a store's"
        assert not said.gil_bound, "gil_bound is a store's or a table's: a format works where its store does"
    if said.block_range is not None:
        assert 0 < said.block_range[0] <= said.block_range[1], "block_range is (smallest, largest)"
    smallest, largest = said.block_range or (1, said.best_block or 1)
    assert smallest <= (said.best_block or smallest) <= largest, "best_block is within block_range"
    assert said.max_blocks is None or said.max_blocks > 0, "max_blocks is positive"
    assert said.resume_window is None or said.resume_window.total_seconds() > 0, "resume_window is positive"


def _light(spec: ConnectorSpec) -> None:
    """Import the spec's modules in a fresh interpreter; what they need late must not be there."""
    parts = (spec.config, spec.open_store, spec.open_format, spec.open_source, spec.open_sink, spec.classify)
    modules = sorted({part.__module__ for part in parts if part is not None})
    found = _imported(tuple(modules))
    heavy = sorted(set(spec.requires) & found.keys()) or sorted(_foreign(found, modules))
    assert not heavy, f"importing the plugin imports {', '.join(heavy)}: import it late"


def _foreign(found: Mapping[str, str], modules: Sequence[str]) -> set[str]:
    """What was imported beside crossdock, what crossdock and the kit need, and the plugin's own modules."""
    known = {name.partition(".")[0] for name in (*_imported(_OURS), *modules, *sys.stdlib_module_names)}
    own = {os.path.dirname(found[name]) for name in modules}
    return {
        name
        for name, place in found.items()
        if place and "." not in name and name not in known and os.path.dirname(place) not in own
    }  # fmt: skip


@cache
def _imported(modules: tuple[str, ...]) -> Mapping[str, str]:
    """All that a fresh interpreter has imported after these: the file of each module."""
    program = (
        f"import sys, importlib, json; sys.path[:] = {sys.path!r}\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps({n: getattr(m, '__file__', '') or '' for n, m in sys.modules.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"the plugin does not import: {done.stderr}"
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _classifies(spec: ConnectorSpec) -> None:
    for error in (ZeroDivisionError("not a driver's"), KeyError("k"), KeyboardInterrupt()):
        assert spec.classify(error) is None, f"classify claims {error!r}, which is no driver's"


def _spec_test(check: Callable[[ConnectorSpec], None]) -> Callable[[SpecContract], None]:
    def test(self: SpecContract) -> None:
        check(self.spec)

    return test


class SpecContract(Contract):
    """The checks of the spec, part of every contract; alone for a spec without code (Binary)."""

    driver_errors: ClassVar[Sequence[BaseException]] = ()
    """Examples of what the driver raises, one per kind; none may stay unmapped."""

    test_spec_names = _spec_test(_names)
    test_spec_config = _spec_test(_config)
    test_spec_secrets = _spec_test(_secrets)
    test_spec_addresses = _spec_test(_addresses)
    test_spec_factories = _spec_test(_factories)
    test_spec_capabilities = _spec_test(_capabilities)
    test_spec_imports_no_vendor = _spec_test(_light)
    test_spec_classify_knows_its_own = _spec_test(_classifies)

    def test_driver_errors_are_mapped(self) -> None:
        """No error of the driver reaches the user as an internal fault."""
        assert self.driver_errors or not self.spec.requires, (
            f"list errors of {', '.join(self.spec.requires)} in driver_errors"
        )
        unmapped = [e for e in self.driver_errors if not isinstance(self.spec.classify(e), CrossdockError)]
        assert not unmapped, f"classify leaves these unmapped: {unmapped!r}"
