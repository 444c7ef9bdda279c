"""Store settings: which files of a store are read, and how a store is written.

Plain dataclasses, which pydantic validates only where an option is given: its import takes longer than
copying many a file. They are options of every store, beside the connector's own; the words are Data Factory's
``storeSettings`` in snake_case (its own spelling means the same). A connector's own option of the same name
comes first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from ..spi.record import record

CopyBehavior = Literal["PreserveHierarchy", "FlattenHierarchy", "MergeFiles"]
Kept = Literal["Attributes", "ACL", "Owner", "Group"]
Codec = Literal["none", "gzip", "bzip2", "deflate", "zipDeflate", "tar", "tarGZip", "snappy", "lz4"]
LAST_MODIFIED = "$$LASTMODIFIED"


@record
class Read:
    """As pydantic's ``BeforeValidator``: what is given is first read by ``how``, which raises ValueError."""

    how: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic import BeforeValidator

        return BeforeValidator(self.how).__get_pydantic_core_schema__(source, handler)  # type: ignore[arg-type]


def _option(default: Any, description: str, **limits: Any) -> Any:
    """A field as pydantic reads it too."""
    return field(default=default, metadata={"description": description, **limits})


@record
class _Settings:
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    @property
    def needs_tables(self) -> bool:
        """Whether they make no sense for bytes."""
        return False


def _utc(value: Any) -> Any:
    """A time without a zone is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().upper())
        except ValueError as error:
            raise ValueError(f"{error}; write 2024-05-01, or a time as 2024-05-01T12:00:00Z") from None
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Moment = Annotated[datetime, Read(_utc)]


@record
class StoreReadSettings(_Settings):
    """What every store takes as a source."""

    recursive: bool = _option(
        default=True,
        description="Whether files of deeper folders count too. An address with wildcards says it itself",
    )
    wildcard_folder_path: str = _option(
        default="",
        description="Folders below the address, with `*` and `?` within a folder's name; `^` before a "
        "character means that character",
    )
    wildcard_file_name: str = _option(default="", description="Names of files, with the same wildcards")
    prefix: str = _option(
        default="",
        description="What the paths below the address start with; the folders of the prefix are not "
        "repeated at the sink",
    )
    file_list_path: str = _option(
        default="",
        description="A text file in the same store (below the address, or with a leading `/` the whole path "
        "of an address) with one path below the address per line: exactly these are read",
    )
    modified_datetime_start: Moment | None = _option(
        default=None, description="Only files modified then or later; UTC unless the time says otherwise"
    )
    modified_datetime_end: Moment | None = _option(
        default=None, description="Only files modified before then"
    )
    enable_partition_discovery: bool = _option(
        default=False,
        description="Folders named `key=value` become columns of text; for tables, not for bytes",
    )
    partition_root_path: str = _option(
        default="",
        description="The folder whose `key=value` folders count: below the address, or with a leading "
        "`/` the whole path of an address. Default: the address, and the folders of wildcard_folder_path "
        "before its first wildcard, or of the prefix",
    )
    delete_files_after_completion: bool = _option(
        default=False,
        description="Delete each file once its copy is committed and verified; binary copies only. A file "
        "that changed meanwhile is kept, and a folder without such files is no error",
    )
    unpack: Codec = _option(
        default="none",
        description="How the files are compressed that are unpacked; binary copies only. Each file of an "
        "archive (zipDeflate, tar, tarGZip) becomes a file",
    )
    archive_folder: bool = _option(
        default=True,
        description="With unpack: whether the files of an archive go into a folder with its name",
    )
    max_concurrent_connections: int | None = _option(
        default=None, ge=1, description="At most so many workers at once for this side"
    )

    @property
    def needs_tables(self) -> bool:
        return self.enable_partition_discovery

    @property
    def wildcards(self) -> bool:
        return bool(self.wildcard_folder_path or self.wildcard_file_name)

    @property
    def chooses(self) -> str:
        """The first setting that says which files of a folder are meant; empty where none does."""
        ways = ("file_list_path", "prefix", "wildcard_folder_path", "wildcard_file_name")
        return next((way for way in ways if getattr(self, way)), "")

    def within(self, moment: float) -> bool:
        """Whether a file modified then (seconds since 1970) is wanted."""
        start, end = self.modified_datetime_start, self.modified_datetime_end
        return (start is None or moment >= start.timestamp()) and (end is None or moment < end.timestamp())

    def any_time(self) -> StoreReadSettings:
        """The same files, whenever they were modified."""
        return replace(self, modified_datetime_start=None, modified_datetime_end=None)

    def __post_init__(self) -> None:
        start, end = self.modified_datetime_start, self.modified_datetime_end
        if start and end and start >= end:
            raise ValueError("modified_datetime_start is not before modified_datetime_end")
        if self.prefix and self.wildcards:
            raise ValueError("prefix and wildcards exclude each other")
        if self.file_list_path:
            others = ("prefix", "wildcard_folder_path", "wildcard_file_name", "modified_datetime_start")
            for other in (*others, "modified_datetime_end"):
                if getattr(self, other):
                    raise ValueError(f"file_list_path and {other} exclude each other")
            if not self.recursive:
                raise ValueError("file_list_path and recursive=false exclude each other")
        if self.partition_root_path and not self.enable_partition_discovery:
            raise ValueError("partition_root_path needs enable_partition_discovery=true")


@record
class MetadataItem(_Settings):
    """One name and value of an object's own metadata."""

    name: str = field(metadata={"min_length": 1, "description": "The name"})
    value: str = field(
        metadata={"description": "The value; `$$LASTMODIFIED` is when the source file was modified"}
    )


_AS_ITEMS = "write name=value,name=value or a JSON list of objects, each with name and value as texts"


def _items(value: Any) -> Any:
    """``a=1,b=2`` or Data Factory's JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        items = _json(value, _AS_ITEMS)
    else:
        pairs = [item.partition("=") for item in value.split(",") if item.strip()]
        items = [{"name": name.strip(), "value": value} for name, equals, value in pairs if equals]
        if len(items) < len(pairs):
            raise ValueError(_AS_ITEMS)
    for item in items:
        if not isinstance(item, dict) or set(item) != {"name", "value"}:
            raise ValueError(_AS_ITEMS)
    return items


def _words(value: Any) -> Any:
    """``a,b`` or a JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value, "write words with commas between them, or a JSON list of texts")
    return [word.strip() for word in value.split(",") if word.strip()]


def _json(text: str, instead: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(instead) from None


@record
class StoreWriteSettings(_Settings):
    """What every store takes as a sink."""

    copy_behavior: CopyBehavior = _option(
        default="PreserveHierarchy",
        description="PreserveHierarchy keeps the paths below the source folder. FlattenHierarchy writes all "
        "into one folder; `/` in a path becomes `~1` and `~` becomes `~0`, so that no two names meet. "
        "MergeFiles makes one file of all, in the order of the listing: rows of tables, else bytes; it has "
        "the source folder's name unless the sink names one, and cannot be one of them itself",
    )
    max_concurrent_connections: int | None = _option(
        default=None, ge=1, description="At most so many workers at once for this side"
    )
    block_size_in_mb: int | None = _option(
        default=None,
        ge=4,
        le=100,
        description="Size of a block in MiB. An object that needs more blocks of it than the store allows is "
        "refused; with --block-size or without any the blocks of such an object are larger",
    )
    empty_folders: bool = _option(
        default=False,
        description="Whether folders without files are made too; for binary copies of a whole folder between "
        "stores that have folders by themselves",
    )
    max_rows_per_file: int | None = _option(
        default=None,
        ge=1,
        description="Each table becomes files of at most so many rows: `name_00000.csv`, `name_00001.csv`, "
        "in the order of the rows, written by one worker. Files with higher numbers that are there stay",
    )
    file_name_prefix: str = _option(
        default="",
        description="With max_rows_per_file: what the files' names begin with, in place of the table's name",
    )
    file_extension: str = _option(
        default="",
        description="What the names of files end with that are not named, in place of the format's own",
    )
    pack: Codec = _option(
        default="none",
        description="How each file is compressed, or put into an archive of its own; binary copies only",
    )
    pack_level: Literal["Optimal", "Fastest"] = _option(
        default="Optimal", description="With pack: smaller files or less work"
    )
    metadata: Annotated[tuple[MetadataItem, ...], Read(_items)] = _option(
        default=(),
        description="Names and values for each object, where the store has them: `a=1,b=2` or a JSON list; "
        "the value `$$LASTMODIFIED` is when the source file was modified",
    )
    preserve: Annotated[tuple[Kept, ...], Read(_words)] = _option(
        default=(),
        description="What else to take over from the source's files, where both stores have it: Attributes "
        "are metadata, content headers and access tier, or permissions and modification time; and ACL, "
        "Owner, Group, also of folders",
    )

    @property
    def needs_tables(self) -> bool:
        return bool(self.max_rows_per_file or self.file_extension)

    def __post_init__(self) -> None:
        if self.file_name_prefix and not self.max_rows_per_file:
            raise ValueError("file_name_prefix needs max_rows_per_file")
        for text in (self.file_name_prefix, self.file_extension):
            if "/" in text or "\\" in text:
                raise ValueError("file_name_prefix and file_extension are parts of a name, without folders")
        names = [item.name.lower() for item in self.metadata]
        if len(set(names)) < len(names):
            raise ValueError("metadata has a name twice")
        if self.empty_folders and self.copy_behavior != "PreserveHierarchy":
            raise ValueError(f"copy_behavior={self.copy_behavior} keeps no folders")
        if self.copy_behavior == "MergeFiles":
            if self.preserve:
                raise ValueError("a file made of many cannot preserve what each had")
            if any(item.value == LAST_MODIFIED for item in self.metadata):
                raise ValueError(f"a file made of many has no single {LAST_MODIFIED}")


@record
class StagingSettings(_Settings):
    """What every stage takes beside its store's own options; Data Factory's ``stagingSettings``."""

    path: str = _option(default="", description="A folder below the stage's address, in which runs stage")
    enable_compression: bool = _option(
        default=True, description="Whether staged files are compressed; compression=zstd chooses how"
    )

    needs_tables = False


READ_DEFAULTS = StoreReadSettings()
WRITE_DEFAULTS = StoreWriteSettings()
