"""Tokens are granted, shared, and refused as the authentication service documents it."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_sandbox.reltio import Client, SimulatorConfig
from reltio_export_sandbox.reltio.messages import Call

from .driver import Driver

UNAUTHORIZED = {
    "error": "unauthorized",
    "error_description": "Full authentication is required to access this resource",
}
INVALID_GRANT = {"error": "invalid_grant", "error_description": "Invalid Username or Password"}
PERSON = Client("client", "secret", users={"ada": "lovelace"})


def test_the_token_that_is_still_valid_is_returned_again_with_the_life_that_is_left() -> None:
    driver = Driver()
    first = driver.grant()
    driver.advance(1713)
    second = driver.grant()
    driver.advance(1887)
    third = driver.grant()
    assert first["access_token"] == second["access_token"] != third["access_token"]
    assert [grant["expires_in"] for grant in (first, second, third)] == [3600, 1887, 3600]


def test_with_several_tokens_all_are_valid() -> None:
    driver = Driver(SimulatorConfig(multi_token=True))
    tokens = [driver.grant()["access_token"] for _ in range(2)]
    assert tokens[0] != tokens[1]
    for driver.token in tokens:
        assert driver.call("GET", "/acme01/tasks").status == 200


def test_the_answer_has_the_documented_fields() -> None:
    grant = Driver().grant()
    assert sorted(grant) == ["access_token", "expires_in", "scope", "token_type"]
    assert isinstance(grant["expires_in"], int)
    assert grant["token_type"] == "bearer"


def test_a_token_may_be_as_long_as_a_jwt() -> None:
    assert len(Driver(SimulatorConfig(long_tokens=True)).token) > 2900


def test_people_get_a_refresh_token_which_gets_them_another() -> None:
    driver = Driver(client=PERSON)
    granted = driver.grant(grant_type="password", username="ada", password="lovelace")
    driver.advance(3601)
    renewed = driver.grant(grant_type="refresh_token", refresh_token=granted["refresh_token"])
    assert granted["access_token"] != renewed["access_token"]
    driver.token = renewed["access_token"]
    assert driver.call("GET", "/acme01/tasks").status == 200


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password", "username": "ada", "password": "byron"},
        {"grant_type": "password", "username": "nobody"},
        {"grant_type": "refresh_token", "refresh_token": "x"},
        {"grant_type": "magic"},
    ],
)
def test_a_grant_that_is_not_due_is_refused(form: dict[str, Any]) -> None:
    answer = Driver(client=PERSON).ask_token(**form)
    assert (answer.status, answer.body) == (400, INVALID_GRANT)


@pytest.mark.parametrize("who", [Client("client", "wrong"), Client("nobody", "secret")])
def test_a_wrong_client_is_refused(who: Client) -> None:
    answer = Driver().ask_token(who)
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


def test_the_grant_may_stand_in_the_query() -> None:
    headers = {"authorization": "Basic Y2xpZW50OnNlY3JldA=="}
    query = {"grant_type": "client_credentials"}
    assert Driver().reltio.service.answer(Call("POST", "/oauth/token", query, headers)).status == 200


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({}, UNAUTHORIZED),
        ({"authorization": ""}, UNAUTHORIZED),
        ({"authorization": "Bearer x"}, {"error": "invalid_token", "error_description": "Token is invalid: x"}),
    ],
)
def test_a_call_without_a_valid_token_is_refused(header: dict[str, str], body: Any) -> None:
    answer = Driver().reltio.service.answer(Call("GET", "/jobs/acme01/tasks", {}, header))
    assert (answer.status, answer.body) == (401, body)


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_a_token_may_end_in_mid_poll(how: str) -> None:
    driver = Driver()
    if how == "expired":
        driver.advance(3600)
    else:
        driver.reltio.service.tokens.revoke_all()
    answer = driver.call("GET", "/acme01/tasks")
    assert (answer.status, answer.body["error"]) == (401, "invalid_token")


def test_too_many_requests_for_tokens_are_limited() -> None:
    driver = Driver(SimulatorConfig(tokens_per_second=2))
    assert [driver.ask_token().status for _ in range(3)] == [200, 429, 429]
    driver.advance(1)
    assert driver.ask_token().status == 200
