"""The kit itself: exemptions, expected errors, specs that are wrong in one way, what counts as lossless."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import heavy_plugin
import light_plugin
import pyarrow as pa
import pytest
from pydantic import ConfigDict, Field

from crossdock import Capabilities, ConnectorConfig, ConnectorSpec, NotFoundError, WriteMode, kit
from crossdock.contract import Contract, FormatContract, StoreContract, TableContract, check_spec
from crossdock.contract.cases import lossless
from crossdock.contract.secrets_kept import Secretive
from crossdock.contract.topics import TOPICS, topic_of
from crossdock_connectors.formats.binary import SPEC as BINARY
from crossdock_connectors.stores.file import SPEC as FILE

_EXEMPT = """
import pytest
from crossdock.contract import SpecContract
from crossdock_connectors.formats.binary import SPEC

class Checks(SpecContract):
    spec = SPEC
    def test_wrong(self): assert not "holds"
    def test_right(self): pass
    def test_not_for_us(self): pytest.skip("not declared")
    @pytest.mark.parametrize("n", [1, 2], ids=["one", "two"])
    def test_half(self, n): assert n == 2
"""
_RUNS = {
    "needed": ('{"test_wrong": "cannot"}', "test_half[one]"),
    "needed_for_a_case": ('{"test_wrong": "cannot", "test_half[one]": "no one"}', ""),
    "passes": ('{"test_wrong": "x", "test_half[one]": "x", "test_right": "x"}', "test_right"),
    "case_passes": ('{"test_wrong": "x", "test_half": "x"}', "test_half[two]"),
    "does_not_apply": (
        '{"test_wrong": "x", "test_half[one]": "x", "test_not_for_us": "x"}',
        "test_not_for_us",
    ),
    "no_such_check": (
        '{"test_wrong": "x", "test_half[one]": "x", "test_wrnog": "x"}',
        "test_exemptions_name_checks_and_reasons",
    ),
    "no_such_case": (
        '{"test_wrong": "x", "test_half[one]": "x", "test_half[three]": "x"}',
        "test_exemptions_name_checks_and_reasons",
    ),
    "no_reason": ('{"test_wrong": " ", "test_half[one]": "x"}', "test_exemptions_name_checks_and_reasons"),
}


@pytest.mark.parametrize(("exempt", "failing"), _RUNS.values(), ids=list(_RUNS))
def test_exemptions(tmp_path: Path, exempt: str, failing: str) -> None:
    """What is exempt is run; needless, unknown and unfounded exemptions fail and say why."""
    module = tmp_path / "test_exempt.py"
    module.write_text(f"{_EXEMPT}\nclass TestIt(Checks):\n    exempt = {exempt}\n")
    program = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-rf",
        module.name,
        "-k",
        "TestIt",
    ]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    failed = [line.split("::")[-1].split(" - ")[0] for line in done.stdout.splitlines() if "FAILED" in line]
    assert failed == ([failing] if failing else []), done.stdout
    if failing in ("test_right", "test_half[two]", "test_not_for_us"):
        assert "no longer needed" in done.stdout


class _Any(Contract):
    spec = replace(
        BINARY, classify=lambda error: NotFoundError("gone") if isinstance(error, OSError) else None
    )


def test_expected_errors_may_be_the_drivers() -> None:
    contract = _Any()
    with contract.raises(NotFoundError):
        raise FileNotFoundError(2, "gone")
    with (
        pytest.raises(AssertionError, match="expected success or NotFoundError"),
        contract.raises(NotFoundError),
    ):
        raise ValueError("unmapped")
    with pytest.raises(pytest.fail.Exception, match="nothing was raised"), contract.raises(NotFoundError):
        pass
    with contract.may_raise(NotFoundError) as refusal:
        pass
    assert refusal.error is None


class _Loose(ConnectorConfig):
    model_config = ConfigDict(extra="ignore")


class _Bare(ConnectorConfig):
    option: int = 1


class _Hump(ConnectorConfig):
    blockSize: int = Field(1, description="The size")


class _Open(ConnectorConfig):
    account_key: str | None = Field(None, description="The key")


_TABLE = ConnectorSpec(
    name="table",
    summary="A table",
    kind="table",
    schemes=("tbl",),
    open_source=light_plugin.opens,  # type: ignore[arg-type]
    example="crossdock copy tbl://a b.csv",
)
_BARE = replace(FILE, defaults=None)
_WRONG = {
    "name": (replace(FILE, name="My Store"), "lower-case word"),
    "summary": (replace(FILE, summary=""), "summary"),
    "example": (replace(FILE, example="cp a b"), "example"),
    "extra": (replace(_BARE, config=_Loose), "extra='forbid'"),
    "description": (replace(_BARE, config=_Bare), "without a description: option"),
    "option_name": (replace(_BARE, config=_Hump), "options are in snake_case, .*: blockSize"),
    "secret": (replace(_BARE, config=_Open), "'account_key' looks secret"),
    "defaults": (replace(FILE, defaults=SimpleNamespace(sync=True)), "defaults are not those of FileConfig"),
    "no_schemes": (replace(FILE, schemes=()), "URL schemes"),
    "scheme": (replace(FILE, schemes=("s3://",)), "not URL schemes"),
    "extension": (replace(BINARY, extensions=("csv",)), "start with a dot"),
    "format_with_scheme": (replace(BINARY, schemes=("csv",)), "not schemes"),
    "no_factory": (replace(FILE, open_store=None), "needs open_store"),
    "foreign_factory": (replace(FILE, open_source=light_plugin.opens), "does not have open_source"),
    "modes_without_sink": (
        replace(_TABLE, capabilities=Capabilities(write_modes=frozenset(WriteMode))),
        "exactly where there is a sink",
    ),
    "sink_without_modes": (replace(_TABLE, open_sink=light_plugin.opens), "exactly where there is a sink"),
    "block_range": (replace(FILE, capabilities=Capabilities(block_range=(5, 1))), "block_range"),
    "format_with_lock": (replace(BINARY, capabilities=Capabilities(gil_bound=True)), "gil_bound is a"),
    "heavy": (replace(FILE, requires=("pydantic",)), "importing the plugin imports pydantic"),
    "heavy_and_silent": (
        replace(FILE, classify=heavy_plugin.classify),
        "importing the plugin imports .*fastavro",
    ),
    "greedy_classify": (replace(FILE, classify=light_plugin.claims_all), "no driver's"),
}


@pytest.mark.parametrize(("spec", "complaint"), _WRONG.values(), ids=list(_WRONG))
def test_wrong_specs_are_refused(spec: ConnectorSpec, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_spec(spec)


def test_right_specs_pass() -> None:
    for spec in (FILE, BINARY, _TABLE, replace(_BARE, config=light_plugin.Sealed)):
        check_spec(spec)


@pytest.mark.parametrize(
    "shown",
    [
        'p/ss w"rd',
        quote('p/ss w"rd', safe=""),
        json.dumps({"password": 'p/ss w"rd'}),
        base64.b64encode(b'p/ss w"rd'),
    ],
    ids=["raw", "quoted", "escaped", "base64"],
)
def test_secrets_are_found_however_written(shown: str | bytes) -> None:
    with pytest.raises(AssertionError, match="handle holds a secret"):
        Secretive().assert_kept(['p/ss w"rd'], handle=shown)
    Secretive().assert_kept(['p/ss w"rd'], handle="p/ss")


def test_what_the_kit_is_given_is_in_no_file(tmp_path: Path) -> None:
    status, said = kit._run(kit.Setup("no_such_module", options={"key": "se-cret"}), tmp_path)
    assert status == 2, said
    assert "no_such_module does not import" in (tmp_path / "refusal.txt").read_text()
    assert not [path for path in tmp_path.rglob("*") if "se-cret" in path.read_text()]


def test_every_check_has_a_topic() -> None:
    """The tables of results are by topic; each topic has a check."""
    kinds = (StoreContract, TableContract, FormatContract)
    checks = {name for kind in kinds for name in dir(kind) if name.startswith("test_")}
    assert not [name for name in sorted(checks) if not topic_of(name)]
    assert {topic_of(name) for name in checks} == set(TOPICS)
    assert topic_of("test_types[int8]") == "types"


def test_lossless_tells_what_was_lost() -> None:
    doubles = pa.chunked_array([[0.0, -0.0, float("nan"), None]])
    assert lossless(doubles, doubles) == ""
    assert "-0.0 became 0.0" in lossless(doubles, pa.chunked_array([[0.0, 0.0, float("nan"), None]]))
    assert "nan became None" in lossless(doubles, pa.chunked_array([[0.0, -0.0, None, None]]))
    words = pa.chunked_array([["007", ""]])
    assert "'007' became '7'" in lossless(words, pa.chunked_array([["7", ""]]))
    assert "became None" in lossless(words, pa.chunked_array([["007", None]]))
    moments = pa.chunked_array([pa.array([1, 2_000_000_001], pa.timestamp("ns"))])
    assert (
        lossless(
            moments, pa.chunked_array([["1970-01-01T00:00:00.000000001", "1970-01-01T00:00:02.000000001"]])
        )
        == ""
    )
    assert lossless(moments, moments.cast(pa.timestamp("us"), safe=False)) != ""
    assert lossless(words, pa.chunked_array([["007"]])) == "2 values became 1"
