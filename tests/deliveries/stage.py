"""Plays a delivery: a real HTTP server has its files, and the product reads and judges them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bodies.server import Server
from builders import T0, job, running, target
from reltio_export_operator.api.conditions import find, is_true
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.controllers.jobs.delivery_reader import DeliveryReader
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import Observation
from reltio_export_operator.runtime.network import Network

from .cases import Case, Ending

BUCKET = "acme-mdm-exports"
_KEY = RoleKey(Owner("mdm", "lake"), "arn:aws:iam::111122223333:role/reltio-exporter", None, "us-east-1", (), 3600)


@dataclass(frozen=True)
class Outcome:
    ending: Ending
    message: str
    rules: frozenset[str]  # that the delivery met

    def is_false_alarm(self, case: Case) -> bool:
        """Whether a delivery that arrived failed, or waits although its manifest lists the files."""
        return case.arrived and self.ending in ("failed", "waits") and self.ending not in case.endings

    def is_false_proof(self, case: Case) -> bool:
        return not case.arrived and self.ending == "proved"

    def is_wrong(self, case: Case) -> bool:
        return self.ending not in case.endings or self.is_false_alarm(case) or self.is_false_proof(case)


class Stage:
    def __init__(self, server: Server, s3: Any, pool: ThreadPoolExecutor) -> None:
        self._server, self._s3, self._pool = server, s3, pool

    def play(self, case: Case) -> Outcome:
        subject = job(
            spec={"export": dict(case.export), "delivery": {"verify": case.verify}}, status=running("COMPLETED")
        )
        submission = subject.status.submission
        assert submission is not None
        objects = {submission.path + name: body for name, body in case.files.items()}
        if case.manifest is not None:
            content = case.manifest if isinstance(case.manifest, bytes) else json.dumps(case.manifest).encode()
            objects[submission.path + case.manifest_name] = content
        self._server.objects = objects
        store = ObjectStore(
            RoleSessions(self._pool), AssumedRole(_KEY, self._s3, datetime(2031, 1, 15, 3, 0, tzinfo=UTC)), BUCKET
        )

        async def open_store() -> ObjectStore:
            return store

        delivery = asyncio.run(DeliveryReader(open_store, subject, {}).delivery())
        obs = Observation(job=subject, now=T0, target=target())
        status = results.on_delivery_read(obs, submission, delivery).status
        rules = frozenset(one.rule.name for one in delivery.findings)
        verified, failed = find(status.conditions, "DeliveryVerified"), find(status.conditions, "Failed")
        if failed is not None:
            return Outcome("failed", failed.message, rules)
        if not is_true(status.conditions, "Complete"):
            reconciling = find(status.conditions, "Reconciling")
            return Outcome("waits", reconciling.message if reconciling else "", rules)
        assert verified is not None
        return Outcome("proved" if verified.status == "True" else "open", verified.message, rules)


@contextmanager
def stage() -> Iterator[Stage]:
    with Server({}).running() as server, ThreadPoolExecutor(4) as pool:
        yield Stage(server, server.client(Network(), read_timeout=5), pool)
