"""A caller of the simulator that shares no code with the operator's client."""

from __future__ import annotations

import base64
import json
from typing import Any

from reltio_export_sandbox.reltio import Client, SimulatorConfig, Tenant
from reltio_export_sandbox.reltio.inprocess import InProcessReltio
from reltio_export_sandbox.reltio.messages import Answer, Call, Outcome

BUCKET, PATH = "acme-exports", "reltio/nightly"
DESTINATION = {"s3bucket": BUCKET, "s3path": f"/{PATH}/", "rolearn": "arn:aws:iam::111122223333:role/exporter"}
ADMINISTRATOR = Client("admin", "secret", administrator=True)


class Driver:
    """Speaks to one simulator with a token, one call a line."""

    def __init__(self, config: SimulatorConfig | None = None, *tenants: Tenant, client: Client | None = None) -> None:
        self.client = client or Client("client", "secret")
        self.reltio = InProcessReltio(
            tenants=tenants or (Tenant("acme01", entities=10),), clients=[self.client, ADMINISTRATOR], config=config
        )

        self.token = self.grant()["access_token"]

    def grant(self, client: Client | None = None, **form: str) -> Any:
        return self.ask_token(client, **form).body

    def ask_token(self, client: Client | None = None, **form: str) -> Answer:
        who = client or self.client
        basic = base64.b64encode(f"{who.id}:{who.secret}".encode()).decode()
        fields = form or {"grant_type": "client_credentials"}
        body = "&".join(f"{key}={value}" for key, value in fields.items()).encode()
        call = Call("POST", "/oauth/token", {}, {"authorization": f"Basic {basic}"}, body)
        return self.reltio.service.answer(call)

    def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None, **query: Any
    ) -> Any:
        outcome = self.exchange(method, path, headers, body, **query)
        assert isinstance(outcome, Answer), outcome
        return outcome

    def exchange(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None, **query: Any
    ) -> Outcome:
        given = {"authorization": f"Bearer {self.token}", **(headers or {})}
        content = b"" if body is None else json.dumps(body).encode()
        asked = {key: str(value) for key, value in query.items()}
        return self.reltio.service.exchange(Call(method, f"/jobs{path}", asked, given, content))

    def submit(
        self, endpoint: str = "entities", headers: dict[str, str] | None = None, body: Any = None, **query: Any
    ) -> Any:
        query = {"fileFormat": "json", **query}
        return self.call("POST", f"/export/acme01/{endpoint}", DESTINATION | (headers or {}), body, **query)

    def started(self, **query: Any) -> str:
        """The first task of an export that was accepted."""
        answer = self.submit(**query)
        assert answer.status == 200, answer.body
        return str(answer.body["taskIds"][0])

    def task(self, task_id: str) -> Any:
        return self.call("GET", f"/acme01/tasks/{task_id}").body

    def status(self, task_id: str) -> str:
        return str(self.task(task_id)["status"])

    def control(self, task_id: str, verb: str) -> Answer:
        answer: Answer = self.call("PUT", f"/acme01/tasks/{task_id}/{verb}")
        return answer

    def listed(self, what: str = "") -> list[str]:
        return [task["id"] for task in self.call("GET", f"/acme01/tasks{what}").body]

    def advance(self, seconds: float) -> None:
        self.reltio.advance(seconds)

    def delivered(self) -> list[str]:
        return sorted(key.removeprefix(f"{PATH}/") for _, key in self.reltio.objects)

    def content(self, name: str) -> bytes:
        return self.reltio.objects[BUCKET, f"{PATH}/{name}"]

    def manifest(self) -> Any:
        return json.loads(self.content("manifest.json"))
