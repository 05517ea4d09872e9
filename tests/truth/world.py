"""The operator on a simulated clock, against the simulator of the Export Service, which shares no code with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from crash.clock import Clock
from crash.world import JOB, SETTINGS, World
from reltio_export_sandbox.reltio import Behaviour, Client, Fault, SimulatorConfig, Tenant
from reltio_export_sandbox.reltio.agenda import Inline
from reltio_export_sandbox.reltio.destinations import Folder
from reltio_export_sandbox.reltio.messages import Answer, Call
from reltio_export_sandbox.reltio.service import ReltioService
from reltio_export_sandbox.reltio.submit import Order

_TICK = 1.0  # seconds between moves of the simulator
_OTHER_CLIENT = {"s3Bucket": "elsewhere", "roleArn": "arn:aws:iam::111122223333:role/other"}


class TruthWorld(World):
    """A world whose service is the simulator, with these switches."""

    def __init__(self, **config: Any) -> None:
        super().__init__(SETTINGS)
        self.simulator = Simulator(self.clock, self.true_time().timestamp(), self.bucket.objects, config)
        self.service = self.simulator  # type: ignore[assignment]
        self.wire._handle = self.simulator.handle
        self.seen: list[str] = []  # reasons of conditions that are true while the job has not ended, in order
        self.kube.listeners.append(self._note)

    def _note(self, plural: str, raw: dict[str, Any]) -> None:
        if plural != "exportjobs":
            return
        for condition in raw.get("status", {}).get("conditions", []):
            seen = f"{condition['type']} {condition['reason']}"
            if condition["status"] == "True" and seen not in self.seen:
                self.seen.append(seen)

    def conditions(self) -> dict[str, dict[str, Any]]:
        """The conditions of the job that are true, by type."""
        listed = (self.job(JOB) or {}).get("status", {}).get("conditions", [])
        return {condition["type"]: condition for condition in listed if condition["status"] == "True"}

    def play(self, *, until: str, within: float) -> None:
        """Run the operator until a condition of this type, or the end of the job, or for so many seconds."""
        ends = {"Complete", "Failed", until}
        listeners = list(self.kube.listeners)
        self.run(lambda: bool(ends & self.conditions().keys()), within=within)
        self.kube.listeners[:] = listeners

    def run(self, until: Any, *, within: float = 0.0, **how: Any) -> Any:
        loop = self.start(**how)
        try:
            self.wait(until, within)
        finally:
            self.kill()
        return loop


class Simulator:
    """The simulator with the time of a world, writing into the bucket of that world."""

    tenant = "acme01"

    def __init__(self, clock: Clock, epoch: float, objects: dict[str, bytes], config: dict[str, Any]) -> None:
        self._clock = clock
        self.refusal = ""  # of the bucket, with which tasks fail
        self._offset = epoch - clock.now
        self.tenants = [Tenant("acme01", entities=600, max_tasks=1000)]
        self.reltio = ReltioService(
            SimulatorConfig(**config),
            tenants=self.tenants,
            clients=[Client("id", "secret")],
            sink=_Sink(objects, lambda: self.refusal),
            executor=Inline(),
            now=epoch,
            seed=1,
        )
        self._tick()

    def handle(self, request: httpx.Request) -> httpx.Response:
        self._catch_up()
        call = Call(
            request.method,
            request.url.path,
            dict(request.url.params),
            {name.lower(): value for name, value in request.headers.items()},
            request.content,
        )
        outcome = self.reltio.exchange(call)
        assert isinstance(outcome, Answer), "disruptions are the business of the wire"
        headers = {"Content-Type": outcome.content_type, **outcome.headers}
        return httpx.Response(outcome.status, headers=headers, content=outcome.content, request=request)

    def behave(self, **behaviour: Any) -> None:
        self.reltio.engine.behaviours.append(Behaviour(**behaviour))

    def fault(self, **fault: Any) -> None:
        """A fault of submissions."""
        self.reltio.faults.append(Fault(method="POST", path="/export/", **fault))

    def others(self, count: int, **behaviour: Any) -> None:
        """Exports of another client in the same tenant."""
        for number in range(count):
            self.reltio.engine.behaviours.insert(0, Behaviour(**behaviour))
            order = Order(
                number=number,
                tenant=self.tenant,
                endpoint="entities",
                export_type="ENTITIES",
                name=f"other-{number}",
                destination={**_OTHER_CLIENT, "s3Path": f"other/{number}"},
                query={},
                body={},
                group_id=self.reltio.engine.new_id(),
            )
            self.reltio.engine.accept(order)

    def exports_of(self, uid: str) -> int:
        """How many exports the service has accepted for this job."""
        return sum(uid in run.order.name for run in self.reltio.engine.runs)

    def _catch_up(self) -> None:
        self.reltio.engine.advance(max(0.0, self._clock.now + self._offset - self.reltio.engine.now))

    def _tick(self) -> None:
        self._catch_up()
        self._clock.after(_TICK, self._tick)


class _Sink:
    """Puts the objects of the operator's bucket into that bucket, and forgets all others."""

    def __init__(self, objects: dict[str, bytes], refusal: Callable[[], str]) -> None:
        self._objects = objects
        self._refusal = refusal

    def open(self, order: Order) -> Folder:
        if refusal := self._refusal():
            raise PermissionError(refusal)
        is_other = order.destination["s3Bucket"] == _OTHER_CLIENT["s3Bucket"]
        return _Folder({} if is_other else self._objects)


class _Folder:
    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def put(self, key: str, body: bytes) -> None:
        self._objects[key] = body

    def get(self, key: str) -> bytes:
        return self._objects[key]

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self._objects if key.startswith(prefix)]
