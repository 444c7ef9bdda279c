"""StoreContract: what every ObjectStore must do."""

from __future__ import annotations

from .browsing import StoreBrowseChecks
from .secrets_kept import StoreSecretChecks
from .store_attributes import AttributeChecks
from .store_commit import CommitChecks
from .store_facts import FactChecks
from .store_reading import ReadingChecks
from .store_resume import ResumeChecks
from .store_upload import UploadChecks


class StoreContract(
    ReadingChecks,
    UploadChecks,
    CommitChecks,
    ResumeChecks,
    AttributeChecks,
    StoreBrowseChecks,
    FactChecks,
    StoreSecretChecks,
):
    """All checks of a store. Override the fixture ``url``; ``inventory`` and ``change`` where you can."""
