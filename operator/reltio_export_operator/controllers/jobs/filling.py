"""Fills the cache before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable

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
