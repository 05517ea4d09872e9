"""Pointers and their consumers, unchanged, on a real API server."""

from integration.test_consumers import test_consumers_count_what_the_tenant_holds_after_a_full_run_and_24_windows
from integration.test_latest_pointer import (
    test_a_document_that_was_deleted_is_written_again_from_the_jobs,
    test_a_path_outside_of_the_target_is_refused,
)

__all__ = [
    "test_a_document_that_was_deleted_is_written_again_from_the_jobs",
    "test_a_path_outside_of_the_target_is_refused",
    "test_consumers_count_what_the_tenant_holds_after_a_full_run_and_24_windows",
]
