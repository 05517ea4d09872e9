"""The log of one job's life, as the process writes it, and as docs/logging.md quotes it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import open_world
from reltio_export_sandbox.environment import CLIENT, EXTERNAL_ID
from reltio_export_sandbox.reltio.behaviour import Behaviour

DOCS = Path(__file__).parents[2] / "docs" / "logging.md"
_SETTINGS = r"(differ from the defaults: )[^\"]*\. Network: [^\"]*\."
_VARYING = ("time", "version", "python", "settings", "network")
REASONS = [
    ("", "starting"),
    ("", "leading"),
    ("ExportTarget", "Verified"),
    ("ExportJob", "Submitting"),
    ("ExportJob", "ExportRunning"),
    ("ExportJob", "Delivered"),
    ("ExportJob", "Submitting"),
    ("ExportJob", "ExportRunning"),
    ("ExportJob", "TaskFailed"),
    ("", "stopping"),
    ("", "released"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the operator prints while it runs a job that succeeds and one that fails, and then ends."""

    async def run() -> str:
        folder = tmp_path_factory.mktemp("sandbox")
        async with open_world(folder, RELTIO_EXPORT_LEADER_ELECT="true") as world:
            await world.secret()
            await world.target()
            await world.ready()
            await world.job("nightly")
            await world.finished("nightly")
            world.sandbox.reltio.engine.behaviours.append(Behaviour(fail="disk full"))
            await world.job("hourly", backoffLimit=0)
            await world.finished("hourly")
            await world.events("hourly", until="Failed")
            await world.sandbox.stop_operator()
            return world.sandbox.operator_log.read_text()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def lines(written: str) -> list[dict[str, Any]]:
    """Without the line of a delivery check that took longer than a second, as on a busy machine."""
    parsed = [json.loads(line) for line in written.replace("Verifying -> ", "Running -> ").splitlines()]
    return [_after_running(line) for line in parsed if line.get("reason") != "VerifyingDelivery"]


def _after_running(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"previousPhase": "Running"} if line.get("previousPhase") == "Verifying" else line


def test_every_line_is_json_with_time_level_logger_and_message(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert list(line)[:4] == ["time", "level", "logger", "message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("INFO", "WARNING")


def test_each_transition_has_one_line_in_order(lines: list[dict[str, Any]]) -> None:
    words = {"Starting": "starting", "Became": "leading", "Received": "stopping", "Released": "released"}
    seen = [
        (line.get("kind", ""), line["reason"] if "kind" in line else words.get(line["message"].split()[0], "?"))
        for line in lines
    ]
    assert seen == REASONS
    assert [line["level"] for line in lines if line["level"] != "INFO"] == ["WARNING"]
    for line in lines:
        if "kind" in line:
            assert {"namespace", "name", "uid", "reason"} <= line.keys()
    assert all(line["attempt"] == 1 for line in lines if line.get("kind") == "ExportJob")
    assert all(len(line["taskIds"]) >= 1 for line in lines if line.get("reason") in ("ExportRunning", "Delivered"))


def test_nothing_secret_is_in_the_log(written: str) -> None:
    secrets = [CLIENT.secret, EXTERNAL_ID, "Bearer", "Authorization", "aws_secret", "headers"]
    assert [secret for secret in secrets if secret.lower() in written.lower()] == []


def test_the_docs_quote_the_log_as_it_is(lines: list[dict[str, Any]]) -> None:
    text = DOCS.read_text()
    quoted = re.search(r"<!-- one job's life -->\n```json\n(.*?)\n```", text, re.DOTALL)
    assert quoted is not None
    shown = [json.loads(line) for line in quoted[1].splitlines()]
    if os.environ.get("REWRITE_DOCS"):
        block = "\n".join(json.dumps(line, ensure_ascii=False) for line in as_on_a_cluster(lines))
        DOCS.write_text(text[: quoted.start(1)] + block + text[quoted.end(1) :])
        shown = lines
    assert normalised(shown) == normalised(lines), "Run this test with REWRITE_DOCS=1, and read what it has changed."


def as_on_a_cluster(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines with the name of a pod, and without the settings of the tests."""
    text = json.dumps(lines, ensure_ascii=False).replace(
        f"{socket.gethostname()}_", "reltio-export-operator-7c9f6d5b8-2xkqz_"
    )
    shown: list[dict[str, Any]] = json.loads(re.sub(_SETTINGS, r"\1none. Network: no proxy.", text))
    shown[0] |= {"settings": {}, "network": {}}
    return shown


def normalised(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines without what differs from run to run: times, ids, host names, and the sandbox's own settings."""
    result = []
    for line in lines:
        text = json.dumps({**line, **{name: "" for name in _VARYING if name in line}}, ensure_ascii=False)
        text = re.sub(_SETTINGS, r"\1none. Network: no proxy.", text)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
        text = re.sub(r"operator [\w.]+ on Python [\w.]+ as \S+\.", "operator <version>.", text)
        text = re.sub(r"[\w.-]+_<id>", "<identity>", text)
        result.append(json.loads(text))
    return result
