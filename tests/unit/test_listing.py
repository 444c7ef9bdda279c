"""Which objects a source means: one, a folder, a wildcard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossdock import ConfigError, NotFoundError, ObjectInfo, Unit
from crossdock.files.filters import chosen
from crossdock.files.listing import Selection, info_of, pattern_regex, split_wildcard, version
from crossdock.files.settings import StoreReadSettings
from crossdock_connectors.stores.file_store import FileStore


@pytest.mark.parametrize(
    ("path", "folder", "pattern"),
    [
        ("data/2024/*.csv", "data/2024", "*.csv"),
        ("data/*/x.csv", "data", "*/x.csv"),
        ("*.csv", "", "*.csv"),
        ("/*.csv", "/", "*.csv"),
        ("/data/**", "/data", "**"),
        ("data/a?.csv", "data", "a?.csv"),
        ("data/[ab].csv", "data", "[ab].csv"),
        ("data/plain.csv", "data/plain.csv", ""),
        ("data/", "data/", ""),
        ("", "", ""),
        ("/", "/", ""),
    ],
)
def test_split_wildcard(path: str, folder: str, pattern: str) -> None:
    assert split_wildcard(path) == (folder, pattern)


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.csv", ["a.csv", ".csv", "a b.csv", "new\nline.csv"], ["a.csvx", "d/a.csv", "a_csv"]),
        ("**/*.csv", ["a.csv", "d/a.csv", "d/e/a.csv"], ["a.txt", "d/a.csv/b"]),
        ("**", ["a", "d/e/f", ""], []),
        ("d/**", ["d/a", "d/e/f"], ["e/a", "d"]),
        ("d/**/f", ["d/f", "d/e/f", "d/e/e/f"], ["f", "df", "d/ef"]),
        ("?", ["a", "龜"], ["", "ab", "/"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x", "-x"]),
        ("[!a-c]x", ["dx", "-x"], ["ax", "/x", "x"]),
        ("[abc-]x", ["ax", "-x"], ["dx"]),
        ("[]a]x", ["]x", "ax"], ["bx"]),
        ("[[]x", ["[x"], ["x", "ax"]),
        ("[^a]x", ["^x", "ax"], ["bx"]),
        ("[a&&b]", ["a", "&", "b"], ["c"]),
        ("[\\]x", ["\\x"], ["x"]),
        ("a[b", ["a[b"], ["ab"]),
        ("x/[a/b]", [], ["x//"]),
        ("a.b+(c)|d", ["a.b+(c)|d"], ["aXb+(c)|d", "d"]),
    ],
)
def test_patterns(pattern: str, matches: list[str], others: list[str]) -> None:
    found = pattern_regex(pattern)
    assert [path for path in matches if not found.fullmatch(path)] == []
    assert [path for path in others if found.fullmatch(path)] == []


def test_a_range_that_is_backwards() -> None:
    with pytest.raises(ConfigError, match="has the range z-a, which is backwards"):
        pattern_regex("x[z-a]")


@given(st.text(), st.text())
def test_any_text_is_a_pattern(text: str, path: str) -> None:
    """Nothing in it is taken for a part of a regular expression."""
    backwards = re.search(r"\[.*-", text, re.DOTALL)
    if not backwards:
        pattern_regex(text).fullmatch(path)


def plain(pattern: str) -> str:
    """The same wildcards as an ordinary regular expression, which may try everything many times."""
    words = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(word, re.escape(word)) for word in words)


@given(st.text("ab*?/", max_size=10), st.text("ab/", max_size=12))
@example("*ab*b", "aabab")
@example("a*/*b*/a", "a/bb/a")
def test_stars_find_whatever_is_there(pattern: str, path: str) -> None:
    assert bool(pattern_regex(pattern).fullmatch(path)) == bool(re.fullmatch(plain(pattern), path))
    once = re.sub(r"\*+", "*", pattern).strip("/")
    settings = StoreReadSettings(wildcard_folder_path=once, recursive=False)
    expected = f"{plain(once)}/[^/]+" if once else "[^/]+"
    assert bool(chosen(settings).fullmatch(path)) == bool(re.fullmatch(expected, path))


@pytest.mark.timeout(20)
def test_many_stars_take_no_longer() -> None:
    path = "a" * 250
    assert not pattern_regex("*a" * 12 + "b").fullmatch(path)
    assert not chosen(StoreReadSettings(wildcard_file_name="*a" * 12 + "b")).fullmatch(path)


@given(st.text(st.characters(exclude_characters="*?[")))
def test_a_text_without_wildcards_means_itself(text: str) -> None:
    assert pattern_regex(text).pattern == re.escape(text)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    for name in ("a.csv", "b.csv", "c.txt", "d/e.csv", "d/f/g.csv", "h.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return FileStore(str(tmp_path))


def names(selection: Selection, after: str | None = None) -> list[str]:
    return [info.path for page in selection.pages(after) for info in page]


class TestSelection:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("", ["a.csv", "b.csv", "c.txt", "d/e.csv", "d/f/g.csv", "h.csv"]),
            ("*.csv", ["a.csv", "b.csv", "h.csv"]),
            ("**/*.csv", ["a.csv", "b.csv", "d/e.csv", "d/f/g.csv", "h.csv"]),
            ("d/*", ["d/e.csv"]),
            ("d/**", ["d/e.csv", "d/f/g.csv"]),
            ("[bc].*", ["b.csv", "c.txt"]),
        ],
    )
    def test_wildcards(self, store: FileStore, pattern: str, expected: list[str]) -> None:
        assert names(Selection(store, "here", pattern=pattern)) == expected

    def test_behind_a_cursor(self, store: FileStore) -> None:
        selection = Selection(store, "here", pattern="**/*.csv")
        assert names(selection, "b.csv") == ["d/e.csv", "d/f/g.csv", "h.csv"]
        assert names(selection, "h.csv") == [], "nothing behind the last is no error"

    def test_units_go_on_behind_every_cursor(self, store: FileStore) -> None:
        selection = Selection(store, "here", pattern="*.csv")
        (page,) = selection.units(None)
        assert [unit.name for unit in page.units] == ["a.csv", "b.csv", "h.csv"]
        assert page.cursor is not None
        assert list(selection.units(page.cursor)) == []

    def test_one_object(self, store: FileStore) -> None:
        selection = Selection(store, "here", name="d/e.csv")
        assert names(selection) == ["d/e.csv"]
        assert names(selection, "d/e.csv") == []
        with pytest.raises(NotFoundError):
            names(Selection(store, "here", name="gone"))

    def test_nothing_matches(self, store: FileStore) -> None:
        with pytest.raises(NotFoundError, match=r"no file matches data/\*\.xml"):
            names(Selection(store, "data/*.xml", pattern="*.xml"))

    def test_no_more_than_needed_is_listed(self, store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        listing = FileStore.list

        def listed(self: FileStore, prefix: str = "", after: str | None = None) -> object:
            asked.append(prefix)
            return listing(self, prefix, after)

        monkeypatch.setattr(FileStore, "list", listed)
        assert names(Selection(store, "here", pattern="d/f/*.csv")) == ["d/f/g.csv"]
        assert asked == ["d/f/"]


@pytest.mark.parametrize("etag", ["", "a b", "10-ff-0"])
def test_a_unit_pins_its_version(etag: str) -> None:
    info = ObjectInfo("d/e", 17, etag, 1700000000.123456)
    assert info_of(Unit(info.path, info.size, version(info))) == info
