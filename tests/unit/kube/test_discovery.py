"""Waiting for the CRDs."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from kubernetes.aio.client.exceptions import ApiException

from reltio_export_operator.kube.discovery import Kinds

ALL = (
    *("exportjobs", "exportjobs/status"),
    *("exportschedules", "exportschedules/status"),
    *("exporttargets", "exporttargets/status"),
)
Answer = Collection[str] | Exception


def kinds(*answers: Answer) -> tuple[Kinds, list[str | None]]:
    """Answers in turn; and the problem that was shown at each pause."""
    left, shown = list(answers), []

    async def served() -> Collection[str]:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(_: float) -> None:
        shown.append(made.problem)

    made = Kinds(served, sleep=sleep)
    return made, shown


async def test_all_kinds_are_waited_for_and_what_is_missing_is_named() -> None:
    made, shown = kinds((), ("exportschedules", "exporttargets"), ALL)
    assert made.problem is not None
    await made.until_served()
    assert shown == [
        "CRDs are not installed: kubectl apply -f crds/ (missing: exportjobs.export.reltio.com, "
        "exportschedules.export.reltio.com, exporttargets.export.reltio.com).",
        "CRDs are not installed: kubectl apply -f crds/ (missing: exportjobs.export.reltio.com).",
    ]
    assert made.problem is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ApiException(status=401, reason="Unauthorized"), "HTTP 401 Unauthorized."),
        (ConnectionRefusedError(111, "Connect call failed"), "Connect call failed."),
        (TimeoutError(), "no answer in time."),
        (RuntimeError("exec: process returned 1"), "exec: process returned 1."),
    ],
)
async def test_an_api_server_that_cannot_be_asked_is_asked_again(error: Exception, text: str) -> None:
    made, shown = kinds(error, error, ALL)
    await made.until_served()
    assert len(shown) == 2
    assert shown[0] is not None
    assert shown[0].startswith("The API server cannot be asked for its kinds: ")
    assert shown[0].endswith(text)


async def test_it_is_logged_once_and_then_from_time_to_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    made, _ = kinds(*[()] * 65, ALL)
    await made.until_served()
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "CRDs are not installed" in line]) == 3
    assert lines[-1] == "The CRDs are installed."


@pytest.mark.parametrize(
    ("answer", "gone"),
    [(ALL, False), (("exportjobs",), True), ((), True), (ApiException(status=503), False), (OSError(), False)],
)
async def test_kinds_count_as_missing_only_when_the_server_reports_it(answer: Answer, gone: bool) -> None:
    made, _ = kinds(answer)
    assert await made.are_gone() is gone
