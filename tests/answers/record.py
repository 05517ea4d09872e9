"""Records the answers of the server that KUBECONFIG names: `cd tests && python -m answers.record`.

The server must not hold a namespace of the name that the requests use, nor the definition in `definition.yaml`.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from answers.asking import NAMESPACE, ask
from answers.cases import CASES
from answers.objects import REPORTS

RECORDED = Path(__file__).parent / "recorded.json"
DEFINITION = Path(__file__).parent / "definition.yaml"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def connection(kubeconfig: Path) -> tuple[str, dict[str, str]]:
    """The address of a cluster, and the headers that authenticate."""
    config = yaml.safe_load(kubeconfig.read_text())
    token = config["users"][0]["user"].get("token")
    return config["clusters"][0]["cluster"]["server"], {"Authorization": f"Bearer {token}"} if token else {}


async def answers(url: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The answers to all requests, in their order, in a namespace of their own."""
    definition = yaml.safe_load(DEFINITION.read_text())
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(url + _DEFINITIONS, json=definition, ssl=False) as created:
            assert created.status == 201, await created.text()
        await _served(session, url + REPORTS)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        async with session.post(f"{url}/api/v1/namespaces", json=namespace, ssl=False) as created:
            assert created.status == 201, await created.text()
        found = [await ask(session, url, case) for case in CASES]
        async with session.delete(f"{url}{_DEFINITIONS}/{definition['metadata']['name']}", ssl=False) as deleted:
            assert deleted.status == 200, await deleted.text()
        return found


async def _served(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until a list is answered: a definition is served a moment after it was created."""
    while True:
        async with session.get(url, ssl=False) as listed:
            if listed.status == 200:
                return


def main() -> None:
    found = asyncio.run(answers(*connection(Path(os.environ["KUBECONFIG"]))))
    lines = [json.dumps(answer, sort_keys=True, ensure_ascii=False) for answer in found]
    RECORDED.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} answers are in {RECORDED}.")


if __name__ == "__main__":
    main()
