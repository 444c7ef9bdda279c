"""``storeSettings``: which files are read and how they are written; they are options of every store."""

from __future__ import annotations

import json

from crossdock import AdfComputed, AdfProperties, AdfTranslation, Location

_READ_TEXTS = {
    "wildcardFolderPath": "wildcard_folder_path",
    "wildcardFileName": "wildcard_file_name",
    "prefix": "prefix",
    "modifiedDatetimeStart": "modified_datetime_start",
    "modifiedDatetimeEnd": "modified_datetime_end",
}
# Paths from the container, which is the root of the store.
_READ_PATHS = {"fileListPath": "file_list_path", "partitionRootPath": "partition_root_path"}
_READ_FLAGS = {
    "recursive": "recursive",
    "enablePartitionDiscovery": "enable_partition_discovery",
    "deleteFilesAfterCompletion": "delete_files_after_completion",
}
_BEHAVIORS = {name: name for name in ("PreserveHierarchy", "FlattenHierarchy", "MergeFiles")}


def read_settings(settings: AdfProperties, store: AdfTranslation) -> dict[str, str]:
    """The options. Paths of a list begin at the store's root, or with the name of its container."""
    settings.ignore("type", "disableMetricsCollection")
    options = {option: settings.text(name) for name, option in _READ_TEXTS.items()}
    for name, option in _READ_PATHS.items():
        path = settings.text(name)
        if path and not isinstance(path, AdfComputed):
            below = path.strip("/").removeprefix(f"{store.container}/" if store.container else "")
            options[option] = Location.parse(store.address).path.rstrip("/") + "/" + below
    for name, option in _READ_FLAGS.items():
        if (flag := settings.flag(name)) is not None:
            options[option] = "true" if flag else "false"
    _connections(settings, options)
    # A FileServer's own filter has the same wildcards.
    if (only := settings.text("fileFilter")) and not options["wildcard_file_name"]:
        options["wildcard_file_name"] = only
    return {option: value for option, value in options.items() if value}


def write_settings(settings: AdfProperties) -> dict[str, str]:
    settings.ignore("type", "disableMetricsCollection")
    options = {}
    if behavior := settings.choice("copyBehavior", _BEHAVIORS):
        options["copy_behavior"] = behavior
    if (size := settings.whole("blockSizeInMB")) is not None:
        options["block_size_in_mb"] = str(size)
    metadata = settings.get("metadata")
    if isinstance(metadata, list) and metadata:
        options["metadata"] = json.dumps(metadata)
    _connections(settings, options)
    return options


def file_settings(settings: AdfProperties, *, named: bool) -> dict[str, str]:
    """What a sink's ``formatSettings`` say about its files. ``named``: the dataset names the one file."""
    options = {}
    if most := settings.whole("maxRowsPerFile"):
        options["max_rows_per_file"] = str(most)
    prefix = settings.text("fileNamePrefix")  # of use with that only
    if prefix and most:
        options["file_name_prefix"] = prefix
    if (ending := settings.text("fileExtension")) and not named:
        options["file_extension"] = ending
    return options


def _connections(settings: AdfProperties, options: dict[str, str]) -> None:
    if (most := settings.whole("maxConcurrentConnections")) is not None:
        options["max_concurrent_connections"] = str(most)
