"""An ExportJob as the API server returned it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ...api.decoding import decode_job
from ...api.job import ExportJob, Submission
from ...kube.client import Raw


@dataclass(frozen=True)
class Loaded:
    """One version of an ExportJob, raw and decoded. Writes test the version of `raw`."""

    raw: Raw
    job: ExportJob

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Raises msgspec.ValidationError when metadata or spec cannot be decoded."""
        return cls(raw, decode_job(raw))

    def is_waiting_for(self, submission: Submission) -> bool:
        """Whether this submission is the job's intent and has no result yet."""
        current = self.job.status.submission
        return (
            current is not None
            and not self.job.status.tasks
            and (current.id, current.intended_time) == (submission.id, submission.intended_time)
        )
