"""Entry points are read as importlib.metadata reads them, and mostly without it."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from pathlib import Path

import pytest

from crossdock import ConfigError
from crossdock.entry_points import EntryPoint, entry_points

TEXT = """
[other]
no = a:b

[things]
# a comment
plain = package.module
 spaced  =  package : first.second
extra = package:name [more]
"""
FOUND = [
    EntryPoint("our-dist", "plain", "package.module", ""),
    EntryPoint("our-dist", "spaced", "package", "first.second"),
    EntryPoint("our-dist", "extra", "package", "name"),
]


def _install(site: Path, folder: str, text: str) -> str:
    (site / folder).mkdir(parents=True)
    (site / folder / "METADATA").write_text("Metadata-Version: 2.1\nName: our.dist\nVersion: 1.0\n")
    (site / folder / "entry_points.txt").write_text(text)
    return str(site)


@pytest.fixture(autouse=True)
def _no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])


@pytest.mark.parametrize("folder", ["our.dist-1.0.dist-info", "our.dist.egg-info"])
def test_those_of_a_group(folder: str, tmp_path: Path) -> None:
    sys.path.append(_install(tmp_path, folder, TEXT))
    assert entry_points("things") == FOUND
    assert entry_points("nothing") == []


def test_what_is_earlier_on_the_path_hides_the_same_distribution(tmp_path: Path) -> None:
    for place, folder in (("a", "Our.Dist-2.0.dist-info"), ("b", "our_dist-1.0.dist-info")):
        sys.path.append(_install(tmp_path / place, folder, f"[things]\n{place} = {place}\n"))
    assert [point.name for point in entry_points("things")] == ["a"]


def test_in_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("our_dist-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: our.dist\n")
        file.writestr("our_dist-1.0.dist-info/entry_points.txt", TEXT)
    sys.path.append(str(archive))
    assert entry_points("things") == FOUND


def test_of_a_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = Path(_install(tmp_path, "our_dist-1.0.dist-info", TEXT)) / "our_dist-1.0.dist-info"

    class Finder(importlib.metadata.DistributionFinder):
        def find_distributions(self, context: object = None) -> list[importlib.metadata.Distribution]:  # type: ignore[override]
            return [importlib.metadata.PathDistribution(hidden)]

        def find_spec(self, *_: object) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert entry_points("things") == FOUND


def test_all_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for group in ("console_scripts", "pytest11", "crossdock"):
        expected = {(p.name, p.module, p.attr or "") for p in importlib.metadata.entry_points(group=group)}
        assert {(p.name, p.module, p.attribute) for p in entry_points(group)} == expected
        assert expected


def test_loading(tmp_path: Path) -> None:
    point = EntryPoint("d", "n", "os", "path.join")
    assert point.load() is __import__("os").path.join
    assert EntryPoint("d", "n", "os.path", "").load() is __import__("os").path
    with pytest.raises(AttributeError):
        EntryPoint("d", "n", "os", "no_such_thing").load()


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("mine = not a module", "mine", "not a module"),
        ("mine", "mine", ""),
        ("mine = a:b:c", "mine", "a:b:c"),
    ],
)
def test_one_that_is_malformed_fails_by_its_name(tmp_path: Path, line: str, name: str, text: str) -> None:
    sys.path.append(_install(tmp_path, "our.dist-1.0.dist-info", f"[things]\n{line}\nplain = json\n"))
    point, plain = entry_points("things")
    assert (point.name, plain.name) == (name, "plain")
    with pytest.raises(ConfigError, match=f"stands for {text!r}, not for module:attribute"):
        point.load()


_RANGES = {
    "as_hatchling": ("Requires-Dist: crossdock<0.2,>=0.1", "<0.2,>=0.1"),
    "with_extras": ("Requires-Dist: crossdock[azure] >=1, <2", ">=1,<2"),
    "old": ("Requires-Dist: Crossdock (>=1,<2)", ">=1,<2"),
    "open": ("Requires-Dist: crossdock", ""),
    "another": ("Requires-Dist: crossdock-shelf<1", ""),
    "in_some_case": ("Requires-Dist: crossdock>=9; extra == 'test'", ""),
    "in_the_text": ("License: x\n\nRequires-Dist: crossdock>=9", ""),
}


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(("field", "expected"), _RANGES.values(), ids=list(_RANGES))
def test_the_versions_that_a_plugin_needs(field: str, expected: str, archived: bool, tmp_path: Path) -> None:
    metadata = f"Metadata-Version: 2.1\nName: our.dist\nVersion: 1.0\n{field}\n"
    _install(tmp_path / "site", "our_dist-1.0.dist-info", TEXT)
    (tmp_path / "site" / "our_dist-1.0.dist-info" / "METADATA").write_text(metadata)
    place = tmp_path / "site"
    if archived:
        place = tmp_path / "site.zip"
        with zipfile.ZipFile(place, "w") as file:
            for each in (tmp_path / "site").rglob("*"):
                file.write(each, each.relative_to(tmp_path / "site"))
    sys.path.append(str(place))
    assert {point.range for point in entry_points("things")} == {expected}
