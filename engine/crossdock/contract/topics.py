"""What each check is about. Reports have it as the property ``topic``."""

from __future__ import annotations

from fnmatch import fnmatchcase

# By topic, patterns of its checks; the first topic that has one is it.
_PATTERNS = {
    "types": ("types", "typed", "column_types*", "dictionaries_*", "round_trip"),
    "names": ("column_names", "table_names", "paths", "hostile_paths_*", "list_stays_inside"),
    "secrets": ("spec_secrets", "secrets_*"),
    "errors": (
        "driver_errors_*", "error_names_*", "error_of_*", "spec_classify_*", "garbage", "missing_*",
        "nothing_there", "damaged_*", "file_ends_*", "file_lost_*", "change_while_*",
        "pinned_version_that_*",
    ),
    "spec": ("spec_*", "exemptions_*"),
    "cancellation": ("cancel*",),
    "sizes": (
        "large", "empty_*", "one_row", "no_rows", "no_parts", "no_splits_*", "parts_without_*",
        "zero_blocks_*", "read_empty_*", "commit_of_an_empty_*", "block_limits", "block_count",
        "*_without_a_match_*",
    ),
    "resume": (
        "*in_another_process", "*survives_a_resume", "a_lost_handle_*", "run_of_an_object_*",
        "committed_*", "asked_*", "abandon_*", "a_run_is_cleaned_*",
    ),
    "retry": (
        "retry_*", "zombie_*", "two_attempts_*", "earlier_attempt_*", "attempts_of_*",
        "split_is_read_twice", "split_after_*", "block_written_twice", "parts_are_repeatable",
    ),
    "abort": ("abort*", "cleanup_*", "disturbed_*"),
    "commit": (
        "commit*", "nothing_is_visible_*", "old_content_*", "overwrite_is_*", "only_named_*",
        "blocks_appear_*", "guard_*", "two_runs_*", "two_units_*", "order_of_*", "concurrent_*",
    ),
    "capabilities": (
        "abilities", "declared_*", "undeclared_*", "read_back", "browse*", "reached", "bulk_load*",
        "attributes*", "folder*", "facts", "fetchable", "script*", "values_of_*", "rows_*", "read_skipping",
        "range_copier", "whole_writer", "parts_join*", "error_refuses_*", "overwrite_*", "append_*",
        "check_*", "notes", "delete_version",
    ),
    "units": ("units_*", "list_*", "is_folder", "stat", "etag_*"),
    "plan": ("plan_*", "pieces_*", "schema_*"),
    "write": ("upload", "block*", "write*", "batches_*", "delete", "sink_closes_*"),
    "read": (
        "read*", "source_closes_*", "splits_are_read_*", "pinned_version_is_*", "close_twice",
        "several_threads",
    ),
}  # fmt: skip
TOPICS = tuple(_PATTERNS)


def topic_of(check: str) -> str:
    """The topic of ``test_x`` or ``test_x[case]``; "" for one that is not the kit's."""
    name = check.partition("[")[0].removeprefix("test_")
    return next(
        (topic for topic, known in _PATTERNS.items() if any(fnmatchcase(name, each) for each in known)), ""
    )
