"""The simulator without sockets, threads, AWS or a running clock: an httpx transport for tests.

    reltio = InProcessReltio(tenants=[Tenant("acme01", entities=10)], clients=[Client("id", "secret")])
    async with reltio.client() as http:
        tokens = TokenSource(reltio.auth_url, "id", "secret", http=http, clock=clock)
        client = ReltioClient(reltio.export_service_url, "acme01", tokens, http=http, clock=clock)
        await client.submit(...)
        reltio.advance(60)                       # simulated seconds: the export runs, its files are written
        assert reltio.accepted_by_name == {"nightly": 1}
        reltio.objects["bucket", "path/manifest.json"]

It is the service of the HTTP server, with the same handlers and errors, and all of it deterministic: time stands
still but in `advance`, and ids come from a seed. Files are kept in `objects`, or go to the `sink` that is given.

Faults: `reltio.faults.append(Fault(method="POST", path="/export/", when="after", close=True))`, as on the server; a
hang is a read timeout at once. For all else there are hooks. Those of `before` are called with each request before
it has an effect, those of `after` once it had; each may return an Answer to be given instead, or raise whatever the
caller is to meet, the death of the caller included.

Odd exports: `reltio.behaviours.append(Behaviour(no_manifest=True))` is taken by the next export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

import httpx

from .agenda import Inline
from .behaviour import Behaviour
from .config import Client, SimulatorConfig, Tenant
from .destinations import MemorySink, ObjectSink
from .engine import Engine
from .faults import Fault
from .messages import Answer, Call, Disruption, Outcome
from .service import ReltioService
from .submit import Order

START = 1_900_000_000.0  # simulated seconds since the epoch

Before = Callable[[Call], Answer | None]
After = Callable[[Call, Outcome], Answer | None]


class InProcessReltio(httpx.AsyncBaseTransport):
    """A Reltio of one's own, a millisecond away. The module says how to use it."""

    auth_url = "http://reltio.test/oauth/token"
    export_service_url = "http://reltio.test/jobs"

    def __init__(
        self,
        *,
        tenants: Sequence[Tenant] = (Tenant("acme01", entities=10),),
        clients: Sequence[Client] = (Client("client", "secret"),),
        config: SimulatorConfig | None = None,
        sink: ObjectSink | None = None,
        seed: int = 0,
    ) -> None:
        memory = MemorySink()
        self.objects = memory.objects
        self.before: list[Before] = []
        self.after: list[After] = []
        self.service = ReltioService(
            config or SimulatorConfig(),
            tenants=tenants,
            clients=clients,
            sink=sink or memory,
            executor=Inline(),
            now=START,
            seed=seed,
        )

    @property
    def engine(self) -> Engine:
        return self.service.engine

    @property
    def faults(self) -> list[Fault]:
        return self.service.faults

    @property
    def behaviours(self) -> list[Behaviour]:
        return self.service.engine.behaviours

    @property
    def accepted(self) -> list[Order]:
        """Every export that the service has accepted, whether or not the answer arrived."""
        return [run.order for run in self.engine.runs]

    @property
    def accepted_by_name(self) -> Counter[str]:
        return Counter(order.name for order in self.accepted)

    def clock(self) -> float:
        """Simulated seconds since the epoch."""
        return self.engine.now

    def advance(self, seconds: float) -> None:
        """Let simulated time pass, with everything that happens in it."""
        self.engine.advance(seconds)

    def client(self) -> httpx.AsyncClient:
        """A client whose every request comes here."""
        return httpx.AsyncClient(transport=self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = Call(
            request.method,
            request.url.path,
            dict(parse_qsl(request.url.query.decode(), keep_blank_values=True)),
            {name.lower(): value for name, value in request.headers.items()},
            await request.aread(),
        )
        return _response(self._exchange(call), request)

    def _exchange(self, call: Call) -> Outcome:
        for before in self.before:
            if (instead := before(call)) is not None:
                return instead
        outcome = self.service.exchange(call)
        for after in self.after:
            outcome = after(call, outcome) or outcome
        return outcome


def _response(outcome: Outcome, request: httpx.Request) -> httpx.Response:
    if isinstance(outcome, Disruption):
        match outcome.kind:
            case "refuse":
                raise httpx.ConnectError("Connection refused", request=request)
            case "hang":
                raise httpx.ReadTimeout("The read timed out", request=request)
            case _:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    headers = {"Content-Type": outcome.content_type, **outcome.headers}
    return httpx.Response(outcome.status, headers=headers, content=outcome.content, request=request)
