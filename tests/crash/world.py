"""Everything around one operator process, and the process itself, which may die and be started again."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.gate import SubmissionGate
from reltio_export_operator.controllers.manager import Manager
from reltio_export_operator.runtime.settings import Settings
from reltio_export_sandbox.reltio.agenda import Inline

from .bucket import Bucket
from .clock import START, Clock, MortalLoop
from .kube import MemoryKube, Raw
from .service import Service
from .wire import Wire

NAMESPACE, TARGET, JOB = "mdm", "lake", "nightly"
HORIZON = 3 * 3600.0  # seconds of the world's time after which a job that has not ended counts as stuck
DELIVERED = {"Complete": "Delivered", "DeliveryVerified": "FilesVerified"}  # conditions of a job that ended well
SETTINGS = Settings(
    poll_interval_seconds=5,
    progress_interval_seconds=10,
    workers=4,
    leader_elect=False,
    reltio_hosts=("reltio.test",),
    insecure_hosts=("reltio.test",),
)


class World:
    """The API server, the service, the bucket and the time they share."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.clock = Clock()
        self.skew = timedelta()  # of the operator's wall clock
        self.kube = MemoryKube(self.clock, self.true_time)
        self.bucket = Bucket(self.true_time)
        self.service = Service(self.clock, self.bucket.objects)
        self.wire = Wire(self.clock, self.service.handle)
        self.expecting = False  # whether users have yet to do what the end of the story needs
        self.first_uid = ""
        self.ancestors: list[str] = []  # uids of objects from which the job was restored
        self.gate = SubmissionGate()
        self._watching = True
        self.lag = 0.0  # of the watch, in seconds
        self._managers: list[Manager] = []
        self._loop: MortalLoop | None = None
        self._processes: list[asyncio.Task[None]] = []
        self._watching_task: asyncio.Task[None] | None = None
        self._buried: list[object] = []

    def true_time(self) -> datetime:
        return START + timedelta(seconds=self.clock.now)

    def wall_clock(self) -> datetime:
        return self.true_time() + self.skew

    # -- users

    def furnish(self) -> None:
        """A Secret and a target that needs no verification."""
        self.kube.secrets[NAMESPACE, "reltio-api"] = {"clientID": "id", "clientSecret": "secret"}
        self.kube.user_create(
            "exporttargets",
            NAMESPACE,
            TARGET,
            {
                "reltio": {
                    "exportServiceURL": "https://reltio.test/jobs",
                    "authURL": "https://reltio.test/oauth/token",
                    "tenant": self.service.tenant,
                    "credentialsSecretRef": {"name": "reltio-api"},
                },
                "s3": {
                    "bucket": "acme-mdm-exports",
                    "path": "/out/",
                    "roleARN": "arn:aws:iam::111122223333:role/exporter",
                },
                "verification": {"mode": "Disabled"},
            },
        )

    def submit_job(self, name: str = JOB, **spec: Any) -> Raw:
        raw = self.kube.user_create(
            "exportjobs", NAMESPACE, name, {"targetRef": {"name": TARGET}, "export": {"type": "Entities"}, **spec}
        )
        self.first_uid = self.first_uid or raw["metadata"]["uid"]
        return raw

    def job(self, name: str = JOB) -> Raw | None:
        return self.kube.objects.get(("exportjobs", NAMESPACE, name))

    def edit_job(self, change: Raw, name: str = JOB) -> None:
        if self.job(name) is not None:
            self.kube.change("exportjobs", NAMESPACE, name, change)

    def forget_job(self, name: str = JOB) -> None:
        """The object is gone at once, as when a cluster is lost."""
        self.kube.lose("exportjobs", NAMESPACE, name)

    def delete_job(self, name: str = JOB) -> None:
        if self.job(name) is not None:
            self.kube.user_delete("exportjobs", NAMESPACE, name)

    def cut_watch(self, seconds: float) -> None:
        """The operator hears of nothing for a while; then it lists everything again, as kopf does."""
        self._watching = False

        def reconnect() -> None:
            self._watching = True
            for manager in self._managers:
                self._list(manager)

        self.clock.after(seconds, reconnect)

    def rest(self, seconds: float) -> None:
        """No operator runs for this long; the rest of the world does."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.advance(until)

    # -- the operator

    def start(self, *, operators: int = 1, spacing: float = 0.0, **loop_options: Any) -> MortalLoop:
        """Start operators, as processes would be; they work whenever time passes."""
        self.gate = SubmissionGate()
        self._loop = loop = MortalLoop(self.clock, **loop_options)
        with _current(loop):
            self._processes = [loop.create_task(self._operate(number * spacing)) for number in range(operators)]
        return loop

    def wait(self, until: Callable[[], bool], within: float = HORIZON) -> None:
        """Let time pass until this holds, or for so many seconds. Raises Killed, and Stalled when nothing is left."""
        assert self._loop is not None
        with _current(self._loop):
            self._watching_task = self._loop.create_task(self._watch(until, self.clock.now + within))
            self._loop.run_until_complete(self._watching_task)

    def kill(self) -> None:
        """Nothing of the processes may run again, not even what cleans up after them."""
        if self._loop is None:
            return
        self.kube.listeners.clear()
        self._managers.clear()
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            self._buried.append(task)
            coroutine: Any = task.get_coro()
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()  # it was never to run
        self._loop.die()
        self._loop = None

    def run(self, until: Callable[[], bool], **how: Any) -> MortalLoop:
        """Start, wait until this holds, and kill."""
        loop = self.start(**how)
        try:
            self.wait(until)
        finally:
            self.kill()
        return loop

    async def _watch(self, until: Callable[[], bool], horizon: float) -> None:
        changed = asyncio.Event()
        listener: Callable[[str, Raw], None] = lambda *_: changed.set()  # noqa: E731
        self.kube.listeners.append(listener)
        while not until() and self.clock.now < horizon:
            changed.clear()
            try:
                await asyncio.wait_for(changed.wait(), min(30.0, horizon - self.clock.now))
            except TimeoutError:
                continue
        self.kube.listeners.remove(listener)

    async def _operate(self, later: float) -> None:
        await asyncio.sleep(later)
        async with httpx.AsyncClient(transport=self.wire) as http:
            sessions = RoleSessions(Inline(), new_session=lambda: self.bucket, clock=TrueClock(self))  # type: ignore[arg-type, return-value]
            manager = Manager(
                self.settings,
                self.kube,
                http,
                sessions,
                gate=self.gate,
                clock=OperatorClock(self),
            )
            self._managers.append(manager)
            self.kube.listeners.append(lambda plural, raw: self._heard(manager, plural, raw))
            self._list(manager)
            await manager.run()

    def _heard(self, manager: Manager, plural: str, raw: Raw) -> None:
        """An event of the watch, which is late by `lag`."""
        if not self._watching:
            return
        if self.lag:
            self.clock.after(self.lag, lambda: self._show(manager, plural, raw) if manager in self._managers else None)
        else:
            self._show(manager, plural, raw)

    def _show(self, manager: Manager, plural: str, raw: Raw) -> None:
        key = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        current = self.kube.objects.get((plural, *key))
        deleted = current is None or current["metadata"]["uid"] != raw["metadata"]["uid"]
        if plural == "exporttargets":
            manager.targets.add(key)
        elif manager.known.noticed(raw, deleted=deleted) and Manager.needs_reconcile(raw):
            manager.jobs.add(key)

    def _list(self, manager: Manager) -> None:
        """What kopf lists reaches the handlers, whether it is known or not."""
        manager.known.list_begins(None)
        for (plural, *key), raw in list(self.kube.objects.items()):
            if plural == "exporttargets":
                manager.targets.add((key[0], key[1]))
                continue
            manager.known.noticed(raw)
            if Manager.needs_reconcile(raw):
                manager.jobs.add((key[0], key[1]))
        manager.known.list_ends(None)


@contextmanager
def _current(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)


@contextmanager
def quiet() -> Iterator[None]:
    """No log output of all those lives."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)


class TrueClock:
    """The time of the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def utc_now(self) -> datetime:
        return self._world.true_time()

    def monotonic(self) -> float:
        return self._world.clock.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class OperatorClock(TrueClock):
    """The same, with the wall clock of the operator's machine."""

    def utc_now(self) -> datetime:
        return self._world.wall_clock()
