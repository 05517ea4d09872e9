"""The service itself: which request does what. It knows no server and no clock of its own."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from .config import Client, SimulatorConfig, Tenant
from .destinations import ObjectSink
from .engine import Engine
from .errors import Refusal, bad_max, forbidden, gateway_403, internal_error, not_found
from .faults import Fault, struck
from .messages import Answer, Call, Outcome
from .shown import manifest, shown
from .submit import EXPORT_TYPES, Order, check, read_destination
from .tasks import Run, Task
from .tokens import Token, Tokens

_LOGGED = 20_000
_LARGEST_BODY = 50 * 2**20
_MASKED = {"authorization", "externalid", "awssecretkey"}
_INVALID_INPUT = "The execute request failed due to invalid input"

Path = dict[str, str]
Handler = Callable[["ReltioService", Call, Path], Any]


class ReltioService:
    """Authentication service and Export Service of some tenants."""

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        tenants: Sequence[Tenant],
        clients: Sequence[Client],
        sink: ObjectSink,
        executor: Executor,
        now: float,
        seed: int | None = None,
    ) -> None:
        self.config = config
        self.tenants = {tenant.id: tenant for tenant in tenants}
        self.clients = {client.id: client for client in clients}
        self.tokens = Tokens(config, self.clients, seed)
        self.engine = Engine(config, self.tenants, sink, executor=executor, now=now, seed=seed)
        self.faults: list[Fault] = []
        self.requests: deque[dict[str, Any]] = deque(maxlen=_LOGGED)

    def exchange(self, call: Call) -> Outcome:
        """Log the request, lay faults on it, and answer it."""
        entry = self._log(call)
        fault = struck(self.faults, call)
        outcome: Outcome
        if fault is not None and fault.when == "before":
            outcome = fault.outcome()
        else:
            outcome = self.answer(call)
            if fault is not None:
                outcome = fault.outcome()
        entry["status"] = outcome.status if isinstance(outcome, Answer) else None
        return outcome

    def answer(self, call: Call) -> Answer:
        """What the service answers when nothing goes wrong on the way."""
        if self.config.gateway_403 and _SERVICE.match(call.path):
            return gateway_403(self.config.gateway_403)
        try:
            for method, pattern, handler in _ROUTES:
                if method == call.method and (match := pattern.fullmatch(call.path)):
                    body = handler(self, call, {key: value for key, value in match.groupdict().items() if value})
                    return Answer(200, body)
        except Refusal as refusal:
            return refusal.answer
        return Answer(404, "<html><head><title>404 Not Found</title></head></html>")

    def _log(self, call: Call) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "method": call.method,
            "path": call.path,
            "query": dict(call.query),
            "headers": {name: value for name, value in call.headers.items() if name not in _MASKED},
            "externalId": call.headers.get("externalid"),
            "body": "" if call.path == "/oauth/token" else call.body.decode(errors="replace"),
        }
        self.requests.append(entry)
        return entry

    def _grant(self, call: Call, _: Path) -> Any:
        return self.tokens.grant(call, self.engine.now)

    def _version(self, _: Call, __: Path) -> Any:
        build = {"hash": "0" * 40, "branch": "release", "commitTime": "2031-01-15T00:00:00", "tag": "", "release": "1"}
        return dict.fromkeys(("driver", "driver-sdk", "driver-matching"), build)

    def _external_id(self, call: Call, _: Path) -> Any:
        self.tokens.holder(call, self.engine.now)
        return {"externalId": self.engine.new_id()}

    def _authorize(self, call: Call, path: Path, permission: str) -> Token:
        """The caller may do this to the tenant, if the path names one, or to all. Raises Refusal."""
        token = self.tokens.holder(call, self.engine.now)
        client, tenant = token.client, path.get("tenant")
        known = tenant in self.tenants and (client.tenants is None or tenant in client.tenants)
        if permission not in client.permissions or (tenant is not None and not known):
            raise forbidden()
        return token

    def _administrate(self, call: Call) -> None:
        if not self.tokens.holder(call, self.engine.now).client.administrator:
            raise forbidden()

    def _submit(self, call: Call, path: Path) -> Any:
        token = self._authorize(call, path, "export.data:EXECUTE")
        if len(call.body) > _LARGEST_BODY:
            raise Refusal(413, {"errorMessage": "Payload Too Large"})
        body = _json_object(call.body)
        destination = read_destination(call.headers, call.query)
        check(path["endpoint"], call.query, body)
        number = len(self.engine.runs) + 1
        export_type = EXPORT_TYPES[path["endpoint"]]
        order = Order(
            number=number,
            tenant=path["tenant"],
            endpoint=path["endpoint"],
            export_type=export_type,
            name=call.query.get("name", "").strip() or f"{path['tenant']}_{export_type.lower()}_{number}",
            destination=destination,
            query=dict(call.query),
            body=body,
            group_id=self.engine.new_id(),
            user=token.user or token.client.id,
        )
        run = self.engine.accept(order)
        recipient = call.query.get("email", f"{order.user}@example.com")
        answer = {
            "exportType": export_type,
            "version": "v2",
            "status": "scheduled",
            "details": f"Export job has been scheduled. Result will be sent to your email: {recipient}",
            "taskIds": [self._id(id_) for id_ in self._answered(run)],
        }
        return {"groupId": order.group_id, **answer} if self.config.group_id else answer

    def _listed(self, call: Call, path: Path) -> list[Task]:
        if "history" in path and "tenant" not in path:
            self._administrate(call)
        self._authorize(call, path, "export.tasks:READ")
        wanted = [path["tenant"]] if "tenant" in path else list(self.tenants)
        pick = self.engine.history if "history" in path else self.engine.active
        found = [task for tenant in wanted for task in pick(tenant)]
        if not self.config.list_waiting:
            found = [task for task in found if task.status != "WAITING"]
        return self.engine.shuffled(found) if self.config.shuffled_lists else found

    def _list(self, call: Call, path: Path) -> Any:
        tasks = self._listed(call, path)
        limit, offset = _number(call, "max", "maxNo", 50), _number(call, "offset", "offsetNo", 0)
        if limit <= 0:
            raise bad_max()
        page = [self._shown(task) for task in tasks[offset : offset + min(limit, self.config.page_cap)]]
        if not self.config.names_in_lists:
            for task in page:
                task.pop("name", None)
        return page

    def _total(self, call: Call, path: Path) -> Any:
        return {self.config.total_key: len(self._listed(call, path))}

    def _shown(self, task: Task) -> dict[str, Any]:
        return shown(task, self.engine.now, self.config) | {"id": self._id(task.id)}

    def _answered(self, run: Run) -> list[str]:
        """The ids that the answer to the submission names."""
        if run.behaviour.answered_by_others:
            return [self.engine.new_task_id() for _ in run.tasks]
        return run.order.task_ids[: run.behaviour.answered]

    def _id(self, id_: str) -> str | int:
        return int(id_) if self.config.numeric_ids else id_

    def _find(self, call: Call, path: Path, permission: str = "export.tasks:UPDATE") -> Task:
        if "tenant" not in path:
            self._administrate(call)
        self._authorize(call, path, permission)
        task = self.engine.find(path["id"])
        if task is None or path.get("tenant", task.order.tenant) != task.order.tenant:
            raise not_found(path["id"])
        return task

    def _one(self, call: Call, path: Path) -> Any:
        return self._shown(self._find(call, path, "export.tasks:READ"))

    def _manifest(self, call: Call, path: Path) -> Any:
        """Only the path without a tenant is documented, and no role for it: so an API client may ask."""
        self._authorize(call, path, "export.tasks:READ")
        task = self.engine.find(path["id"])
        if task is None:
            raise not_found(path["id"])
        return manifest(self.engine.run_of(task), self.engine.now, self.config)

    def _pause(self, call: Call, path: Path) -> Any:
        self.engine.pause(self._find(call, path))
        return {"status": "success"}

    def _resume(self, call: Call, path: Path) -> Any:
        task = self._find(call, path)
        if task.status not in ("PAUSED", "PAUSING"):
            raise Refusal(400, {"severity": "Error", "errorMessage": _INVALID_INPUT, "errorCode": 2001})
        self.engine.resume(task)
        return {"status": "success"}

    def _stop(self, call: Call, path: Path) -> Any:
        self.engine.stop(self._find(call, path))
        return {"status": "success"}

    def _force_stop(self, call: Call, path: Path) -> Any:
        self.engine.stop(self._find(call, path), at_once=True)
        return {"status": "success"}


def _number(call: Call, name: str, older: str, default: int) -> int:
    try:
        return int(call.query.get(name, call.query.get(older, default)))
    except ValueError:
        raise internal_error() from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body) if body else {}
    except ValueError:
        raise internal_error() from None
    if not isinstance(read, dict):
        raise internal_error()
    return read


_S = ReltioService
_SERVICE = re.compile("(?:/services)?/jobs(?:/|$)")
_TENANT = r"(?:/(?P<tenant>[^/]+))?"
_EXPORTS = "|".join(re.escape(endpoint) for endpoint in EXPORT_TYPES)
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    (method, re.compile(path), handler)
    for method, path, handler in (
        ("POST", "/oauth/token", _S._grant),
        ("GET", "/api/v1/tools/externalId", _S._external_id),
        ("GET", "(?:/services)?/jobs/version", _S._version),
        ("GET", "(?:/services)?/jobs/tasks/(?P<id>[^/]+)/_manifest", _S._manifest),
        ("PUT", "(?:/services)?/jobs/tasks/(?P<id>[^/]+)/_forceStop", _S._force_stop),
        ("POST", rf"(?:/services)?/jobs/export/(?P<tenant>[^/]+)/(?P<endpoint>{_EXPORTS})", _S._submit),
        *(
            (method, rf"(?:/services)?/jobs{_TENANT}/tasks{path}", handler)
            for method, path, handler in (
                ("GET", "", _S._list),
                ("GET", "/_total", _S._total),
                ("GET", "/(?P<history>history)", _S._list),
                ("GET", "/(?P<history>history)/_total", _S._total),
                ("GET", "/(?P<id>[^/]+)", _S._one),
                ("PUT", "/(?P<id>[^/]+)/_pause", _S._pause),
                ("PUT", "/(?P<id>[^/]+)/_resume", _S._resume),
                ("PUT", "/(?P<id>[^/]+)/_stop", _S._stop),
            )
        ),
    )
]
