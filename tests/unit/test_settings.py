"""The store settings by themselves: their values, the wildcards, names and partitions that they mean."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crossdock
from crossdock.files import filters
from crossdock.files.names import LONGEST, flattened
from crossdock.files.partitions import Partitions, with_keys, without_keys
from crossdock.files.selecting import rooted
from crossdock.files.settings import StoreReadSettings, StoreWriteSettings
from crossdock.request import validate_options


def read(**options: str) -> StoreReadSettings:
    found: StoreReadSettings = validate_options(StoreReadSettings, options, "file")
    return found


def write(**options: str) -> StoreWriteSettings:
    found: StoreWriteSettings = validate_options(StoreWriteSettings, options, "file")
    return found


class TestValues:
    def test_defaults_are_data_factorys(self) -> None:
        settings = read()
        assert (settings.recursive, settings.delete_files_after_completion) == (True, False)
        assert (settings.enable_partition_discovery, settings.chooses) == (False, "")
        assert write().copy_behavior == "PreserveHierarchy"

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2024-05-01", 1714521600),
            ("2024-05-01T12:00:00", 1714564800),
            ("2024-05-01T12:00:00Z", 1714564800),
            ("2024-05-01T14:00:00+02:00", 1714564800),
            ("2024-05-01t12:00:00.0000000z", 1714564800),
        ],
    )
    def test_times_are_utc(self, text: str, seconds: int) -> None:
        settings = read(modified_datetime_start=text)
        assert settings.within(seconds)
        assert not settings.within(seconds - 0.001)
        settings = read(modified_datetime_end=text)
        assert settings.within(seconds - 0.001)
        assert not settings.within(seconds)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"modified_datetime_start": "yesterday"}, "modified_datetime_start .* write 2024-05-01"),
            ({"modified_datetime_end": "2024-02-30"}, "day .* write 2024-05-01"),
            ({"modified_datetime_start": "2024-02-01", "modified_datetime_end": "2024-02-01"}, "not before"),
            ({"prefix": "a", "wildcard_file_name": "*"}, "exclude each other"),
            ({"file_list_path": "l", "prefix": "a"}, "file_list_path and prefix"),
            ({"file_list_path": "l", "recursive": "false"}, "recursive=false"),
            ({"file_list_path": "l", "modified_datetime_end": "2024-02-01"}, "modified_datetime_end"),
            ({"partition_root_path": "a"}, "enable_partition_discovery"),
            ({"max_concurrent_connections": "0"}, "max_concurrent_connections"),
        ],
    )
    def test_refused_at_the_source(self, options: dict[str, str], said: str) -> None:
        with pytest.raises(crossdock.ConfigError, match=said):
            read(**options)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"copy_behavior": "Merge"}, "copy_behavior"),
            ({"metadata": "novalue"}, "name=value"),
            ({"metadata": "a=1,A=2"}, "twice"),
            ({"metadata": "[{]"}, "metadata is not valid: write name=value"),
            ({"metadata": '[{"name":"a"}]'}, "metadata is not valid: write name=value"),
            ({"metadata": "[1]"}, "metadata is not valid: write name=value"),
            ({"metadata": '[{"name":"a","value":1}]'}, "valid string"),
            ({"preserve": '["Attributes"'}, "preserve is not valid: write words"),
            ({"preserve": '["Everything"]'}, "preserve"),
            ({"metadata": "=1"}, "metadata"),
            ({"preserve": "Everything"}, "preserve"),
            ({"preserve": "Attributes", "copy_behavior": "MergeFiles"}, "made of many"),
            ({"metadata": "a=$$LASTMODIFIED", "copy_behavior": "MergeFiles"}, "made of many"),
        ],
    )
    def test_refused_at_the_sink(self, options: dict[str, str], said: str) -> None:
        with pytest.raises(crossdock.ConfigError, match=said):
            write(**options)

    @pytest.mark.parametrize("text", ["a=1,b=x=y", '[{"name":"a","value":"1"},{"name":"b","value":"x=y"}]'])
    def test_metadata_as_text_and_as_json(self, text: str) -> None:
        assert [(i.name, i.value) for i in write(metadata=text).metadata] == [("a", "1"), ("b", "x=y")]

    @pytest.mark.parametrize("text", ["Attributes, ACL", '["Attributes","ACL"]'])
    def test_preserve_as_words_and_as_json(self, text: str) -> None:
        assert write(preserve=text).preserve == ("Attributes", "ACL")


FILES = ["a.csv", "b.txt", "x/a.csv", "x/b.txt", "x/y/a.csv", "xy/a.csv", "x*/a.csv", "x^/a.csv"]


class TestChosen:
    @pytest.mark.parametrize(
        ("options", "wanted"),
        [
            ({}, FILES),
            ({"recursive": "false"}, ["a.csv", "b.txt"]),
            ({"wildcard_file_name": "*.csv"}, [f for f in FILES if f.endswith(".csv")]),
            ({"wildcard_file_name": "?.csv", "recursive": "false"}, ["a.csv"]),
            ({"wildcard_folder_path": "x"}, ["x/a.csv", "x/b.txt", "x/y/a.csv"]),
            ({"wildcard_folder_path": "x", "recursive": "false"}, ["x/a.csv", "x/b.txt"]),
            ({"wildcard_folder_path": "x?", "recursive": "false"}, ["xy/a.csv", "x*/a.csv", "x^/a.csv"]),
            ({"wildcard_folder_path": "x^*"}, ["x*/a.csv"]),
            ({"wildcard_folder_path": "x^^"}, ["x^/a.csv"]),
            ({"wildcard_folder_path": "*/y/", "wildcard_file_name": "a*"}, ["x/y/a.csv"]),
            ({"prefix": "x"}, [f for f in FILES if f.startswith("x")]),
            ({"prefix": "b", "recursive": "false"}, ["b.txt"]),
        ],
    )
    def test_files(self, options: dict[str, str], wanted: list[str]) -> None:
        settings = read(**options)
        found = [f for f in FILES if filters.chosen(settings).fullmatch(f)]
        assert found == wanted
        assert all(f.startswith(filters.prefix_of(settings)) for f in found)

    def test_the_store_lists_no_more_than_needed(self) -> None:
        assert filters.prefix_of(read(wildcard_folder_path="2024/0*")) == "2024/0"
        assert filters.prefix_of(read(wildcard_folder_path="2024^*")) == "2024*/"
        assert filters.prefix_of(read(wildcard_file_name="ab*", recursive="false")) == "ab"
        assert filters.prefix_of(read(wildcard_file_name="ab*")) == ""

    @pytest.mark.parametrize(
        "options",
        [
            {"wildcard_file_name": "a/*"},
            {"wildcard_folder_path": "a^"},
            {"wildcard_folder_path": "../*"},
            {"prefix": "../a"},
            {"prefix": "a/../../b"},
            {"prefix": "./a"},
        ],
    )
    def test_wildcards_that_mean_nothing(self, options: dict[str, str]) -> None:
        with pytest.raises(crossdock.ConfigError):
            filters.check(read(**options))

    def test_a_pair_of_escapes_is_fine(self) -> None:
        filters.check(read(wildcard_folder_path="a^^"))

    def test_folders_of_a_prefix_belong_to_the_root(self) -> None:
        discovering = {"enable_partition_discovery": "true", "partition_root_path": "c"}
        path, settings = rooted("/data/", read(prefix="a/b/x", **discovering))
        assert (path, settings.prefix, settings.partition_root_path) == ("/data/a/b", "x", "/data/c")
        assert rooted("/data", read(prefix="x"))[0] == "/data"
        for prefix in ("/x", "//x"):
            path, settings = rooted("/data", read(prefix=prefix))
            assert (path, settings.prefix) == ("/data", "x")
        assert rooted("/data", read(prefix="a/."))[1].prefix == "."


class TestFlattened:
    def test_names(self) -> None:
        assert flattened("a.csv") == "a.csv"
        assert flattened("a/b/c.csv") == "a~1b~1c.csv"
        assert flattened("a~1b.csv") == "a~01b.csv"

    @given(st.text("ab/~01", max_size=12), st.text("ab/~01", max_size=12))
    def test_no_two_meet(self, one: str, other: str) -> None:
        assert "/" not in flattened(one)
        assert (flattened(one) == flattened(other)) == (one == other)

    def test_long_ones_are_cut_and_differ(self) -> None:
        folder = "folder/" * 60
        names = {flattened(f"{folder}{end}.csv") for end in ("a", "b", "\udcff", "龜")}
        names.add(flattened(f"other/{folder}a.csv"))
        assert len(names) == 5
        for name in names:
            assert len(name.encode(errors="surrogateescape")) <= LONGEST
            assert name.endswith(".csv")


class TestPartitions:
    def test_keys(self) -> None:
        keys = Partitions().of(
            "year=2024/x/month=01/city=S%C3%A3o%20Paulo/z=__HIVE_DEFAULT_PARTITION__/e=/f=1.csv"
        )
        assert keys == {"year": "2024", "month": "01", "city": "São Paulo", "z": None, "e": ""}

    @pytest.mark.parametrize(
        ("root", "given_root", "keys"),
        [
            ("/data/a=0", "", {"b": "1", "c": "2"}),
            ("/data/a=0", "/data", {"a": "0", "b": "1", "c": "2"}),
            ("/data/a=0/", "/", {"a": "0", "b": "1", "c": "2"}),
            ("/data/a=0", "/data/a=0/", {"b": "1", "c": "2"}),
            ("/data/a=0", "/data/a=0/b=1", {"c": "2"}),
            ("/data/a=0", "b=1", {"c": "2"}),
        ],
    )
    def test_roots(self, root: str, given_root: str, keys: dict[str, str]) -> None:
        assert Partitions.between(root, given_root).of("b=1/c=2/f.csv") == keys

    def test_a_root_elsewhere(self) -> None:
        with pytest.raises(crossdock.ConfigError, match="neither above nor below"):
            Partitions.between("/data/a", "/data/ab")
        with pytest.raises(crossdock.ConfigError, match="not below the partition root"):
            Partitions(below="x").of("y/f.csv")

    def test_columns_are_added_and_taken_away(self) -> None:
        schema = pa.schema([("id", pa.int64())], {"k": "v"})
        partitions = Partitions()
        extended = partitions.extend(schema, "a=1/b=__HIVE_DEFAULT_PARTITION__/f")
        assert extended == pa.schema([("id", pa.int64()), ("a", pa.string()), ("b", pa.string())])
        keys = partitions.of("a=1/b=__HIVE_DEFAULT_PARTITION__/f")
        assert without_keys(extended, keys).equals(schema, check_metadata=True)
        batch = with_keys(pa.record_batch([pa.array([1, 2])], schema=schema), keys)
        assert batch.to_pylist() == [{"id": n, "a": "1", "b": None} for n in (1, 2)]
        with pytest.raises(crossdock.SchemaMismatchError, match="id"):
            partitions.extend(schema, "id=1/f")

    @pytest.mark.parametrize(
        ("path", "keys"),
        [
            ("a=%FF/f", {"a": "%FF"}),
            ("a%=b%/f", {"a%": "b%"}),
            ("a=+%2B/f", {"a": "++"}),
            ("=v/a=1/f", {"a": "1"}),
        ],
    )
    def test_what_cannot_be_decoded_stays(self, path: str, keys: dict[str, str]) -> None:
        assert Partitions().of(path) == keys

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("a=1/b=2/a=3/f", "two folders named a="),
            ("a=1/%61=3/f", "two folders named a="),
            ("a=\udcff/f", "not UTF-8"),
            ("\udcff=1/f", "not UTF-8"),
        ],
    )
    def test_what_cannot_be_a_column(self, path: str, said: str) -> None:
        with pytest.raises(crossdock.ConfigError, match=said):
            Partitions().of(path)

    @pytest.mark.parametrize("keys", [{"b": "1", "a": "2"}, {"a": "1", "c": "2"}, {"a": "1"}])
    def test_other_keys_than_the_schema_has(self, keys: dict[str, str | None]) -> None:
        schema = pa.schema([("id", pa.int64()), ("a", pa.string()), ("b", pa.string())])
        with pytest.raises(crossdock.SchemaMismatchError, match="other partition columns"):
            without_keys(schema, keys)
