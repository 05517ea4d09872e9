"""Fills the cache before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api.decoding import decode_job, decode_target
from ...api.meta import JOBS, TARGETS
from ...kube.client import KubeApi
from ..cache import JobCache, Key
from ..unreadable import key_of
from .census import Census


async def fill(
    cache: JobCache, census: Census, kube: KubeApi, namespace: str | None, wake: Callable[[Key], None]
) -> None:
    """List the targets and jobs of a namespace, or of all. An object that cannot be decoded holds up no other one."""
    async for raw in kube.list_objects(TARGETS, namespace):
        try:
            cache.put_target(decode_target(raw))
        except Exception:  # whatever is wrong with it: it is reported when it is reconciled
            cache.put_unreadable_target(key_of(raw))
    async for raw in kube.list_objects(JOBS, namespace):
        if _needs_nothing(raw):
            continue
        try:
            job = decode_job(raw)
            cache.put_job(job)
            census.expect(job)
        except Exception:
            cache.put_unreadable(raw)
            wake(key_of(raw))
            continue
        if not job.is_finished:
            wake(job.metadata.key)  # also in case it is deleted before the watch starts


def _needs_nothing(raw: dict[str, Any]) -> bool:
    """Whether the job has ended without a finalizer. Most have, and decoding them takes most of the time of a start."""
    if raw["metadata"].get("finalizers"):
        return False
    status = raw.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return isinstance(conditions, list) and any(
        isinstance(one, dict) and one.get("status") == "True" and one.get("type") in ("Complete", "Failed")
        for one in conditions
    )
