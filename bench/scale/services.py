"""A process with what the operator works with: AWS, Reltio and, without a kubeconfig, the embedded Kubernetes API.

It reads lines of JSON, `{"do": NAME, ...arguments}`, and answers each with a line. It ends with its
standard input. What is measured runs in other processes, so that none of them shares an interpreter.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from . import paths  # noqa: F401 - first: it makes the packages of the project importable

from reltio_export_sandbox.environment import Options, Sandbox  # isort: skip
from reltio_export_sandbox.reltio import SimulatorConfig, Tenant  # isort: skip

TENANTS = ("acme01", "acme02", "acme03")
Raw = dict[str, Any]


class Services:
    """The sandbox, and what the bench asks of it."""

    def __init__(self, directory: Path, kubeconfig: Path | None) -> None:
        tenants = tuple(Tenant(name, entities=20, max_tasks=100_000) for name in TENANTS)
        self.directory = directory
        self.sandbox = Sandbox(
            Options(
                directory,
                kubeconfig=kubeconfig,
                simulator=SimulatorConfig(time_scale=20),
                tenants=tenants,
                operator=False,
            )
        )
        self._seen: Counter[str] = Counter()
        self._submitted: list[float] = []

    def watch_reltio(self) -> None:
        """Count what is asked of Reltio, and note when exports are submitted (wall clock)."""
        service = self.sandbox.reltio
        exchange = service.exchange

        def counted(call: Any) -> Any:
            parts = call.path.strip("/").split("/")
            if call.path == "/oauth/token":
                kind = "token"
            elif call.method == "POST":
                kind = "submit"
                self._submitted.append(time.time())
            elif parts[-1] == "tasks":
                kind = "list"
            elif parts[-1] == "history":
                kind = "history"
            elif parts[-1] == "_total":
                kind = "total"
            else:
                kind = "by id"
            self._seen[kind] += 1
            service.requests.clear()  # nothing here reads them
            return exchange(call)

        service.exchange = counted  # type: ignore[method-assign]

    # -- what may be asked

    async def info(self) -> Raw:
        place = self.sandbox.place
        key = self.sandbox.cloud.operator_credentials
        return {
            "kubeconfig": str(self.sandbox.kubeconfig),
            "place": dataclasses.asdict(place),
            "aws": {"AWS_ENDPOINT_URL": self.sandbox.cloud.url, "AWS_ACCESS_KEY_ID": key.id},
            "host": self.sandbox.reltio_host,
        }

    async def seen(self) -> Raw:
        return {"counts": dict(self._seen), "submitted": self._submitted}

    async def reset(self) -> Raw:
        self._seen.clear()
        self._submitted.clear()
        return {}

    async def configure(self, **changes: Any) -> Raw:
        for name, value in changes.items():
            setattr(self.sandbox.reltio.config, name, value)
        return {}

    async def start_operator(self, settings: dict[str, str], prelude: str) -> Raw:
        self.sandbox._options.prelude = prelude
        await self.sandbox.start_operator(**settings)
        return {"pid": self.sandbox.replicas["operator"].pid, "log": str(self.sandbox.operator_log)}

    async def stop_operator(self) -> Raw:
        await self.sandbox.stop_operator()
        return {}

    async def pause_tasks(self, ids: list[str]) -> Raw:
        """Let these tasks be paused in Reltio. Returns when, by the wall clock."""
        engine, when = self.sandbox.reltio.engine, {}
        for id_ in ids:
            engine.force(engine.tasks[id_], "PAUSED")
            when[id_] = time.time()
        return when

    async def orders(self, name: str, many: list[dict[str, str]]) -> Raw:
        """Accept again the order whose name holds this text, each time with other texts in it.

        Returns the ids of task and group of each, and of the template.
        """
        engine = self.sandbox.reltio.engine
        template = next(run.order for run in engine.runs if name in run.order.name)
        text = json.dumps({"name": template.name, "tenant": template.tenant, "destination": template.destination})
        found = []
        for number, texts in enumerate(many):
            one = text
            for before, after in texts.items():
                one = one.replace(before, after)
            order = dataclasses.replace(
                template,
                **json.loads(one),
                number=len(engine.runs) + 1,
                group_id=engine.new_id(),
                task_ids=[],
            )
            run = engine.accept(order)
            for task in run.tasks:
                task.status, task.turn = "PROCESSING", task.turn + 1  # and it stays so
            found.append([run.tasks[0].id, order.group_id])
            if number % 100 == 0:
                await asyncio.sleep(0)
        return {"ids": found, "template": [template.task_ids[0], template.group_id]}

    async def insert(self, file: str) -> Raw:
        """Put objects into the embedded API, as they are: a line of JSON each, with its plural name before a tab."""
        assert self.sandbox.kube is not None
        store = self.sandbox.kube._store
        count = 0
        with Path(file).open() as lines:  # noqa: ASYNC230 - a file of this machine
            for line in lines:
                plural, _, text = line.partition("\t")
                raw = json.loads(text)
                key = (raw["metadata"]["namespace"], raw["metadata"]["name"])
                store._commit(store.resources["export.reltio.com", plural], key, "ADDED", raw)
                count += 1
                if count % 200 == 0:
                    await asyncio.sleep(0)
        return {"count": count}


async def main(kubeconfig: str) -> None:
    logging.disable(logging.CRITICAL)
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with tempfile.TemporaryDirectory() as directory:
        services = Services(Path(directory), Path(kubeconfig) if kubeconfig else None)
        async with services.sandbox:
            services.watch_reltio()
            print(json.dumps(await services.info()), flush=True)
            while line := await reader.readline():
                question = json.loads(line)
                try:
                    answer = await getattr(services, question.pop("do"))(**question)
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
