"""Faults strike the requests they name, and do or do not let them have their effect."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reltio_export_sandbox.reltio import Fault
from reltio_export_sandbox.reltio.messages import Answer, Call, Disruption, Outcome

from .driver import DESTINATION, Driver


def submitted(driver: Driver, fault: Fault) -> Outcome:
    driver.reltio.faults.append(fault)
    return driver.exchange("POST", "/export/acme01/entities", DESTINATION)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("what", "met"),
    [
        ({"refuse": True}, Disruption("refuse")),
        ({"close": True}, Disruption("close")),
        ({"hang": 5}, Disruption("hang", 5)),
        ({"hang": 1e9}, Disruption("hang", 120)),
        ({"status": 503, "body": {"a": 1}}, Answer(503, {"a": 1})),
        ({"status": 429, "body": {}, "retryAfter": 7}, Answer(429, {}, {"Retry-After": "7"})),
        ({"status": 429, "body": {}}, Answer(429, {})),
    ],
)
def test_a_fault_comes_before_the_effect_or_after_it(when: str, what: dict[str, Any], met: Outcome) -> None:
    driver = Driver()
    assert submitted(driver, msgspec.convert({"when": when, **what}, Fault)) == met
    assert len(driver.reltio.accepted) == (when == "after")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_answers_with_a_page(status: int) -> None:
    outcome = submitted(Driver(), Fault(status=status, html=True))
    assert isinstance(outcome, Answer)
    assert outcome.content_type == "text/html"
    assert str(status).encode() in outcome.content


@pytest.mark.parametrize(
    ("form", "body"), [("html", "403 Forbidden"), ("json", '"message": "Forbidden"'), ("empty", "")]
)
def test_an_address_that_is_not_allowed_gets_no_further_than_the_gateway(form: Any, body: str) -> None:
    driver = Driver()
    task_id = driver.started()
    driver.reltio.service.config.gateway_403 = form
    answers = [
        driver.submit(headers={"s3path": "other"}),
        driver.call("GET", "/acme01/tasks"),
        driver.call("GET", f"/acme01/tasks/{task_id}"),
        driver.call("GET", "/acme01/tasks", {"authorization": "Bearer wrong"}),
    ]
    assert [answer.status for answer in answers] == [403] * 4
    assert all(body in answer.content.decode() for answer in answers)
    assert len(driver.reltio.accepted) == 1
    assert driver.ask_token().status == 200
    driver.reltio.service.config.gateway_403 = ""
    assert driver.call("GET", f"/acme01/tasks/{task_id}").status == 200


def test_the_errors_of_the_service_itself_have_its_shapes() -> None:
    outcomes = [submitted(Driver(), Fault(status=status)) for status in (401, 500)]
    bodies = [outcome.body for outcome in outcomes if isinstance(outcome, Answer)]
    assert bodies[0]["error"] == "invalid_token"
    assert (bodies[1]["errorCode"], bodies[1]["errorMessage"]) == (2001, "Internal application error.")


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(close=True), [0]),
        (Fault(close=True, nth=3), [2]),
        (Fault(close=True, nth=2, times=2), [1, 2]),
        (Fault(close=True, nth=3, times=0), [2, 3, 4]),
        (Fault(close=True, method="PUT"), []),
        (Fault(close=True, path=r"/tasks$", times=0), [0, 1, 2, 3, 4]),
        (Fault(close=True, path=r"/tasks/."), []),
    ],
)
def test_a_fault_strikes_those_it_names(fault: Fault, struck: list[int]) -> None:
    call = Call("GET", "/jobs/acme01/tasks")
    assert [number for number in range(5) if fault.strikes(call)] == struck


@pytest.mark.parametrize(
    "text", ["{}", '{"close": true, "often": 3}', '{"status": "503"}', '{"close": true, "path": "("}']
)
def test_a_fault_that_says_nothing_or_nonsense_is_not_taken(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Fault)
